/* SPDX-License-Identifier: BSD-3-Clause */
/* See allocator_suite.h. Owns the fixture of the promise that runs. */
#include "tests/contract/allocator_suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interfaces/size_class.h"

#define GROUP_MAX   24
#define GROUP_BYTES ((size_t)6 << 20)

static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

const char *allocator_name(const struct allocator_subject *subject)
{
    static char name[64];
    snprintf(name, sizeof name, "%s over %s%s", mmb_strategy_name(subject->strategy),
             subject->place ? subject->place->name : lab_memory_names[subject->memory],
             subject->flags & MMB_INTERFACE_FINDABLE ? ", findable" : "");
    return name;
}

static mmbMemSpace *place_space(const struct place *place, size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = limit == MMB_NO_LIMIT ? MMB_SIZE_ANY : MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    mmbMemSpace *space = NULL;
    mmbError error = mmb_register_memory(place->layer, place->context, &config, &space);
    SUITE_CHECK(error == MMB_OK, "%s: %s", place->name, mmb_error_detail());
    CU_ASSERT_EQUAL_FATAL(error, MMB_OK);
    return space;
}

mmbMemInterface *allocator_another(const struct allocator_subject *subject, mmbMemSpace *space,
                                   uint64_t flags)
{
    if (!subject->place)
        return lab_interface(space, subject->strategy, subject->memory, flags);
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface = NULL;
    config.backend = subject->place->backend;
    config.strategy = subject->strategy;
    config.flags = flags;
    mmbError error = mmb_create_interface(space, &config, &interface);
    SUITE_CHECK(error == MMB_OK, "%s: %s", allocator_name(subject), mmb_error_detail());
    CU_ASSERT_EQUAL_FATAL(error, MMB_OK);
    return interface;
}

static void run(const struct allocator_subject *subject, size_t limit, allocator_promise promise)
{
    const struct place *place = subject->place;
    struct allocator_fixture fixture = {.subject = subject};
    fixture.space = place ? place_space(place, limit) : lab_space(limit);
    fixture.interface = allocator_another(subject, fixture.space, subject->flags);
    fixture.is_bounded = !place && subject->memory == LAB_ARRAY;
    fixture.is_stack = subject->strategy == MMB_STRATEGY_STACK;
    fixture.has_pointers = !place || place->backend != MMB_BACKEND_OPENCL;
    promise(&fixture);
    mmbError error = mmb_destroy_space(fixture.space);
    ALLOCATOR_CHECK(&fixture, error == MMB_OK, "destroy_space: %s", mmb_error_detail());
}

void allocator_suite_each(size_t limit, allocator_promise promise)
{
    for (size_t s = 0; s < sizeof strategies / sizeof strategies[0]; s++)
        for (int memory = 0; memory < LAB_MEMORIES; memory++)
            for (int findable = 0; findable < 2; findable++) {
                const struct allocator_subject subject = {.strategy = strategies[s],
                                                          .memory = (enum lab_memory)memory,
                                                          .flags = findable ? MMB_INTERFACE_FINDABLE
                                                                            : 0};
                run(&subject, limit, promise);
            }
}

void allocator_suite_each_place(size_t limit, allocator_promise promise)
{
    size_t n_run = 0;
    for (size_t p = 0; p < n_places; p++) {
        if (places[p].context == MMB_CPU)
            continue;
        for (size_t s = 0; s < sizeof strategies / sizeof strategies[0]; s++, n_run++) {
            const struct allocator_subject subject = {.strategy = strategies[s],
                                                      .place = &places[p],
                                                      .flags =
                                                          (p + s) % 2 ? MMB_INTERFACE_FINDABLE : 0};
            run(&subject, limit, promise);
        }
    }
    if (n_run == 0)
        suite_skip("no runtime of a device is here");
}

/* Where an object begins, as the device aligns it. */
static uintptr_t start_of(const struct allocator_fixture *fixture, const mmbAllocationInfo *info)
{
    return fixture->has_pointers ? (uintptr_t)info->native : info->native_offset;
}

/* Objects without pointers are aligned as their device promises and no better. */
static size_t highest_alignment(const struct allocator_fixture *fixture, size_t wish)
{
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_interface_get_info(fixture->interface, &info), MMB_OK);
    return fixture->has_pointers || wish < info.min_alignment ? wish : info.min_alignment;
}

/* ---- groups of blocks ---- */

