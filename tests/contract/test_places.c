/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every strategy works over every kind of memory that is here, and bytes go
 * from every kind to every other: whole, in rows, in any number of dimensions, blocking and not. */
#include <stdlib.h>
#include <string.h>
#include "tests/support/places.h"
#include "tests/support/suite.h"

static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
#define N_STRATEGIES (sizeof strategies / sizeof strategies[0])

/* A text of place and strategy for messages. */
static const char *what(const struct place *place, mmbStrategy strategy)
{
    static char text[64];
    snprintf(text, sizeof text, "%s over %s", mmb_strategy_name(strategy), place->name);
    return text;
}

typedef void (*promise)(const struct place *place, mmbStrategy strategy,
                        mmbMemInterface *interface);

static void each(size_t limit, promise keep)
{
    for (size_t p = 0; p < n_places; p++)
        for (size_t s = 0; s < N_STRATEGIES; s++) {
            mmbMemInterface *interface = place_interface(&places[p], strategies[s], limit);
            keep(&places[p], strategies[s], interface);
            mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
            CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &info), MMB_OK);
            mmbError error = mmb_destroy_space(info.space);
            SUITE_CHECK(error == MMB_OK, "%s: %s", what(&places[p], strategies[s]),
                        mmb_error_detail());
        }
}

/* ---- strategies ---- */

static mmbAllocationInfo info_of(const mmbAllocation *object)
{
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_get_info(object, &info), MMB_OK);
    return info;
}

static void keeps_blocks_apart(const struct place *place, mmbStrategy strategy,
                               mmbMemInterface *interface)
{
    static const size_t sizes[] = {1, 15, 16, 17, 100, 256, 300, 1000, 4097, 65536, 70000, 300000};
    enum { N = sizeof sizes / sizeof sizes[0] };
    mmbAllocation *blocks[N];
    for (unsigned int i = 0; i < N; i++) {
        blocks[i] = place_new(interface, sizes[i]);
        place_fill(blocks[i], i);
    }
    for (unsigned int i = 0; i < N; i++)
        SUITE_CHECK(place_is_filled(blocks[i], sizes[i], i), "%s: %zu B were overwritten",
                    what(place, strategy), sizes[i]);
    for (unsigned int i = 0; i < N; i++)
        place_free(blocks[N - 1 - i]);
}

static void test_places_keep_blocks_apart(void)
{
    each(MMB_NO_LIMIT, keeps_blocks_apart);
}

/* Where the device sees a block is a multiple of what the backend promises. */
static void aligns(const struct place *place, mmbStrategy strategy, mmbMemInterface *interface)
{
    mmbMemInterfaceInfo known = MMB_MEMINTERFACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &known), MMB_OK);
    mmbAllocation *blocks[20];
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = place_new(interface, 1 + i * i * i * 7);
        mmbAllocationInfo info = info_of(blocks[i]);
        size_t at = place->backend == MMB_BACKEND_OPENCL ? info.native_offset
                                                         : (size_t)(uintptr_t)info.native;
        SUITE_CHECK(at % known.min_alignment == 0, "%s: %zu B at %zu, of %zu",
                    what(place, strategy), info.n_bytes, at, known.min_alignment);
        SUITE_CHECK(info.alignment >= known.min_alignment, "%s: tells %zu", what(place, strategy),
                    info.alignment);
    }
    for (size_t i = 20; i > 0; i--)
        place_free(blocks[i - 1]);
}

static void test_places_align_as_their_backend_promises(void)
{
    each(MMB_NO_LIMIT, aligns);
}

