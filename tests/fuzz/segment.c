/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whatever lies in a segment, attaching, checking, allocating, freeing,
 * adopting and reclaiming give errors and never touch memory outside of it, crash or hang; and a
 * segment that mmb_shm_check finds right stays right, and its new blocks are nobody else's.
 *
 * An array lies in a heap block of its own, so that AddressSanitizer sees every step beyond it.
 * Owns one space, made with the first input, and, while an input runs, the array or file. */
#include "tests/fuzz/segment.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mmb.h>
#include "src/shared/segment.h"

#define BLOCKS_MOST 64u
#define ALIGNMENT   ((size_t)64 << 10)

/* A wrong lock word that names a living process costs this much. */
#define PATIENCE_NS 1000000L

struct block {
    mmbAllocation *allocation;
    size_t n_bytes;
    unsigned char tag;
};

static struct {
    mmbMemSpace *space;
    char url[40], path[48];
    unsigned char *array; /* of the running input */
    unsigned int flags;
    mmbMemInterface *interface;
    struct block blocks[BLOCKS_MOST];
    size_t n_blocks;
    unsigned char tag;
    mmbSharedPtr first; /* where its data starts */
    mmbStackMark mark;
    bool has_mark, is_right;
} run;

size_t fuzz_n_attached;

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s: %s\n", what, mmb_error_detail());
    abort();
}

static void start(void)
{
    mmbMemSpaceConfig any = MMB_MEMSPACE_CONFIG_DEFAULT;
    any.size_opts.action = MMB_SIZE_ANY;
    mmb_shared_patience_ns = PATIENCE_NS;
    snprintf(run.url, sizeof run.url, "/mmb-fuzz-%ld", (long)getpid());
    snprintf(run.path, sizeof run.path, "/dev/shm%s", run.url);
    demand(mmb_init(MMB_INIT_DEFAULT) == MMB_OK, "mmb_init");
    demand(mmb_register_memory(MMB_DRAM, MMB_CPU, &any, &run.space) == MMB_OK, "a space");
}

/* ---- the segment ---- */

static void mend(unsigned char *segment, unsigned int flags)
{
    struct mmb_shared_head head;
    struct mmb_shared_layout layout;
    memcpy(&head, segment, sizeof head);
    const struct mmb_shared_layout *found = &head.layout;
    if (flags & FUZZ_MEND_PLACES && found->strategy >= MMB_STRATEGY_STACK &&
        found->strategy <= MMB_STRATEGY_THREAD_LOCAL &&
        mmb_shared_layout_make(found->n_bytes, found->header_bytes, found->skew,
                               (mmbStrategy)found->strategy, &layout) == MMB_OK)
        head.layout = layout;
    if (flags & (FUZZ_MEND_SUM | FUZZ_MEND_PLACES))
        head.checksum = mmb_shared_head_sum(&head);
    memcpy(segment, &head, sizeof head);
}

static unsigned char *lay_out(const struct fuzz_control *control, const uint8_t *bytes,
                              size_t n_bytes)
{
    size_t n = fuzz_bytes(control->flags),
           n_tail = control->tail_low | (size_t)control->tail_high << 8;
    n_tail = n_tail < n_bytes ? n_tail : n_bytes;
    size_t n_head = n_bytes - n_tail < n ? n_bytes - n_tail : n;
    void *memory;
    demand(posix_memalign(&memory, ALIGNMENT, n) == 0, "memory for the segment");
    unsigned char *segment = memset(memory, 0, n);
    memcpy(segment, bytes, n_head);
    n_tail = n_tail < n ? n_tail : n;
    if (n_tail)
        memcpy(segment + n - n_tail, bytes + n_bytes - n_tail, n_tail);
    mend(segment, control->flags);
    return segment;
}