/* Blocks that live together. A stack gives nothing back that lies below a live block, so blocks
 * come in groups that end as a whole. */
struct group {
    struct allocator_fixture *fixture;
    mmbAllocation *blocks[GROUP_MAX];
    size_t n, n_bytes;
};

static void check_group(struct group *group)
{
    for (size_t i = 0; i < group->n; i++)
        ALLOCATOR_CHECK(
            group->fixture,
            lab_is_filled(group->blocks[i], mmb_allocation_size(group->blocks[i]), (unsigned int)i),
            "block of %zu B was overwritten", mmb_allocation_size(group->blocks[i]));
}

/* Every second one first, so that neighbours go at different times. */
static void end_group(struct group *group)
{
    check_group(group);
    for (size_t parity = 0; parity < 2; parity++)
        for (size_t i = parity; i < group->n; i += 2)
            lab_free(group->blocks[i]);
    group->n = 0;
    group->n_bytes = 0;
}

static void add(struct group *group, mmbAllocation *block)
{
    group->blocks[group->n] = block;
    lab_fill(block, (unsigned int)group->n++);
    group->n_bytes += mmb_allocation_size(block);
    if (group->n == GROUP_MAX || group->n_bytes > GROUP_BYTES)
        end_group(group);
}

/* ---- sizes and alignments ---- */

static void add_size(struct group *group, size_t n_bytes)
{
    struct allocator_fixture *fixture = group->fixture;
    mmbAllocation *block = lab_new(fixture->interface, n_bytes);
    mmbAllocationInfo info = lab_info(block);
    ALLOCATOR_CHECK(fixture, info.n_bytes == n_bytes && info.usable_bytes >= n_bytes,
                    "%zu B: n_bytes %zu, usable %zu", n_bytes, info.n_bytes, info.usable_bytes);
    ALLOCATOR_CHECK(fixture, start_of(fixture, &info) % 16 == 0, "%zu B at %p", n_bytes,
                    info.native);
    add(group, block);
}

void allocator_serves_every_size(struct allocator_fixture *fixture)
{
    struct group group = {.fixture = fixture};
    for (size_t n = 1; n <= 130; n++)
        add_size(&group, n);
    for (size_t c = 8; c < MMB_CLASSES; c++)
        for (size_t n = mmb_class_bytes[c] - 1; n <= mmb_class_bytes[c] + 1u; n++)
            add_size(&group, n);
    const size_t word = (size_t)1 << 24; /* sizes up to here lie in the record itself */
    for (size_t n = word - 1; n <= word + 1; n++)
        add_size(&group, n);
    end_group(&group);
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 0, "%zu B stay charged",
                    lab_used(fixture->space));
}

static void add_aligned(struct group *group, size_t n_bytes, size_t alignment)
{
    struct allocator_fixture *fixture = group->fixture;
    alignment = highest_alignment(fixture, alignment);
    mmbAllocation *block = lab_new_aligned(fixture->interface, n_bytes, alignment);
    mmbAllocationInfo info = lab_info(block);
    ALLOCATOR_CHECK(fixture, start_of(fixture, &info) % alignment == 0,
                    "%zu B aligned to %zu at %p", n_bytes, alignment, info.native);
    ALLOCATOR_CHECK(fixture, !info.ptr || info.ptr == info.native, "ptr %p, native %p", info.ptr,
                    info.native);
    ALLOCATOR_CHECK(fixture, info.alignment >= alignment && info.usable_bytes >= n_bytes,
                    "%zu B aligned to %zu: tells %zu, usable %zu", n_bytes, alignment,
                    info.alignment, info.usable_bytes);
    add(group, block);
}

void allocator_aligns(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1, 17, 64, 4095, 100000};
    struct group group = {.fixture = fixture};
    for (size_t alignment = 1; alignment <= (size_t)2 << 20; alignment *= 2)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            add_aligned(&group, sizes[i], alignment);
            if (alignment > (size_t)256 << 10)
                end_group(&group);
        }
    end_group(&group);
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 0, "%zu B stay charged",
                    lab_used(fixture->space));
}

/* Freeing one must not unmap past it, nor give it back with its neighbours' alignment. */
void allocator_aligns_large_blocks(struct allocator_fixture *fixture)
{
    struct group group = {.fixture = fixture};
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 8; i++)
            add_aligned(&group, (size_t)300 << 10, (size_t)256 << 10);
        end_group(&group);
    }
}

