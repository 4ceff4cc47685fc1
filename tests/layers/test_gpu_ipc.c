/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: device memory of one process is read and written in another through its
 * export, whatever strategy gave the block, for CUDA and HIP; what is no such export is refused.
 * Two processes, neither of which the other has forked after the runtime was loaded, since a
 * runtime does not survive a fork. */
#include <mmb.h>
#include <cuda.h>
#include <mmb/shared.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/fakes.h"
#include "tests/support/places.h"
#include "tests/support/suite.h"

enum { N_BYTES = 5000, BUFFER_BYTES = 512 };

struct kind {
    const char *name;
    struct place place;
    mmbStrategy strategy;
};

static const struct kind kinds[] = {
    {"cuda, passthrough",
     {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA},
     MMB_STRATEGY_PASSTHROUGH},
    {"cuda, stack", {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA}, MMB_STRATEGY_STACK},
    {"cuda, page", {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA}, MMB_STRATEGY_SCALABLE_PAGE},
    {"cuda, thread",
     {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA},
     MMB_STRATEGY_THREAD_LOCAL},
    {"hip, passthrough",
     {"hip", MMB_GDRAM, MMB_GPU_HIP, MMB_BACKEND_HIP},
     MMB_STRATEGY_PASSTHROUGH},
    {"hip, page", {"hip", MMB_GDRAM, MMB_GPU_HIP, MMB_BACKEND_HIP}, MMB_STRATEGY_SCALABLE_PAGE},
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* ---- the process that exports ---- */

struct exporter {
    int to, from; /* pipes */
    pid_t process;
    unsigned char buffer[BUFFER_BYTES];
    size_t n_bytes;
};

/* Bytes of the block after the neighbours were allocated; 'r' tells whether the importer wrote it,
 * 'f' frees it, the end of the pipe ends all. */
static int serve(const struct kind *kind, int from, int to)
{
    unsigned char buffer[BUFFER_BYTES];
    size_t n_bytes = sizeof buffer;
    char command;
    places_open();
    mmbMemInterface *interface = place_interface(&kind->place, kind->strategy, MMB_NO_LIMIT);
    mmbAllocation *before = place_new(interface, 300), *block = place_new(interface, N_BYTES);
    place_fill(block, 1);
    if (mmb_ipc_export(block, buffer, &n_bytes) != MMB_OK)
        n_bytes = 0;
    if (write(to, &n_bytes, sizeof n_bytes) != sizeof n_bytes ||
        write(to, buffer, n_bytes) != (ssize_t)n_bytes)
        return 1;
    while (read(from, &command, 1) == 1) {
        char answer = command == 'r' ? (char)place_is_filled(block, N_BYTES, 2)
                                     : (char)(mmb_free(block) == MMB_OK);
        if (write(to, &answer, 1) != 1)
            return 2;
    }
    mmb_free(before);
    return 0;
}

static bool start(struct exporter *exporter, const struct kind *kind)
{
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0)
        return false;
    exporter->process = fork();
    if (exporter->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(down[1]);
        close(up[0]);
        _exit(serve(kind, down[0], up[1]));
    }
    close(down[0]);
    close(up[1]);
    exporter->to = down[1];
    exporter->from = up[0];
    return read(up[0], &exporter->n_bytes, sizeof exporter->n_bytes) == sizeof exporter->n_bytes &&
           exporter->n_bytes > 0 &&
           read(up[0], exporter->buffer, exporter->n_bytes) == (ssize_t)exporter->n_bytes;
}

static char tell(const struct exporter *exporter, char command)
{
    char answer = 0;
    if (write(exporter->to, &command, 1) != 1 || read(exporter->from, &answer, 1) != 1)
        return -1;
    return answer;
}

static void end(struct exporter *exporter)
{
    close(exporter->to);
    close(exporter->from);
    waitpid(exporter->process, NULL, 0);
}

/* ---- the process that imports: a child of the test's ---- */

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ - first_line;                                                          \
    } while (0)
