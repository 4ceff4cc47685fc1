/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: allocating and freeing through handles: what is refused and how it is said,
 * options, labels, fallbacks. What every strategy has to do is in tests/contract. */
#include <string.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
}

/* ---- refusals ---- */

/* covers: mmb_allocate MMB_INVALID_INTERFACE, mmb_allocate_opts MMB_INVALID_INTERFACE,
 * mmb_allocate_array MMB_INVALID_INTERFACE */
static void test_allocate_needs_a_live_interface(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbMemInterface *dead = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    CU_ASSERT_EQUAL_FATAL(mmb_destroy_interface(dead), MMB_OK);
    char other[512] = "";
    mmbMemInterface *const wrong[] = {NULL, dead, (mmbMemInterface *)(void *)other,
                                      (mmbMemInterface *)(void *)((char *)page + 8),
                                      (mmbMemInterface *)(void *)space};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mmbAllocation *out = NULL;
        SUITE_CHECK(mmb_allocate(10, wrong[i], &out) == MMB_INVALID_INTERFACE, "%zu", i);
        SUITE_CHECK(mmb_allocate(70000, wrong[i], &out) == MMB_INVALID_INTERFACE, "%zu large", i);
        SUITE_CHECK(mmb_allocate_opts(10, wrong[i], &options, &out) == MMB_INVALID_INTERFACE,
                    "%zu opts", i);
        SUITE_CHECK(mmb_allocate_opts(10, wrong[i], NULL, &out) == MMB_INVALID_INTERFACE,
                    "%zu no opts", i);
        SUITE_CHECK(mmb_allocate_array(10, 1, wrong[i], &out) == MMB_INVALID_INTERFACE, "%zu array",
                    i);
        SUITE_CHECK(!out, "%zu: output written", i);
    }
}

/* covers: mmb_allocate MMB_INVALID_ARG, mmb_allocate_opts MMB_INVALID_ARG,
 * mmb_allocate_array MMB_INVALID_ARG */
