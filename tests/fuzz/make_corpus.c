/* SPDX-License-Identifier: BSD-3-Clause */
/* usage: make_corpus DIRECTORY
 * Writes what the fuzzer starts from: segments of each strategy and two sizes as a process leaves
 * them that was killed or that detached, each with a script that does everything. To be run again,
 * and the other files of the corpus to be thrown away, when the layout changes. Owns nothing but
 * the array that is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>
#include "src/shared/segment.h"
#include "src/shared/stack.h"
#include "tests/fuzz/segment.h"

#define N_BLOCKS  40u
#define GRANULE   ((size_t)64 << 10)
#define DEAD_PID  0x7ffffffeull /* beyond what the kernel gives */
#define SOME_TICK 1u

#define LARGE_BYTES ((size_t)9000) /* three small granules */

static const uint8_t script[] = {
    0x62, 0x42, 0x22, 0xc3, 0x00, 0x10, 0x28, 0x48, 0x5b, 0x68, 0x02, 0x0a, 0x12, 0x22, 0x03, 0x13,
    0x05, 0x08, 0x18, 0x15, 0x06, 0x0e, 0x07, 0x0f, 0x04, 0x0c, 0x14, 0x78, 0x01, 0x09, 0x30, 0x0d,
};

static unsigned char *array;
static size_t n_bytes;

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "make_corpus: %s: %s\n", what, mmb_error_detail());
    exit(1);
}

static mmbMemInterface *make(mmbMemSpace *space, mmbStrategy strategy)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface;
    memset(array, 0, n_bytes);
    config.backend = MMB_BACKEND_ARRAY;
    config.strategy = strategy;
    config.backend_opts.array.base = array;
    config.backend_opts.array.bytes = n_bytes;
    config.backend_opts.array.mode = MMB_SHM_CREATE;
    config.backend_opts.array.header_bytes = strategy == MMB_STRATEGY_SCALABLE_PAGE ? 24 : 0;
    config.backend_opts.array.id = 7;
    check(mmb_create_interface(space, &config, &interface), "create_interface");
    return interface;
}

/* Blocks of many sizes, some of which are free again. */
static void fill(mmbMemInterface *interface)
{
    mmbAllocation *blocks[N_BLOCKS], *large;
    size_t n = 0;
    check(mmb_allocate(LARGE_BYTES, interface, &large), "allocate");
    for (size_t i = 0; i < N_BLOCKS; i++)
        if (mmb_allocate((size_t)16 << i % 9, interface, &blocks[n]) == MMB_OK)
            n++;
    for (size_t i = 0; i < n; i += 3)
        check(mmb_free(blocks[i]), "free");
}

/* The same file whoever ran this, and by a process that is gone. How high its stack is. */
static uint32_t make_nobodys(unsigned char *image)
{
    struct mmb_shared_head *head = (struct mmb_shared_head *)image;
    head->generation = 1;
    head->creator = 0;
    head->checksum = mmb_shared_head_sum(head);
    struct mmb_shared_segment segment = {.base = image, .layout = head->layout, .fd = -1};
    for (uint32_t i = 0; i < head->layout.n_slots; i++) {
        struct mmb_shared_slot *slot = mmb_shared_slot(&segment, i);
        if (slot->owner)
            *slot = (struct mmb_shared_slot){.start = SOME_TICK, .owner = DEAD_PID << 32 | 1};
    }
    return head->layout.n_granules ? 0 : mmb_shared_stack_height(&segment);
}

static void write_input(const char *path, const unsigned char *image, uint32_t height,
                        uint8_t flags)
{
    const struct mmb_shared_head *head = (const struct mmb_shared_head *)image;
    size_t n_front = head->layout.data, n_tail = height * sizeof(struct mmb_shared_entry);
    struct fuzz_control control = {flags, sizeof script, n_tail & 0xff, (uint8_t)(n_tail >> 8)};
    while (n_front > 0 && image[n_front - 1] == 0)
        n_front--;
    FILE *file = fopen(path, "we");
    bool is_written = file && fwrite(&control, sizeof control, 1, file) == 1 &&
                      fwrite(script, sizeof script, 1, file) == 1 &&
                      fwrite(image, n_front, 1, file) == 1 &&
                      fwrite(image + n_bytes - n_tail, 1, n_tail, file) == n_tail;
    if (!file || fclose(file) != 0 || !is_written) {
        perror(path);
        exit(1);
    }
}

/* As it is now. */
static void take(const char *directory, const char *name, uint8_t flags)
{
    char path[300];
    unsigned char *image = malloc(n_bytes);
    if (!image)
        exit(1);
    memcpy(image, array, n_bytes);
    uint32_t height = make_nobodys(image);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    write_input(path, image, height, flags);
    free(image);
}

static void take_both(const char *directory, mmbMemSpace *space, mmbStrategy strategy,
                      uint8_t flags)
{
    char name[100];
    const char *size = flags & FUZZ_IS_LARGE ? "large" : "small";
    mmbMemInterface *interface = make(space, strategy);
    fill(interface);
    snprintf(name, sizeof name, "real-%s-%s-killed", mmb_strategy_name(strategy), size);
    take(directory, name, flags | FUZZ_IN_FILE);
    check(mmb_destroy_interface(interface), "destroy_interface");
    snprintf(name, sizeof name, "real-%s-%s-left", mmb_strategy_name(strategy), size);
    take(directory, name, flags);
}

int main(int argc, char **argv)
{
    mmbMemSpaceConfig any = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    void *memory;
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus DIRECTORY\n");
        return 2;
    }
    any.size_opts.action = MMB_SIZE_ANY;
    check(mmb_init(MMB_INIT_DEFAULT), "init");
    check(mmb_register_memory(MMB_DRAM, MMB_CPU, &any, &space), "register_memory");
    for (int strategy = MMB_STRATEGY_STACK; strategy <= MMB_STRATEGY_THREAD_LOCAL; strategy++)
        for (uint8_t large = 0; large < 2; large++) {
            uint8_t flags = FUZZ_MEND_SUM | (large ? FUZZ_IS_LARGE : 0);
            n_bytes = fuzz_bytes(flags);
            if (posix_memalign(&memory, GRANULE, n_bytes) != 0)
                return 1;
            array = memory;
            take_both(argv[1], space, (mmbStrategy)strategy, flags);
            free(memory);
        }
    check(mmb_finalize(), "finalize");
    return 0;
}
