#!/usr/bin/env bash
# Makes the base images that the Dockerfiles name, where no image registry can be
# reached: debian:bookworm-slim from Debian's packages, rust:1.95-slim-bookworm
# from that and the Rust toolchain of this machine. Images that are there stay.
# Usage: make-base-images.sh [debian] [rust]; both if nothing is said.
set -euo pipefail
cd "$(dirname "$0")"

readonly debian=debian:bookworm-slim
readonly rust=rust:1.95-slim-bookworm

fail() {
    printf 'make-base-images.sh: %s\n' "$1" >&2
    exit 1
}

have() {
    docker image inspect "$1" >/dev/null 2>&1
}

make_debian() {
    [ "$(id -u)" -eq 0 ] || fail "debootstrap needs root: run this once with sudo"
    command -v debootstrap >/dev/null || fail "debootstrap is missing; install the package debootstrap"
    local root
    root=$(mktemp -d)
    trap 'rm -rf "$root"' RETURN
    debootstrap --variant=minbase bookworm "$root" ${RDB_DEBIAN_MIRROR:+"$RDB_DEBIAN_MIRROR"} >/dev/null
    # What the published slim image leaves out as well.
    rm -rf "$root"/usr/share/{doc,man,info,locale,lintian}/* "$root"/var/lib/apt/lists/* \
        "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log
    tar -C "$root" -c . | docker import - "$debian" >/dev/null
}

make_rust() {
    local toolchain context
    have "$debian" || make_debian
    toolchain=$(rustc --print sysroot 2>/dev/null) ||
        fail "there is no Rust toolchain on this machine to put into $rust; see https://rustup.rs"
    rustc --version | grep -q '^rustc 1\.95\.' || fail "$rust needs Rust 1.95, this is $(rustc --version)"
    context=$(mktemp -d)
    trap 'rm -rf "$context"' RETURN
    mkdir "$context/rust"
    tar -C "$toolchain" -c --exclude=./share --exclude=./lib/rustlib/src . | tar -C "$context/rust" -x
    # Where registries are reached through a proxy of its own authority, this machine
    # trusts that one already.
    cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$context/authorities.crt"
    cat >"$context/Dockerfile" <<DOCKERFILE
FROM $debian
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
       ca-certificates gcc libc6-dev \\
    && rm -rf /var/lib/apt/lists/*
COPY authorities.crt /etc/ssl/certs/ca-certificates.crt
COPY rust /usr/local
DOCKERFILE
    docker build -q -t "$rust" "$context" >/dev/null
}

[ $# -gt 0 ] || set -- debian rust
for image in "$@"; do
    case $image in debian | rust) ;; *) fail "unknown image '$image': debian or rust" ;; esac
    if have "${!image}"; then
        echo "${!image}: there"
    else
        echo "${!image}: making it"
        "make_$image"
    fi
done