enum { first_line = __LINE__ };

static size_t live_ranges(void)
{
    return fakes_cuda() ? fakes_cuda()->live_ranges() : 0;
}

static mmbMemInterface *same_interface(const struct kind *kind)
{
    places_open();
    return place_interface(&kind->place, MMB_STRATEGY_SCALABLE_PAGE, MMB_NO_LIMIT);
}

static int use_import(struct exporter *exporter, const struct kind *kind)
{
    mmbMemInterface *interface = same_interface(kind);
    mmbAllocation *block = NULL, *again = NULL, *slice = NULL;
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_OK);
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &again) == MMB_OK);
    EXPECT(block != again && mmb_device_ptr(block) == mmb_device_ptr(again));
    EXPECT(mmb_allocation_get_info(block, &info) == MMB_OK && !info.owned && !info.ptr);
    EXPECT(info.n_bytes == N_BYTES && info.interface == interface);
    EXPECT(place_is_filled(block, N_BYTES, 1));
    EXPECT(mmb_allocation_slice(block, 100, 200, &slice) == MMB_OK && mmb_free(slice) == MMB_OK);
    EXPECT(mmb_free(again) == MMB_OK);
    place_fill(block, 2);
    EXPECT(tell(exporter, 'r') == 1);
    EXPECT(mmb_reallocate(block, 100) == MMB_INVALID_ALLOCATION);
    EXPECT(mmb_destroy_interface(interface) == MMB_BUSY);
    size_t n_bytes = sizeof exporter->buffer;
    EXPECT(mmb_ipc_export(block, exporter->buffer, &n_bytes) == MMB_INVALID_ALLOCATION);
    EXPECT(mmb_free(block) == MMB_OK && mmb_free(block) == MMB_INVALID_ALLOCATION);
    EXPECT(mmb_destroy_interface(interface) == MMB_OK);
    return 0;
}

/* Objects that are still there at the end lose their ranges with the library. */
static int leave_import(struct exporter *exporter, const struct kind *kind)
{
    mmbMemInterface *interface = same_interface(kind);
    mmbAllocation *block = NULL;
    size_t before = live_ranges();
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_OK);
    EXPECT(!fakes_cuda() || live_ranges() == before + 1);
    while (mmb_finalize() == MMB_OK)
        continue;
    EXPECT(live_ranges() == 0);
    return 0;
}

/* covers: mmb_ipc_import MMB_INVALID_ARG MMB_CORRUPT MMB_NOT_FOUND */
static int refuse_import(struct exporter *exporter, const struct kind *kind)
{
    mmbMemInterface *interface = same_interface(kind), *of_second = NULL;
    mmbAllocation *block = NULL;
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    struct place other = kinds[kind->place.backend == MMB_BACKEND_CUDA ? N_KINDS - 1 : 0].place;
    mmbMemInterface *of_other = place_interface(&other, MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, of_other, &block) ==
           MMB_INVALID_ARG);
    EXPECT(mmb_interface_get_info(interface, &info) == MMB_OK);
    struct options {
        size_t size;
        int device;
        void *stream;
    } second = {sizeof second, 1, NULL};
    config.backend = kind->place.backend;
    config.backend_opts.cuda = (void *)&second;
    if (mmb_create_interface(info.space, &config, &of_second) == MMB_OK) {
        EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, of_second, &block) ==
               MMB_INVALID_ARG);
        EXPECT(!fakes_cuda() || strstr(mmb_error_detail(), "0000:81:00.0's, this is 0000:82:00.0"));
    } else {
        EXPECT(!fakes_cuda()); /* a real machine may have one device */
    }
    for (size_t n = 0; n < exporter->n_bytes; n++)
        EXPECT(mmb_ipc_import(exporter->buffer, n, interface, &block) == MMB_CORRUPT);
    EXPECT(tell(exporter, 'f') == 1);
    EXPECT(kind->strategy != MMB_STRATEGY_PASSTHROUGH ||
           mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_NOT_FOUND);
    EXPECT(!block);
    return 0;
}

