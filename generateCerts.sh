#!/usr/bin/env bash
# Makes the certificates of a cluster: a private authority, and under it one
# certificate for the proxy, one for each node, one for clients and one for
# administrators. Needs openssl only. What is there and good is kept, so that it
# may be run at any time; nodes and proxy take new files without a restart.
set -euo pipefail
umask 077

readonly authority_days=3650
# Some TLS clients refuse server certificates that live longer.
readonly leaf_days=820
# What ends sooner is made anew.
readonly renew_days=30
readonly nodes=5

usage() {
    cat <<'TEXT'
Usage: ./generateCerts.sh [--host NAME]... [--renew | --renew-ca]

Makes the certificates of an rdb cluster under ${RDB_HOME:-$HOME}/rdb/certs.
What is there and good for 30 more days is kept.

  --host NAME   a further DNS name or IP address by which clients reach the proxy;
                remembered, so give it once
  --renew       make all certificates anew; clients notice nothing
  --renew-ca    make a new authority for later. From now on everybody trusts both: ca.crt
                holds them. Give clients the new ca.crt, then run --renew, which signs with
                the new one. The old one leaves ca.crt with the next --renew-ca
  --help        this text

Files: ca.crt (to trust), ca.own.crt and ca.key (which sign), haproxy/haproxy.{pem,crt},
nodes/rdb_replica_N.{crt,key}, clients/{admin,client}.{crt,key}; containers/ has copies for each container. Keys are
readable by their owner alone.
TEXT
}

fail() {
    printf 'generateCerts.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

main() {
    local renew=no hosts=()
    while [ $# -gt 0 ]; do
        case $1 in
        --host)
            [ $# -ge 2 ] || fail "--host needs a name" 2
            is_host "$2" || fail "'$2' is neither a DNS name nor an IP address" 2
            hosts+=("$2")
            shift
            ;;
        --renew) renew=leaves ;;
        --renew-ca) renew=ca ;;
        --help | -h)
            usage
            return
            ;;
        *) fail "unknown argument '$1'; --help shows what there is" 2 ;;
        esac
        shift
    done
    command -v openssl >/dev/null || fail "openssl is missing; install the package openssl"

    readonly certs="${RDB_HOME:-$HOME}/rdb/certs"
    mkdir -p "$certs/haproxy" "$certs/nodes" "$certs/clients"
    cd "$certs"
    exec 9>.lock
    flock -w 60 9 || fail "another generateCerts.sh is at work in $certs"
    work=$(mktemp -d .work.XXXXXX)
    trap 'rm -rf "$work"' EXIT

    remember_hosts "${hosts[@]+"${hosts[@]}"}"
    ensure_authority "$renew"
    ensure_leaf "$renew" haproxy/haproxy rdb_proxy proxy "$(proxy_names)"
    bundle_for_haproxy
    local n
    for ((n = 0; n < nodes; n++)); do
        ensure_leaf "$renew" "nodes/rdb_replica_$n" "rdb_replica_$n" node \
            "DNS:rdb_replica_$n,DNS:localhost,IP:127.0.0.1,IP:::1"
    done
    ensure_leaf "$renew" clients/admin admin admin "DNS:admin"
    ensure_leaf "$renew" clients/client client client "DNS:client"
    fill_containers
    report
}

is_host() {
    [[ $1 =~ ^[A-Za-z0-9_]([A-Za-z0-9_.:-]{0,252})$ ]]
}

# One host per line; the file is what makes --host lasting.
remember_hosts() {
    local host
    touch hosts
    for host in "$@"; do
        grep -qxF -- "$host" hosts || printf '%s\n' "$host" >>hosts
    done
}

proxy_names() {
    local names="DNS:localhost,IP:127.0.0.1,IP:::1,DNS:rdbproxy" host
    while read -r host; do
        [ -n "$host" ] && names+=",$(name_of "$host")"
    done < <(hostname 2>/dev/null || uname -n; cat hosts)
    printf '%s' "$names"
}

name_of() {
    if [[ $1 =~ ^[0-9.]+$ || $1 == *:* ]]; then printf 'IP:%s' "$1"; else printf 'DNS:%s' "$1"; fi
}

ensure_authority() {
    local renew=$1
    if ! good ca ca.own.crt; then
        new_authority ca
        mv -f ca.crt ca.own.crt
        trust ca.own.crt
        authority_is_new=yes
    elif [ "$renew" = ca ]; then
        new_authority ca.next
        trust ca.own.crt ca.next.crt
    elif [ "$renew" = leaves ] && [ -s ca.next.crt ]; then
        mv -f ca.next.key ca.key
        mv -f ca.next.crt ca.own.crt
    fi
}

