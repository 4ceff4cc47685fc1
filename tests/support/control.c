/* SPDX-License-Identifier: BSD-3-Clause */
/* Short ways to spaces and interfaces for tests. Every failure is an assertion. */
#include "tests/support/control.h"
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"

const mmbMemSpaceConfig control_space_config = MMB_MEMSPACE_CONFIG_DEFAULT;
const mmbMemInterfaceConfig control_interface_config = MMB_MEMINTERFACE_CONFIG_DEFAULT;

void control_open(void)
{
    unsetenv("MMB_TOPOLOGY_XML");
    SUITE_CHECK(mmb_init(NULL) == MMB_OK, "init: %s", mmb_error_detail());
}

void control_close(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
}

mmbMemSpaceConfig control_limit(size_t n_bytes)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = n_bytes;
    return config;
}

mmbMemSpace *control_space(size_t limit)
{
    mmbMemSpaceConfig config = control_limit(limit);
    mmbMemSpace *space = NULL;
    SUITE_CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space) == MMB_OK, "register: %s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    return space;
}

mmbMemInterface *control_interface(mmbMemSpace *space, mmbStrategy strategy, mmbBackend backend)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface = NULL;
    config.strategy = strategy;
    config.backend = backend;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "create: %s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

mmbAllocation *control_allocation(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *allocation = NULL;
    SUITE_CHECK(mmb_allocate(n_bytes, interface, &allocation) == MMB_OK, "allocate %zu B: %s",
                n_bytes, mmb_error_detail());
    return allocation;
}

static mmbSpaceInfo info_of(const mmbMemSpace *space)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    SUITE_CHECK(mmb_space_get_info(space, &info) == MMB_OK, "info: %s", mmb_error_detail());
    return info;
}

size_t control_used(const mmbMemSpace *space)
{
    return info_of(space).used;
}

size_t control_limit_of(const mmbMemSpace *space)
{
    return info_of(space).limit;
}

mmbMemLayer control_new_layer(const char *name)
{
    mmbMemLayer layer = MMB_LAYER_MAX;
    SUITE_CHECK(mmb_layer_define(name, NULL, &layer) == MMB_OK, "define %s: %s", name,
                mmb_error_detail());
    return layer;
}

bool control_detail_has(const char *text)
{
    return strstr(mmb_error_detail(), text) != NULL;
}