static void write_file(const unsigned char *segment, size_t n_bytes)
{
    unlink(run.path);
    int fd = open(run.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    demand(fd >= 0 && write(fd, segment, n_bytes) == (ssize_t)n_bytes, run.path);
    close(fd);
}

static bool is_right(void)
{
    struct mmb_shared_head head;
    struct mmb_shared_census census;
    if (run.flags & FUZZ_IN_FILE)
        return mmb_shm_check(run.url, NULL) == MMB_OK;
    memcpy(&head, run.array, sizeof head);
    struct mmb_shared_segment segment = {.base = run.array, .layout = head.layout, .fd = -1};
    return mmb_shared_head_check(&head, fuzz_bytes(run.flags)) == MMB_OK &&
           mmb_shared_check(&segment, &census) == MMB_OK;
}

static bool attach(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    if (run.flags & FUZZ_IN_FILE) {
        config.backend = MMB_BACKEND_SHM;
        config.backend_opts.shm.url = run.url;
        config.backend_opts.shm.mode = MMB_SHM_ATTACH;
    } else {
        config.backend = MMB_BACKEND_ARRAY;
        config.backend_opts.array.base = run.array;
        config.backend_opts.array.bytes = fuzz_bytes(run.flags);
        config.backend_opts.array.mode = MMB_SHM_ATTACH;
    }
    return mmb_create_interface(run.space, &config, &run.interface) == MMB_OK;
}

/* ---- steps ---- */

static void check_block(const struct block *block)
{
    const unsigned char *bytes = mmb_allocation_ptr(block->allocation);
    for (size_t i = 0; run.is_right && i < block->n_bytes; i++)
        demand(bytes[i] == block->tag, "a block was given to somebody else");
}

static void keep_block(mmbAllocation *allocation, size_t n_bytes)
{
    struct block *block = &run.blocks[run.n_blocks++];
    *block = (struct block){allocation, n_bytes, ++run.tag};
    memset(mmb_allocation_ptr(allocation), block->tag, n_bytes);
}

static void allocate(unsigned int argument)
{
    static const size_t sizes[] = {16,   24,   64,   100,  128,  200,   500,   1000,
                                   2000, 4000, 4097, 8192, 9000, 16384, 30000, 100000};
    static const size_t alignments[] = {0, 4096};
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *allocation;
    options.alignment = alignments[argument / 16 % 2];
    size_t n_bytes = sizes[argument % 16];
    if (run.n_blocks < BLOCKS_MOST &&
        mmb_allocate_opts(n_bytes, run.interface, &options, &allocation) == MMB_OK)
        keep_block(allocation, n_bytes);
}

static void release(unsigned int argument)
{
    if (run.n_blocks == 0)
        return;
    size_t i = argument % run.n_blocks;
    check_block(&run.blocks[i]);
    mmbError error = mmb_free(run.blocks[i].allocation);
    demand(error == MMB_OK || !run.is_right, "an own block cannot be freed");
    run.blocks[i] = run.blocks[--run.n_blocks];
}

/* One of the first blocks, of 64 bytes, of each eighth of the data, at times of what is there. */
static mmbSharedPtr somewhere(unsigned int argument)
{
    size_t eighth = fuzz_bytes(run.flags) / 8;
    return (mmbSharedPtr){run.first.allocator,
                          run.first.offset + argument / 4 * eighth + argument % 4 * 64};
}

static bool is_own(const mmbAllocation *allocation)
{
    for (size_t i = 0; i < run.n_blocks; i++)
        if (run.blocks[i].allocation == allocation)
            return true;
    return false;
}

static void import(unsigned int argument)
{
    mmbAllocation *found;
    volatile unsigned char *bytes;
    if (mmb_allocation_from_shared(somewhere(argument), &found) != MMB_OK || is_own(found))
        return;
    bytes = mmb_allocation_ptr(found);
    size_t n_bytes = mmb_allocation_size(found);
    if (n_bytes)
        demand(bytes[0] + bytes[n_bytes - 1] >= 0, "a block can be read");
    if (argument % 2)
        mmb_free(found);
}

static void adopt(unsigned int argument)
{
    mmb_shm_adopt(run.interface, somewhere(argument));
}

static bool keep_some(void *user, mmbSharedPtr pointer, size_t n_bytes)
{
    return (pointer.offset / 16 + n_bytes) % 2 == *(const unsigned int *)user;
}

static void reclaim(unsigned int argument)
{
    unsigned int parity = argument / 2 % 2;
    mmb_shm_reclaim(run.interface, argument % 2 ? keep_some : NULL, &parity, NULL);
}

/* What is above the mark is freed: which of the own blocks, is not followed here. */
static void go_down(unsigned int argument)
{
    for (size_t i = 0; i < run.n_blocks; i++)
        check_block(&run.blocks[i]);
    if (!run.has_mark || argument % 4 == 0) {
        run.has_mark = mmb_stack_mark(run.interface, &run.mark) == MMB_OK;
        return;
    }
    if (argument % 4 == 1 ? mmb_stack_reset(run.interface) == MMB_OK
                          : mmb_stack_release(run.interface, run.mark) == MMB_OK)
        run.n_blocks = 0;
    run.has_mark = false;
}

static bool add_up(void *user, const mmbAllocationInfo *info, const char *label)
{
    (void)label;
    *(size_t *)user += info->n_bytes;
    return true;
}

static void look(unsigned int argument)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    size_t sum = 0;
    mmb_interface_get_stats(run.interface, &stats);
    mmb_for_each_allocation(run.interface, add_up, &sum);
    mmb_interface_trim(run.interface, 0);
    if (argument % 2)
        is_right();
}

