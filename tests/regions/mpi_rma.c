/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ranks under mpirun (test_mpi.sh): rank 0 puts into and gets from a block and a slice of rank
 * 1's, through what that exports; the attach limit is counted before MPI is asked. Prints one line
 * "failed N" per rank that failed; exits 0 when all is well. */
#include <mmb/mpi.h>
#include <mmb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/regions/exhaust.h"

#define BLOCK_BYTES  ((size_t)1 << 20)
#define SLICE_OFFSET ((size_t)50000)
#define SLICE_BYTES  ((size_t)3000)
#define FORM_BYTES   512
#define LIMIT        8u

struct side {
    int rank;
    MPI_Win window;
    mmbRegionProvider *provider;
    mmbMemInterface *interface;
    mmbAllocation *block, *slice;
};

static uint8_t pattern(size_t at, int rank)
{
    return (uint8_t)(at * 7 + at / 4096 + (size_t)rank * 101);
}

static bool make(struct side *side)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    if (mmb_init(NULL) != MMB_OK ||
        mmb_region_provider_create_mpi(side->window, LIMIT, &side->provider) != MMB_OK)
        return false;
    config.region_provider = side->provider;
    config.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    if (mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space) != MMB_OK ||
        mmb_create_interface(space, &config, &side->interface) != MMB_OK ||
        mmb_allocate(BLOCK_BYTES, side->interface, &side->block) != MMB_OK ||
        mmb_allocation_slice(side->block, SLICE_OFFSET, SLICE_BYTES, &side->slice) != MMB_OK)
        return false;
    uint8_t *bytes = mmb_allocation_ptr(side->block);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        bytes[i] = pattern(i, side->rank);
    return true;
}

/* ---- rank 0 ---- */

/* One part of ours at the same place of the peer's, and back into another place. */
static bool put_and_get(const struct side *side, const mmbRegionView *there, size_t offset,
                        size_t n_bytes)
{
    uint8_t back[4096];
    uint64_t rank = 0;
    mmbRegionView here = MMB_REGION_VIEW_INIT;
    if (there->remote_key_bytes != sizeof rank || n_bytes > sizeof back ||
        mmb_allocation_get_region(side->block, offset, n_bytes, &here) != MMB_OK)
        return false;
    memcpy(&rank, there->remote_key, sizeof rank);
    MPI_Aint at = (MPI_Aint)(there->remote_address + offset % there->n_bytes);
    return MPI_Put(here.ptr, (int)n_bytes, MPI_BYTE, (int)rank, at, (int)n_bytes, MPI_BYTE,
                   side->window) == MPI_SUCCESS &&
           MPI_Win_flush((int)rank, side->window) == MPI_SUCCESS &&
           MPI_Get(back, (int)n_bytes, MPI_BYTE, (int)rank, at, (int)n_bytes, MPI_BYTE,
                   side->window) == MPI_SUCCESS &&
           MPI_Win_flush((int)rank, side->window) == MPI_SUCCESS &&
           memcmp(back, here.ptr, n_bytes) == 0;
}

