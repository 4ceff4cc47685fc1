#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: Doxygen makes the manual without a warning, its pages refer to what exists, and what it quotes are whole pieces
# of the examples that are compiled and run.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

pages=$(find "$MMB_SRCDIR/doc" -name '*.md')

has_no_warning() {
    MMB_VERSION=${MMB_VERSION:-0}
    MMB_DOCDIR=$tap_dir
    export MMB_SRCDIR MMB_VERSION MMB_DOCDIR
    doxygen "$MMB_SRCDIR/doc/Doxyfile" >"$tap_dir/said" 2>&1 || { cat "$tap_dir/said" && return 1; }
    test ! -s "$tap_dir/said" || { cat "$tap_dir/said" && return 1; }
}

# page_has FILE WORDS
page_has() {
    grep -qF "$2" "$tap_dir/html/$1"
}

# Doxygen names a page's file by itself: looked for by its words.
some_page_has() {
    grep -rlqF "$1" "$tap_dir/html"
}

# Links to files, in the pages and in the README.
links_lead_somewhere() {
    for page in $pages "$MMB_SRCDIR/README.md"; do
        grep -o ']([^)#:]*)' "$page" | sed 's/^](//; s/)$//' | while read -r link; do
            test -e "$(dirname "$page")/$link" || echo "$page: $link"
        done
    done >"$tap_dir/bad"
    cat "$tap_dir/bad"
    test ! -s "$tap_dir/bad"
}

quotes_are_whole() {
    for page in $pages; do
        sed -n 's/^@snippet //p' "$page" | while read -r file name; do
            test "$(grep -cE "^ *(/\*|//|!) \[$name\]" "$MMB_SRCDIR/$file")" -eq 2 || echo "$page: $file: $name"
        done
    done >"$tap_dir/bad"
    cat "$tap_dir/bad"
    test ! -s "$tap_dir/bad"
}

every_page_is_reached() {
    bad=0
    for page in $pages; do
        name=$(basename "$page")
        test "$name" = manual.md || grep -qF "($name)" "$MMB_SRCDIR/doc/manual.md" || { echo "$name" && bad=1; }
    done
    return $bad
}

every_function_has_a_page() {
    sed -n 's/^ *\(mmb_[a-z0-9_]*\);.*/\1/p' "$MMB_SRCDIR/libmmb.map" | while read -r name; do
        test -s "$MMB_BUILDDIR/doc/man3/$name.3" || echo "$name: no page"
    done >"$tap_dir/bad"
    cat "$tap_dir/bad"
    test ! -s "$tap_dir/bad"
}

# mandoc has no opinion on dates here: a page is as old as its release.
pages_are_well_formed() {
    mandoc -T lint -W warning "$MMB_SRCDIR"/doc/man/*.[17] "$MMB_BUILDDIR"/doc/man3/*.3 2>&1 |
        grep -v 'missing date' >"$tap_dir/bad"
    cat "$tap_dir/bad"
    test ! -s "$tap_dir/bad"
}

# Each option of a program's --help is in its page.
options_are_described() {
    sed 's/\\-/-/g' "$MMB_SRCDIR/doc/man/$1.1" >"$tap_dir/page"
    "$MMB_BUILDDIR/tools/$1" --help | grep -o -e '--[a-z-]*[a-z]' | sort -u >"$tap_dir/options"
    test -s "$tap_dir/options" || return 1
    while read -r option; do
        grep -qF -e "$option" "$tap_dir/page" || echo "$1 $option"
    done <"$tap_dir/options" >"$tap_dir/bad"
    cat "$tap_dir/bad"
    test ! -s "$tap_dir/bad"
}

tap_run 'links lead somewhere' links_lead_somewhere
tap_run 'quotes of the examples are whole' quotes_are_whole
tap_run 'the first page leads to every page' every_page_is_reached
tap_run 'every exported function has a page' every_function_has_a_page
for program in mmb-info mmb-replay mmb-run; do
    if test -x "$MMB_BUILDDIR/tools/$program"; then
        tap_run "the page of $program has its options" options_are_described $program
    else
        tap_skip "the page of $program has its options" "no $program here"
    fi
done
if command -v mandoc >/dev/null; then
    tap_run 'pages are well formed' pages_are_well_formed
else
    tap_skip 'pages are well formed' 'no mandoc here'
fi
if command -v doxygen >/dev/null; then
    tap_run 'doxygen has no warning' has_no_warning
    tap_run 'the reference has a function' page_has interface_8h.html mmb_create_interface
    tap_run 'the reference has the error codes' page_has error_8h.html 'limit or memory exhausted'
    tap_run 'the examples are quoted' some_page_has 'use_stack'
else
    tap_skip 'doxygen has no warning' 'no doxygen here'
fi
tap_done