/* ---- contents ---- */

void allocator_keeps_contents_through_reallocate(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1,     100,   16,     17,    300,    4096, 4097,           65536,
                                   65537, 70000, 200000, 30000, 262144, 1000, (1u << 24) + 1, 5};
    for (size_t alignment = 16; alignment <= 4096; alignment *= 16) {
        size_t wish = highest_alignment(fixture, alignment);
        mmbAllocation *block = lab_new_aligned(fixture->interface, 40, wish);
        mmbAllocation *neighbour = lab_new(fixture->interface, 40);
        size_t n_bytes = 40;
        lab_fill(neighbour, 99);
        for (unsigned int i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            lab_fill(block, i);
            mmbError error = mmb_reallocate(block, sizes[i]);
            ALLOCATOR_CHECK(fixture, error == MMB_OK, "%zu to %zu B: %s", n_bytes, sizes[i],
                            mmb_error_detail());
            size_t kept = n_bytes < sizes[i] ? n_bytes : sizes[i];
            n_bytes = mmb_allocation_size(block);
            ALLOCATOR_CHECK(fixture, n_bytes == sizes[i] && lab_is_filled(block, kept, i),
                            "to %zu B: has %zu, contents lost", sizes[i], n_bytes);
            mmbAllocationInfo info = lab_info(block);
            ALLOCATOR_CHECK(fixture, start_of(fixture, &info) % wish == 0,
                            "to %zu B: alignment %zu is lost", sizes[i], alignment);
        }
        ALLOCATOR_CHECK(fixture, lab_is_filled(neighbour, 40, 99), "alignment %zu: a neighbour",
                        alignment);
        lab_free(block);
        lab_free(neighbour);
        ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 0, "%zu B stay charged",
                        lab_used(fixture->space));
    }
}

/* The first n_bytes, all with one value. */
static void set(const mmbAllocation *block, int value, size_t n_bytes)
{
    unsigned char *bytes = malloc(n_bytes);
    memset(bytes, value, n_bytes);
    lab_write(block, bytes, n_bytes);
    free(bytes);
}

void allocator_spares_neighbours_of_a_shrinking_block(struct allocator_fixture *fixture)
{
    mmbAllocation *blocks[16];
    for (unsigned int i = 0; i < 16; i++) {
        blocks[i] = lab_new(fixture->interface, 1000);
        lab_fill(blocks[i], i);
    }
    for (unsigned int i = 0; i < 16; i += 2) {
        CU_ASSERT_EQUAL(mmb_reallocate(blocks[i], 8), MMB_OK);
        set(blocks[i], 0xee, 8);
        mmbAllocation *more = lab_new(fixture->interface, 900);
        set(more, 0xdd, 900);
        lab_free(more);
    }
    for (unsigned int i = 1; i < 16; i += 2)
        ALLOCATOR_CHECK(fixture, lab_is_filled(blocks[i], 1000, i), "neighbour %u changed", i);
    for (unsigned int i = 0; i < 16; i++)
        lab_free(blocks[i]);
}

void allocator_zeroes_when_asked(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1, 64, 5000, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbAllocation *dirty = lab_new(fixture->interface, sizes[i]);
        set(dirty, 0xff, sizes[i]);
        lab_free(dirty);
        mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
        options.zero = true;
        mmbAllocation *block = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(sizes[i], fixture->interface, &options, &block),
                              MMB_OK);
        size_t n_set = lab_count_set(block, sizes[i]);
        ALLOCATOR_CHECK(fixture, n_set == 0, "%zu of %zu B are not 0", n_set, sizes[i]);
        lab_free(block);
    }
}

/* ---- provenance ---- */

