/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every strategy keeps the contract of src/spi/allocator.h, seen through the
 * public functions, over every memory of the host and over memory that the host cannot touch; and
 * every allocation can move from any interface to any other. */
#include "src/spi/allocator.h"
#include "tests/contract/allocator_promises.h"

ALLOCATOR_PROMISES(allocator_suite_each)

static bool is_tested(mmbStrategy strategy)
{
    return strategy >= MMB_STRATEGY_PASSTHROUGH && strategy <= MMB_STRATEGY_THREAD_LOCAL;
}

static void test_allocators_are_all_subjects(void)
{
    size_t n = 0;
    for (; mmb_builtin_allocators[n]; n++)
        SUITE_CHECK(is_tested(mmb_builtin_allocators[n]->strategy), "%s is not tested",
                    mmb_builtin_allocators[n]->name);
    CU_ASSERT_EQUAL(n, 4);
}

/* ---- from every interface to every other ---- */

#define N_STRATEGIES 4
#define N_ROOMS      (N_STRATEGIES * LAB_MEMORIES)

static mmbMemInterface *rooms[N_ROOMS];

static void check_move(size_t from, size_t to, size_t n_bytes, size_t alignment)
{
    mmbAllocation *block = lab_new_aligned(rooms[from], n_bytes, alignment);
    lab_fill(block, (unsigned int)from);
    mmbError error = mmb_migrate(block, rooms[to]);
    if (!SUITE_CHECK(error == MMB_OK, "%zu to %zu, %zu B: %s", from, to, n_bytes,
                     mmb_error_detail()))
        CU_FAIL_FATAL("does not move");
    mmbAllocationInfo info = lab_info(block);
    SUITE_CHECK(info.interface == rooms[to] && info.n_bytes == n_bytes, "%zu to %zu: provenance",
                from, to);
    SUITE_CHECK((uintptr_t)info.native % alignment == 0, "%zu to %zu: alignment", from, to);
    SUITE_CHECK(lab_is_filled(block, n_bytes, (unsigned int)from), "%zu to %zu, %zu B: contents",
                from, to, n_bytes);
    SUITE_CHECK(from == to || lab_stats(rooms[from]).live_count == 0, "%zu to %zu: stays", from,
                to);
    lab_fill(block, 77);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 2 * n_bytes + 1), MMB_OK);
    SUITE_CHECK(lab_is_filled(block, n_bytes, 77), "%zu to %zu, %zu B: grown", from, to, n_bytes);
    CU_ASSERT_EQUAL(mmb_migrate(block, rooms[from]), MMB_OK);
    SUITE_CHECK(lab_is_filled(block, n_bytes, 77), "%zu to %zu, %zu B: back", from, to, n_bytes);
    lab_free(block);
}

static void test_allocators_exchange_blocks(void)
{
    mmbMemSpace *space = lab_space(MMB_NO_LIMIT);
    for (size_t i = 0; i < N_ROOMS; i++)
        rooms[i] = lab_interface(space, mmb_builtin_allocators[i / LAB_MEMORIES]->strategy,
                                 (enum lab_memory)(i % LAB_MEMORIES), MMB_INTERFACE_FINDABLE);
    for (size_t from = 0; from < N_ROOMS; from++)
        for (size_t to = 0; to < N_ROOMS; to++) {
            check_move(from, to, 1, 16);
            check_move(from, to, 5000, 256);
            check_move(from, to, 100000, 16);
            check_move(from, to, 1 << 20, 8192);
        }
    SUITE_CHECK(lab_used(space) == 0, "%zu B stay charged", lab_used(space));
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

/* ---- arrays ---- */

/* covers: mmb_create_interface MMB_INVALID_SIZE */
static void test_allocators_refuse_an_array_that_is_too_small(void)
{
    mmbMemSpace *space = lab_space(MMB_NO_LIMIT);
    mmbMemInterfaceConfig config = lab_config(MMB_STRATEGY_STACK, LAB_ARRAY, 4096);
    for (size_t s = 0; s < N_STRATEGIES; s++)
        for (size_t n_bytes = 1; n_bytes < 300; n_bytes++) {
            config.strategy = mmb_builtin_allocators[s]->strategy;
            config.backend_opts.array.bytes = n_bytes;
            mmbMemInterface *interface = NULL;
            mmbAllocation *block = NULL;
            mmbError error = mmb_create_interface(space, &config, &interface);
            if (error == MMB_OK) {
                SUITE_CHECK(mmb_allocate(1, interface, &block) == MMB_OK, "%s over %zu B: %s",
                            mmb_builtin_allocators[s]->name, n_bytes, mmb_error_detail());
                CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
                CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
            } else {
                SUITE_CHECK(error == MMB_INVALID_SIZE && n_bytes < 64, "%s over %zu B: %s",
                            mmb_builtin_allocators[s]->name, n_bytes, mmb_error_detail());
            }
        }
    config.strategy = MMB_STRATEGY_STACK;
    config.backend_opts.array.bytes = 4096;
    config.strategy_opts.stack_bytes = 4097;
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &interface), MMB_INVALID_SIZE);
}