static void aligns_more(const struct place *place, mmbStrategy strategy, mmbMemInterface *interface)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    for (options.alignment = 1; options.alignment <= 65536; options.alignment *= 4) {
        mmbAllocation *block = NULL;
        mmbError error = mmb_allocate_opts(1000, interface, &options, &block);
        if (place->backend == MMB_BACKEND_OPENCL && error == MMB_UNSUPPORTED &&
            options.alignment > 64)
            continue;
        SUITE_CHECK(error == MMB_OK, "%s: %zu: %s", what(place, strategy), options.alignment,
                    mmb_error_detail());
        if (error != MMB_OK)
            continue;
        size_t at = (size_t)(uintptr_t)info_of(block).native;
        SUITE_CHECK(place->backend == MMB_BACKEND_OPENCL || at % options.alignment == 0,
                    "%s: %zx, of %zu", what(place, strategy), at, options.alignment);
        place_fill(block, 3);
        SUITE_CHECK(place_is_filled(block, 1000, 3), "%s", what(place, strategy));
        place_free(block);
    }
}

static void test_places_align_more_when_asked(void)
{
    each(MMB_NO_LIMIT, aligns_more);
}

static void grows(const struct place *place, mmbStrategy strategy, mmbMemInterface *interface)
{
    static const size_t sizes[] = {300, 17, 5000, 100000, 64, 70000};
    mmbAllocation *block = place_new(interface, 40);
    mmbAllocation *neighbour = place_new(interface, 40);
    place_fill(neighbour, 99);
    size_t n_bytes = 40;
    for (unsigned int i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        place_fill(block, i);
        mmbError error = mmb_reallocate(block, sizes[i]);
        SUITE_CHECK(error == MMB_OK, "%s: %s", what(place, strategy), mmb_error_detail());
        size_t kept = n_bytes < sizes[i] ? n_bytes : sizes[i];
        SUITE_CHECK(place_is_filled(block, kept, i), "%s: %zu to %zu B", what(place, strategy),
                    n_bytes, sizes[i]);
        n_bytes = sizes[i];
    }
    SUITE_CHECK(place_is_filled(neighbour, 40, 99), "%s: a neighbour", what(place, strategy));
    place_free(block);
    place_free(neighbour);
}

static void test_places_keep_contents_through_reallocate(void)
{
    each(MMB_NO_LIMIT, grows);
}

static void has_an_exact_limit(const struct place *place, mmbStrategy strategy,
                               mmbMemInterface *interface)
{
    mmbAllocation *whole = place_new(interface, 8000), *more = NULL;
    SUITE_CHECK(mmb_allocate(1, interface, &more) == MMB_OUT_OF_MEMORY, "%s",
                what(place, strategy));
    place_free(whole);
    mmbAllocation *eight[8];
    for (size_t i = 0; i < 8; i++)
        eight[i] = place_new(interface, 1000);
    SUITE_CHECK(mmb_allocate(1, interface, &more) == MMB_OUT_OF_MEMORY, "%s",
                what(place, strategy));
    for (size_t i = 8; i > 0; i--)
        place_free(eight[i - 1]);
}

static void test_places_have_exact_limits(void)
{
    each(8000, has_an_exact_limit);
}

static void zeroes_and_sets(const struct place *place, mmbStrategy strategy,
                            mmbMemInterface *interface)
{
    unsigned char bytes[3000];
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.zero = true;
    mmbAllocation *block = place_new(interface, sizeof bytes);
    place_fill(block, 7);
    place_free(block);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(sizeof bytes, interface, &options, &block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset(block, 5, 0x1a5, 1001), MMB_OK);
    place_read(block, 0, bytes, sizeof bytes);
    size_t n_wrong = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        n_wrong += bytes[i] != (i >= 5 && i < 1006 ? 0xa5 : 0);
    SUITE_CHECK(n_wrong == 0, "%s: %zu bytes", what(place, strategy), n_wrong);
    place_free(block);
}

static void test_places_zero_and_set(void)
{
    each(MMB_NO_LIMIT, zeroes_and_sets);
}

