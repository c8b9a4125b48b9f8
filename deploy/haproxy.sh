#!/bin/bash
# Runs HAProxy in the container and takes up renewed certificates: a new process
# gets the listening sockets, the old one finishes its requests. `check` asks
# whether it serves, for the container's health check; `servers` lists the nodes.
set -u

readonly config=/etc/haproxy/haproxy.cfg
readonly certs=/etc/rdb/certs
readonly look_every=5

check() {
    exec 3<>/dev/tcp/127.0.0.1/8404 || exit 1
    printf 'GET /health HTTP/1.0\r\n\r\n' >&3
    read -r -t 2 _ status _ <&3
    [ "${status:-}" = 200 ]
}

looks() {
    stat -c '%i %s %y' "$certs/haproxy.pem" "$certs/ca.crt" 2>/dev/null
}

run() {
    local master seen now
    haproxy -W -db -f "$config" &
    master=$!
    # Requests at hand are finished; global hard-stop-after bounds it.
    trap 'kill -USR1 $master' TERM INT
    seen=$(looks)
    while kill -0 $master 2>/dev/null; do
        sleep $look_every &
        wait -n $! $master
        now=$(looks)
        if [ "$now" != "$seen" ]; then
            if haproxy -c -q -f "$config"; then
                echo "certificates changed: a new process takes over"
                kill -USR2 $master
                seen=$now
            else
                echo "certificates changed and cannot be used yet; the old ones stay" >&2
            fi
        fi
    done
    wait $master
}

# Each node and whether it gets requests.
servers() {
    exec 3<>/dev/tcp/127.0.0.1/8404 || exit 1
    printf 'GET /servers;csv HTTP/1.0\r\n\r\n' >&3
    awk -F, '$1 == "nodes" && $2 != "BACKEND" { print $2, $18 }' <&3
}

case ${1:-run} in
check) check ;;
servers) servers ;;
run) run ;;
*)
    echo "usage: rdb-haproxy [run|check|servers]" >&2
    exit 2
    ;;
esac
