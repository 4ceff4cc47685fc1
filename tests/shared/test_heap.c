/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a heap in shared memory, in one process: blocks of every strategy, pointers
 * for all processes and back, exact counts, errors. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

static mmbMemSpace *space;

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

/* ---- blocks ---- */

static void use_some(mmbMemInterface *interface)
{
    enum { N = 300 };
    static mmbAllocation *blocks[N];
    for (size_t i = 0; i < N; i++) {
        blocks[i] = control_allocation(interface, 1 + i * 37 % 5000);
        memset(mmb_allocation_ptr(blocks[i]), (int)i & 0xff, mmb_allocation_size(blocks[i]));
    }
    CU_ASSERT_EQUAL(segment_live_count(interface), N);
    for (size_t i = 0; i < N; i++) {
        const unsigned char *bytes = mmb_allocation_ptr(blocks[i]);
        SUITE_CHECK(bytes[0] == (i & 0xff) && bytes[i * 37 % 5000] == (i & 0xff), "block %zu", i);
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    }
    CU_ASSERT_EQUAL(segment_live_bytes(interface), 0);
    CU_ASSERT_EQUAL(control_used(space), 0);
}

static void test_heap_strategies_serve_and_count(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbMemInterface *interface = segment_interface(space, segment_strategies[i], 16 * MIB);
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        bool created = false;
        CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &info), MMB_OK);
        CU_ASSERT_EQUAL(info.strategy, segment_strategies[i]);
        CU_ASSERT_TRUE(mmb_shm_created(interface, &created) == MMB_OK && created);
        use_some(interface);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    }
}

static void test_heap_blocks_are_aligned(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbMemInterface *interface = segment_interface(space, segment_strategies[i], 64 * MIB);
        for (size_t alignment = 1; alignment <= 2 * MIB; alignment *= 2) {
            mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
            mmbAllocation *block = NULL, *again = NULL;
            options.alignment = alignment;
            SUITE_CHECK(mmb_allocate_opts(100, interface, &options, &block) == MMB_OK,
                        "alignment %zu: %s", alignment, mmb_error_detail());
            CU_ASSERT_EQUAL((uintptr_t)mmb_allocation_ptr(block) % alignment, 0);
            CU_ASSERT_EQUAL(mmb_allocation_from_shared(segment_pointer(block), &again), MMB_OK);
            CU_ASSERT_PTR_EQUAL(again, block);
            CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
        }
        CU_ASSERT_EQUAL(segment_live_bytes(interface), 0);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    }
}

/* As often as it likes: what is freed can be had again, for any size. */
static void fill(mmbMemInterface *interface, size_t n_bytes, size_t *out_n)
{
    enum { MOST = 100000 };
    static mmbAllocation *blocks[MOST];
    size_t n = 0;
    while (n < MOST && mmb_allocate(n_bytes, interface, &blocks[n]) == MMB_OK)
        n++;
    SUITE_CHECK(n > 0 && control_detail_has(n_bytes > MIB ? "" : "shared"), "%zu: %s", n_bytes,
                mmb_error_detail());
    *out_n = n;
    while (n > 0)
        CU_ASSERT_EQUAL(mmb_free(blocks[--n]), MMB_OK);
    CU_ASSERT_EQUAL(segment_live_bytes(interface), 0);
}

static void test_heap_fills_to_the_end_again_and_again(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbMemInterface *interface = segment_interface(space, segment_strategies[i], 2 * MIB);
        size_t small[2], large[2], huge;
        for (int round = 0; round < 2; round++) {
            fill(interface, 64, &small[round]);
            fill(interface, 5000, &large[round]);
            fill(interface, MIB, &huge);
        }
        SUITE_CHECK(small[0] == small[1] && large[0] == large[1], "%zu %zu, %zu %zu", small[0],
                    small[1], large[0], large[1]);
        SUITE_CHECK(small[0] * 64 > MIB && large[0] * 5000 > MIB, "%zu, %zu", small[0], large[0]);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    }
}

