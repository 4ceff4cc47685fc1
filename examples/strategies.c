/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How memory is handed out: an interface of each strategy in one space, then raw pointers, slices
 * and what the interfaces have counted.
 *
 *     gcc -std=c99 strategies.c $(pkg-config --cflags --libs mmb) -o strategies && ./strategies
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>

#define KIB      ((size_t)1024)
#define N_BLOCKS 1000

/* Every call is checked, and so is whatever this program claims of the library. */
#define CHECK(call)   check((call), #call)
#define EXPECT(claim) check((claim) ? MMB_OK : MMB_ERROR, #claim)

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(EXIT_FAILURE);
}

static mmbMemInterfaceStats stats_of(const mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CHECK(mmb_interface_get_stats(interface, &stats));
    return stats;
}

/* [passthrough] */
/* Every block is a range of the backend's own: for few and large ones. */
static void use_passthrough(mmbMemSpace *space)
{
    mmbMemInterface *interface;
    mmbAllocation *one, *other;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    config.name = "passthrough";
    CHECK(mmb_create_interface(space, &config, &interface));

    CHECK(mmb_allocate(256 * KIB, interface, &one));
    CHECK(mmb_allocate(512 * KIB, interface, &other));
    EXPECT(stats_of(interface).chunks == 2);
    CHECK(mmb_free(one));
    CHECK(mmb_free(other));
    EXPECT(stats_of(interface).chunks == 0);
    printf("PASSTHROUGH: 2 blocks, 2 chunks of the backend\n");
}
/* [passthrough] */

/* [stack] */
/* Blocks lie one after the other and go together: for the temporaries of a step or a function. */
static void use_stack(mmbMemSpace *space)
{
    mmbMemInterface *interface;
    mmbAllocation *kept, *temporary;
    mmbStackMark mark;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = MMB_STRATEGY_STACK;
    config.strategy_opts.stack_bytes = 64 * KIB;
    config.name = "stack";
    CHECK(mmb_create_interface(space, &config, &interface));

    CHECK(mmb_allocate(1000, interface, &kept));
    CHECK(mmb_stack_mark(interface, &mark));
    for (int i = 0; i < 10; i++)
        CHECK(mmb_allocate(1000, interface, &temporary));
    EXPECT(stats_of(interface).live_bytes == 11000);
    CHECK(mmb_stack_release(interface, mark)); /* the ten; their handles are dead now */
    EXPECT(stats_of(interface).live_bytes == 1000);
    CHECK(mmb_stack_reset(interface));
    EXPECT(stats_of(interface).live_count == 0);
    printf("STACK: 10 blocks released to the mark, 1 kept\n");
}
/* [stack] */

/* [size classes] */
/* Blocks of like size share pages: for many blocks that come and go in any order. */
static void use_size_classes(mmbMemSpace *space, mmbStrategy strategy, const char *name)
{
    mmbMemInterface *interface;
    mmbAllocation *blocks[N_BLOCKS];
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = strategy;
    config.name = name;
    mmbError error = mmb_create_interface(space, &config, &interface);
    if (error == MMB_UNSUPPORTED && strategy == MMB_STRATEGY_THREAD_LOCAL) {
        printf("%s: %s\n", mmb_strategy_name(strategy), mmb_error_detail());
        return;
    }
    check(error, "mmb_create_interface");

    for (size_t i = 0; i < N_BLOCKS; i++)
        CHECK(mmb_allocate(16 + i % 256, interface, &blocks[i]));
    EXPECT(stats_of(interface).chunks < N_BLOCKS);
    for (size_t i = 0; i < N_BLOCKS; i++)
        CHECK(mmb_free(blocks[i]));
    CHECK(mmb_interface_trim(interface,
                             0)); /* empty memory is kept for later, until told otherwise */
    EXPECT(stats_of(interface).reserved_bytes == 0);
    printf("%s: %d blocks of 16 to 271 bytes\n", mmb_strategy_name(strategy), N_BLOCKS);
}
/* [size classes] */

/* [raw pointers] */
/* The malloc family over an interface, with its space's limit. Here over the default interface. */
static void use_raw_pointers(mmbMemInterface *interface)
{
    char *text = mmb_malloc(interface, 8);
    EXPECT(text != NULL && mmb_usable_size(interface, text) >= 8);
    memcpy(text, "library", 8);
    text = mmb_realloc(interface, text, 8000);
    EXPECT(text != NULL && strcmp(text, "library") == 0);
    EXPECT(mmb_free_ptr(interface, text + 1) == MMB_INVALID_ALLOCATION); /* refused, not a crash */
    CHECK(mmb_free_ptr(interface, text));

    const long *zeros = mmb_calloc(interface, 100, sizeof *zeros);
    EXPECT(zeros != NULL && zeros[99] == 0);
    CHECK(mmb_free_ptr(interface, (void *)zeros));
    EXPECT(mmb_calloc(interface, SIZE_MAX, 2) == NULL);

    void *page = mmb_aligned_alloc(interface, 4096, 100);
    EXPECT(page != NULL && (uintptr_t)page % 4096 == 0);
    CHECK(mmb_free_ptr(interface, page));
    printf("raw pointers: 8 bytes grown to 8000, 100 bytes aligned to 4096\n");
}
/* [raw pointers] */

/* [slices] */
/* A slice stands for a part of an allocation. It owns nothing, and keeps its parent alive. */
static void use_slices(mmbMemInterface *interface)
{
    mmbAllocation *matrix, *row;
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CHECK(MMB_NEW(interface, double, 10 * 100, &matrix));
    CHECK(mmb_allocation_slice(matrix, 7 * 100 * sizeof(double), 100 * sizeof(double), &row));
    MMB_PTR(row, double)[0] = 3.5;
    EXPECT(MMB_PTR(matrix, double)[700] == 3.5);

    CHECK(mmb_allocation_get_info(row, &info));
    EXPECT(info.parent == matrix && !info.owned);
    EXPECT(mmb_free(matrix) == MMB_BUSY);
    CHECK(mmb_free(row));
    CHECK(mmb_free(matrix));
    printf("slice: %zu bytes at offset %zu of its parent\n", info.n_bytes, info.parent_offset);
}
/* [slices] */

static void print_statistics(const mmbMemSpace *space)
{
    printf("%-12s %-14s %11s %6s %10s\n", "interface", "strategy", "allocations", "frees",
           "peak bytes");
    for (size_t i = 0; i < mmb_interface_count(space); i++) {
        mmbMemInterface *interface;
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        CHECK(mmb_interface_at(space, i, &interface));
        CHECK(mmb_interface_get_info(interface, &info));
        mmbMemInterfaceStats stats = stats_of(interface);
        EXPECT(stats.live_count == 0);
        printf("%-12s %-14s %11zu %6zu %10zu\n", info.name ? info.name : "(default)",
               mmb_strategy_name(info.strategy), stats.total_allocations, stats.total_frees,
               stats.peak_bytes);
    }
}

int main(void)
{
    mmbMemSpace *space;
    mmbMemInterface *any;
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = 1024 * KIB;
    CHECK(mmb_init(MMB_INIT_DEFAULT));
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space));

    use_passthrough(space);
    use_stack(space);
    use_size_classes(space, MMB_STRATEGY_SCALABLE_PAGE, "page");
    use_size_classes(space, MMB_STRATEGY_THREAD_LOCAL, "thread");
    CHECK(mmb_request_interface(space, NULL, &any));
    use_raw_pointers(any);
    use_slices(any);
    print_statistics(space);
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