static void resize(unsigned int argument)
{
    if (run.n_blocks == 0)
        return;
    struct block *block = &run.blocks[argument % run.n_blocks];
    size_t n_bytes = block->n_bytes / 2 + argument * 40 + 1;
    check_block(block);
    if (mmb_reallocate(block->allocation, n_bytes) != MMB_OK)
        return;
    block->n_bytes = n_bytes;
    memset(mmb_allocation_ptr(block->allocation), block->tag, n_bytes);
}

static void step(uint8_t byte)
{
    static void (*const steps[])(unsigned int) = {allocate, release, import, adopt,
                                                  reclaim,  go_down, resize, look};
    steps[byte % 8](byte / 8);
}

/* ---- one input ---- */

static void use(const uint8_t *script, size_t n_steps)
{
    mmbMemInterface *same;
    run.n_blocks = 0;
    run.has_mark = false;
    fuzz_n_attached++;
    struct mmb_shared_head head;
    memcpy(&head, run.array, sizeof head);
    demand(mmb_interface_from_id(head.id, &same) == MMB_OK && same == run.interface, "its id");
    run.first = (mmbSharedPtr){(uint64_t)head.generation << 32 | head.id, head.layout.data};
    for (size_t i = 0; i < n_steps; i++)
        step(script[i]);
    while (run.n_blocks > 1)
        release((unsigned int)run.n_blocks);
    demand(mmb_destroy_interface(run.interface) == MMB_OK, "detaching");
    demand(!run.is_right || is_right(), "a right segment became wrong");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_control control;
    if (!run.space)
        start();
    if (n_bytes < sizeof control)
        return 0;
    memcpy(&control, bytes, sizeof control);
    bytes += sizeof control;
    n_bytes -= sizeof control;
    size_t n_steps = control.n_steps < n_bytes ? control.n_steps : n_bytes;
    run.flags = control.flags;
    run.array = lay_out(&control, bytes + n_steps, n_bytes - n_steps);
    if (run.flags & FUZZ_IN_FILE)
        write_file(run.array, fuzz_bytes(run.flags));
    run.is_right = is_right();
    bool is_attached = attach();
    demand(is_attached || !run.is_right || (run.flags & FUZZ_IN_FILE) == 0,
           "a right one is refused");
    if (is_attached)
        use(bytes, n_steps);
    if (run.flags & FUZZ_IN_FILE)
        unlink(run.path);
    free(run.array);
    return 0;
}