/* Every second block of an array goes; then no two neighbours are free. */
static void test_allocators_name_the_largest_free_run_of_an_array(void)
{
    mmbMemSpace *space = lab_space(MMB_NO_LIMIT);
    for (size_t s = 0; s < N_STRATEGIES; s++) {
        mmbMemInterface *interface =
            lab_array_interface(space, mmb_builtin_allocators[s]->strategy, (size_t)1 << 20);
        mmbAllocation *blocks[256], *large = NULL;
        size_t n = 0;
        while (n < 256 && mmb_allocate(4096, interface, &blocks[n]) == MMB_OK)
            n++;
        SUITE_CHECK(n >= 250, "%s: only %zu blocks of 4096 B in 1 MiB",
                    mmb_builtin_allocators[s]->name, n);
        for (size_t i = 0; i < n; i += 2)
            lab_free(blocks[i]);
        SUITE_CHECK(mmb_allocate(70000, interface, &large) == MMB_OUT_OF_MEMORY, "%s",
                    mmb_builtin_allocators[s]->name);
        SUITE_CHECK(lab_detail_has("largest free run"), "%s: %s", mmb_builtin_allocators[s]->name,
                    mmb_error_detail());
        for (size_t i = 1; i < n; i += 2)
            lab_free(blocks[i]);
        lab_free(lab_new(interface, 900000));
    }
}

/* ---- calls of the backend ---- */

/* A trim must not make what comes after it dear; one pool there is 75 times slower then. */
static void test_allocators_ask_for_little_after_a_trim(void)
{
    mmbMemSpace *space = lab_space(MMB_NO_LIMIT);
    for (size_t s = 0; s < N_STRATEGIES; s++) {
        if (mmb_builtin_allocators[s]->strategy == MMB_STRATEGY_PASSTHROUGH)
            continue;
        mmbMemInterface *interface =
            lab_faulty_interface(space, mmb_builtin_allocators[s]->strategy);
        for (int round = 0; round < 10; round++) {
            CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
            size_t before = lab_maps() + lab_unmaps();
            for (int i = 0; i < 1000; i++)
                lab_free(lab_new(interface, 64));
            size_t calls = lab_maps() + lab_unmaps() - before;
            SUITE_CHECK(calls <= 2, "%s: %zu calls of the backend for 1000 pairs",
                        mmb_builtin_allocators[s]->name, calls);
        }
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        SUITE_CHECK(lab_maps() == lab_unmaps(), "%s: %zu chunks are lost",
                    mmb_builtin_allocators[s]->name, lab_maps() - lab_unmaps());
    }
}

MMB_SUITE_WITH("contract/allocators", lab_open, lab_close, T(test_allocators_are_all_subjects),
               ALLOCATOR_PROMISE_TESTS, T(test_allocators_exchange_blocks),
               T(test_allocators_refuse_an_array_that_is_too_small),
               T(test_allocators_name_the_largest_free_run_of_an_array),
               T(test_allocators_ask_for_little_after_a_trim))
