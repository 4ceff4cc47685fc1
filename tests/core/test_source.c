/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a chunk is charged before it is had and found by its addresses while it is;
 * what a layer cannot give is refused with the reason, after everything empty on it was given back.
 */
#include <stdint.h>
#include <string.h>
#include "src/core/interface.h"
#include "src/core/registry.h"
#include "src/core/source.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *interface;
static struct mmb_source *source;
static struct mmb_budget *budget;

/* Passthrough never asks its source by itself here, so all numbers are the test's. */
static void set_up(void)
{
    control_open();
    space = control_space(MMB_NO_LIMIT);
    interface = control_interface(space, MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_MMAP);
    source = interface->source;
    budget = &space->layer->budget;
}

static void set_capacity(size_t n_bytes)
{
    atomic_store(&budget->capacity, n_bytes);
}

static struct mmb_chunk *must_obtain(size_t min_bytes, size_t want_bytes)
{
    struct mmb_chunk *chunk = NULL;
    SUITE_CHECK(mmb_source_obtain(source, min_bytes, want_bytes, 0, &chunk) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(chunk);
    return chunk;
}

static void test_source_obtain_and_return(void)
{
    struct mmb_chunk *chunk = must_obtain(100000, 100000);
    uintptr_t address = chunk->memory.address;
    size_t n_bytes = chunk->memory.n_bytes;
    CU_ASSERT_TRUE(n_bytes >= 100000 && chunk->source == source);
    CU_ASSERT_EQUAL(mmb_source_reserved(source), n_bytes);
    CU_ASSERT_EQUAL(mmb_source_chunks(source), 1);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), n_bytes);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&mmb_host_budget), n_bytes);
    CU_ASSERT_PTR_EQUAL(mmb_chunk_find(address), chunk);
    CU_ASSERT_PTR_EQUAL(mmb_chunk_find(address + n_bytes - 1), chunk);
    memset(chunk->memory.host, 1, n_bytes);
    mmb_source_return(chunk);
    CU_ASSERT_PTR_NULL(mmb_chunk_find(address));
    CU_ASSERT_EQUAL(mmb_source_reserved(source) + mmb_source_chunks(source), 0);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget) + mmb_budget_reserved(&mmb_host_budget), 0);
}

static void test_source_properties(void)
{
    CU_ASSERT_EQUAL(mmb_source_bounded(source), SIZE_MAX);
    CU_ASSERT_EQUAL(mmb_source_min_alignment(source), interface->backend->min_alignment);
    CU_ASSERT_EQUAL(mmb_source_min_chunk(source), 0);
    CU_ASSERT_PTR_EQUAL(mmb_source_backend(source), interface->backend);
}

static void test_source_discard_loses_contents_only(void)
{
    struct mmb_chunk *chunk = must_obtain(1 << 20, 1 << 20);
    memset(chunk->memory.host, 1, 1 << 20);
    mmb_source_discard(chunk, 0, 1 << 20);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 1 << 20);
    memset(chunk->memory.host, 2, 1 << 20);
    mmb_source_return(chunk);
}

/* ---- exhaustion ---- */

static void test_source_takes_what_is_left(void)
{
    set_capacity(1 << 20);
    struct mmb_chunk *chunk = must_obtain(4096, 4 << 20);
    CU_ASSERT_TRUE(chunk->memory.n_bytes > 4096 && chunk->memory.n_bytes <= 1 << 20);
    mmb_source_return(chunk);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 0);
}

/* 5,000 B are 8,192 in pages: the wanted bytes alone would fit. */
static void test_source_rounding_is_charged_too(void)
{
    struct mmb_chunk *chunk = NULL;
    set_capacity(8191);
    CU_ASSERT_EQUAL(mmb_source_obtain(source, 5000, 5000, 0, &chunk), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_source_obtain(source, 4096, 8191, 0, &chunk), MMB_OK);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 4096);
    mmb_source_return(chunk);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 0);
}

static void test_source_refusal_names_reserved_and_capacity(void)
{
    struct mmb_chunk *chunk = NULL;
    set_capacity(3 << 12);
    struct mmb_chunk *first = must_obtain(2 << 12, 2 << 12);
    CU_ASSERT_EQUAL(mmb_source_obtain(source, 2 << 12, 2 << 12, 0, &chunk), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("DRAM") && control_detail_has("8192 B reserved") &&
                   control_detail_has("capacity of 12288 B"));
    CU_ASSERT_PTR_NULL(chunk);
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 2 << 12);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&mmb_host_budget), 2 << 12);
    mmb_source_return(first);
}

