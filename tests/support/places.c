/* SPDX-License-Identifier: BSD-3-Clause */
/* See places.h. Failures to set up are fatal assertions of the running test. */
#include "tests/support/places.h"
#include <stdlib.h>
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

static const struct place all[] = {
    {"host", MMB_DRAM, MMB_CPU, MMB_BACKEND_MALLOC},
    {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA},
    {"cuda managed", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_MANAGED},
    {"cuda host", MMB_DRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_HOST},
    {"cuda shm", MMB_DRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_SHM},
    {"hip", MMB_GDRAM, MMB_GPU_HIP, MMB_BACKEND_HIP},
    {"hip managed", MMB_GDRAM, MMB_GPU_HIP, MMB_BACKEND_HIP_MANAGED},
    {"hip host", MMB_DRAM, MMB_GPU_HIP, MMB_BACKEND_HIP_HOST},
    {"hip shm", MMB_DRAM, MMB_GPU_HIP, MMB_BACKEND_HIP_SHM},
    {"opencl", MMB_GDRAM, MMB_OPENCL, MMB_BACKEND_OPENCL},
    {"opencl svm", MMB_GDRAM, MMB_OPENCL, MMB_BACKEND_OPENCL_SVM},
    {"openacc", MMB_GDRAM, MMB_OPENACC, MMB_BACKEND_OPENACC},
};

struct place places[PLACES_MAX];
size_t n_places;

/* The host's side of every read and write, as large as the largest. */
static mmbMemInterface *window;

void places_open(void)
{
    fakes_use();
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    n_places = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
        CU_ASSERT_EQUAL_FATAL(mmb_backend_get_info(all[i].backend, &info), MMB_OK);
        if (info.available)
            places[n_places++] = all[i];
    }
    window = place_interface(&places[0], MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
}

void places_close(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
    const struct fake_cuda_control *fake = fakes_cuda();
    if (!fake)
        return;
    SUITE_CHECK(fake->live_ranges() == 0, "%zu ranges are lost", fake->live_ranges());
    SUITE_CHECK(fake->live_events() == 0, "%zu events are lost", fake->live_events());
    SUITE_CHECK(fake->depth() == 0, "%zu contexts are left current", fake->depth());
}

mmbMemInterface *place_interface(const struct place *place, mmbStrategy strategy, size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = limit == MMB_NO_LIMIT ? MMB_SIZE_ANY : MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    config.interface_opts.backend = place->backend;
    config.interface_opts.strategy = strategy;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbError error = mmb_register_memory(place->layer, place->context, &config, &space);
    if (error == MMB_OK)
        error = mmb_create_interface(space, NULL, &interface);
    if (!SUITE_CHECK(error == MMB_OK, "%s: %s", place->name, mmb_error_detail()))
        CU_FAIL_FATAL("no interface");
    return interface;
}

mmbAllocation *place_new(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *object = NULL;
    mmbError error = mmb_allocate(n_bytes, interface, &object);
    if (!SUITE_CHECK(error == MMB_OK, "allocate %zu B: %s", n_bytes, mmb_error_detail()))
        CU_FAIL_FATAL("no object");
    return object;
}

void place_free(mmbAllocation *object)
{
    mmbError error = mmb_free(object);
    SUITE_CHECK(error == MMB_OK, "free: %s", mmb_error_detail());
}

static mmbAllocation *wrap(const void *bytes, size_t n_bytes)
{
    mmbAllocation *wrapped = NULL;
    CU_ASSERT_EQUAL_FATAL(
        mmb_allocation_create_wrapped((void *)(uintptr_t)bytes, n_bytes, window, &wrapped), MMB_OK);
    return wrapped;
}

void place_write(mmbAllocation *object, size_t offset, const void *bytes, size_t n_bytes)
{
    mmbAllocation *from = wrap(bytes, n_bytes);
    mmbError error = mmb_copy_1d(object, offset, from, 0, n_bytes);
    SUITE_CHECK(error == MMB_OK, "write: %s", mmb_error_detail());
    place_free(from);
}

void place_read(const mmbAllocation *object, size_t offset, void *bytes, size_t n_bytes)
{
    mmbAllocation *to = wrap(bytes, n_bytes);
    mmbError error = mmb_copy_1d(to, 0, object, offset, n_bytes);
    SUITE_CHECK(error == MMB_OK, "read: %s", mmb_error_detail());
    place_free(to);
}

unsigned char place_byte(size_t i, unsigned int tag)
{
    return (unsigned char)(i * 7 + (i >> 8) * 31 + tag * 113 + 1);
}

void place_fill(mmbAllocation *object, unsigned int tag)
{
    size_t n_bytes = mmb_allocation_size(object);
    unsigned char *bytes = malloc(n_bytes);
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = place_byte(i, tag);
    place_write(object, 0, bytes, n_bytes);
    free(bytes);
}

bool place_is_filled(const mmbAllocation *object, size_t n_bytes, unsigned int tag)
{
    unsigned char *bytes = malloc(n_bytes);
    place_read(object, 0, bytes, n_bytes);
    bool is_filled = true;
    for (size_t i = 0; i < n_bytes; i++)
        is_filled = is_filled && bytes[i] == place_byte(i, tag);
    free(bytes);
    return is_filled;
}
