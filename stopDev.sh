#!/usr/bin/env bash
# Stops the cluster that startupDev.sh started. Data and certificates stay, unless
# it is told otherwise.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=deploy/lib.sh
. deploy/lib.sh

usage() {
    cat <<'TEXT'
Usage: ./stopDev.sh [--volumes [--yes]]

Stops the nodes, which finish their requests first, and the proxy.

  --volumes  then remove the nodes' data; asks before it does
  --yes      does not ask
  --help     this text
TEXT
}

main() {
    local volumes=no yes=no
    while [ $# -gt 0 ]; do
        case $1 in
        --volumes) volumes=yes ;;
        --yes) yes=yes ;;
        --help | -h)
            usage
            return
            ;;
        *) fail "unknown argument '$1'" "./stopDev.sh --help" ;;
        esac
        shift
    done
    choose_owner
    if [ -f "$RDB_HOME/rdb/compose.env" ]; then
        set -a
        # shellcheck source=/dev/null
        . "$RDB_HOME/rdb/compose.env"
        set +a
    fi
    choose_compose
    "${compose[@]}" down >&2
    [ "$volumes" = yes ] && remove_volumes "$yes"
    return 0
}

remove_volumes() {
    local answer n
    if [ "$1" = no ]; then
        [ -t 0 ] || fail "not removing data without being asked to" "add --yes"
        read -r -p "Remove all data in $RDB_HOME/rdb_replica_0..$((replicas - 1))? [y/N] " answer
        [[ $answer =~ ^[yY]$ ]] || { say "kept"; return; }
    fi
    for ((n = 0; n < replicas; n++)); do
        rm -rf "${RDB_HOME:?}/rdb_replica_$n"
    done
    say "removed the data of $replicas nodes"
}

main "$@"
