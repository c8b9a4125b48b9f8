#!/bin/sh
# Lays out a container's root: programs under /usr/local/bin, and the shared
# libraries they need where the loader looks for them.
# Usage: rootfs.sh DIRECTORY PROGRAM...
set -eu

root=$1
shift
mkdir -p "$root/usr/local/bin" "$root/var/lib/rdb" "$root/tmp" "$root/etc"
chmod 1777 "$root/tmp"
for program in "$@"; do
    copy="$root/usr/local/bin/$(basename "$program")"
    cp "$program" "$copy"
    strip --strip-debug "$copy"
    # Lines look like `libc.so.6 => /lib/... (0x...)` and `/lib64/ld-... (0x...)`.
    ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
        while read -r library; do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
        done
done
# Names for the ids, for programs that ask; the container may run as any id.
echo 'rdb:x:10001:10001::/:/' >"$root/etc/passwd"
echo 'rdb:x:10001:' >"$root/etc/group"