trust() {
    cat "$@" >"$work/ca.crt"
    place "$work/ca.crt" ca.crt 644
}

# The key comes first: a certificate that is there has its key.
new_authority() {
    new_key "$work/ca.key"
    openssl req -x509 -new -key "$work/ca.key" -sha256 -days "$authority_days" \
        -subj "/O=rdb/CN=rdb authority $(openssl rand -hex 4)" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$work/new.crt" 2>/dev/null ||
        fail "openssl could not make the authority"
    place "$work/ca.key" "$1.key" 600
    place "$work/new.crt" "$1.crt" 644
}

# ensure_leaf RENEW PATH NAME ROLE ALTERNATIVE-NAMES
ensure_leaf() {
    local renew=$1 path=$2 name=$3 role=$4 names=$5 usage=clientAuth
    if [ "$renew" != leaves ] && [ -z "${authority_is_new:-}" ] && good "$path" "$path.crt" &&
        [ "$(cat "$path.names" 2>/dev/null)" = "$names" ]; then
        return
    fi
    case $role in node | proxy) usage=serverAuth,clientAuth ;; esac
    new_key "$work/key"
    # The subject says who (CN) and as what (OU); nodes and proxy go by it.
    openssl req -new -key "$work/key" -subj "/O=rdb/OU=$role/CN=$name" -out "$work/csr" ||
        fail "openssl could not ask for a certificate for $name"
    openssl x509 -req -in "$work/csr" -CA ca.own.crt -CAkey ca.key -sha256 -days "$leaf_days" \
        -set_serial "0x$(openssl rand -hex 16 | sed 's/^[89a-f]/1/')" -out "$work/crt" \
        -extfile <(
            printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
            printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
            printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$usage" "$names"
        ) 2>/dev/null || fail "openssl could not sign a certificate for $name"
    place "$work/key" "$path.key" 600
    place "$work/crt" "$path.crt" 644
    printf '%s' "$names" >"$path.names"
}

new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
        fail "openssl could not make a key"
}

# HAProxy wants certificate and key in one file.
bundle_for_haproxy() {
    local file=haproxy/haproxy
    if [ -f "$file.key" ]; then
        cat "$file.crt" "$file.key" >"$work/pem"
        place "$work/pem" "$file.pem" 600
        rm -f "$file.key"
    fi
}

# Each container gets a directory of its own with what it needs and no more. Whole
# directories are mounted, because a mounted file would stay the old one for ever.
fill_containers() {
    local n
    put_into rdbproxy haproxy/haproxy.pem haproxy.pem 600
    put_into rdbproxy ca.crt ca.crt 644
    for ((n = 0; n < nodes; n++)); do
        put_into "rdb_replica_$n" "nodes/rdb_replica_$n.key" node.key 600
        put_into "rdb_replica_$n" "nodes/rdb_replica_$n.crt" node.crt 644
        put_into "rdb_replica_$n" ca.crt ca.crt 644
    done
}

# put_into CONTAINER FILE NAME MODE
put_into() {
    local directory=containers/$1 file=$2 name=$3
    mkdir -p "$directory"
    if ! cmp -s "$file" "$directory/$name"; then
        cp "$file" "$work/copy"
        give_away "$work/copy"
        place "$work/copy" "$directory/$name" "$4"
    fi
    give_away "$directory"
}

# Containers do not run as root; started by root, they run as RDB_UID.
give_away() {
    if [ "$(id -u)" -eq 0 ]; then
        chown "${RDB_UID:-10001}:${RDB_GID:-10001}" "$1"
    fi
}

# Whether key and certificate are there, fit each other and last a while.
good() {
    local path=$1 certificate=$2 key=$1.key
    [ -f "$key" ] || key=$path.pem
    [ -s "$certificate" ] && [ -s "$key" ] &&
        openssl x509 -in "$certificate" -noout -checkend $((renew_days * 86400)) >/dev/null 2>&1 &&
        [ "$(openssl x509 -in "$certificate" -noout -pubkey)" = \
            "$(openssl pkey -in "$key" -pubout 2>/dev/null)" ]
}

# A reader sees the old file or the new one, never a part.
place() {
    chmod "$3" "$1"
    mv -f "$1" "$2"
}

report() {
    local file
    printf 'certificates in %s\n' "$certs"
    for file in ca.crt haproxy/haproxy.crt nodes/*.crt clients/*.crt; do
        printf '  %-26s until %s\n' "$file" \
            "$(openssl x509 -in "$file" -noout -enddate | cut -d= -f2)"
    done
}

main "$@"
