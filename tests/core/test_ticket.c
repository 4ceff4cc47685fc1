/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: in debug builds a handle that died is refused for ever, by every function,
 * however it died and whatever its block is used for since; and the handles cost no memory but
 * while they live. Each test makes sure that the records themselves are used again: the blocks
 * are. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <mmb.h>
#include <mmb/stack.h>
#include "src/core/ticket.h"
#include "src/spi/record.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define MILLION 1000000u

static mmbMemSpace *space;
static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

static void set_up(void)
{
    lab_open();
    space = lab_space(MMB_NO_LIMIT);
}

static mmbMemInterface *interface_of(mmbStrategy strategy)
{
    return lab_interface(space, strategy, LAB_MMAP, MMB_INTERFACE_FINDABLE);
}

/* False: a release build, where a record is its own handle. */
static bool has_tickets(void)
{
#ifdef MMB_DEBUG
    return true;
#else
    suite_skip("only debug builds refuse for ever");
    return false;
#endif
}

/* Allocates until a record is used again, which makes its old handle valid in a release build. */
static mmbAllocation *reuse(mmbMemInterface *interface, size_t n_bytes, const mmbAllocation *record)
{
    for (unsigned int i = 0; i < 10000; i++) {
        mmbAllocation *fresh = lab_new(interface, n_bytes);
        if (mmb_ticket_record(fresh) == record)
            return fresh;
    }
    CU_FAIL_FATAL("the record is not used again");
    return NULL;
}

/* ---- few addresses ---- */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER true
#elif defined(__has_feature)
#define HAS_SANITIZER (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define HAS_SANITIZER false
#endif

/* Bytes of this process: of its address space, and in memory. */
static void measure(size_t *out_addresses, size_t *out_resident)
{
    long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2)
        abort();
    fclose(file);
    *out_addresses = (size_t)size * (size_t)sysconf(_SC_PAGESIZE);
    *out_resident = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct shortage {
    mmbMemInterface *interface;
    size_t n_bytes; /* of addresses that may still be had */
    bool has_tickets;
};

/* 0: all is as it should be. */
static int run_short(void *argument)
{
    const struct shortage *shortage = argument;
    size_t addresses, resident;
    measure(&addresses, &resident);
    const struct rlimit limit = {addresses + shortage->n_bytes, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 1;
    for (int i = 0; i < 1000; i++) {
        mmbAllocation *object = NULL;
        if (mmb_allocate(100, shortage->interface, &object) != MMB_OK)
            return 2;
        if ((mmb_ticket_record(object) != object) != shortage->has_tickets)
            return 3;
        memset(mmb_allocation_ptr(object), i, 100);
        if (mmb_free(object) != MMB_OK || mmb_free(object) != MMB_INVALID_ALLOCATION)
            return 4;
    }
    return 0;
}

/* The first in the list: nothing is reserved yet. Where there is no room for tickets, records are
 * handed out. */
static void test_few_addresses_are_enough(void)
{
    struct shortage shortage = {.interface =
                                    lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_ARRAY, 0)};
    if (HAS_SANITIZER)
        suite_skip("a sanitizer needs addresses of its own");
    if (HAS_SANITIZER || !has_tickets())
        return;
    shortage.n_bytes = (size_t)32 << 20;
    struct suite_child child = suite_run_child(run_short, &shortage, 60);
    SUITE_CHECK(child.exited && child.code == 0, "no ticket: %d", child.code);
    shortage.n_bytes = (size_t)512 << 20;
    shortage.has_tickets = true;
    child = suite_run_child(run_short, &shortage, 60);
    SUITE_CHECK(child.exited && child.code == 0, "a small piece: %d", child.code);
}

/* ---- for ever ---- */

static void test_second_free_is_refused_after_a_million_allocations(void)
{
    if (!has_tickets())
        return;
    for (size_t s = 1; s < 4; s++) {
        mmbMemInterface *interface = interface_of(strategies[s]);
        mmbAllocation *first = lab_new(interface, 64);
        const mmbAllocation *record = mmb_ticket_record(first);
        CU_ASSERT_PTR_NOT_EQUAL(first, record);
        lab_free(first);
        size_t n_again = 0, n_accepted = 0;
        for (unsigned int i = 0; i < MILLION; i++) {
            mmbAllocation *other = NULL;
            if (mmb_allocate(64, interface, &other) != MMB_OK)
                break;
            n_again += mmb_ticket_record(other) == record;
            n_accepted += other == first;
            if (i % 1000 == 0)
                n_accepted += mmb_free(first) == MMB_OK;
            n_accepted += mmb_free(other) != MMB_OK;
        }
        SUITE_CHECK(n_again > 0, "strategy %zu: its record was not used again", s);
        CU_ASSERT_EQUAL(n_accepted, 0);
        CU_ASSERT_EQUAL(mmb_free(first), MMB_INVALID_ALLOCATION);
        CU_ASSERT_TRUE(lab_detail_has("it was freed"));
        CU_ASSERT_EQUAL(lab_used(space), 0);
    }
}

