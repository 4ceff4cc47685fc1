/* SPDX-License-Identifier: BSD-3-Clause */
/* See copy_world.h. Failures to set up are fatal assertions of the running test. */
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

struct copy_world world;
const char *const world_names[WORLD_PLACES] = {"host", "left", "right"};

static void add_interface(enum world_place place, mmbMemLayer layer, mmbBackend backend)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.interface_opts.backend = backend;
    config.interface_opts.strategy = MMB_STRATEGY_PASSTHROUGH;
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(layer, MMB_CPU, &config, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, NULL, &world.interfaces[place]), MMB_OK);
    world.backends[place] = backend;
}

static mmbBackend add_device(struct fake_device *device, const char *name)
{
    fake_device_open(device);
    mmbBackendOps ops = fake_device_ops(name);
    mmbBackend backend = MMB_BACKEND_DEFAULT;
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, device, &backend), MMB_OK);
    return backend;
}

void world_open(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    add_interface(WORLD_HOST, MMB_DRAM, MMB_BACKEND_MALLOC);
    add_interface(WORLD_LEFT, MMB_GDRAM, add_device(&world.left, "left"));
    add_interface(WORLD_RIGHT, MMB_GDRAM, add_device(&world.right, "right"));
}

void world_close(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(fake_device_live(&world.left) + fake_device_live(&world.right), 0);
    fake_device_close(&world.left);
    fake_device_close(&world.right);
}

mmbAllocation *world_new(enum world_place place, size_t n_bytes)
{
    mmbAllocation *object = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(n_bytes, world.interfaces[place], &object), MMB_OK);
    return object;
}

unsigned char *world_bytes(const mmbAllocation *object)
{
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_get_info(object, &info), MMB_OK);
    if (info.ptr != NULL)
        return info.ptr;
    bool is_left = info.interface == world.interfaces[WORLD_LEFT];
    char *bytes = fake_device_bytes(is_left ? &world.left : &world.right, info.native);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    return (unsigned char *)bytes;
}

void world_free(mmbAllocation *object)
{
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

static unsigned char pattern(size_t i, unsigned int seed)
{
    uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u ^ seed * 0xc2b2ae3d27d4eb4fu;
    return (unsigned char)((mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u >> 56);
}

void world_fill(unsigned char *bytes, size_t n_bytes, unsigned int seed)
{
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = pattern(i, seed);
}

bool world_is_filled(const unsigned char *bytes, size_t n_bytes, unsigned int seed)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i] != pattern(i, seed))
            return false;
    return true;
}
