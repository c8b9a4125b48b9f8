# shellcheck shell=bash
# What startupDev.sh and stopDev.sh share: whom to run containers as, where the
# data is, and which Compose there is.

readonly deploy_dir=$PWD/deploy
readonly replicas=5

say() {
    printf '%s\n' "$*" >&2
}

# fail MESSAGE HINT
fail() {
    say "error: $1"
    say " hint: $2"
    exit 1
}

# Containers run as the caller, so that the volumes are the caller's; started by
# root, as an ordinary id all the same.
choose_owner() {
    local uid gid
    uid=$(id -u) gid=$(id -g)
    if [ "$uid" -eq 0 ]; then uid=10001 gid=10001; fi
    export RDB_UID=${RDB_UID:-$uid} RDB_GID=${RDB_GID:-$gid}
    export RDB_HOME=${RDB_HOME:-$HOME}
}

choose_compose() {
    command -v docker >/dev/null ||
        fail "there is no container engine: the command docker is missing" \
            "install Docker, or run a cluster without containers: cargo run --release --bin rdb -- dev"
    local reason
    reason=$(docker version --format '{{.Server.Version}}' 2>&1 >/dev/null) ||
        fail "the container engine does not answer: $(tail -1 <<<"$reason")" \
            "start it (systemctl start docker), join the group docker, or run a cluster without containers: cargo run --release --bin rdb -- dev"
    if docker compose version >/dev/null 2>&1; then
        compose=(docker compose)
    elif command -v docker-compose >/dev/null; then
        compose=(docker-compose)
    else
        fail "Compose is missing" "install the package docker-compose-plugin or docker-compose"
    fi
    compose+=(--project-name "${COMPOSE_PROJECT_NAME:-rdb}" --file "$deploy_dir/docker-compose.yml")
}
