/* SPDX-License-Identifier: BSD-3-Clause */
/* Refusals that need two parts of the library at once, and so have no home in either's tests. */
#include <mmb.h>
#include "tests/support/suite.h"

static mmbMemSpace *space;

static void set_up(void)
{
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space), MMB_OK);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
}

/* covers: mmb_stack_release MMB_BUSY, mmb_stack_reset MMB_BUSY */
static void test_refusals_a_held_block_stays_on_its_stack(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *stack = NULL;
    mmbAllocation *below = NULL, *above = NULL;
    mmbStackMark mark;
    config.strategy = MMB_STRATEGY_STACK;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &stack), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, stack, &below), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_mark(stack, &mark), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, stack, &above), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(above), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, mark), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_allocation_size(above), 100);
    CU_ASSERT_EQUAL(mmb_region_unhold(above), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, mark), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(above), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
}

static mmbError refuse_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)n_bytes;
    (void)domain;
    (void)address;
    return MMB_ERROR;
}

static mmbError unmap_nothing(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)address;
    (void)n_bytes;
    return MMB_OK;
}

/* A stack of a given size takes its memory when it is made.
 * covers: mmb_create_interface MMB_ERROR */
static void test_refusals_a_backends_own_error_comes_through(void)
{
    mmbBackendOps ops = {.size = sizeof ops,
                         .name = "broken",
                         .host_accessible = true,
                         .map = refuse_map,
                         .unmap = unmap_nothing};
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *stack = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, NULL, &config.backend), MMB_OK);
    config.strategy = MMB_STRATEGY_STACK;
    config.strategy_opts.stack_bytes = 1 << 20;
    mmbError error = mmb_create_interface(space, &config, &stack);
    if (error ==
        MMB_OK) /* or, where memory is only taken when it is asked for, at the first block */
        error = mmb_allocate(100, stack, &(mmbAllocation *){NULL});
    CU_ASSERT_EQUAL(error, MMB_ERROR);
}

MMB_SUITE_WITH("core/refusals", set_up, tear_down, T(test_refusals_a_held_block_stays_on_its_stack),
               T(test_refusals_a_backends_own_error_comes_through))
