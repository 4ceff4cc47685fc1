/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: where a stack's top lies, in which of its chunks, is right after any way up
 * and down across their edges, by the shortest ways and by the others. */
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define MOST_BLOCKS 64 /* of up to 400 KB: over several chunks of at most 4 MiB */
#define N_STEPS     20000

struct block {
    mmbAllocation *handle;
    size_t n_bytes;
    unsigned char stamp;
};

static mmbMemSpace *space;
static mmbMemInterface *stack;
static struct block blocks[MOST_BLOCKS];
static size_t n_blocks;

static void set_up(void)
{
    lab_open();
    space = lab_space(MMB_NO_LIMIT);
    stack = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    n_blocks = 0;
}

static void push(uint64_t *state)
{
    struct block *block = &blocks[n_blocks++];
    block->n_bytes = 1 + lab_random(state) % 400000;
    block->stamp = (unsigned char)lab_random(state);
    block->handle = lab_new(stack, block->n_bytes);
    unsigned char *bytes = mmb_allocation_ptr(block->handle);
    bytes[0] = bytes[block->n_bytes - 1] = block->stamp;
}

static void check(const struct block *block)
{
    const unsigned char *bytes = mmb_allocation_ptr(block->handle);
    SUITE_CHECK(bytes[0] == block->stamp && bytes[block->n_bytes - 1] == block->stamp, "block %zu",
                (size_t)(block - blocks));
}

static void pop(void)
{
    check(&blocks[--n_blocks]);
    lab_free(blocks[n_blocks].handle);
}

static void check_all(void)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < n_blocks; i++) {
        mmbAllocation *found = NULL;
        check(&blocks[i]);
        CU_ASSERT_EQUAL(mmb_allocation_find(mmb_allocation_ptr(blocks[i].handle), &found), MMB_OK);
        CU_ASSERT_PTR_EQUAL(found, blocks[i].handle);
        n_bytes += blocks[i].n_bytes;
    }
    CU_ASSERT_EQUAL(lab_used(space), n_bytes);
    CU_ASSERT_EQUAL(lab_stats(stack).live_bytes, n_bytes);
}

/* Long runs of one kind, so that whole chunks are crossed without a call that takes the long way;
 * now and then everything is looked at, which is one. */
static void test_stack_goes_up_and_down_over_its_chunks(void)
{
    uint64_t state = 12;
    bool is_up = true;
    size_t run = 0;
    for (size_t i = 0; i < N_STEPS; i++) {
        if (run-- == 0) {
            is_up = lab_random(&state) % 2;
            run = lab_random(&state) % MOST_BLOCKS;
        }
        if (is_up && n_blocks < MOST_BLOCKS)
            push(&state);
        else if (!is_up && n_blocks > 0)
            pop();
        if (lab_random(&state) % 200 == 0)
            check_all();
    }
    check_all();
    while (n_blocks > 0)
        pop();
    CU_ASSERT_EQUAL(lab_used(space), 0);
}

/* Down into the chunk below, up again in it, and by a mark to where it began. */
static void test_stack_released_across_a_chunk(void)
{
    uint64_t state = 5;
    for (size_t round = 0; round < 50; round++) {
        while (n_blocks < MOST_BLOCKS / 2)
            push(&state);
        mmbStackMark mark;
        CU_ASSERT_EQUAL_FATAL(mmb_stack_mark(stack, &mark), MMB_OK);
        size_t marked = n_blocks;
        while (n_blocks < MOST_BLOCKS)
            push(&state);
        for (size_t n = lab_random(&state) % 30; n > 0; n--)
            pop();
        for (size_t n = lab_random(&state) % 10; n > 0 && n_blocks < MOST_BLOCKS; n--)
            push(&state);
        CU_ASSERT_EQUAL(mmb_stack_release(stack, mark), MMB_OK);
        n_blocks = marked;
        for (size_t n = lab_random(&state) % (MOST_BLOCKS / 2); n > 0; n--)
            pop();
        check_all();
    }
}

MMB_SUITE_WITH("interfaces/stack_segments", set_up, lab_close,
               T(test_stack_goes_up_and_down_over_its_chunks),
               T(test_stack_released_across_a_chunk))
