#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: the shared library can be loaded late, by an interpreter that has loaded others with static TLS of their
# own, can be closed while threads that used it live on, and is indifferent to signals that return.
# shellcheck disable=SC2086 # CC may carry arguments
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

library=$MMB_BUILDDIR/.libs/libmmb.so
test -e "$library" || tap_skip_all "no shared library was built"
case $MMB_LDFLAGS in *sanitize*) tap_skip_all "a sanitizer's runtime must be loaded first" ;; esac

# 1,600 bytes of static TLS: what the C library sets aside for late comers is little more.
build_greedy() {
    echo '__thread char greedy[1600] __attribute__((tls_model("initial-exec"))); char *greedy_area(void) { return greedy; }' \
        >"$tap_dir/greedy.c"
    $CC -shared -fPIC -o "$tap_dir/greedy.so" "$tap_dir/greedy.c"
}

build_late() {
    $CC -std=gnu11 -D_GNU_SOURCE -I"$MMB_SRCDIR/include" -o "$tap_dir/late" "$MMB_SRCDIR/tests/abi/late.c" -ldl -lpthread
}

in_python() {
    python3 - "$tap_dir/greedy.so" "$library" <<'PYTHON'
import ctypes
import sys

greedy = ctypes.CDLL(sys.argv[1])
mmb = ctypes.CDLL(sys.argv[2])
assert mmb.mmb_init(None) == 0
interface = ctypes.c_void_p()
assert mmb.mmb_get_interface(0, 1, ctypes.byref(interface)) == 0
blocks = []
for size in range(1, 2000):
    block = ctypes.c_void_p()
    assert mmb.mmb_allocate(ctypes.c_size_t(size), interface, ctypes.byref(block)) == 0
    blocks.append(block)
for block in blocks:
    assert mmb.mmb_free(block) == 0
assert mmb.mmb_finalize() == 0
PYTHON
}

tap_run "a library with 1,600 bytes of static TLS" build_greedy
if command -v python3 >/dev/null; then
    tap_run "python loads the library after it" in_python
else
    tap_skip "python loads the library after it" "no python3"
fi
tap_run "a program that loads the library late" build_late
tap_run "threads outlive the library, signals strike anywhere" "$tap_dir/late" "$library"
tap_done