/* Sizes with records of their own, in passthrough all. */
static void test_second_free_of_large_blocks_is_refused(void)
{
    if (!has_tickets())
        return;
    for (size_t s = 0; s < 4; s++) {
        mmbMemInterface *interface = interface_of(strategies[s]);
        mmbAllocation *first = lab_new(interface, 100000);
        const mmbAllocation *record = mmb_ticket_record(first);
        lab_free(first);
        mmbAllocation *second = reuse(interface, 100000, record);
        SUITE_CHECK(mmb_free(first) == MMB_INVALID_ALLOCATION, "strategy %zu", s);
        lab_free(second);
        SUITE_CHECK(mmb_free(first) == MMB_INVALID_ALLOCATION, "strategy %zu", s);
        SUITE_CHECK(mmb_free(second) == MMB_INVALID_ALLOCATION, "strategy %zu", s);
    }
}

/* ---- every function ---- */

static void check_copies(mmbAllocation *dead, mmbAllocation *live)
{
    const size_t zero[1] = {0}, some[1] = {8};
    mmbAllocation *const sides[2][2] = {{dead, live}, {live, dead}};
    for (size_t i = 0; i < 2; i++) {
        mmbAllocation *to = sides[i][0], *from = sides[i][1];
        const mmbError errors[] = {
            mmb_copy(to, from),
            mmb_copy_1d(to, 0, from, 0, 8),
            mmb_copy_2d(to, 0, 0, 8, from, 0, 0, 8, 8, 1),
            mmb_copy_nd(to, zero, NULL, from, zero, NULL, 1, some),
            mmb_copy_async(to, from, NULL),
            mmb_copy_1d_async(to, 0, from, 0, 8, NULL),
            mmb_copy_2d_async(to, 0, 0, 8, from, 0, 0, 8, 8, 1, NULL),
            mmb_copy_nd_async(to, zero, NULL, from, zero, NULL, 1, some, NULL),
            mmb_copy_1d_on(to, 0, from, 0, 8, NULL, NULL),
            mmb_copy_nd_on(to, zero, NULL, from, zero, NULL, 1, some, NULL, NULL),
        };
        for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++)
            SUITE_CHECK(errors[e] == MMB_INVALID_ALLOCATION, "copy %zu, side %zu", e, i);
    }
}

