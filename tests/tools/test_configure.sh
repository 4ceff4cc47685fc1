#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a switch that cannot be honoured stops configure and says why; one that can is seen in the table.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

test -z "${MMB_LDFLAGS:-}" || tap_skip_all 'once is enough: the build without sanitizers runs this'
test -x "$MMB_SRCDIR/configure" || tap_skip_all 'no configure here'

configure() {
    cd "$tap_dir" && "$MMB_SRCDIR/configure" --cache-file="$tap_dir/cache" CC="$CC" "$@" >"$tap_dir/said" 2>&1
}

# refuses WORDS SWITCH...: configure fails and its last words hold WORDS.
refuses() {
    words=$1
    shift
    if configure "$@"; then
        echo "configure $* went through"
        return 1
    fi
    tail -n 3 "$tap_dir/said"
    tail -n 3 "$tap_dir/said" | grep -qF -e "$words"
}

# shows PATTERN SWITCH...: configure succeeds and its table has a line like PATTERN.
shows() {
    pattern=$1
    shift
    configure "$@" || return 1
    sed -n '/^    part /,$p' "$tap_dir/said"
    sed -n '/^    part /,$p' "$tap_dir/said" | grep -qE -e "$pattern"
}

if test -f "$MMB_SRCDIR/config.status"; then
    tap_skip_all 'the source folder is configured itself'
fi
tap_run 'discovery can be switched off' shows '^    hwloc +no +no +no' --enable-discovery=no
# The parts whose row in configure.ac has the given state.
parts() {
    sed -n "s/^MMB_OPTIONAL(\[\([a-z]*\)\].*\[$1\].*/\1/p" "$MMB_SRCDIR/configure.ac"
}

switch() {
    if test "$1" = hwloc; then echo --enable-discovery; else echo "--with-$1"; fi
}

for part in $(parts here) $(parts apart); do
    tap_run "$part in a folder that is not there stops configure" \
        refuses 'cannot be met' "$(switch "$part")=$tap_dir/nowhere"
done
for part in $(parts later); do
    tap_run "an explicit wish for $part stops configure" \
        refuses "no $part backend; a later one will" "$(switch "$part")=yes"
done
tap_run 'a sanitizer that no compiler has stops configure' \
    refuses 'cannot build with' --enable-sanitizer=astrology
tap_run 'the optional parts may be refused' shows '^    cuda +no +no +(no|later release)' \
    --without-numa --without-memkind --without-cuda --without-hip --without-opencl --without-openacc
tap_done