/* Whatever the bytes say, they are refused or lead into the range. */
static int import_damaged(struct exporter *exporter, const struct kind *kind)
{
    mmbMemInterface *interface = same_interface(kind);
    size_t before = live_ranges();
    if (!fakes_cuda())
        return 0; /* what a real driver makes of a damaged handle is its own business */
    for (size_t bit = 0; bit < 8 * exporter->n_bytes; bit++) {
        mmbAllocation *block = NULL;
        exporter->buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_OK) {
            EXPECT(mmb_memset(block, 0, 0, mmb_allocation_size(block)) == MMB_OK);
            EXPECT(mmb_free(block) == MMB_OK);
        }
        exporter->buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    EXPECT(live_ranges() == before);
    return 0;
}

/* The range is open here already, and the export that says more of it than it has is another. */
static int import_more_than_there_is(struct exporter *exporter, const struct kind *kind)
{
    enum { BLOCK_BYTES_AT = 48, RANGE_BYTES_AT = 144 };
    mmbMemInterface *interface = same_interface(kind);
    mmbAllocation *block = NULL, *more = NULL;
    uint64_t n_bytes, n_range;
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_OK);
    memcpy(&n_bytes, exporter->buffer + BLOCK_BYTES_AT, sizeof n_bytes);
    memcpy(&n_range, exporter->buffer + RANGE_BYTES_AT, sizeof n_range);
    EXPECT(n_bytes == N_BYTES && n_range >= N_BYTES);
    n_bytes = n_range + 1;
    n_range = 2 * n_bytes + ((uint64_t)1 << 30);
    memcpy(exporter->buffer + BLOCK_BYTES_AT, &n_bytes, sizeof n_bytes);
    memcpy(exporter->buffer + RANGE_BYTES_AT, &n_range, sizeof n_range);
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &more) == MMB_CORRUPT);
    EXPECT(!more && mmb_free(block) == MMB_OK);
    return 0;
}

/* covers: mmb_ipc_import MMB_ERROR MMB_OUT_OF_MEMORY */
static int import_past_failures(struct exporter *exporter, const struct kind *kind)
{
    mmbMemInterface *interface = same_interface(kind);
    mmbAllocation *block = NULL;
    if (!fakes_cuda())
        return 0;
    fakes_cuda()->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 0);
    mmbError error = mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block);
    EXPECT(error == MMB_ERROR);
    fakes_cuda()->fail(CUDA_ERROR_OUT_OF_MEMORY, 0);
    error = mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block);
    EXPECT(error == MMB_OUT_OF_MEMORY);
    size_t before = live_ranges();
    fakes_cuda()->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 1);
    error = mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block);
    EXPECT(error == MMB_ERROR && live_ranges() == before);
    EXPECT(mmb_ipc_import(exporter->buffer, exporter->n_bytes, interface, &block) == MMB_OK);
    EXPECT(mmb_free(block) == MMB_OK);
    return 0;
}

struct task {
    const struct kind *kind;
    int (*import)(struct exporter *exporter, const struct kind *kind);
};

static int run_task(void *argument)
{
    const struct task *task = argument;
    struct exporter exporter;
    int code = start(&exporter, task->kind) ? task->import(&exporter, task->kind) : 255;
    end(&exporter);
    return code;
}

/* A runtime that is not there shows in the child only: the test's own process loads none. */
static bool is_here(const struct kind *kind)
{
    const char *file =
        getenv(kind->place.backend == MMB_BACKEND_CUDA ? "MMB_CUDA_LIBRARY" : "MMB_HIP_LIBRARY");
    return file && (!strchr(file, '/') || access(file, R_OK) == 0);
}

