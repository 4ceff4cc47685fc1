#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: programs compiled against an earlier state of the headers keep compiling, linking and meaning the same.
# layout.lp64 and prototypes.h record that state. MMB_CONTRACT names a header with the declarations that the interface
# was agreed on (default: design/contract.h in a folder "shared" beside the tree); where it exists, the project's
# headers are held against it too.
# shellcheck disable=SC2086 # CC may carry arguments
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

abi=$MMB_SRCDIR/tests/abi
contract=${MMB_CONTRACT:-$MMB_SRCDIR/../shared/design/contract.h}
library=$MMB_BUILDDIR/.libs/libmmb.so
strict='-Wall -Wextra -Werror'

# layout NAME FLAGS...: prints the layout seen with these flags into NAME.
layout() {
    name=$1
    shift
    $CC -std=gnu11 "$@" "$abi/layout.c" -o "$tap_dir/layout" && "$tap_dir/layout" >"$tap_dir/$name"
}

layout_is_recorded() {
    layout project -I"$MMB_SRCDIR/include" -include mmb.h && diff "$abi/layout.lp64" "$tap_dir/project"
}

# The project may say more, nothing else.
layout_is_the_contract() {
    layout contract -include "$contract" || return 1
    diff "$tap_dir/contract" "$tap_dir/project" | grep '^<' >"$tap_dir/changed"
    cat "$tap_dir/changed"
    test ! -s "$tap_dir/changed"
}

# Redeclaring a function with another type is an error.
prototypes_are_recorded() {
    printf '#include <mmb.h>\n#include "prototypes.h"\n' >"$tap_dir/prototypes.$2"
    $1 $strict -fsyntax-only -I"$MMB_SRCDIR/include" -I"$abi" "$tap_dir/prototypes.$2"
}

contract_has_the_prototypes() {
    printf '#include "prototypes.h"\n' >"$tap_dir/prototypes.c"
    $CC $strict -fsyntax-only -include "$contract" -I"$abi" "$tap_dir/prototypes.c"
}

uses_compile() {
    language=$1
    shift
    "$@" $strict -Wno-missing-field-initializers -fsyntax-only -x "$language" "$abi/use.c"
}

# Without comments, strings and the arguments' types: the words that a list must know.
contract_words() {
    $CC -E -P "$contract" | tr '\n' ' ' | sed 's/.*typedef enum { MMB_OK/MMB_OK/' |
        grep -oE '\bMMB_[A-Z0-9_]+|\bmmb_[a-z0-9_]+ *\(|\} *mmb[A-Za-z]+ *;' | tr -d '(}; ' | sort -u
}

records_are_complete() {
    {
        grep -oE '\b(mmb[A-Za-z]+|MMB_[A-Z0-9_]+)\b' "$abi/layout.def"
        mapped
    } | sort -u >"$tap_dir/known"
    contract_words >"$tap_dir/words"
    test "$(wc -l <"$tap_dir/words")" -gt 200 || return 1
    comm -13 "$tap_dir/known" "$tap_dir/words" >"$tap_dir/unknown"
    cat "$tap_dir/unknown"
    test ! -s "$tap_dir/unknown"
}

mapped() {
    sed -n 's/^ *\(mmb_[a-z0-9_]*\);$/\1/p' "$MMB_SRCDIR/libmmb.map" | sort
}

# Those functions of the map that a header declares: all, but for the agreed declarations.
declared() {
    if test "$1" = "$contract"; then
        contract_words >"$tap_dir/words"
        mapped | comm -12 - "$tap_dir/words"
    else
        mapped
    fi
}

exports_are_the_map() {
    nm -D --defined-only "$library" | sed -n 's/.* [A-Z] \(mmb_[a-z0-9_]*\)@.*/\1/p' | sort >"$tap_dir/exported"
    mapped | diff - "$tap_dir/exported"
}

nothing_else_is_exported() {
    nm -D --defined-only "$library" | grep -vE ' (mmb_[a-z0-9_]+@@MMB_[0-9.]+|MMB_[0-9.]+)$' >"$tap_dir/foreign"
    cat "$tap_dir/foreign"
    test ! -s "$tap_dir/foreign"
}

# A program that uses every function that the given header has, linked with the library.
links() {
    header=$1
    shift
    {
        echo 'static void (*volatile functions[])(void) = {'
        declared "$header" | sed 's/.*/    (void (*)(void))&,/'
        echo '};'
        echo 'int main(void) { return functions[0] ? 0 : 1; }'
    } >"$tap_dir/all.c"
    $CC $MMB_LDFLAGS "$@" -include "$header" "$tap_dir/all.c" "$library" \
        -Wl,-rpath,"$MMB_BUILDDIR/.libs" -o "$tap_dir/all" && "$tap_dir/all"
}

version_is_configured() {
    for part in MAJOR MINOR PATCH; do
        sed -n "s/^#define MMB_VERSION_$part  *\([0-9]*\).*/\1/p" "$MMB_SRCDIR/include/mmb/version.h"
    done | tr '\n' '.' >"$tap_dir/version"
    echo "header: $(cat "$tap_dir/version"), configure: $MMB_VERSION"
    test "$(cat "$tap_dir/version")" = "$MMB_VERSION."
}

project_tests() {
    tap_run 'the headers name the configured version' version_is_configured
    if test "$(getconf LONG_BIT)" = 64; then
        tap_run 'the layout is the recorded one' layout_is_recorded
    else
        tap_skip 'the layout is the recorded one' 'recorded for 64-bit machines'
        layout project -I"$MMB_SRCDIR/include" -include mmb.h
    fi
    tap_run 'the prototypes are the recorded ones' prototypes_are_recorded "$CC -x c" c
    tap_run 'programs with the macros compile as C' \
        uses_compile c $CC -I"$MMB_SRCDIR/include" -include mmb.h
    if command -v g++ >/dev/null; then
        tap_run 'the prototypes hold in C++' prototypes_are_recorded g++ cc
        tap_run 'programs with the macros compile as C++' \
            uses_compile c++ g++ -I"$MMB_SRCDIR/include" -include mmb.h
    fi
    tap_run 'the library exports every name of its map' exports_are_the_map
    tap_run 'the library exports nothing else' nothing_else_is_exported
    tap_run 'a program using every function links' links mmb.h -I"$MMB_SRCDIR/include"
}

contract_tests() {
    tap_run 'the layout is the contract'"'"'s' layout_is_the_contract
    tap_run 'the recorded prototypes are the contract'"'"'s' contract_has_the_prototypes
    tap_run 'programs with the macros compile with the contract' uses_compile c $CC -include "$contract"
    tap_run 'the records know every name of the contract' records_are_complete
    tap_run 'a program compiled with the contract links' links "$contract"
}

project_tests
if test -f "$contract"; then
    contract_tests
else
    tap_skip 'comparison with the contract' "no $(basename "$contract") here"
fi
tap_done