static void test_heap_charges_requested_bytes(void)
{
    mmbMemSpace *small = control_space(1000);
    mmbMemInterface *interface = segment_interface(small, MMB_STRATEGY_THREAD_LOCAL, MIB);
    mmbAllocation *block = control_allocation(interface, 1000), *more = NULL;
    CU_ASSERT_EQUAL(control_used(small), 1000);
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &more), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 600), MMB_OK);
    CU_ASSERT_EQUAL(control_used(small), 600);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(control_used(small), 0);
}

static void test_heap_reallocates_and_moves(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbMemInterface *interface = segment_interface(space, segment_strategies[i], 16 * MIB);
        mmbMemInterface *other =
            control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
        mmbAllocation *block = control_allocation(interface, 100), *same = NULL;
        memcpy(mmb_allocation_ptr(block), "contents", 9);
        CU_ASSERT_EQUAL(mmb_reallocate(block, 100000), MMB_OK);
        CU_ASSERT_STRING_EQUAL(mmb_allocation_ptr(block), "contents");
        CU_ASSERT_EQUAL(segment_live_count(interface), 1);
        CU_ASSERT_EQUAL(mmb_allocation_from_shared(segment_pointer(block), &same), MMB_OK);
        CU_ASSERT_PTR_EQUAL(same, block);
        CU_ASSERT_EQUAL(control_used(space), 100000);
        CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_OK);
        CU_ASSERT_STRING_EQUAL(mmb_allocation_ptr(block), "contents");
        CU_ASSERT_EQUAL(segment_live_count(interface), 0);
        CU_ASSERT_EQUAL(mmb_migrate(block, interface), MMB_OK);
        CU_ASSERT_STRING_EQUAL(mmb_allocation_ptr(block), "contents");
        CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
        CU_ASSERT_EQUAL(control_used(space), 0);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(other), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    }
}

/* covers: mmb_stack_release MMB_INVALID_ARG */
static void test_heap_stack_marks(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_STACK, MIB);
    mmbStackMark mark, late;
    mmbAllocation *below = control_allocation(interface, 64);
    CU_ASSERT_EQUAL(mmb_stack_mark(interface, &mark), MMB_OK);
    mmbAllocation *above = control_allocation(interface, 64);
    CU_ASSERT_EQUAL(mmb_stack_mark(interface, &late), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_release(interface, mark), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(above), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_stack_release(interface, late), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(control_used(space), 64);
    CU_ASSERT_EQUAL(segment_live_bytes(interface), 64);
    CU_ASSERT_EQUAL(mmb_stack_reset(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(below), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(control_used(space), 0);
}

/* ---- pointers ---- */

static void test_heap_pointers_go_both_ways(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    mmbAllocation *block = control_allocation(interface, 100), *found = NULL;
    mmbSharedPtr pointer = segment_pointer(block);
    mmbOffset offset = {pointer.offset};
    mmbMemInterface *by_id = NULL;
    CU_ASSERT_FALSE(mmb_shared_ptr_is_null(pointer));
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, block);
    CU_ASSERT_PTR_EQUAL(mmb_shared_ptr(interface, offset), mmb_allocation_ptr(block));
    CU_ASSERT_PTR_EQUAL(mmb_shared_range(interface, offset, 100), mmb_allocation_ptr(block));
    CU_ASSERT_PTR_NULL(mmb_shared_range(interface, offset, 2 * MIB));
    CU_ASSERT_PTR_NULL(mmb_shared_ptr(interface, MMB_OFFSET_NULL));
    CU_ASSERT_PTR_NULL(mmb_shared_ptr(interface, (mmbOffset){UINT64_MAX}));
    CU_ASSERT_EQUAL(mmb_shared_offset(interface, mmb_allocation_ptr(block), &offset), MMB_OK);
    CU_ASSERT_EQUAL(offset.value, pointer.offset);
    CU_ASSERT_EQUAL(mmb_shared_offset(interface, NULL, &offset), MMB_OK);
    CU_ASSERT_TRUE(mmb_offset_is_null(offset));
    CU_ASSERT_EQUAL(mmb_interface_from_id((uint32_t)pointer.allocator, &by_id), MMB_OK);
    CU_ASSERT_PTR_EQUAL(by_id, interface);
}

/* covers: mmb_allocation_from_shared MMB_INVALID_ARG MMB_NOT_FOUND MMB_INVALID_ALLOCATION,
   mmb_shared_offset MMB_NOT_FOUND, mmb_interface_from_id MMB_NOT_FOUND */
static void test_heap_pointers_are_refused(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    mmbAllocation *block = control_allocation(interface, 100), *found = NULL;
    mmbSharedPtr pointer = segment_pointer(block), wrong = pointer;
    mmbOffset offset;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(MMB_SHARED_PTR_NULL, &found), MMB_INVALID_ARG);
    wrong.offset += 8;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(wrong, &found), MMB_INVALID_ALLOCATION);
    wrong = pointer;
    wrong.allocator ^= (uint64_t)1 << 40;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(wrong, &found), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_offset(interface, &wrong, &offset), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_interface_from_id((uint64_t)1 << 33, &interface), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_INVALID_ALLOCATION);
}