/* NULL where the host cannot reach the bytes, never a device's address. */
static void tells_pointers(const struct place *place, mmbStrategy strategy,
                           mmbMemInterface *interface)
{
    mmbAllocation *block = place_new(interface, 500), *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 100, 200, &slice), MMB_OK);
    mmbAllocationInfo info = info_of(block), part = info_of(slice);
    bool is_device = place->backend == MMB_BACKEND_CUDA || place->backend == MMB_BACKEND_HIP ||
                     place->backend == MMB_BACKEND_OPENCL;
    SUITE_CHECK(!is_device || !mmb_allocation_ptr(block), "%s: %p", what(place, strategy),
                mmb_allocation_ptr(block));
    SUITE_CHECK(!is_device || !mmb_allocation_ptr(slice), "%s: slice", what(place, strategy));
    SUITE_CHECK(info.layer == place->layer && info.context == place->context, "%s",
                what(place, strategy));
    if (place->backend == MMB_BACKEND_OPENCL) {
        SUITE_CHECK(!mmb_device_ptr(block), "%s: %p", what(place, strategy), mmb_device_ptr(block));
        SUITE_CHECK(part.native == info.native && part.native_offset == info.native_offset + 100,
                    "%s: %zu", what(place, strategy), part.native_offset);
    } else {
        SUITE_CHECK(mmb_device_ptr(slice) == (char *)mmb_device_ptr(block) + 100, "%s",
                    what(place, strategy));
    }
    place_free(slice);
    place_free(block);
}

static void test_places_tell_pointers_only_to_who_may_follow(void)
{
    each(MMB_NO_LIMIT, tells_pointers);
}

/* ---- copies between every two ---- */

typedef void (*pair_promise)(const char *pair, mmbMemInterface *to, mmbMemInterface *from);

static mmbMemInterface *interfaces[PLACES_MAX], *others[PLACES_MAX];

