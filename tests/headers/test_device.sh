#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: kernels can use all of <mmb/device.h>, with every warning that nvcc has.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
test -x "$nvcc" || tap_skip_all 'no nvcc here'
test -z "${MMB_LDFLAGS:-}" || tap_skip_all 'once is enough: the build without sanitizers runs this'

compile() {
    "$nvcc" -std=c++14 -arch="$1" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror -I"$MMB_SRCDIR/include" \
        -c "$MMB_SRCDIR/tests/headers/kernel.cu" -o "$tap_dir/kernel.o"
}

tap_run 'a kernel for compute capability 8.0' compile sm_80
tap_done