void allocator_tells_provenance(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1, 8000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbAllocation *block = lab_new(fixture->interface, sizes[i]);
        mmbAllocationInfo info = lab_info(block);
        const struct place *place = fixture->subject->place;
        bool is_device = !place && fixture->subject->memory == LAB_DEVICE;
        ALLOCATOR_CHECK(fixture, info.interface == fixture->interface, "%p",
                        (void *)info.interface);
        ALLOCATOR_CHECK(fixture, info.space == fixture->space, "%p", (void *)info.space);
        ALLOCATOR_CHECK(fixture,
                        info.layer == (place ? place->layer : MMB_DRAM) &&
                            info.context == (place ? place->context : MMB_CPU),
                        "layer %d", (int)info.layer);
        ALLOCATOR_CHECK(fixture, info.owned && !info.parent && info.parent_offset == 0, "%s",
                        "owned");
        ALLOCATOR_CHECK(fixture,
                        place ? !info.ptr || info.ptr == info.native : is_device == !info.ptr,
                        "ptr %p", info.ptr);
        ALLOCATOR_CHECK(fixture, info.ptr == mmb_allocation_ptr(block), "%s", "ptr");
        ALLOCATOR_CHECK(fixture,
                        mmb_device_ptr(block) == (fixture->has_pointers ? info.native : NULL), "%s",
                        "device_ptr");
        ALLOCATOR_CHECK(fixture,
                        (!fixture->has_pointers || info.native_offset == 0) &&
                            (info.domain == -1 || info.layer == MMB_GDRAM),
                        "domain %d", info.domain);
        lab_free(block);
    }
}

struct seen {
    struct allocator_fixture *fixture;
    size_t n, n_bytes, n_labels;
};

static const char label[] = "a label";

static bool see(void *user, const mmbAllocationInfo *info, const char *text)
{
    struct seen *seen = user;
    seen->n++;
    seen->n_bytes += info->n_bytes;
    seen->n_labels += text == label;
    ALLOCATOR_CHECK(seen->fixture, info->interface == seen->fixture->interface,
                    "shows a block of %p", (void *)info->interface);
    return true;
}

/* Labelled, aligned, moved and plain ones, each once. */
void allocator_shows_everything(struct allocator_fixture *fixture)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.label = label;
    mmbAllocation *blocks[4];
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(100, fixture->interface, &options, &blocks[0]), MMB_OK);
    blocks[1] = lab_new_aligned(fixture->interface, 200, highest_alignment(fixture, 4096));
    blocks[2] = lab_new(fixture->interface, 10);
    blocks[3] = lab_new(fixture->interface, 70000);
    CU_ASSERT_EQUAL(mmb_reallocate(blocks[2], 3000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(blocks[0], 5000), MMB_OK);
    struct seen seen = {.fixture = fixture};
    CU_ASSERT_EQUAL(mmb_for_each_allocation(fixture->interface, see, &seen), MMB_OK);
    ALLOCATOR_CHECK(fixture, seen.n == 4 && seen.n_bytes == 5000 + 200 + 3000 + 70000,
                    "shows %zu blocks of %zu B", seen.n, seen.n_bytes);
    ALLOCATOR_CHECK(fixture, seen.n_labels == 1, "shows %zu labels", seen.n_labels);
    for (size_t i = 0; i < 4; i++)
        lab_free(blocks[i]);
    seen.n = 0;
    CU_ASSERT_EQUAL(mmb_for_each_allocation(fixture->interface, see, &seen), MMB_OK);
    ALLOCATOR_CHECK(fixture, seen.n == 0, "shows %zu freed blocks", seen.n);
}

static void check_found(struct allocator_fixture *fixture, const mmbAllocation *block,
                        size_t offset)
{
    bool findable = fixture->subject->flags & MMB_INTERFACE_FINDABLE;
    const char *address = lab_info(block).native;
    mmbAllocation *found = NULL;
    mmbError error = mmb_allocation_find(address + offset, &found);
    ALLOCATOR_CHECK(fixture, error == (findable ? MMB_OK : MMB_NOT_FOUND), "find at %zu: %s",
                    offset, mmb_error_name(error));
    ALLOCATOR_CHECK(fixture, found == (findable ? block : NULL), "find at %zu: another", offset);
}

void allocator_finds_what_is_findable(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1, 100, 5000, 100000, (size_t)1 << 24};
    mmbAllocation *blocks[5], *found = NULL;
    if (!fixture->has_pointers)
        return;
    for (size_t i = 0; i < 5; i++)
        blocks[i] = lab_new_aligned(fixture->interface, sizes[i], i % 2 ? 512 : 16);
    for (size_t i = 0; i < 5; i++) {
        check_found(fixture, blocks[i], 0);
        check_found(fixture, blocks[i], sizes[i] / 2);
        check_found(fixture, blocks[i], sizes[i] - 1);
    }
    CU_ASSERT_EQUAL(mmb_reallocate(blocks[1], 20000), MMB_OK);
    check_found(fixture, blocks[1], 19999);
    for (size_t i = 5; i > 0; i--) {
        const char *address = lab_info(blocks[i - 1]).native;
        lab_free(blocks[i - 1]);
        ALLOCATOR_CHECK(fixture, mmb_allocation_find(address, &found) == MMB_NOT_FOUND,
                        "%zu B: found after free", sizes[i - 1]);
    }
}

