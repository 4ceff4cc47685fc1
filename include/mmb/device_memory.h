/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Allocators for kernels, without locks.
 *
 * They divide a range that a program gave them, in CUDA and HIP kernels and in host code alike: a
 * stack, which only grows until it is reset, and a pool of blocks of one size. Their state lies at
 * the range's start, as offsets, so it means the same wherever the range is mapped. Nothing here
 * needs mmb_init(); tests/headers/kernel.cu shows each in use.
 */
#ifndef MMB_DEVICE_MEMORY_H
#define MMB_DEVICE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <mmb/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a stack ---- */

/** Lies at the start of its range. Offsets count from here. */
typedef struct mmbDeviceStack {
    uint64_t top; /**< of what is taken, at most `n_bytes` but for refused requests */
    uint64_t n_bytes;
} mmbDeviceStack;

/** What blocks of both allocators are aligned to. */
#define MMB_DEVICE_ALIGNMENT 16u

/**
 * Makes a stack of a range. One thread, before any other uses it.
 * @param range  required, aligned to 16, reached by all who will use it
 * @param n_bytes  of the range, its state included
 * @return the stack, at `range`; NULL: it is too small or not aligned
 * @since 0.1
 */
MMB_DEVICE_FUNCTION mmbDeviceStack *mmb_device_stack_make(void *range, uint64_t n_bytes)
{
    mmbDeviceStack *stack = (mmbDeviceStack *)range;
    if (!range || n_bytes < sizeof *stack || (uintptr_t)range % MMB_DEVICE_ALIGNMENT)
        return NULL;
    stack->n_bytes = n_bytes;
    stack->top = sizeof *stack;
    return stack;
}

/**
 * Takes a block. Any thread of device and host.
 * @param stack  required
 * @param n_bytes  at least 1
 * @return aligned to 16; NULL: there is no room
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void *mmb_device_stack_alloc(mmbDeviceStack *stack, uint64_t n_bytes)
{
    uint64_t rounded = (n_bytes + MMB_DEVICE_ALIGNMENT - 1) & ~(uint64_t)(MMB_DEVICE_ALIGNMENT - 1);
    uint64_t top = mmb_device_load(&stack->top);
    if (n_bytes == 0 || rounded < n_bytes)
        return NULL;
    for (;;) {
        uint64_t was;
        if (rounded > stack->n_bytes - top)
            return NULL;
        was = mmb_device_compare_swap(&stack->top, top, top + rounded);
        if (was == top)
            return (char *)stack + top;
        top = was;
    }
}

/**
 * Gives everything back. No other thread uses the stack or a block of it.
 * @param stack  required
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void mmb_device_stack_reset(mmbDeviceStack *stack)
{
    stack->top = sizeof *stack;
}

/* ---- blocks of one size ---- */

/** Lies at the start of its range. Offsets count from here. */
typedef struct mmbDevicePool {
    /** Of the first free block in the low 40 bits, 0: none; above them a count, so that a list that
     * is as it was before is seen to have changed. */
    uint64_t free;
    uint64_t next; /**< of the first block that was never taken */
    uint64_t n_bytes;
    uint64_t block_bytes;
} mmbDevicePool;

#define MMB_DEVICE_POOL_BITS 40 /**< of an offset in a pool: a pool has less than 1 TiB */

/**
 * Makes a pool of a range. One thread, before any other uses it.
 * @param range  required, aligned to 16, reached by all who will use it
 * @param n_bytes  of the range, its state included; less than 1 TiB
 * @param block_bytes  at least 1, rounded up to a multiple of 16
 * @return the pool, at `range`; NULL: it is too small, too large or not aligned
 * @since 0.1
 */
MMB_DEVICE_FUNCTION mmbDevicePool *mmb_device_pool_make(void *range, uint64_t n_bytes,
                                                        uint64_t block_bytes)
{
    mmbDevicePool *pool = (mmbDevicePool *)range;
    uint64_t rounded =
        (block_bytes + MMB_DEVICE_ALIGNMENT - 1) & ~(uint64_t)(MMB_DEVICE_ALIGNMENT - 1);
    if (!range || n_bytes >> MMB_DEVICE_POOL_BITS || (uintptr_t)range % MMB_DEVICE_ALIGNMENT)
        return NULL;
    if (n_bytes < sizeof *pool || block_bytes == 0 || rounded < block_bytes)
        return NULL;
    pool->free = 0;
    pool->next = sizeof *pool;
    pool->n_bytes = n_bytes;
    pool->block_bytes = rounded;
    return pool;
}

/* A block that was given back, or NULL. */
MMB_DEVICE_FUNCTION void *mmb_device_pool_pop(mmbDevicePool *pool)
{
    const uint64_t low = ((uint64_t)1 << MMB_DEVICE_POOL_BITS) - 1;
    uint64_t head = mmb_device_load(&pool->free);
    while (head & low) {
        uint64_t *block = (uint64_t *)((char *)pool + (head & low));
        uint64_t following = mmb_device_load(block) & low;
        uint64_t was = mmb_device_compare_swap(&pool->free, head, ((head | low) + 1) | following);
        if (was == head)
            return block;
        head = was;
    }
    return NULL;
}

/**
 * Takes a block. Any thread of device and host.
 * @param pool  required
 * @return aligned to 16; NULL: none is left
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void *mmb_device_pool_alloc(mmbDevicePool *pool)
{
    void *block = mmb_device_pool_pop(pool);
    uint64_t next = mmb_device_load(&pool->next);
    while (!block && pool->block_bytes <= pool->n_bytes - next) {
        uint64_t was = mmb_device_compare_swap(&pool->next, next, next + pool->block_bytes);
        if (was == next)
            return (char *)pool + next;
        next = was;
    }
    return block;
}

/**
 * Gives a block back. Any thread of device and host.
 * @param pool  required
 * @param block  of this pool, as mapped here; NULL does nothing
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void mmb_device_pool_free(mmbDevicePool *pool, void *block)
{
    const uint64_t low = ((uint64_t)1 << MMB_DEVICE_POOL_BITS) - 1;
    uint64_t *first = (uint64_t *)block;
    uint64_t head;
    if (!block)
        return;
    head = mmb_device_load(&pool->free);
    for (;;) {
        uint64_t was;
        uint64_t mine = (uint64_t)((char *)block - (char *)pool);
        mmb_device_store(first, head & low);
        was = mmb_device_compare_swap(&pool->free, head, ((head | low) + 1) | mine);
        if (was == head)
            return;
        head = was;
    }
}

#ifdef __cplusplus
}
#endif

#endif
