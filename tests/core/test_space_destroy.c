/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a space goes with all that is its own and empty, or stays as it is while
 * somebody uses it; nothing of it is left behind. */
#include "src/base/meta.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static void set_up(void)
{
    control_open();
    control_space(0); /* DRAM is known, whoever built this */
}

static void test_space_destroy_takes_empty_interfaces_along(void)
{
    mmbMemSpace *space = control_space(1 << 20);
    size_t count = mmb_space_count();
    mmbMemInterface *interface =
        control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    mmb_free(control_allocation(interface, 1000));
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
    CU_ASSERT_EQUAL(mmb_space_count(), count - 1);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_INVALID_SPACE);
}

/* covers: mmb_destroy_space MMB_BUSY */
static void test_space_destroy_in_use(void)
{
    mmbMemSpace *space = control_space(1 << 20);
    mmbMemInterface *empty = control_interface(space, MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    mmbMemInterface *full = control_interface(space, MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_DEFAULT);
    mmbAllocation *allocation = control_allocation(full, 100);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 2);
    mmb_free(control_allocation(empty, 100));
    mmb_free(allocation);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

static void test_space_destroy_with_wrapped_objects(void)
{
    static char bytes[100];
    mmbMemSpace *space = control_space(1000);
    mmbAllocation *wrapped = NULL;
    mmbMemInterface *interface =
        control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, sizeof bytes, interface, &wrapped),
                    MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_BUSY);
    mmb_free(wrapped);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

/* A fallback inside the space goes with it; one that others name keeps it. */
static void test_space_destroy_with_fallbacks(void)
{
    mmbMemSpace *inner = control_space(1000), *outer = control_space(1000);
    mmbMemInterface *first = control_interface(inner, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbMemInterface *second = NULL, *third = NULL;
    mmbMemInterfaceConfig config = control_interface_config;
    config.fallback = first;
    CU_ASSERT_EQUAL(mmb_create_interface(inner, &config, &second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_create_interface(outer, &config, &third), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(inner), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_destroy_interface(third), MMB_OK);
    mmbMemSpaceConfig space_config = control_space_config;
    space_config.interface_opts.fallback = second;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&space_config, outer), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(inner), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&control_space_config, outer), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&space_config, inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(inner), MMB_OK);
}

/* covers: mmb_destroy_space MMB_INVALID_SPACE */
static void test_space_destroy_what_is_none(void)
{
    mmbMemSpace *space = control_space(10);
    char foreign[1024];
    CU_ASSERT_EQUAL(mmb_destroy_space(NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space((mmbMemSpace *)(void *)foreign), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_destroy_space((mmbMemSpace *)(void *)((char *)space + 8)),
                    MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_destroy_space((mmbMemSpace *)1), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

/* The same slot again and again; the name in the defaults is given back each time. */
static void test_space_destroy_gives_everything_back(void)
{
    mmbMemSpaceConfig config = control_limit(1 << 20);
    size_t before = 0;
    config.interface_opts.name = "a name that takes memory";
    for (int round = 0; round < 10; round++) {
        mmbMemSpace *space = NULL;
        mmbMemInterface *interface = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
        CU_ASSERT_EQUAL_FATAL(mmb_request_interface(space, NULL, &interface), MMB_OK);
        mmb_free(control_allocation(interface, 1000));
        CU_ASSERT_EQUAL_FATAL(mmb_destroy_space(space), MMB_OK);
        if (round == 1)
            before = mmb_meta_bytes();
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static void test_space_gives_kept_texts_back(void)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    size_t before = 0;
    config.interface_opts.backend = MMB_BACKEND_FILE;
    config.interface_opts.backend_opts.file.path = "/nonexistent/with/a/long/name";
    for (int round = 1; round <= 20; round++) {
        CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_SSD, MMB_CPU, &config, &space), MMB_OK);
        CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
        if (round == 1)
            before = mmb_meta_bytes();
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

MMB_SUITE_WITH("core/space_destroy", set_up, control_close,
               T(test_space_destroy_takes_empty_interfaces_along), T(test_space_destroy_in_use),
               T(test_space_destroy_with_wrapped_objects), T(test_space_destroy_with_fallbacks),
               T(test_space_destroy_what_is_none), T(test_space_destroy_gives_everything_back),
               T(test_space_gives_kept_texts_back))