/* Two interfaces of each place, so that a place is paired with itself as well. */
static void each_pair(pair_promise keep)
{
    for (size_t i = 0; i < n_places; i++) {
        interfaces[i] = place_interface(&places[i], MMB_STRATEGY_SCALABLE_PAGE, MMB_NO_LIMIT);
        others[i] = place_interface(&places[i], MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    }
    for (size_t to = 0; to < n_places; to++)
        for (size_t from = 0; from < n_places; from++) {
            char pair[64];
            snprintf(pair, sizeof pair, "%s to %s", places[from].name, places[to].name);
            keep(pair, interfaces[to], others[from]);
        }
}

static void copies(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    static const size_t sizes[] = {1, 777, 5000, ((size_t)2 << 20) + 12345};
    for (unsigned int i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbAllocation *source = place_new(from, sizes[i]), *target = place_new(to, sizes[i]);
        place_fill(source, i);
        mmbError error = mmb_copy(target, source);
        SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
        SUITE_CHECK(place_is_filled(target, sizes[i], i), "%s: %zu B", pair, sizes[i]);
        error = mmb_copy_1d(target, 1, source, 0, sizes[i]);
        SUITE_CHECK(error == MMB_INVALID_SIZE, "%s: beyond the end: %s", pair,
                    mmb_error_name(error));
        SUITE_CHECK(place_is_filled(target, sizes[i], i), "%s: a byte moved all the same", pair);
        place_free(source);
        place_free(target);
    }
}

static void test_copies_go_between_every_two_places(void)
{
    each_pair(copies);
}

/* Boxes of 4-D arrays whose pitches differ, one of them no multiple of the other. */
enum { PLANES = 2, SLICES = 3, ROWS = 4, WIDTH = 37, TO_BYTES = 12000, FROM_BYTES = 20000 };
static const size_t dims[] = {PLANES, SLICES, ROWS, WIDTH};
static const size_t to_pitch[] = {4001, 1021, 101}, from_pitch[] = {8000, 2000, 200};
static const size_t to_at[] = {1, 0, 2, 5}, from_at[] = {0, 1, 1, 9};

static size_t index_of(const size_t *at, const size_t *pitch, const size_t *i)
{
    return (at[0] + i[0]) * pitch[0] + (at[1] + i[1]) * pitch[1] + (at[2] + i[2]) * pitch[2] +
           at[3] + i[3];
}

static void move_box(unsigned char *to, const unsigned char *from, size_t n_dims)
{
    size_t first = 4 - n_dims;
    for (size_t n = 0; n < (size_t)PLANES * SLICES * ROWS * WIDTH; n++) {
        size_t i[] = {n / (SLICES * ROWS * WIDTH), n / (ROWS * WIDTH) % SLICES, n / WIDTH % ROWS,
                      n % WIDTH};
        bool is_in = true;
        for (size_t d = 0; d < first; d++)
            is_in = is_in && i[d] == 0;
        size_t to_zero[4] = {0}, from_zero[4] = {0};
        memcpy(to_zero + first, to_at + first, n_dims * sizeof to_at[0]);
        memcpy(from_zero + first, from_at + first, n_dims * sizeof from_at[0]);
        if (is_in)
            to[index_of(to_zero, to_pitch, i)] = from[index_of(from_zero, from_pitch, i)];
    }
}

/* What `target` holds is what the same copy makes of arrays in the test. */
static void check_box(const char *pair, const mmbAllocation *target, size_t n_dims)
{
    static unsigned char wanted[TO_BYTES], from[FROM_BYTES], got[TO_BYTES];
    for (size_t i = 0; i < TO_BYTES; i++)
        wanted[i] = place_byte(i, 1);
    for (size_t i = 0; i < FROM_BYTES; i++)
        from[i] = place_byte(i, 2);
    move_box(wanted, from, n_dims);
    place_read(target, 0, got, TO_BYTES);
    SUITE_CHECK(memcmp(got, wanted, TO_BYTES) == 0, "%s: %zu dimensions", pair, n_dims);
}

static mmbError copy_box(mmbAllocation *target, const mmbAllocation *source, size_t n_dims,
                         bool is_async)
{
    size_t skip = 4 - n_dims;
    mmbEvent *event = NULL;
    if (!is_async)
        return mmb_copy_nd(target, to_at + skip, to_pitch + skip, source, from_at + skip,
                           from_pitch + skip, n_dims, dims + skip);
    mmbError error =
        mmb_copy_nd_async(target, to_at + skip, to_pitch + skip, source, from_at + skip,
                          from_pitch + skip, n_dims, dims + skip, &event);
    return error == MMB_OK ? mmb_event_wait(&event) : error;
}

static void copies_boxes(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    mmbAllocation *source = place_new(from, FROM_BYTES), *target = place_new(to, TO_BYTES);
    place_fill(source, 2);
    for (size_t n_dims = 2; n_dims <= 4; n_dims++)
        for (int is_async = 0; is_async < 2; is_async++) {
            place_fill(target, 1);
            mmbError error = copy_box(target, source, n_dims, is_async);
            SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
            check_box(pair, target, n_dims);
        }
    place_free(source);
    place_free(target);
}

static void test_boxes_go_between_every_two_places(void)
{
    each_pair(copies_boxes);
}

static void copies_rows(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    mmbAllocation *source = place_new(from, FROM_BYTES), *target = place_new(to, TO_BYTES);
    place_fill(source, 2);
    place_fill(target, 1);
    mmbError error = mmb_copy_2d(target, to_at[3], to_at[2], to_pitch[2], source, from_at[3],
                                 from_at[2], from_pitch[2], WIDTH, ROWS);
    SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
    check_box(pair, target, 2);
    place_free(source);
    place_free(target);
}

static void test_rows_go_between_every_two_places(void)
{
    each_pair(copies_rows);
}

static void copies_without_waiting(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    enum { N_BYTES = 100000 };
    mmbAllocation *source = place_new(from, N_BYTES), *target = place_new(to, N_BYTES);
    mmbEvent *events[2] = {NULL, NULL};
    place_fill(source, 5);
    mmbError error = mmb_copy_async(target, source, &events[0]);
    SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
    error = mmb_event_wait(&events[0]);
    SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
    SUITE_CHECK(place_is_filled(target, N_BYTES, 5), "%s", pair);
    CU_ASSERT_EQUAL(mmb_memset_async(target, 0, 9, N_BYTES, &events[1]), MMB_OK);
    bool is_done = false;
    while (!is_done)
        CU_ASSERT_EQUAL_FATAL(mmb_event_query(events[1], &is_done), MMB_OK);
    unsigned char last = 0;
    place_read(target, N_BYTES - 1, &last, 1);
    SUITE_CHECK(last == 9, "%s: %d", pair, last);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    place_free(source);
    place_free(target);
}

static void test_copies_need_not_wait_between_any_two_places(void)
{
    each_pair(copies_without_waiting);
}

/* ---- what is refused between every two ---- */

static void check_refused(const char *pair, const char *what, mmbError error,
                          const mmbAllocation *target)
{
    SUITE_CHECK(error == MMB_INVALID_SIZE, "%s: %s: %s", pair, what, mmb_error_name(error));
    SUITE_CHECK(place_is_filled(target, 5000, 1), "%s: %s: a byte moved all the same", pair, what);
}

static void refuses(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    static const size_t zero[3] = {0, 0, 0}, far[3] = {0, 0, 4990}, pitch[2] = {1000, 100},
                        less[2] = {1000, 10}, count[3] = {5, 10, 20};
    mmbAllocation *source = place_new(from, 5000), *target = place_new(to, 5000), *longer;
    mmbEvent *event = NULL;
    place_fill(source, 2);
    place_fill(target, 1);
    check_refused(pair, "beyond the source", mmb_copy_1d(target, 0, source, 4001, 1000), target);
    check_refused(pair, "an offset that wraps", mmb_copy_1d(target, SIZE_MAX, source, 0, 2),
                  target);
    check_refused(pair, "not waiting, beyond the end",
                  mmb_copy_1d_async(target, 1, source, 0, 5000, &event), target);
    check_refused(pair, "rows beyond the end",
                  mmb_copy_2d(target, 0, 0, 100, source, 0, 0, 100, 100, 51), target);
    check_refused(pair, "rows wider than their pitch",
                  mmb_copy_2d(target, 0, 0, 10, source, 0, 0, 100, 50, 5), target);
    check_refused(pair, "a box beyond the end",
                  mmb_copy_nd(target, far, pitch, source, zero, pitch, 3, count), target);
    check_refused(pair, "a box with too small a pitch",
                  mmb_copy_nd(target, zero, less, source, zero, pitch, 3, count), target);
    check_refused(pair, "a fill beyond the end", mmb_memset(target, 4990, 0, 11), target);
    longer = place_new(from, 5001);
    check_refused(pair, "unequal sizes", mmb_copy(target, longer), target);
    CU_ASSERT_PTR_NULL(event);
    place_free(longer);
    place_free(source);
    place_free(target);
}

static void test_bad_copies_are_refused_between_every_two_places(void)
{
    each_pair(refuses);
}

static void migrates(const char *pair, mmbMemInterface *to, mmbMemInterface *from)
{
    mmbAllocation *object = place_new(from, 30000);
    place_fill(object, 8);
    mmbError error = mmb_migrate(object, to);
    SUITE_CHECK(error == MMB_OK, "%s: %s", pair, mmb_error_detail());
    SUITE_CHECK(info_of(object).interface == to, "%s: provenance", pair);
    SUITE_CHECK(place_is_filled(object, 30000, 8), "%s: contents", pair);
    error = mmb_migrate(object, from);
    SUITE_CHECK(error == MMB_OK, "%s: back: %s", pair, mmb_error_detail());
    SUITE_CHECK(place_is_filled(object, 30000, 8), "%s: contents on the way back", pair);
    place_free(object);
}

static void test_objects_migrate_between_every_two_places(void)
{
    each_pair(migrates);
}

MMB_SUITE_WITH("contract/places", places_open, places_close, T(test_places_keep_blocks_apart),
               T(test_places_align_as_their_backend_promises), T(test_places_align_more_when_asked),
               T(test_places_keep_contents_through_reallocate), T(test_places_have_exact_limits),
               T(test_places_zero_and_set), T(test_places_tell_pointers_only_to_who_may_follow),
               T(test_copies_go_between_every_two_places),
               T(test_boxes_go_between_every_two_places), T(test_rows_go_between_every_two_places),
               T(test_copies_need_not_wait_between_any_two_places),
               T(test_bad_copies_are_refused_between_every_two_places),
               T(test_objects_migrate_between_every_two_places))
