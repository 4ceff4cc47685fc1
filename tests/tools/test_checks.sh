#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: the tree's own checks refuse what they are for, and nothing else. Each test lays out a small tree.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

tools=$MMB_SRCDIR/tools
tree=$tap_dir/tree

# file PATH LINE...: one file of the small tree.
file() {
    path=$tree/$1
    shift
    mkdir -p "$(dirname "$path")"
    printf '%s\n' "$@" >"$path"
}

fresh() {
    rm -rf "$tree"
    mkdir -p "$tree"
    file libmmb.map '    mmb_public_thing;'
    file src/base/error.h '/* SPDX-License-Identifier: BSD-3-Clause */' 'int error;'
    file src/spi/backend.h '#include "src/base/error.h"'
    file layers/host/malloc.h '#include "src/spi/backend.h"'
    file layers/numa/numa.h '#include "src/spi/backend.h"'
    file interfaces/stack.h '#include "src/spi/backend.h"'
    file src/core/space.h '#include "src/spi/backend.h"'
}

accepts() {
    "$tools/$1" "$tree"
}

# refuses CHECK WORDS: it fails, and says why.
refuses() {
    if "$tools/$1" "$tree" >"$tap_dir/said" 2>&1; then
        cat "$tap_dir/said"
        return 1
    fi
    cat "$tap_dir/said"
    grep -qF -e "$2" "$tap_dir/said"
}

layers_tests() {
    fresh
    file src/builtin.c '#include "layers/host/malloc.h"' '#include "interfaces/stack.h"'
    file src/core/space.c '#include "config.h"' '#ifdef MMB_HAVE_HWLOC' '#endif'
    file examples/x.c '#include <mmb.h>'
    file tools/a.h
    file tests/tools/test_a.c '#include "tools/a.h"'
    tap_run 'check-layers accepts downward includes' accepts check-layers
    file layers/host/malloc.c '#include "src/core/space.h"'
    tap_run 'check-layers refuses a higher rank' refuses check-layers 'layers/host/malloc.c:1: includes a higher rank'
    fresh
    file layers/host/malloc.c '#include "layers/numa/numa.h"'
    tap_run 'check-layers refuses a layer that knows another' refuses check-layers 'must not know each other'
    fresh
    file interfaces/page.c '#include "layers/host/malloc.h"'
    tap_run 'check-layers refuses an interface that knows a layer' refuses check-layers 'must not know each other'
    fresh
    file src/core/space.c '#include "../base/error.h"'
    tap_run 'check-layers refuses ../' refuses check-layers 'write the path from the root'
    fresh
    file src/core/space.c '#include "space.h"'
    tap_run 'check-layers refuses a path that is not from the root' refuses check-layers 'no such file'
    fresh
    file examples/x.c '#include "src/base/error.h"'
    tap_run 'check-layers refuses an example that looks inside' refuses check-layers 'public headers only'
    fresh
    file src/core/space.c '#include <hwloc.h>'
    tap_run 'check-layers refuses a runtime outside its layer' refuses check-layers 'only a layer knows a runtime'
    fresh
    file src/core/space.c '#ifdef MMB_HAVE_HWLOC' '#endif'
    tap_run 'check-layers refuses MMB_HAVE_ without config.h' refuses check-layers 'needs #include'
}

repeat() {
    awk -v n="$1" -v line="$2" 'BEGIN { while (n-- > 0) print line }'
}

