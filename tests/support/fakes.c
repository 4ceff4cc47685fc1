/* SPDX-License-Identifier: BSD-3-Clause */
/* See fakes.h. MMB_TEST_MODULES is the folder of the fakes, from the Makefile. */
#include "tests/support/fakes.h"
#include <dlfcn.h>
#include <stdlib.h>

void fakes_use(void)
{
    setenv("MMB_CUDA_LIBRARY", MMB_TEST_MODULES "/fake_cuda.so", 0);
    setenv("MMB_HIP_LIBRARY", MMB_TEST_MODULES "/hip_on_cuda.so", 0);
}

void *fakes_cuda_function(const char *name)
{
    const char *path = getenv("MMB_CUDA_LIBRARY");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    return library ? dlsym(library, name) : NULL;
}

const struct fake_cuda_control *fakes_cuda(void)
{
    return fakes_cuda_function(FAKE_CUDA_CONTROL);
}
