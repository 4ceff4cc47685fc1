/* SPDX-License-Identifier: BSD-3-Clause */
/* Every function of <mmb/device.h> and <mmb/device_memory.h> in a kernel: a list built by offsets
 * out of a pool and a stack, walked again. Compiled where nvcc is; run where a GPU is. */
#include <mmb/device_memory.h>

struct node {
    mmbOffset next;
    uint64_t value;
};

__global__ void build(mmbDevicePool *pool, mmbDeviceStack *stack, mmbOffset *head, uint64_t *sum)
{
    node *made = (node *)mmb_device_pool_alloc(pool);
    uint64_t *extra = (uint64_t *)mmb_device_stack_alloc(stack, sizeof *extra);
    if (!made || !extra)
        return;
    *extra = mmb_device_thread_id();
    made->value = *extra + 1;
    mmbOffset mine = mmb_device_offset(pool, made);
    for (;;) {
        uint64_t first = mmb_device_load(&head->value);
        mmb_device_store(&made->next.value, first);
        if (mmb_device_compare_swap(&head->value, first, mine.value) == first)
            break;
        mmb_device_yield();
    }
    mmb_device_fetch_add(sum, made->value);
}

__global__ void walk(mmbDevicePool *pool, mmbDeviceStack *stack, mmbOffset head, uint64_t *sum)
{
    mmbSharedPtr pointer = {7, head.value};
    for (node *at = (node *)mmb_device_shared_at(pool, 7, pointer); at;) {
        node *next = (node *)mmb_device_at(pool, at->next);
        *sum += at->value;
        mmb_device_pool_free(pool, at);
        at = next;
    }
    mmb_device_sleep_us(1);
    mmb_device_stack_reset(stack);
}

__global__ void make(void *range, uint64_t n_bytes)
{
    if (mmb_device_pool_make(range, n_bytes / 2, sizeof(node)))
        mmb_device_stack_make((char *)range + n_bytes / 2, n_bytes / 2);
}