/* covers: mmb_shm_created MMB_UNSUPPORTED MMB_INVALID_INTERFACE, mmb_interface_get_header
   MMB_UNSUPPORTED MMB_INVALID_INTERFACE, mmb_allocation_get_shared MMB_UNSUPPORTED
   MMB_INVALID_ALLOCATION, mmb_shared_offset MMB_UNSUPPORTED MMB_INVALID_INTERFACE, mmb_shm_adopt
   MMB_UNSUPPORTED MMB_INVALID_INTERFACE, mmb_shm_reclaim MMB_UNSUPPORTED MMB_INVALID_INTERFACE */
static void test_heap_calls_refuse_other_objects(void)
{
    mmbMemInterface *plain = control_interface(space, MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    mmbAllocation *block = control_allocation(plain, 10);
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    mmbOffset offset = MMB_OFFSET_NULL;
    void *header = NULL;
    size_t n_bytes = 0;
    bool created = false;
    CU_ASSERT_EQUAL(mmb_allocation_get_shared(block, &pointer), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_allocation_get_shared(NULL, &pointer), MMB_INVALID_ALLOCATION);
    CU_ASSERT_PTR_NULL(mmb_shared_ptr(plain, offset));
    CU_ASSERT_PTR_NULL(mmb_shared_range(plain, offset, 1));
    for (int dead = 0; dead < 2; dead++) {
        mmbMemInterface *interface = dead ? NULL : plain;
        mmbError error = dead ? MMB_INVALID_INTERFACE : MMB_UNSUPPORTED;
        CU_ASSERT_EQUAL(mmb_shm_created(interface, &created), error);
        CU_ASSERT_EQUAL(mmb_interface_get_header(interface, &header, &n_bytes), error);
        CU_ASSERT_EQUAL(mmb_shared_offset(interface, NULL, &offset), error);
        CU_ASSERT_EQUAL(mmb_shm_adopt(interface, pointer), error);
        CU_ASSERT_EQUAL(mmb_shm_reclaim(interface, NULL, NULL, NULL), error);
    }
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

/* covers: mmb_shm_check MMB_INVALID_ARG MMB_NOT_FOUND, mmb_shm_unlink MMB_INVALID_ARG
   MMB_NOT_FOUND, mmb_shm_adopt MMB_INVALID_ARG MMB_INVALID_ALLOCATION */
static void test_heap_calls_refuse_bad_arguments(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    mmbSharedPtr pointer = segment_pointer(control_allocation(interface, 10));
    CU_ASSERT_EQUAL(mmb_shm_created(interface, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_interface_get_header(interface, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_interface_from_id(1, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_offset(interface, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shm_adopt(interface, MMB_SHARED_PTR_NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shm_adopt(interface, pointer), MMB_OK); /* our own already */
    pointer.offset += 16;
    CU_ASSERT_EQUAL(mmb_shm_adopt(interface, pointer), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_shm_check(NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shm_check("no slash", NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shm_unlink(NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shm_unlink("/mmb-test-none"), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shm_check("/mmb-test-none", NULL), MMB_NOT_FOUND);
}

/* ---- arrays ---- */

static void test_heap_array_inside_a_segment(void)
{
    mmbMemInterface *outer = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, 8 * MIB);
    mmbAllocation *array = control_allocation(outer, MIB), *block;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *inner;
    config.backend = MMB_BACKEND_ARRAY;
    config.strategy = MMB_STRATEGY_THREAD_LOCAL;
    config.backend_opts.array.base = mmb_allocation_ptr(array);
    config.backend_opts.array.bytes = MIB;
    config.backend_opts.array.mode = MMB_SHM_CREATE;
    config.backend_opts.array.id = 5;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(control_allocation(inner, 5000)), MMB_OK);
    block = control_allocation(inner, 100);
    mmbSharedPtr pointer = segment_pointer(block);
    CU_ASSERT_EQUAL((uint32_t)pointer.allocator, 5);
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &inner), MMB_EXISTS);
    CU_ASSERT_EQUAL(mmb_destroy_interface(inner), MMB_OK);
    config.backend_opts.array.mode = MMB_SHM_ATTACH;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(array), MMB_OK);
}

/* ---- threads ---- */

static void *one_block(void *argument)
{
    mmbAllocation *block = NULL;
    bool done = mmb_allocate(64, argument, &block) == MMB_OK && mmb_free(block) == MMB_OK;
    return done ? argument : NULL;
}

static void test_heap_slots_serve_threads_in_a_row(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    size_t n_done = 0;
    for (int i = 0; i < 5000; i++) {
        pthread_t thread;
        void *result = NULL;
        if (pthread_create(&thread, NULL, one_block, interface) == 0 &&
            pthread_join(thread, &result) == 0)
            n_done += result == interface;
    }
    CU_ASSERT_EQUAL(n_done, 5000);
    CU_ASSERT_EQUAL(segment_live_bytes(interface), 0);
}

enum { RING = 64, PASSED = 20000 };

struct passing {
    mmbMemInterface *interface;
    _Atomic(mmbAllocation *) ring[RING];
    size_t n_wrong;
};

static void *consume(void *argument)
{
    struct passing *passing = argument;
    for (size_t i = 0; i < PASSED; i++) {
        mmbAllocation *block;
        while (!(block = atomic_exchange(&passing->ring[i % RING], NULL)))
            sched_yield();
        passing->n_wrong += *(size_t *)mmb_allocation_ptr(block) != i || mmb_free(block) != MMB_OK;
    }
    return NULL;
}

static void test_heap_one_thread_frees_what_another_made(void)
{
    static struct passing passing;
    passing.interface = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, consume, &passing), 0);
    size_t n_made = 0;
    for (size_t i = 0; i < PASSED; i++) {
        mmbAllocation *block = NULL;
        while (atomic_load(&passing.ring[i % RING]))
            sched_yield();
        if (mmb_allocate(8 + i % 500, passing.interface, &block) != MMB_OK)
            break;
        *(size_t *)mmb_allocation_ptr(block) = i;
        atomic_store(&passing.ring[i % RING], block);
        n_made++;
    }
    SUITE_CHECK(n_made == PASSED, "%zu: %s", n_made, mmb_error_detail());
    if (n_made == PASSED)
        pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(passing.n_wrong, 0);
    CU_ASSERT_EQUAL(segment_live_bytes(passing.interface), 0);
    CU_ASSERT_EQUAL(control_used(space), 0);
}

MMB_SUITE_WITH("shared/heap", set_up, segment_tear_down, T(test_heap_strategies_serve_and_count),
               T(test_heap_blocks_are_aligned), T(test_heap_fills_to_the_end_again_and_again),
               T(test_heap_charges_requested_bytes), T(test_heap_reallocates_and_moves),
               T(test_heap_stack_marks), T(test_heap_pointers_go_both_ways),
               T(test_heap_pointers_are_refused), T(test_heap_calls_refuse_other_objects),
               T(test_heap_calls_refuse_bad_arguments), T(test_heap_array_inside_a_segment),
               T(test_heap_slots_serve_threads_in_a_row),
               T(test_heap_one_thread_frees_what_another_made))