static void test_every_function_refuses_a_dead_handle(void)
{
    if (!has_tickets())
        return;
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *live = lab_new(interface, 64), *dead = lab_new(interface, 64), *out = NULL;
    const mmbAllocation *record = mmb_ticket_record(dead);
    lab_free(dead);
    mmbAllocation *second = reuse(interface, 64, record);
    lab_fill(second, 1);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.thread = 7;
    mmbRegionView view = {.size = sizeof view};
    mmbSharedPtr pointer;
    void *native;
    size_t n_bytes = 0;
    check_copies(dead, live);
    const mmbError errors[] = {
        mmb_free(dead),
        mmb_free_opts(dead, NULL),
        mmb_free_opts(dead, &options),
        mmb_reallocate(dead, 128),
        mmb_migrate(dead, interface),
        mmb_advise(dead, 0, 8, MMB_ADVISE_NORMAL),
        mmb_memset(dead, 0, 0, 8),
        mmb_memset_async(dead, 0, 0, 8, NULL),
        mmb_allocation_slice(dead, 0, 8, &out),
        mmb_allocation_get_info(dead, &info),
        mmb_allocation_native(dead, &native, &n_bytes),
        mmb_allocation_get_shared(dead, &pointer),
        mmb_allocation_get_region(dead, 0, 8, &view),
        mmb_allocation_export_region(dead, NULL, &n_bytes),
        mmb_ipc_export(dead, NULL, &n_bytes),
        mmb_region_hold(dead),
        mmb_region_unhold(dead),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        SUITE_CHECK(errors[i] == MMB_INVALID_ALLOCATION, "call %zu: %s", i,
                    mmb_error_name(errors[i]));
    CU_ASSERT_EQUAL(mmb_allocation_size(dead), 0);
    CU_ASSERT_PTR_NULL(mmb_device_ptr(dead));
    CU_ASSERT_TRUE(lab_is_filled(second, 64, 1));
    CU_ASSERT_EQUAL(mmb_free(second), MMB_OK);
}

/* ---- however it died ---- */

static void test_handles_die_with_their_stack(void)
{
    if (!has_tickets())
        return;
    mmbMemInterface *stack = interface_of(MMB_STRATEGY_STACK);
    mmbAllocation *old[100];
    for (size_t i = 0; i < 100; i++)
        old[i] = lab_new(stack, 100 + i);
    CU_ASSERT_EQUAL_FATAL(mmb_stack_reset(stack), MMB_OK);
    for (size_t i = 0; i < 100; i++) {
        const mmbAllocation *record = mmb_ticket_record(lab_new(stack, 100 + i));
        SUITE_CHECK(mmb_free(old[i]) == MMB_INVALID_ALLOCATION, "%zu", i);
        SUITE_CHECK(mmb_ticket_record(old[i]) != record, "%zu", i);
    }
    CU_ASSERT_EQUAL(lab_stats(stack).live_count, 100);
}

static void test_handles_die_with_their_interface(void)
{
    if (!has_tickets())
        return;
    for (size_t s = 0; s < 4; s++) {
        mmbMemInterface *interface = interface_of(strategies[s]);
        mmbAllocation *old[300];
        for (size_t i = 0; i < 300; i++)
            old[i] = lab_new(interface, 64);
        for (size_t i = 300; i > 0; i--)
            lab_free(old[i - 1]);
        CU_ASSERT_EQUAL_FATAL(mmb_destroy_interface(interface), MMB_OK);
        interface = interface_of(strategies[s]);
        for (size_t i = 0; i < 300; i++)
            lab_new(interface, 64);
        for (size_t i = 0; i < 300; i++)
            SUITE_CHECK(mmb_free(old[i]) == MMB_INVALID_ALLOCATION, "strategy %zu, %zu", s, i);
    }
}

static void test_handles_die_with_the_library(void)
{
    if (!has_tickets())
        return;
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *old[300], *slice = NULL;
    for (size_t i = 0; i < 300; i++)
        old[i] = lab_new(interface, 64);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(old[0], 0, 8, &slice), MMB_OK);
    lab_close();
    CU_ASSERT_EQUAL(mmb_free(old[0]), MMB_NOT_INITIALIZED);
    set_up();
    interface = interface_of(MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *again = NULL;
    for (size_t i = 0; i < 300; i++)
        CU_ASSERT_EQUAL(mmb_allocation_slice(lab_new(interface, 64), 0, 8, &again), MMB_OK);
    for (size_t i = 0; i < 300; i++)
        SUITE_CHECK(mmb_free(old[i]) == MMB_INVALID_ALLOCATION, "%zu", i);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_INVALID_ALLOCATION);
}

static void test_views_are_not_confused_either(void)
{
    if (!has_tickets())
        return;
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *whole = lab_new(interface, 64), *slice = NULL, *wrapped = NULL, *other = NULL;
    char mine[64];
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(whole, 8, 8, &slice), MMB_OK);
    const mmbAllocation *record = mmb_ticket_record(slice);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(mine, 64, interface, &wrapped), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_ticket_record(wrapped), record);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(whole, 8, 8, &other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free(other), MMB_OK);
}

/* Freed behind the handle's back, and its record with another block that has no handle yet. */
static void test_raw_pointers_end_handles(void)
{
    if (!has_tickets())
        return;
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *old = lab_new(interface, 64), *found = NULL;
    void *ptr = mmb_allocation_ptr(old);
    CU_ASSERT_EQUAL(mmb_free_ptr(interface, ptr), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(old), MMB_INVALID_ALLOCATION);
    CU_ASSERT_PTR_EQUAL_FATAL(mmb_malloc(interface, 64), ptr);
    CU_ASSERT_EQUAL(mmb_free(old), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_find((char *)ptr + 63, &found), MMB_OK);
    CU_ASSERT_PTR_NOT_EQUAL(found, old);
    CU_ASSERT_EQUAL(mmb_free(old), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free(found), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_ptr(interface, ptr), MMB_INVALID_ALLOCATION);
}

static void test_shared_handles_are_not_confused_either(void)
{
    if (!has_tickets())
        return;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface = NULL;
    config.backend = MMB_BACKEND_SHM;
    config.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    config.backend_opts.shm.url = "memfd:ticket";
    config.backend_opts.shm.bytes = (size_t)1 << 20;
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &interface), MMB_OK);
    mmbAllocation *old = lab_new(interface, 64), *found = NULL;
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    CU_ASSERT_EQUAL(mmb_allocation_get_shared(old, &pointer), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, old);
    const mmbAllocation *record = mmb_ticket_record(old);
    lab_free(old);
    mmbAllocation *second = reuse(interface, 64, record);
    CU_ASSERT_EQUAL(mmb_free(old), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, second);
    CU_ASSERT_EQUAL(mmb_free(second), MMB_OK);
}

/* ---- a handle is one ---- */

static bool is_parent(void *user, const mmbAllocationInfo *info, const char *label)
{
    (void)label;
    CU_ASSERT_PTR_NULL(info->parent);
    *(size_t *)user += 1;
    return true;
}

