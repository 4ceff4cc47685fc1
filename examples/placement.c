/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Placing data: find the memory there is, take parts of it with limits, hand them out in several
 * ways, copy between them, run into a limit, and ask a block where it came from.
 *
 *     gcc -std=c99 placement.c $(pkg-config --cflags --libs mmb) -o placement
 *     MMB_LOG_LEVEL=debug ./placement     # says each failing call and its cause, too
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>

#define BLOCK_BYTES ((size_t)1024 * 1024)

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

/*
 * With discovery built in, mmb_init() has found the layers of this machine and made a space in each
 * that it can serve. Without, the program says what there is; see register.c.
 */
static void find_memory(void)
{
    mmbMemSpace *dram;
    if (mmb_request_space(MMB_DRAM, MMB_CPU, NULL, &dram) == MMB_NOT_FOUND)
        CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &dram));

    for (size_t i = 0; i < mmb_layer_count(); i++) {
        mmbMemLayer layer;
        mmbLayerInfo info = MMB_LAYER_INFO_INIT;
        CHECK(mmb_layer_at(i, &layer));
        CHECK(mmb_layer_get_info(layer, &info));
        printf("layer %s: %s", info.name, info.discovered ? "discovered" : "registered");
        if (info.total_bytes) /* 0: unknown */
            printf(", %zu MiB, domains: %zu", info.total_bytes >> 20, info.domains);
        printf("\n");
    }
}

/* [best layer] */
/* The layer to have, of those whose memory the CPU can use and that have n_bytes left. */
static mmbMemLayer best_layer(size_t n_bytes)
{
    mmbMemSpace *best;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CHECK(mmb_request_best_space(MMB_BEST_BANDWIDTH, MMB_CPU, n_bytes, &best));
    CHECK(mmb_space_get_info(best, &info));
    return info.layer;
}
/* [best layer] */

/* [space] */
/* A part of a layer: its allocations together never have more than `limit` bytes. */
static mmbMemSpace *make_space(mmbMemLayer layer, size_t limit)
{
    mmbMemSpace *space;
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    CHECK(mmb_create_space(layer, MMB_CPU, &config, &space));
    printf("space in %s: limit %zu bytes\n", mmb_layer_name(layer), limit);
    return space;
}
/* [space] */

/* A way to hand out the space's memory; NULL where this build lacks the strategy. */
static mmbMemInterface *make_interface(mmbMemSpace *space, mmbStrategy strategy)
{
    mmbMemInterface *interface;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = strategy;
    mmbError error = mmb_create_interface(space, &config, &interface);
    if (error == MMB_UNSUPPORTED && strategy == MMB_STRATEGY_THREAD_LOCAL) {
        printf("%s: %s\n", mmb_strategy_name(strategy), mmb_error_detail());
        return NULL;
    }
    check(error, "mmb_create_interface");
    return interface;
}

/* [provenance] */
static void print_provenance(const char *what, const mmbAllocation *block)
{
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    mmbMemInterfaceInfo interface = MMB_MEMINTERFACE_INFO_INIT;
    mmbSpaceInfo space = MMB_SPACE_INFO_INIT;
    CHECK(mmb_allocation_get_info(block, &info));
    CHECK(mmb_interface_get_info(info.interface, &interface));
    CHECK(mmb_space_get_info(info.space, &space));
    EXPECT(info.ptr == mmb_allocation_ptr(block) && info.owned);
    printf("%s of %zu bytes: layer %s, context %s, %s over %s, space limit %zu\n", what,
           info.n_bytes, mmb_layer_name(info.layer), mmb_execution_context_name(info.context),
           mmb_strategy_name(interface.strategy), mmb_backend_name(interface.backend), space.limit);
}
/* [provenance] */

/* [copy] */
static void copy_and_verify(mmbAllocation *to, mmbAllocation *from)
{
    /* The host pointer of an allocation, typed: for host memory it may be used as any other. */
    unsigned char *bytes = MMB_PTR(from, unsigned char);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        bytes[i] = (unsigned char)(i % 251);

    CHECK(mmb_copy(to, from)); /* whatever memory each lies in */
    EXPECT(memcmp(mmb_allocation_ptr(to), bytes, BLOCK_BYTES) == 0);
    printf("copied %zu bytes across two interfaces\n", mmb_allocation_size(to));
}
/* [copy] */

/* [copy async] */
/* The same without waiting: until the event says that it is done, both blocks are in use. */
static void copy_meanwhile(mmbAllocation *to, mmbAllocation *from)
{
    mmbEvent *event;
    CHECK(mmb_memset(from, 0, 42, BLOCK_BYTES));
    CHECK(mmb_copy_async(to, from, &event));
    EXPECT(mmb_free(to) == MMB_BUSY);
    CHECK(mmb_event_wait(&event));
    EXPECT(event == NULL && MMB_PTR(to, char)[BLOCK_BYTES - 1] == 42);
    printf("copied %zu bytes in the background\n", mmb_allocation_size(to));
}
/* [copy async] */

/* [limit] */
/* The limit is exact: what fits is served to the last byte, and not a byte more. */
static void hit_the_limit(mmbMemSpace *space, mmbMemInterface *interface)
{
    mmbAllocation *rest, *one_more = NULL;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CHECK(mmb_space_get_info(space, &info));
    CHECK(mmb_allocate(info.limit - info.used, interface, &rest));

    mmbError error = mmb_allocate(1, interface, &one_more);
    EXPECT(error == MMB_OUT_OF_MEMORY && one_more == NULL);
    printf("refused with %s: %s\n", mmb_error_name(error), mmb_error_detail());
    CHECK(mmb_free(rest));
}
/* [limit] */

int main(void)
{
    CHECK(mmb_init(MMB_INIT_DEFAULT));
    find_memory();
    mmbMemSpace *work = make_space(best_layer(4 * BLOCK_BYTES), 4 * BLOCK_BYTES);
    mmbMemSpace *archive = make_space(MMB_DRAM, 2 * BLOCK_BYTES);

    /* One block from each strategy. All of them draw on the one limit of their space. */
    mmbAllocation *blocks[4];
    size_t n_blocks = 0;
    for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++) {
        mmbMemInterface *interface = make_interface(work, (mmbStrategy)s);
        if (!interface)
            continue;
        CHECK(mmb_allocate(BLOCK_BYTES, interface, &blocks[n_blocks]));
        print_provenance("block", blocks[n_blocks++]);
    }
    copy_and_verify(blocks[1], blocks[0]);

    /* With NULL for a config, the interface that the space has anyway. */
    mmbMemInterface *shelf;
    mmbAllocation *copy;
    CHECK(mmb_request_interface(archive, NULL, &shelf));
    CHECK(mmb_allocate(BLOCK_BYTES, shelf, &copy));
    copy_meanwhile(copy, blocks[0]);
    hit_the_limit(archive, shelf);

    /* A block can move: the same object, its bytes and its provenance in another space. */
    CHECK(mmb_migrate(blocks[0], shelf));
    EXPECT(MMB_PTR(blocks[0], char)[0] == 42);
    print_provenance("moved block", blocks[0]);

    CHECK(mmb_free(copy));
    while (n_blocks > 0)
        CHECK(mmb_free(blocks[--n_blocks]));
    CHECK(mmb_destroy_space(work)); /* and its interfaces with it, now that they are empty */
    CHECK(mmb_destroy_space(archive));
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
