#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: doc/tables.sh PROGRAM PAGE TABLE
# Prints PAGE with the lines between "<!-- table: TABLE -->" and "<!-- end of table -->" made anew by PROGRAM (tests/doc/tables).
# In the table of backends, lines of backends that this build lacks stay as they are.
set -eu
program=$1
page=$2
table=$3
new=$(mktemp "${TMPDIR:-/tmp}/mmb-table.XXXXXX")
trap 'rm -f "$new"' EXIT
"$program" "$table" >"$new"
awk -v new="$new" -v table="$table" '
BEGIN {
    while ((getline line < new) > 0) {
        text = text line "\n"
        split(line, cell, " *[|] *")
        made[cell[2]] = 1
    }
}
$0 == "<!-- table: " table " -->" { print; printf "%s", text; inside = found = 1; next }
inside && $0 == "<!-- end of table -->" { inside = 0 }
inside {
    split($0, cell, " *[|] *")
    if (table == "backends" && !(cell[2] in made)) print
    next
}
{ print }
END { exit !found || inside }' "$page"