static void each(int (*import)(struct exporter *, const struct kind *))
{
    for (size_t i = 0; i < N_KINDS; i++) {
        struct task task = {&kinds[i], import};
        if (!is_here(&kinds[i]))
            continue;
        struct suite_child child = suite_run_child(run_task, &task, 60);
        SUITE_CHECK(child.exited && child.code == 0, "%s: exited %d, %d lines below EXPECT",
                    kinds[i].name, child.exited, child.code);
    }
}

static void test_ipc_a_device_block_is_another_processs_too(void)
{
    each(use_import);
}

static void test_ipc_ranges_go_with_the_library(void)
{
    each(leave_import);
}

static void test_ipc_refuses_what_is_elsewhere(void)
{
    each(refuse_import);
}

static void test_ipc_takes_damage_for_nothing_else(void)
{
    each(import_damaged);
}

static void test_ipc_believes_no_second_export(void)
{
    each(import_more_than_there_is);
}

static void test_ipc_tells_what_the_runtime_says(void)
{
    each(import_past_failures);
}

/* ---- export alone ---- */

static int refuse_export(void *unused)
{
    static const struct place places_of_others[] = {
        {"cuda managed", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_MANAGED},
        {"cuda host", MMB_DRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_HOST},
        {"cuda shm", MMB_DRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA_SHM},
    };
    static const char *const reasons[] = {"moves", "pinned", "children"};
    unsigned char buffer[BUFFER_BYTES];
    size_t n_bytes = sizeof buffer, few = 20;
    (void)unused;
    mmbMemInterface *interface = same_interface(&kinds[0]);
    for (size_t i = 0; i < 3; i++) {
        mmbAllocation *other = place_new(
            place_interface(&places_of_others[i], MMB_STRATEGY_SCALABLE_PAGE, MMB_NO_LIMIT), 100);
        EXPECT(mmb_ipc_export(other, buffer, &n_bytes) == MMB_UNSUPPORTED);
        EXPECT(strstr(mmb_error_detail(), reasons[i]));
    }
    mmbAllocation *block = place_new(interface, 100), *slice = NULL, *own = NULL;
    EXPECT(mmb_allocation_slice(block, 0, 10, &slice) == MMB_OK);
    EXPECT(mmb_ipc_export(slice, buffer, &n_bytes) == MMB_INVALID_ALLOCATION);
    EXPECT(mmb_ipc_export(block, buffer, &few) == MMB_INVALID_SIZE && few == 20);
    EXPECT(mmb_ipc_export(block, NULL, &few) == MMB_OK && few > 20 && few <= sizeof buffer);
    EXPECT(mmb_ipc_export(block, buffer, &n_bytes) == MMB_OK && n_bytes == few);
    EXPECT(mmb_ipc_import(buffer, n_bytes, interface, &own) == MMB_UNSUPPORTED);
    EXPECT(strstr(mmb_error_detail(), "this very process"));
    if (fakes_cuda())
        fakes_cuda()->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 0);
    EXPECT(!fakes_cuda() || mmb_ipc_export(block, buffer, &n_bytes) == MMB_ERROR);
    return 0;
}

/* covers: mmb_ipc_export MMB_UNSUPPORTED MMB_ERROR MMB_INVALID_ALLOCATION MMB_INVALID_SIZE,
   mmb_ipc_import MMB_UNSUPPORTED */
static void test_ipc_exports_device_memory_alone(void)
{
    if (!is_here(&kinds[0]))
        return;
    struct suite_child child = suite_run_child(refuse_export, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "exited %d, %d lines below EXPECT", child.exited,
                child.code);
}

MMB_SUITE_WITH("layers/gpu_ipc", fakes_use, NULL,
               T(test_ipc_a_device_block_is_another_processs_too),
               T(test_ipc_ranges_go_with_the_library), T(test_ipc_refuses_what_is_elsewhere),
               T(test_ipc_takes_damage_for_nothing_else), T(test_ipc_tells_what_the_runtime_says),
               T(test_ipc_believes_no_second_export), T(test_ipc_exports_device_memory_alone))
