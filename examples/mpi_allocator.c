/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocators that the ranks of an MPI program share: on each machine one rank makes a segment and
 * the others attach to it. All read the same header, free each other's blocks, and have a second
 * allocator in the same segment. Leaving a segment and removing its name are two things.
 *
 *     gcc mpi_allocator.c $(pkg-config --cflags --libs mmb ompi-c) -o mpi_allocator
 *     mpirun -n 4 ./mpi_allocator
 */
#define _POSIX_C_SOURCE 200809L
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <mmb.h>

#define BYTES      ((size_t)4 << 20)
#define PART_BYTES ((size_t)1 << 20) /* of the second allocator */
#define MAGIC      10

#define CHECK(call)   check((call), #call)
#define EXPECT(claim) check((claim) ? MMB_OK : MMB_ERROR, #claim)

/* [header] */
/* What the segment's own header says: how to find the second allocator, and a number. */
struct header {
    uint64_t magic;
    mmbOffset part;
};
/* [header] */

struct rank {
    MPI_Comm machine; /* the ranks that can share memory with this one */
    int number, count;
    mmbMemSpace *space;
    mmbMemInterface *heap; /* the segment's */
    mmbMemInterface *part; /* over a block of it */
    struct header *header;
};

static char url[64];

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    if (url[0])
        mmb_shm_unlink(url);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

static void barrier(const struct rank *rank)
{
    EXPECT(MPI_Barrier(rank->machine) == MPI_SUCCESS);
}

/* A name that no other run on this machine has. */
static void agree_on_name(const struct rank *rank)
{
    if (rank->number == 0)
        snprintf(url, sizeof url, "/mmb-mpi-%ld", (long)getpid());
    EXPECT(MPI_Bcast(url, sizeof url, MPI_CHAR, 0, rank->machine) == MPI_SUCCESS);
}

/* [attach] */
static void open_heap(struct rank *rank, mmbShmMode mode)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    void *header;
    size_t n_bytes;
    config.backend = MMB_BACKEND_SHM;
    config.backend_opts.shm.url = url;
    config.backend_opts.shm.mode = mode;
    config.backend_opts.shm.bytes = BYTES;
    config.backend_opts.shm.header_bytes = sizeof(struct header);
    CHECK(mmb_create_interface(rank->space, &config, &rank->heap));
    CHECK(mmb_interface_get_header(rank->heap, &header, &n_bytes));
    EXPECT(n_bytes == sizeof(struct header));
    rank->header = header;
}
/* [attach] */

/* [part] */
/* A block of the segment is an allocator of its own, with another strategy: its memory comes back
 * at once when the block is freed. */
static void open_part(struct rank *rank, mmbShmMode mode)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_ARRAY;
    config.strategy = mode == MMB_SHM_CREATE ? MMB_STRATEGY_STACK : MMB_STRATEGY_DEFAULT;
    config.backend_opts.array.base = mmb_shared_range(rank->heap, rank->header->part, PART_BYTES);
    config.backend_opts.array.bytes = PART_BYTES;
    config.backend_opts.array.mode = mode;
    EXPECT(config.backend_opts.array.base != NULL);
    CHECK(mmb_create_interface(rank->space, &config, &rank->part));
}
/* [part] */

static void create(struct rank *rank)
{
    mmbAllocation *block;
    mmbSharedPtr pointer;
    open_heap(rank, MMB_SHM_CREATE);
    CHECK(mmb_allocate(PART_BYTES, rank->heap, &block));
    CHECK(mmb_allocation_get_shared(block, &pointer));
    rank->header->part.value = pointer.offset;
    open_part(rank, MMB_SHM_CREATE);
    rank->header->magic = MAGIC;
}

/* Nobody attaches before the first rank is done. */
static void create_or_attach(struct rank *rank)
{
    if (rank->number == 0)
        create(rank);
    barrier(rank);
    if (rank->number != 0) {
        open_heap(rank, MMB_SHM_ATTACH);
        open_part(rank, MMB_SHM_ATTACH);
    }
    EXPECT(rank->header->magic == MAGIC);
    barrier(rank);
}

/* [ring] */
/* Each rank allocates a number, its neighbour reads and frees it. */
static void pass_on(const struct rank *rank, mmbMemInterface *interface)
{
    int next = (rank->number + 1) % rank->count;
    int previous = (rank->number + rank->count - 1) % rank->count;
    mmbAllocation *mine, *theirs;
    mmbSharedPtr out, in;
    CHECK(mmb_allocate(sizeof(int), interface, &mine));
    *MMB_PTR(mine, int) = rank->number;
    CHECK(mmb_allocation_get_shared(mine, &out));
    EXPECT(MPI_Sendrecv(&out, sizeof out, MPI_BYTE, next, 0, &in, sizeof in, MPI_BYTE, previous, 0,
                        rank->machine, MPI_STATUS_IGNORE) == MPI_SUCCESS);
    CHECK(mmb_allocation_from_shared(in, &theirs));
    EXPECT(*MMB_PTR(theirs, int) == previous);
    CHECK(mmb_free(theirs));
}
/* [ring] */

static size_t live_count(mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CHECK(mmb_interface_get_stats(interface, &stats));
    return stats.live_count;
}

static void detach(struct rank *rank)
{
    CHECK(mmb_destroy_interface(rank->part));
    CHECK(mmb_destroy_interface(rank->heap));
}

/* Everybody has left and the segment is as it was, until its name is removed; who came back before
 * that still has it afterwards. */
static void leave(struct rank *rank)
{
    detach(rank);
    barrier(rank);
    CHECK(mmb_shm_check(url, NULL));
    open_heap(rank, MMB_SHM_ATTACH);
    open_part(rank, MMB_SHM_ATTACH);
    barrier(rank);
    if (rank->number == 0)
        CHECK(mmb_shm_unlink(url));
    barrier(rank);
    EXPECT(mmb_shm_check(url, NULL) == MMB_NOT_FOUND);
    EXPECT(rank->header->magic == MAGIC);
    pass_on(rank, rank->heap);
    barrier(rank);
    detach(rank);
}

int main(int argc, char **argv)
{
    struct rank rank = {0};
    EXPECT(MPI_Init(&argc, &argv) == MPI_SUCCESS);
    EXPECT(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                               &rank.machine) == MPI_SUCCESS);
    EXPECT(MPI_Comm_rank(rank.machine, &rank.number) == MPI_SUCCESS);
    EXPECT(MPI_Comm_size(rank.machine, &rank.count) == MPI_SUCCESS);
    CHECK(mmb_init(NULL));
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &rank.space));
    agree_on_name(&rank);

    create_or_attach(&rank);
    printf("rank %d of %d: the header reads %d\n", rank.number, rank.count,
           (int)rank.header->magic);
    pass_on(&rank, rank.heap);
    pass_on(&rank, rank.part);
    barrier(&rank);
    EXPECT(live_count(rank.heap) == 1 && live_count(rank.part) == 0);
    barrier(&rank);
    leave(&rank);
    if (rank.number == 0)
        printf("two allocators in one segment, left by all and then unlinked\n");

    CHECK(mmb_finalize());
    EXPECT(MPI_Comm_free(&rank.machine) == MPI_SUCCESS);
    EXPECT(MPI_Finalize() == MPI_SUCCESS);
    return EXIT_SUCCESS;
}