static int initiate(const struct side *side)
{
    uint8_t forms[2][FORM_BYTES];
    mmbRegionView block = MMB_REGION_VIEW_INIT, slice = MMB_REGION_VIEW_INIT;
    MPI_Recv(forms, sizeof forms, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (mmb_region_import(forms[0], FORM_BYTES, side->provider, &block) != MMB_OK ||
        mmb_region_import(forms[1], FORM_BYTES, side->provider, &slice) != MMB_OK)
        return 10;
    if (block.n_bytes != BLOCK_BYTES || slice.n_bytes != SLICE_BYTES)
        return 11;
    MPI_Win_lock_all(MPI_MODE_NOCHECK, side->window);
    int failed = 0;
    for (size_t part = 0; part < 8 && !failed; part++)
        failed = put_and_get(side, &block, part * 100000 + part, 4096) ? 0 : 12;
    if (!failed && !put_and_get(side, &slice, 2 * SLICE_BYTES + 100, 200))
        failed = 13; /* our bytes from there on, at 100 in the slice */
    MPI_Win_unlock_all(side->window);
    if (mmb_region_release(&block) != MMB_OK || mmb_region_release(&slice) != MMB_OK)
        return 14;
    return failed;
}

/* ---- rank 1 ---- */

static int serve(const struct side *side)
{
    uint8_t forms[2][FORM_BYTES] = {{0}};
    size_t n_bytes[2] = {FORM_BYTES, FORM_BYTES};
    if (mmb_allocation_export_region(side->block, forms[0], &n_bytes[0]) != MMB_OK ||
        mmb_allocation_export_region(side->slice, forms[1], &n_bytes[1]) != MMB_OK)
        return 20;
    MPI_Send(forms, sizeof forms, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
    return 0;
}

static uint8_t expected(size_t at)
{
    size_t inner = SLICE_OFFSET + 100;
    if (at >= inner && at < inner + 200)
        return pattern(2 * SLICE_BYTES + 100 + at - inner, 0);
    for (size_t part = 0; part < 8; part++)
        if (at >= part * 100000 + part && at < part * 100000 + part + 4096)
            return pattern(at, 0);
    return pattern(at, 1);
}

static int verify(const struct side *side)
{
    const uint8_t *bytes = mmb_allocation_ptr(side->block);
    size_t wrong = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        wrong += bytes[i] != expected(i);
    return wrong ? 21 : 0;
}

/* ---- both ---- */

/* One too many is refused before MPI hears of it, and afterwards there is room again. */
static int reach_the_limit(const struct side *side)
{
    static char buffers[LIMIT + 4][8192];
    mmbAllocation *wrapped[LIMIT + 4] = {NULL};
    size_t n = 0;
    mmbError error = MMB_OK;
    while (n < LIMIT + 4 && error == MMB_OK) {
        error = mmb_allocation_create_wrapped(buffers[n], sizeof buffers[n], side->interface,
                                              &wrapped[n]);
        n += error == MMB_OK;
    }
    if (error != MMB_OUT_OF_MEMORY || n >= LIMIT || !strstr(mmb_error_detail(), "max_regions 8"))
        return 30;
    while (n > 0)
        if (mmb_free(wrapped[--n]) != MMB_OK)
            return 31;
    error = mmb_allocation_create_wrapped(buffers[0], 8192, side->interface, &wrapped[0]);
    return error == MMB_OK && mmb_free(wrapped[0]) == MMB_OK ? 0 : 32;
}

/* covers: mmb_region_provider_create_mpi MMB_INVALID_ARG MMB_UNSUPPORTED */
static int refuse(const struct side *side)
{
    mmbRegionProvider *provider = NULL;
    MPI_Win fixed;
    static char buffer[64];
    if (mmb_region_provider_create_mpi(MPI_WIN_NULL, 0, &provider) != MMB_INVALID_ARG ||
        mmb_region_provider_create_mpi(side->window, 0, NULL) != MMB_INVALID_ARG)
        return 40;
    MPI_Win_create(buffer, sizeof buffer, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &fixed);
    mmbError error = mmb_region_provider_create_mpi(fixed, 0, &provider);
    MPI_Win_free(&fixed);
    return error == MMB_UNSUPPORTED && !provider ? 0 : 41;
}

/* Before MPI is started, so that a child may be made. covers: mmb_region_provider_create_mpi
 * MMB_OUT_OF_MEMORY */
static int without_memory(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        mmbRegionProvider *provider = NULL;
        if (!exhaust_malloc())
            _exit(0);
        _exit(mmb_region_provider_create_mpi(MPI_WIN_NULL, 0, &provider) != MMB_OUT_OF_MEMORY);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 50;
}

static int run(struct side *side)
{
    if (!make(side))
        return 1;
    int failed = side->rank == 1 ? serve(side) : initiate(side);
    MPI_Barrier(MPI_COMM_WORLD);
    if (!failed && side->rank == 1)
        failed = verify(side);
    MPI_Barrier(MPI_COMM_WORLD);
    if (!failed)
        failed = reach_the_limit(side);
    int refused = refuse(side);
    if (mmb_free(side->slice) != MMB_OK || mmb_free(side->block) != MMB_OK ||
        mmb_destroy_interface(side->interface) != MMB_OK ||
        mmb_region_provider_destroy(side->provider) != MMB_OK || mmb_finalize() != MMB_OK)
        return failed ? failed : 2;
    return failed ? failed : refused;
}

int main(int argc, char **argv)
{
    struct side side = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    int unlucky = without_memory();
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &side.rank);
    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &side.window);
    int failed = run(&side);
    failed = failed ? failed : unlucky;
    if (failed)
        printf("failed %d in rank %d: %s\n", failed, side.rank, mmb_error_detail());
    MPI_Win_free(&side.window);
    MPI_Finalize();
    return failed;
}