static void test_allocate_needs_an_output(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    CU_ASSERT_EQUAL(mmb_allocate(10, page, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocate_opts(10, page, &options, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocate_opts(10, page, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocate_array(10, 10, page, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(lab_used(space), 0);
}

/* covers: mmb_allocate_opts MMB_INVALID_ARG MMB_INVALID_SIZE MMB_UNSUPPORTED */
static void test_allocate_opts_checks_every_option(void)
{
    mmbLayerInfo layer = MMB_LAYER_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_layer_get_info(MMB_DRAM, &layer), MMB_OK);
    const mmbAllocateOptions init = MMB_ALLOCATE_OPTIONS_INIT;
    struct {
        mmbAllocateOptions options;
        mmbError error;
    } rows[10];
    for (size_t i = 0; i < 10; i++)
        rows[i].options = init;
    rows[0].options.alignment = 3, rows[0].error = MMB_INVALID_ARG;
    rows[1].options.alignment = SIZE_MAX, rows[1].error = MMB_INVALID_ARG;
    rows[2].options.stream = &layer, rows[2].error = MMB_INVALID_ARG;
    rows[3].options.thread = 7, rows[3].error = MMB_UNSUPPORTED;
    rows[4].options.domain = -2, rows[4].error = MMB_INVALID_ARG;
    rows[5].options.domain = (int)layer.domains, rows[5].error = MMB_INVALID_ARG;
    rows[6].options.size = sizeof init - 8, rows[6].error = MMB_INVALID_ARG;
    rows[7].options.size = 0, rows[7].error = MMB_INVALID_ARG;
    rows[8].options.alignment = 0, rows[8].error = MMB_OK;
    rows[9].options.alignment = 1, rows[9].error = MMB_OK;
    for (size_t i = 0; i < 10; i++) {
        mmbAllocation *out = NULL;
        mmbError error = mmb_allocate_opts(10, page, &rows[i].options, &out);
        SUITE_CHECK(error == rows[i].error, "row %zu: %s: %s", i, mmb_error_name(error),
                    mmb_error_detail());
        SUITE_CHECK(!out == (error != MMB_OK), "row %zu: output", i);
        CU_ASSERT_EQUAL(mmb_free(out), MMB_OK);
    }
    mmbAllocation *out = NULL;
    CU_ASSERT_EQUAL(mmb_allocate_opts(0, page, &init, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(lab_used(space), 0);
}

/* What a newer caller knows and this library does not must be zero. */
static void test_allocate_opts_takes_a_newer_struct(void)
{
    struct {
        mmbAllocateOptions known;
        uint64_t newer;
    } options = {MMB_ALLOCATE_OPTIONS_INIT, 0};
    options.known.size = sizeof options;
    mmbAllocation *out = NULL;
    CU_ASSERT_EQUAL(mmb_allocate_opts(10, page, &options.known, &out), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(out), MMB_OK);
    options.newer = 1;
    CU_ASSERT_EQUAL(mmb_allocate_opts(10, page, &options.known, &out), MMB_UNSUPPORTED);
}

/* covers: mmb_allocate MMB_OUT_OF_MEMORY MMB_ERROR, mmb_allocate_opts MMB_OUT_OF_MEMORY MMB_ERROR,
 * mmb_allocate_array MMB_OUT_OF_MEMORY MMB_ERROR */
static void test_allocate_passes_the_backends_refusal_on(void)
{
    static const mmbError errors[] = {MMB_OUT_OF_MEMORY, MMB_ERROR, MMB_PERMISSION};
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
    for (size_t s = 0; s < 4; s++)
        for (size_t i = 0; i < 3; i++) {
            mmbMemInterface *interface = lab_faulty_interface(space, strategies[s]);
            mmbAllocation *out = NULL;
            lab_fail_maps_after(0, errors[i]);
            mmbError error = mmb_allocate(100, interface, &out);
            SUITE_CHECK(error == errors[i], "strategy %zu: %s", s, mmb_error_detail());
            error = mmb_allocate_opts(100000, interface, &options, &out);
            SUITE_CHECK(error == errors[i], "strategy %zu, opts: %s", s, mmb_error_detail());
            error = mmb_allocate_array(10, 10, interface, &out);
            SUITE_CHECK(error == errors[i], "strategy %zu, array: %s", s, mmb_error_detail());
            SUITE_CHECK(!out && lab_used(space) == 0, "strategy %zu: %zu B", s, lab_used(space));
            SUITE_CHECK(lab_stats(interface).refused == 3, "strategy %zu: refused %zu", s,
                        lab_stats(interface).refused);
            lab_fail_no_map();
            lab_free(lab_new(interface, 100));
            CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        }
}

static void test_allocate_tells_limit_and_use(void)
{
    mmbAllocation *out = NULL, *half = lab_new(page, 600000);
    CU_ASSERT_EQUAL(mmb_allocate(600000, page, &out), MMB_OUT_OF_MEMORY);
    SUITE_CHECK(lab_detail_has("600000 B") && lab_detail_has("limit 1048576") &&
                    lab_detail_has("used 600000"),
                "%s", mmb_error_detail());
    lab_free(half);
}

static void test_allocate_array_multiplies(void)
{
    mmbAllocation *out = NULL;
    CU_ASSERT_EQUAL_FATAL(MMB_NEW(page, double, 100, &out), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_size(out), 800);
    CU_ASSERT_PTR_EQUAL(MMB_PTR(out, double), lab_info(out).ptr);
    lab_free(out);
    CU_ASSERT_EQUAL(mmb_allocate_array(0, 8, page, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocate_array(8, 0, page, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocate_array(SIZE_MAX, SIZE_MAX, page, &out), MMB_INVALID_SIZE);
}

/* ---- freeing ---- */

/* covers: mmb_free MMB_INVALID_ALLOCATION, mmb_free_opts MMB_INVALID_ALLOCATION */
static void test_free_refuses_what_is_dead(void)
{
    mmbAllocation *block = lab_new(page, 10);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
    CU_ASSERT_TRUE(lab_detail_has("freed"));
    CU_ASSERT_EQUAL(mmb_free_opts(block, NULL), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free((mmbAllocation *)(void *)&block), MMB_INVALID_ALLOCATION);
    CU_ASSERT_TRUE(lab_detail_has("no handle"));
    CU_ASSERT_EQUAL(lab_stats(page).total_frees, 1);
}

/* covers: mmb_free MMB_BUSY, mmb_free_opts MMB_BUSY */
static void test_free_refuses_what_is_in_use(void)
{
    mmbAllocation *block = lab_new(page, 100), *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 10, 10, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_BUSY);
    CU_ASSERT_TRUE(lab_detail_has("1 slices, 1 holds"));
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_opts(block, NULL), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(block), MMB_OK);
    CU_ASSERT_EQUAL(lab_used(space), 100);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

/* covers: mmb_free_opts MMB_UNSUPPORTED */
static void test_free_opts_knows_no_named_threads(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *block = lab_new(page, 10);
    options.thread = 3;
    CU_ASSERT_EQUAL(mmb_free_opts(block, &options), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_allocation_size(block), 10);
    options.thread = 0;
    CU_ASSERT_EQUAL(mmb_free_opts(block, &options), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_opts(NULL, &options), MMB_OK);
}

static void test_free_of_null_does_nothing(void)
{
    CU_ASSERT_EQUAL(mmb_free(NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_opts(NULL, NULL), MMB_OK);
}

/* A handle that is given out again is another object: its extension of before is gone. */
static void test_free_forgets_label_and_alignment(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.label = "label";
    options.alignment = 4096;
    mmbAllocation *first = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(100, page, &options, &first), MMB_OK);
    CU_ASSERT_EQUAL(lab_info(first).alignment, 4096);
    lab_free(first);
    mmbAllocation *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = lab_new(page, 5000);
        CU_ASSERT_EQUAL(lab_info(blocks[i]).alignment, 16);
    }
    for (size_t i = 0; i < 200; i++)
        lab_free(blocks[i]);
}

/* ---- fallbacks ---- */

/* first -> second -> third, each in a space of 1000, 2000 and 3000 B. */
static mmbMemInterface *chain[3];
static mmbMemSpace *spaces[3];

static void make_chain(mmbStrategy strategy)
{
    for (size_t i = 3; i > 0; i--) {
        mmbMemInterfaceConfig config = lab_config(strategy, LAB_MMAP, 0);
        config.fallback = i < 3 ? chain[i] : NULL;
        spaces[i - 1] = lab_space(1000 * i);
        CU_ASSERT_EQUAL_FATAL(mmb_create_interface(spaces[i - 1], &config, &chain[i - 1]), MMB_OK);
    }
}

static void test_fallback_serves_what_does_not_fit(void)
{
    make_chain(MMB_STRATEGY_SCALABLE_PAGE);
    static const size_t sizes[] = {900, 1900, 2900}, served_by[] = {0, 1, 2};
    mmbAllocation *blocks[3], *more = NULL;
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = lab_new(chain[0], sizes[i]);
        SUITE_CHECK(lab_info(blocks[i]).interface == chain[served_by[i]], "%zu B", sizes[i]);
        SUITE_CHECK(lab_info(blocks[i]).space == spaces[served_by[i]], "%zu B", sizes[i]);
    }
    CU_ASSERT_EQUAL(mmb_allocate(200, chain[0], &more), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(lab_detail_has("limit 3000"));
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(lab_used(spaces[i]), sizes[i]);
        lab_free(blocks[i]);
        CU_ASSERT_EQUAL(lab_used(spaces[i]), 0);
    }
    CU_ASSERT_EQUAL(lab_stats(chain[0]).refused, 3);
}

static void test_fallback_does_not_serve_a_mistake(void)
{
    make_chain(MMB_STRATEGY_PASSTHROUGH);
    mmbAllocation *out = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(0, chain[0], &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocate(SIZE_MAX, chain[0], &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(lab_stats(chain[1]).refused, 0);
}

MMB_SUITE_WITH("core/allocation", set_up, lab_close, T(test_allocate_needs_a_live_interface),
               T(test_allocate_needs_an_output), T(test_allocate_opts_checks_every_option),
               T(test_allocate_opts_takes_a_newer_struct),
               T(test_allocate_passes_the_backends_refusal_on),
               T(test_allocate_tells_limit_and_use), T(test_allocate_array_multiplies),
               T(test_free_refuses_what_is_dead), T(test_free_refuses_what_is_in_use),
               T(test_free_opts_knows_no_named_threads), T(test_free_of_null_does_nothing),
               T(test_free_forgets_label_and_alignment), T(test_fallback_serves_what_does_not_fit),
               T(test_fallback_does_not_serve_a_mistake))