static void test_an_object_has_one_handle(void)
{
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_SCALABLE_PAGE);
    mmbMemInterface *other = interface_of(MMB_STRATEGY_PASSTHROUGH);
    mmbAllocation *object = lab_new(interface, 64), *found = NULL, *slice = NULL;
    size_t n_seen = 0;
    lab_fill(object, 3);
    CU_ASSERT_EQUAL(mmb_reallocate(object, 5000), MMB_OK);
    CU_ASSERT_TRUE(lab_is_filled(object, 64, 3));
    CU_ASSERT_EQUAL(mmb_migrate(object, other), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(object), lab_info(object).ptr);
    CU_ASSERT_EQUAL(mmb_allocation_find((char *)mmb_allocation_ptr(object) + 63, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, object);
    CU_ASSERT_EQUAL(mmb_for_each_allocation(other, is_parent, &n_seen), MMB_OK);
    CU_ASSERT_EQUAL(n_seen, 1);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(object, 8, 8, &slice), MMB_OK);
    CU_ASSERT_PTR_EQUAL(lab_info(slice).parent, object);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_BUSY);
    CU_ASSERT_TRUE(lab_is_filled(object, 64, 3));
    lab_free(slice);
    lab_free(object);
}

/* No pointer into the tickets is a handle but those that were given. */
static void test_pointers_beside_a_handle_are_refused(void)
{
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *object = lab_new(interface, 64);
    char *page = (char *)((uintptr_t)object & ~(uintptr_t)4095);
    for (size_t byte = 0; byte < 4096; byte++) {
        mmbAllocation *beside = (mmbAllocation *)(void *)(page + byte);
        if (beside != object && byte % 16 != 0)
            SUITE_CHECK(mmb_free(beside) == MMB_INVALID_ALLOCATION, "%zu", byte);
    }
    mmbAllocation *first = (mmbAllocation *)(void *)page;
    if (first != object)
        CU_ASSERT_EQUAL(mmb_free(first), MMB_INVALID_ALLOCATION);
    lab_free(object);
}

/* ---- memory ---- */

/* 10^7 dead handles would be 160 MB. Among them live a few old ones. */
static void test_dead_handles_cost_no_memory(void)
{
    mmbMemInterface *interface = interface_of(MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *object = NULL;
    if (HAS_SANITIZER) {
        suite_skip("a sanitizer's own memory grows");
        return;
    }
    lab_free(lab_new(interface, 64));
    size_t addresses, before, after;
    measure(&addresses, &before);
    for (unsigned int i = 0; i < 10 * MILLION; i++) {
        if (mmb_allocate(64, interface, &object) != MMB_OK)
            break;
        if (i % MILLION != 0)
            mmb_free(object);
    }
    measure(&addresses, &after);
    SUITE_CHECK(after < before + ((size_t)4 << 20), "%zu B before, %zu B after", before, after);
    CU_ASSERT_EQUAL(lab_stats(interface).live_count, 10);
}

/* ---- threads ---- */

static void *confuse(void *interface)
{
    mmbAllocation *old[64] = {NULL}, *fresh = NULL;
    size_t n_wrong = 0;
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int at = i % 64;
        if (mmb_allocate(64, interface, &fresh) != MMB_OK)
            return "no memory";
        n_wrong += old[at] && mmb_free(old[at]) == MMB_OK;
        n_wrong += mmb_free(fresh) != MMB_OK;
        old[at] = fresh;
    }
    return n_wrong ? "a dead handle was accepted, or a live one not" : NULL;
}

static void test_threads_do_not_confuse_handles(void)
{
    if (!has_tickets())
        return;
    for (size_t s = 2; s < 4; s++) {
        mmbMemInterface *interface = interface_of(strategies[s]);
        pthread_t threads[8];
        for (size_t i = 0; i < 8; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, confuse, interface), 0);
        for (size_t i = 0; i < 8; i++) {
            void *wrong = NULL;
            pthread_join(threads[i], &wrong);
            SUITE_CHECK(!wrong, "%s", (const char *)wrong);
        }
        CU_ASSERT_EQUAL(lab_stats(interface).live_count, 0);
    }
}

MMB_SUITE_WITH("core/ticket", set_up, lab_close, T(test_few_addresses_are_enough),
               T(test_second_free_is_refused_after_a_million_allocations),
               T(test_second_free_of_large_blocks_is_refused),
               T(test_every_function_refuses_a_dead_handle), T(test_handles_die_with_their_stack),
               T(test_handles_die_with_their_interface), T(test_handles_die_with_the_library),
               T(test_views_are_not_confused_either), T(test_raw_pointers_end_handles),
               T(test_shared_handles_are_not_confused_either), T(test_an_object_has_one_handle),
               T(test_pointers_beside_a_handle_are_refused), T(test_dead_handles_cost_no_memory),
               T(test_threads_do_not_confuse_handles))
