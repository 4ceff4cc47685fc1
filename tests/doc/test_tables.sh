#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: the tables of the manual say what this library does. `make doc-tables` writes them anew.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

program=$MMB_BUILDDIR/tests/doc/tables

# agrees PAGE TABLE: the order of the lines is the manual's.
agrees() {
    "$MMB_SRCDIR/doc/tables.sh" "$program" "$MMB_SRCDIR/doc/$1" "$2" >"$tap_dir/page" || return 1
    grep -vF "$new_backends" "$tap_dir/page" | sort >"$tap_dir/made"
    sort "$MMB_SRCDIR/doc/$1" | diff - "$tap_dir/made"
}

# Backends that the manual does not mention at all: they came after it, and are told, not failed.
find_new_backends() {
    "$program" backends | sed -n 's/^| \([A-Z_]*\) |.*/\1/p' | uniq | while read -r name; do
        grep -q "^| $name | [A-Z]* | " "$MMB_SRCDIR/doc/backends.md" || echo "| $name | "
    done
}

has_rows() {
    sed -n "/<!-- table: $2 -->/,/<!-- end of table -->/p" "$MMB_SRCDIR/doc/$1" | grep -c '^| [A-Z0-9]' |
        { read -r n && test "$n" -ge "$3"; }
}

test -x "$program" || tap_skip_all 'the tables are made by a program that needs the inside of the library'
new_backends=$(find_new_backends)
test -z "$new_backends" || tap_skip 'backends that just came' 'not in the manual yet: make doc-tables'
test -n "$new_backends" || new_backends='no line has this'
tap_run 'the loss of each size class' agrees size-classes.md size-classes
tap_run 'the smallest array of each strategy' agrees strategies.md smallest-array
tap_run 'layers, contexts and backends' agrees backends.md backends
tap_run 'the table of size classes is not empty' has_rows size-classes.md size-classes 16
tap_run 'the table of arrays is not empty' has_rows strategies.md smallest-array 4
tap_run 'the table of backends is not empty' has_rows backends.md backends 4
tap_run 'an unknown table is refused' sh -c "! '$program' nonsense"
tap_done
