/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the shortest ways of a stack, which the thread that mostly has it goes, leave
 * it as the long ones would: counts, charges, peak and marks as in a model, the limit exact, and
 * nothing lost when another thread comes. */
#include <pthread.h>
#include <string.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *stack;

static void set_up(void)
{
    lab_open();
    space = lab_space(MMB_NO_LIMIT);
    stack = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
}

static mmbStackMark mark(void)
{
    mmbStackMark made;
    CU_ASSERT_EQUAL_FATAL(mmb_stack_mark(stack, &made), MMB_OK);
    return made;
}

static void expect_state(size_t n_live, size_t live_bytes, size_t charged)
{
    mmbMemInterfaceStats stats = lab_stats(stack);
    CU_ASSERT_EQUAL(stats.live_count, n_live);
    CU_ASSERT_EQUAL(stats.live_bytes, live_bytes);
    CU_ASSERT_EQUAL(lab_used(space), charged);
}

#define MODEL_BLOCKS 3000u
#define MODEL_MARKS  8u

/* What a stack must be like. Blocks that were freed below the top stay charged. */
static struct {
    mmbAllocation *handle[MODEL_BLOCKS];
    size_t n_bytes[MODEL_BLOCKS];
    bool is_free[MODEL_BLOCKS];
    size_t n, live_count, live_bytes, charged, peak, n_allocated;
    struct {
        mmbStackMark mark;
        size_t n;
        bool is_good;
    } marks[MODEL_MARKS];
} model;

/* Without a call, which would go the long way and tidy up. */
static unsigned char *bytes_of(size_t i)
{
    return MMB_PTR(model.handle[i], unsigned char);
}

static void model_drop(size_t n)
{
    for (size_t i = n; i < model.n; i++) {
        model.charged -= model.n_bytes[i];
        model.live_count -= !model.is_free[i];
        model.live_bytes -= model.is_free[i] ? 0 : model.n_bytes[i];
    }
    model.n = n;
    for (size_t i = 0; i < MODEL_MARKS; i++)
        model.marks[i].is_good &= model.marks[i].n <= n;
}

static void model_settle(void)
{
    size_t n = model.n;
    while (n > 0 && model.is_free[n - 1])
        n--;
    model_drop(n);
}

static void model_push(size_t n_bytes)
{
    if (model.n == MODEL_BLOCKS)
        return;
    size_t i = model.n++;
    model.handle[i] = lab_new(stack, n_bytes);
    model.n_bytes[i] = n_bytes;
    model.is_free[i] = false;
    model.live_count++;
    model.n_allocated++;
    model.charged += n_bytes;
    model.live_bytes += n_bytes;
    model.peak = model.live_bytes > model.peak ? model.live_bytes : model.peak;
    bytes_of(i)[0] = bytes_of(i)[n_bytes - 1] = (unsigned char)i;
}

static void model_free(size_t i)
{
    if (i >= model.n || model.is_free[i])
        return;
    SUITE_CHECK(bytes_of(i)[0] == (unsigned char)i &&
                    bytes_of(i)[model.n_bytes[i] - 1] == (unsigned char)i,
                "block %zu", i);
    lab_free(model.handle[i]);
    CU_ASSERT_EQUAL(mmb_free(model.handle[i]), MMB_INVALID_ALLOCATION);
    model.is_free[i] = true;
    model.live_count--;
    model.live_bytes -= model.n_bytes[i];
    model_settle();
}

static void model_mark(size_t i)
{
    model.marks[i].mark = mark();
    model.marks[i].n = model.n;
    model.marks[i].is_good = true;
}

static void model_release(size_t i)
{
    bool is_good = model.marks[i].is_good;
    SUITE_CHECK(mmb_stack_release(stack, model.marks[i].mark) ==
                    (is_good ? MMB_OK : MMB_INVALID_ARG),
                "the mark at %zu, %s", model.marks[i].n, is_good ? "good" : "bad");
    if (!is_good)
        return;
    model_drop(model.marks[i].n);
    model_settle();
}

