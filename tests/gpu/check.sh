#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: tests/gpu/check.sh (make check-gpu)
# The suites of device memory on the GPUs that are here: on the real CUDA driver, and HIP's over it; on HIP's own runtime
# where the kernel shows an AMD device; on OpenCL's first device. What a program of the CUDA runtime and kernels make of
# an allocation, where nvcc is; and how fast copies and pools are beside the driver's own calls. Runtimes are enough, no
# toolkit is needed. Says which device it ran on. Without one it says so and ends with 77: nothing was measured then.
set -eu
top=${MMB_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MMB_BUILDDIR:-$PWD}
unset MMB_CUDA_LIBRARY MMB_HIP_LIBRARY MMB_FAKE_CUDA_DEVICES MMB_FAKE_CUDA_BYTES
failed=0 ran=0
info=$("$build/tools/mmb-info" --json | tr '{' '\n')

# has BACKEND: this build has it, and it has a device here; else the reason is told.
has() {
    state=$(echo "$info" | grep "\"name\":\"$1\"" || :)
    case $state in
    *'"available":true'*) return 0 ;;
    *'"built":true'*) echo "check-gpu: SKIP: $1: $(echo "$state" | sed 's/.*"detail":"\([^"]*\)".*/\1/')" ;;
    *) echo "check-gpu: SKIP: $1: this build has no such backend" ;;
    esac
    return 1
}

# A test that hangs is one that failed: nobody may be looking.
run() {
    what=$1
    shift
    status=0
    timeout 900 "$@" || status=$?
    ran=1
    case $status in
    0) echo "check-gpu: PASS: $what" ;;
    77) echo "check-gpu: SKIP: $what" ;;
    *) echo "check-gpu: FAIL: $what ended with $status" && failed=1 ;;
    esac
}

suites() {
    on=$1
    shift
    for test in "$@"; do
        if test -x "$build/tests/$test"; then
            run "$test on $on" "$build/tests/$test"
        else
            echo "check-gpu: SKIP: $test is not part of this build"
        fi
    done
}

interop() {
    nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
    if ! test -x "$nvcc"; then
        echo 'check-gpu: SKIP: interop: no nvcc'
        return
    fi
    work=$(mktemp -d "${TMPDIR:-/tmp}/mmb-check-gpu.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    run 'interop compiles' "$nvcc" -std=c++14 -I"$top/include" -I"$top" "$top/tests/gpu/interop.cu" -o "$work/interop" \
        -L"$build/.libs" -lmmb -Xlinker -rpath -Xlinker "$build/.libs"
    run interop "$work/interop"
}

# By these names the suites take the real driver, and HIP's stand-in over it.
on_cuda() {
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo 'nvidia-smi does not tell the device'
    MMB_CUDA_LIBRARY=libcuda.so.1
    MMB_HIP_LIBRARY=$build/tests/support/.libs/hip_on_cuda.so
    export MMB_CUDA_LIBRARY MMB_HIP_LIBRARY
    suites CUDA contract/test_cuda_backends contract/test_hip_backends contract/test_device_allocators \
        contract/test_places layers/test_gpu_ipc
    interop
    run 'example gpu_cuda' "$build/examples/gpu_cuda"
    if test -x "$build/bench/mmb-bench"; then
        run 'figures' "$build/bench/mmb-bench" gpu
    else
        echo 'check-gpu: SKIP: figures: mmb-bench is not part of this build'
    fi
    unset MMB_CUDA_LIBRARY MMB_HIP_LIBRARY
}

on_hip() {
    file=$(sed -n 's/^#define HIP_VERSION_MAJOR *\([0-9]*\).*/libamdhip64.so.\1/p' /usr/include/hip/hip_version.h \
        "${ROCM_PATH:-/opt/rocm}/include/hip/hip_version.h" 2>/dev/null | head -n 1)
    MMB_HIP_LIBRARY=${file:-libamdhip64.so} MMB_CUDA_LIBRARY=/nowhere
    export MMB_HIP_LIBRARY MMB_CUDA_LIBRARY
    suites HIP contract/test_hip_backends contract/test_places
    unset MMB_HIP_LIBRARY MMB_CUDA_LIBRARY
}

has CUDA && on_cuda
if test -e /dev/kfd; then
    has HIP && on_hip
fi
# Elsewhere OpenCL's device is no GPU, and make check has been there.
for node in /dev/nvidiactl /dev/kfd /dev/dxg /dev/dri/renderD*; do
    test -e "$node" || continue
    has OPENCL && suites OpenCL contract/test_opencl_backends layers/test_opencl layers/test_opencl_stage
    break
done
test "$ran" = 1 || exit 77
exit $failed