sizes_tests() {
    fresh
    file src/base/a.c 'void mmb_public_thing(int a, int b, int c, int d, int e, int f)' '{' '}' \
        'static void five(int a, int (*b)(int, int), int c, int d, int e)' '{' '}' \
        'static int deep(int a)' '{' '    if (a) {' '        while (a) {' '            if (a > 2) {' '                a--;' '            }' '        }' '    }' '    return a;' '}'
    tap_run 'check-sizes accepts code within its limits' accepts check-sizes
    { echo 'void f(void)'; echo '{'; repeat 48 '    ;'; echo '}'; } >"$tree/src/base/a.c"
    tap_run 'check-sizes refuses a function of 51 lines' refuses check-sizes 'f: 51 lines, limit 50'
    repeat 501 'extern int x;' >"$tree/src/base/a.c"
    tap_run 'check-sizes refuses a source of 501 lines' refuses check-sizes '501 lines, limit 500'
    fresh
    repeat 301 'extern int x;' >"$tree/src/base/a.h"
    tap_run 'check-sizes refuses a header of 301 lines' refuses check-sizes '301 lines, limit 300'
    fresh
    file src/base/a.c 'void six(int a, int b, int c, int d, int e, int f)' '{' '}'
    tap_run 'check-sizes refuses six parameters' refuses check-sizes 'six: 6 parameters'
    fresh
    file src/base/a.c 'static int deep(int a)' '{' '    if (a) {' '        while (a) {' '            if (a > 2) {' '                if (a > 3) {' \
        '                    a--;' '                }' '            }' '        }' '    }' '    return a;' '}'
    tap_run 'check-sizes refuses blocks four deep' refuses check-sizes 'nested 4 deep'
    fresh
    file src/base/a.c "/* $(repeat 96 x | tr -d '\n')x */"
    tap_run 'check-sizes refuses 103 columns' refuses check-sizes '103 columns'
}

api_tests() {
    fresh
    file include/mmb/a.h '/** Does. @retval MMB_OK done' ' * @retval MMB_BUSY it is in use' ' * @retval MMB_INVALID_ARG NULL */' \
        'MMB_API mmbError mmb_do(int a,' '                        int b);'
    file tests/a/test_a.c '/* covers: mmb_do MMB_BUSY,' ' * mmb_do MMB_INVALID_ARG */'
    tap_run 'check-api-tests accepts claimed errors' accepts check-api-tests
    file tests/a/test_a.c '/* covers: mmb_do MMB_BUSY */'
    tap_run 'check-api-tests refuses an error without a test' refuses check-api-tests 'mmb_do: no test covers MMB_INVALID_ARG'
    file tests/a/test_a.c '/* covers: mmb_do MMB_BUSY MMB_INVALID_ARG MMB_CORRUPT */'
    tap_run 'check-api-tests refuses a claim that no header makes' refuses check-api-tests 'covers MMB_CORRUPT, which no header'
    file tests/a/test_a.c '/* covers: mmb_do MMB_BUSY MMB_INVALID_ARG */'
    file include/mmb/b.h 'MMB_API mmbError mmb_mute(int a);'
    tap_run 'check-api-tests refuses a function without a comment' refuses check-api-tests 'mmb_mute: no comment'
}

sources_tests() {
    fresh
    rm -rf "$tree/layers" "$tree/interfaces" "$tree/src/spi" "$tree/src/core"
    file Makefile.am '# SPDX-License-Identifier: BSD-3-Clause'
    file src/Makefile.inc '# SPDX-License-Identifier: BSD-3-Clause' 'mmb_sources = src/base/error.h'
    file tests/Makefile.inc '# SPDX-License-Identifier: BSD-3-Clause' 'mmb_tests = tests/a/test_a'
    file tests/a/test_a.c '/* SPDX-License-Identifier: BSD-3-Clause */'
    file m4/libtool.m4 '# TO''DO, of libtool'
    tap_run 'check-sources accepts listed files' accepts check-sources
    file src/base/list.c '/* SPDX-License-Identifier: BSD-3-Clause */'
    tap_run 'check-sources refuses an unlisted file' refuses check-sources 'src/base/list.c: in no Makefile'
    rm "$tree/src/base/list.c"
    file tests/a/test_a.sh '# SPDX-License-Identifier: BSD-3-Clause'
    tap_run 'check-sources refuses two tests of one name' refuses check-sources 'has that name too'
    rm "$tree/tests/a/test_a.sh"
    file src/base/error.h 'int error;'
    tap_run 'check-sources refuses a file without its licence' refuses check-sources 'error.h: no SPDX'
    file src/base/error.h '/* SPDX-License-Identifier: BSD-3-Clause */' '/* TO''DO */'
    tap_run 'check-sources refuses what is left undone' refuses check-sources 'left undone'
}

layers_tests
if ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    sizes_tests
else
    tap_skip 'check-sizes' 'no universal-ctags here'
fi
api_tests
sources_tests
tap_done
