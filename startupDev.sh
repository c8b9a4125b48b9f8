#!/usr/bin/env bash
# Starts a cluster of five containers and a proxy on this machine, and waits until
# it serves. May be run again at any time: what runs and fits goes on running.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=deploy/lib.sh
. deploy/lib.sh

usage() {
    cat <<'TEXT'
Usage: ./startupDev.sh [--binaries DIRECTORY]

Makes certificates where they are missing, builds the images, starts five nodes and
the proxy, waits until every group has a leader, and prints how to ask it.

  --binaries DIRECTORY  take rdb and rdbctl from there instead of building them
  --help                this text

Settings, as environment variables:
  RDB_HOME          where data and certificates go              [default: $HOME]
  RDB_HTTPS_PORT    the proxy's port on 127.0.0.1               [default: 443]
  RDB_GROUPS        data groups of a new cluster                [default: 2]
  RDB_DISK_RESERVE  free disk below which writes are refused    [default: 512MiB]
TEXT
}

main() {
    local binaries=
    while [ $# -gt 0 ]; do
        case $1 in
        --binaries)
            [ $# -ge 2 ] || fail "--binaries needs a directory" "./startupDev.sh --help"
            binaries=$2
            shift
            ;;
        --help | -h)
            usage
            return
            ;;
        *) fail "unknown argument '$1'" "./startupDev.sh --help" ;;
        esac
        shift
    done
    choose_compose
    choose_owner
    readonly port=${RDB_HTTPS_PORT:-443}
    readonly ca=$RDB_HOME/rdb/certs/ca.crt
    check_port
    ./generateCerts.sh >&2
    make_volumes
    write_variables
    build "$binaries"
    say "starting"
    "${compose[@]}" up -d --no-build >&2
    wait_until_it_serves
    report
}

# Whoever listens there, unless it is our own proxy.
check_port() {
    [ -n "$(running rdbproxy)" ] && return
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        fail "port $port is taken by another program" \
            "choose another one: RDB_HTTPS_PORT=8443 ./startupDev.sh"
    fi
}

running() {
    docker ps --quiet --filter "name=^/${RDB_PREFIX:-}$1\$"
}

make_volumes() {
    local n volume
    for ((n = 0; n < replicas; n++)); do
        volume=$RDB_HOME/rdb_replica_$n
        mkdir -p "$volume"
        if [ "$(id -u)" -eq 0 ]; then chown "$RDB_UID:$RDB_GID" "$volume"; fi
        chmod 700 "$volume"
    done
}

# So that stopDev.sh, and whoever calls Compose later, need no variables.
write_variables() {
    local name
    for name in RDB_HOME RDB_UID RDB_GID RDB_PREFIX RDB_HTTPS_PORT RDB_GROUPS RDB_DISK_RESERVE RDB_IMAGE RDB_PROXY_IMAGE COMPOSE_PROJECT_NAME; do
        if [ -n "${!name:-}" ]; then printf '%s=%s\n' "$name" "${!name}"; fi
    done >"$RDB_HOME/rdb/compose.env"
}

build() {
    local binaries=$1 context
    if [ -n "$binaries" ]; then
        base_images debian:bookworm-slim
        say "taking binaries from $binaries"
        context=$(mktemp -d)
        # shellcheck disable=SC2064
        trap "rm -rf '$context'" EXIT
        deploy/rootfs.sh "$context" "$binaries/rdb" "$binaries/rdbctl"
        docker build -q -t "${RDB_IMAGE:-rdb:dev}" -f deploy/Dockerfile.prebuilt "$context" >/dev/null
    else
        base_images rust:1.95-slim-bookworm debian:bookworm-slim
        say "building rdb in a container; the first time takes some minutes"
        docker build -q -t "${RDB_IMAGE:-rdb:dev}" -f deploy/Dockerfile . >/dev/null
    fi
    docker build -q -t "${RDB_PROXY_IMAGE:-rdb-proxy:dev}" -f deploy/Dockerfile.haproxy . >/dev/null
}

# From a registry, or made here where there is none.
base_images() {
    local image
    for image in "$@"; do
        docker image inspect "$image" >/dev/null 2>&1 && continue
        if ! timeout 300 docker pull -q "$image" >/dev/null 2>&1; then
            say "no registry gives $image: making the base images on this machine"
            deploy/offline/make-base-images.sh "${image%%:*}" >&2
        fi
    done
}

wait_until_it_serves() {
    local end=$((SECONDS + 120)) reason=
    while [ $SECONDS -lt $end ]; do
        if reason=$(wait_in_container 2>&1) && reason="the proxy does not answer" &&
            curl --silent --fail --max-time 2 --cacert "$ca" "https://localhost:$port/readyz" >/dev/null; then
            return
        fi
        sleep 0.5
    done
    "${compose[@]}" ps >&2
    fail "the cluster does not serve: $reason" "${compose[*]} logs --tail 20"
}

wait_in_container() {
    local all= n
    for ((n = 0; n < replicas; n++)); do all+=${all:+,}https://rdb_replica_$n:8080; done
    docker exec "${RDB_PREFIX:-}rdb_replica_0" /usr/local/bin/rdbctl wait --endpoints "$all" --for 5s
}

report() {
    local base=https://localhost
    [ "$port" = 443 ] || base+=:$port
    cat <<TEXT
rdb serves at $base (five nodes; data in $RDB_HOME/rdb_replica_0..$((replicas - 1)))

Try it:
  curl --cacert $ca $base/command -d '{"action":"put","payload":{"collection":"test","value":"test1"}}'

  docker exec ${RDB_PREFIX:-}rdb_replica_0 rdbctl status     how the cluster is
  ./stopDev.sh                             stops it and keeps the data
TEXT
}

main "$@"