static void test_source_host_budget_holds_for_every_layer(void)
{
    mmbMemLayer layer = control_new_layer("another");
    mmbMemInterface *other = NULL;
    mmbAllocation *allocation = NULL;
    CU_ASSERT_EQUAL(mmb_get_interface(layer, MMB_CPU, &other), MMB_OK);
    atomic_store(&mmb_host_budget.capacity, 1 << 20);
    CU_ASSERT_EQUAL(mmb_allocate(2 << 20, other, &allocation), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("host memory"));
}

/* Empty memory of another interface, in another space, on the same layer. */
static void test_source_is_relieved_by_other_interfaces(void)
{
    mmbMemInterface *page = control_interface(control_space(MMB_NO_LIMIT),
                                              MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    mmb_free(control_allocation(page, 100000));
    size_t kept = mmb_source_reserved(page->source);
    CU_ASSERT_TRUE(kept > 0);
    set_capacity(kept + 4096);
    struct mmb_chunk *chunk = must_obtain(8192, 8192);
    CU_ASSERT_TRUE(mmb_source_reserved(page->source) < kept);
    mmb_source_return(chunk);
}

static void test_source_relief_while_an_interface_is_made(void)
{
    mmbMemInterface *page =
        control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    mmb_free(control_allocation(page, 100000));
    set_capacity(mmb_source_reserved(page->source));
    mmb_registry_lock();
    struct mmb_chunk *chunk = must_obtain(4096, 4096);
    mmb_registry_unlock();
    mmb_source_return(chunk);
}

/* The user's array was his before: nothing is taken from the layer for it. */
static void test_source_array_draws_on_no_budget(void)
{
    static _Alignas(64) char array[65536];
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *over_array = NULL;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = array;
    config.backend_opts.array.bytes = sizeof array;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &over_array), MMB_OK);
    set_capacity(0);
    mmb_free(control_allocation(over_array, 1000));
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 0);
}

/* ---- a backend that fails ---- */

static size_t n_refusals;
static mmbError unmap_error;

static mmbError map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)domain;
    if (n_refusals) {
        n_refusals--;
        return MMB_OUT_OF_MEMORY;
    }
    *address = user;
    return n_bytes <= 65536 ? MMB_OK : MMB_OUT_OF_MEMORY;
}

static mmbError unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)address;
    (void)n_bytes;
    return unmap_error;
}

static void open_user_source(void)
{
    static _Alignas(64) char memory[65536];
    const mmbBackendOps ops = {
        .size = sizeof ops, .name = "failing", .host_accessible = true, .map = map, .unmap = unmap};
    mmbBackend id = MMB_BACKEND_DEFAULT;
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, memory, &id), MMB_OK);
    interface = control_interface(space, MMB_STRATEGY_PASSTHROUGH, id);
    source = interface->source;
    unmap_error = MMB_OK;
}

static void test_source_backend_that_refuses(void)
{
    struct mmb_chunk *chunk = NULL;
    open_user_source();
    n_refusals = SIZE_MAX;
    CU_ASSERT_EQUAL(mmb_source_obtain(source, 100, 200, 0, &chunk), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("failing"));
    n_refusals = 0;
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 0);
    mmb_source_return(must_obtain(100, 200));
}

/* Memory that the backend keeps is still taken from the layer. */
static void test_source_backend_that_does_not_take_back(void)
{
    open_user_source();
    mmb_logging_set_level(MMB_LOG_NONE);
    struct mmb_chunk *chunk = must_obtain(1000, 1000);
    uintptr_t address = chunk->memory.address;
    unmap_error = MMB_ERROR;
    mmb_source_return(chunk);
    mmb_logging_set_level(MMB_LOG_ERROR);
    CU_ASSERT_EQUAL(mmb_source_chunks(source), 0);
    CU_ASSERT_PTR_NULL(mmb_chunk_find(address));
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 1000);
}

MMB_SUITE_WITH("core/source", set_up, control_close, T(test_source_obtain_and_return),
               T(test_source_properties), T(test_source_discard_loses_contents_only),
               T(test_source_takes_what_is_left), T(test_source_rounding_is_charged_too),
               T(test_source_refusal_names_reserved_and_capacity),
               T(test_source_host_budget_holds_for_every_layer),
               T(test_source_is_relieved_by_other_interfaces),
               T(test_source_relief_while_an_interface_is_made),
               T(test_source_array_draws_on_no_budget), T(test_source_backend_that_refuses),
               T(test_source_backend_that_does_not_take_back))
