/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the CUDA driver and HIP's runtime are loaded when a space of theirs is wanted
 * and not before; without them there is a reason and no crash. The library looks once, so each case
 * has a process of its own. */
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

/* 0: a space of CUDA is refused with the words. */
static int refuses(const char *words)
{
    mmbMemSpace *space = NULL;
    if (mmb_init(NULL) != MMB_OK)
        return 1;
    if (mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, NULL, &space) != MMB_UNSUPPORTED || space)
        return 2;
    if (!strstr(mmb_error_detail(), words))
        return 3;
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    if (mmb_backend_get_info(MMB_BACKEND_CUDA, &info) != MMB_OK || !info.built || info.available)
        return 4;
    return mmb_finalize() == MMB_OK ? 0 : 5;
}

static int run_without_library(void *unused)
{
    (void)unused;
    setenv("MMB_CUDA_LIBRARY", "/nowhere/libcuda.so.1", 1);
    return refuses("/nowhere/libcuda.so.1");
}

static int run_with_another_library(void *unused)
{
    (void)unused;
    setenv("MMB_CUDA_LIBRARY", "libm.so.6", 1);
    return refuses("libm.so.6 has no cuInit");
}

static int run_without_device(void *unused)
{
    (void)unused;
    setenv("MMB_FAKE_CUDA_DEVICES", "0", 1);
    return refuses("CUDA_ERROR_NO_DEVICE");
}

/* 0: the driver is mapped after the first space of CUDA, and was not before, since the system shows
 * no device and nobody had named a driver yet. */
static int run_and_look_for_the_driver(void *unused)
{
    char line[512];
    int n_seen[2] = {0, 0};
    mmbMemInterface *interface = NULL;
    (void)unused;
    unsetenv("MMB_CUDA_LIBRARY");
    unsetenv("MMB_HIP_LIBRARY");
    if (mmb_init(NULL) != MMB_OK || mmb_get_interface(MMB_DRAM, MMB_CPU, &interface) != MMB_OK)
        return 1;
    for (int after = 0; after < 2; after++) {
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps && fgets(line, sizeof line, maps))
            n_seen[after] += strstr(line, "fake_cuda") != NULL;
        if (maps)
            fclose(maps);
        fakes_use();
        if (!after && mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, NULL, NULL) != MMB_OK)
            return 2;
    }
    return n_seen[0] == 0 && n_seen[1] > 0 ? 0 : 3;
}

static void check_child(int (*body)(void *), const char *what)
{
    struct suite_child child = suite_run_child(body, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "%s: exited %d, code %d", what, child.exited,
                child.code);
}

static void test_gpu_library_is_loaded_when_it_is_wanted(void)
{
    if (access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0 ||
        access("/dev/kfd", F_OK) == 0)
        suite_skip("a device is seen here, so that its runtime is loaded at once");
    else
        check_child(run_and_look_for_the_driver, "maps");
}

static void test_gpu_library_that_is_missing_is_named(void)
{
    check_child(run_without_library, "no library");
}

static void test_gpu_library_without_the_functions_is_too_old(void)
{
    check_child(run_with_another_library, "another library");
}

static void test_gpu_library_without_a_device_says_so(void)
{
    check_child(run_without_device, "no device");
}

MMB_SUITE_WITH("layers/gpu_library", fakes_use, NULL,
               T(test_gpu_library_is_loaded_when_it_is_wanted),
               T(test_gpu_library_that_is_missing_is_named),
               T(test_gpu_library_without_the_functions_is_too_old),
               T(test_gpu_library_without_a_device_says_so))