static void model_step(uint64_t *random, uint64_t push_below)
{
    uint64_t what = lab_random(random) % 1000;
    size_t place = (size_t)lab_random(random);
    if (what < push_below)
        model_push(1 + place % 900);
    else if (what < 940 && model.n)
        model_free(model.n - 1);
    else if (what < 950 && model.n)
        model_free(place % model.n);
    else if (what < 975)
        model_mark(place % MODEL_MARKS);
    else if (what < 976)
        model_release(place % MODEL_MARKS);
    else if (what == 999 && place % 64 == 0 && mmb_stack_reset(stack) == MMB_OK)
        model_drop(0);
}

static void expect_model(void)
{
    mmbMemInterfaceStats stats = lab_stats(stack);
    expect_state(model.live_count, model.live_bytes, model.charged);
    CU_ASSERT_EQUAL(stats.peak_bytes, model.peak);
    CU_ASSERT_EQUAL(stats.total_allocations, model.n_allocated);
    CU_ASSERT_EQUAL(stats.total_frees, model.n_allocated - model.live_count);
}

/* Seldom asked, since that goes the long way too. */
static void test_stack_is_as_its_model(void)
{
    uint64_t random = 88172645463325252u;
    memset(&model, 0, sizeof model);
    for (size_t i = 0; i < MODEL_MARKS; i++)
        model_mark(i);
    for (size_t i = 0; i < 2000; i++) /* the stack is this thread's by then */
        lab_free(lab_new(stack, 16));
    model.n_allocated = 2000;
    model.peak = 16;
    for (size_t i = 0; i < 200000; i++) {
        model_step(&random, i / 4096 % 2 ? 400 : 700); /* through some segments, and back */
        if (lab_random(&random) % 500 == 0)
            expect_model();
    }
    model_drop(0);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_model();
}

static void *push_and_pop(void *unused)
{
    for (size_t i = 0; i < 20000; i++)
        lab_free(lab_new(stack, 16));
    return unused;
}

/* The second ends the first one's bias; nothing that he did may be lost. */
static void test_stack_changes_hands_exactly(void)
{
    for (size_t round = 1; round <= 10; round++) {
        pthread_t thread;
        push_and_pop(NULL);
        mmbAllocation *block = lab_new(stack, 100);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, push_and_pop, NULL), 0);
        pthread_join(thread, NULL);
        expect_state(1, 100, 100);
        CU_ASSERT_EQUAL(lab_stats(stack).total_allocations, round * 40001);
        CU_ASSERT_EQUAL(lab_stats(stack).peak_bytes, 116);
        lab_free(block);
        expect_state(0, 0, 0);
    }
}

/* Other interfaces of the space call the stack's credit back again and again. */
static void test_stack_limit_is_exact_for_its_owner(void)
{
    mmbMemSpace *small = lab_space(10000);
    mmbMemInterface *own = lab_interface(small, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbMemInterface *other = lab_interface(small, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbAllocation *blocks[100], *more;
    for (size_t round = 0; round < 300; round++) {
        for (size_t i = 0; i < 90; i++)
            blocks[i] = lab_new(own, 100);
        mmbAllocation *rest = lab_new(other, 1000);
        CU_ASSERT_EQUAL(mmb_allocate(1, own, &more), MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(mmb_allocate(1, other, &more), MMB_OUT_OF_MEMORY);
        for (size_t i = 90; i-- > 0;)
            lab_free(blocks[i]);
        CU_ASSERT_EQUAL(lab_used(small), 1000);
        lab_free(rest);
        lab_free(lab_new(other, 10000));
        lab_free(lab_new(own, 10000));
        CU_ASSERT_EQUAL(lab_used(small), 0);
    }
    CU_ASSERT_EQUAL(lab_peak(small), 10000);
}

MMB_SUITE_WITH("interfaces/stack_hot", set_up, lab_close, T(test_stack_is_as_its_model),
               T(test_stack_changes_hands_exactly), T(test_stack_limit_is_exact_for_its_owner))