/* ---- giving back ---- */

/* The longest block that can be had now. */
static size_t longest(struct allocator_fixture *fixture)
{
    size_t least = 0, most = (size_t)64 << 20;
    while (most - least > 4096) {
        size_t middle = least + (most - least) / 2;
        mmbAllocation *block = NULL;
        if (mmb_allocate(middle, fixture->interface, &block) == MMB_OK) {
            lab_free(block);
            least = middle;
        } else {
            most = middle;
        }
    }
    return least;
}

/* What cannot grow can show it: after odd sizes came and went in any order, the longest block fits
 * again. */
void allocator_coalesces_odd_sizes(struct allocator_fixture *fixture)
{
    enum { N = 48 };
    mmbAllocation *blocks[N] = {NULL};
    uint64_t state = 88172645463325252u;
    if (!fixture->is_bounded)
        return;
    size_t before = longest(fixture);
    ALLOCATOR_CHECK(fixture, before > (size_t)31 << 20, "an array of 32 MiB holds %zu B", before);
    for (size_t step = 0; step < 4000; step++) {
        size_t i = lab_random(&state) % N;
        if (blocks[i])
            lab_free(blocks[i]);
        blocks[i] = NULL;
        size_t n_bytes = 1 + lab_random(&state) % (step % 3 ? 3000 : 200000);
        mmb_allocate(n_bytes | 1, fixture->interface, &blocks[i]);
    }
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(mmb_free(blocks[(i * 7) % N]), MMB_OK);
    size_t after = longest(fixture);
    ALLOCATOR_CHECK(fixture, after >= before, "the longest block was %zu B and is %zu B", before,
                    after);
}

void allocator_gives_everything_back(struct allocator_fixture *fixture)
{
    struct group group = {.fixture = fixture};
    for (size_t i = 0; i < 40; i++)
        add_size(&group, (i * 7919) % 50000 + 1);
    end_group(&group);
    CU_ASSERT_EQUAL(mmb_interface_trim(fixture->interface, 0), MMB_OK);
    mmbMemInterfaceStats stats = lab_stats(fixture->interface);
    ALLOCATOR_CHECK(fixture, stats.chunks == 0 && stats.reserved_bytes == 0,
                    "%zu chunks with %zu B after trim", stats.chunks, stats.reserved_bytes);
    mmbAllocation *block = lab_new(fixture->interface, 100);
    lab_fill(block, 1);
    ALLOCATOR_CHECK(fixture, lab_is_filled(block, 100, 1), "%s", "after trim");
    lab_free(block);
}

void allocator_counts(struct allocator_fixture *fixture)
{
    mmbAllocation *a = lab_new(fixture->interface, 1000), *b = lab_new(fixture->interface, 500);
    lab_free(b);
    mmbMemInterfaceStats stats = lab_stats(fixture->interface);
    ALLOCATOR_CHECK(fixture, stats.live_bytes == 1000 && stats.live_count == 1,
                    "%zu live blocks with %zu B", stats.live_count, stats.live_bytes);
    ALLOCATOR_CHECK(fixture, stats.peak_bytes == 1500, "peak %zu B", stats.peak_bytes);
    ALLOCATOR_CHECK(fixture, stats.total_allocations == 2 && stats.total_frees == 1,
                    "%zu allocations, %zu frees", stats.total_allocations, stats.total_frees);
    ALLOCATOR_CHECK(fixture, stats.reserved_bytes >= 1000 && stats.chunks >= 1,
                    "%zu chunks with %zu B", stats.chunks, stats.reserved_bytes);
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 1000, "%zu B charged",
                    lab_used(fixture->space));
    lab_free(a);
    stats = lab_stats(fixture->interface);
    ALLOCATOR_CHECK(fixture, stats.live_bytes == 0 && stats.live_count == 0, "%zu live",
                    stats.live_count);
    ALLOCATOR_CHECK(fixture, lab_peak(fixture->space) == 1500, "the space's peak is %zu",
                    lab_peak(fixture->space));
}
