/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whatever the system refuses, and whenever, the call that needed it answers
 * with an error and has changed nothing, the same call works when it is made again, and nothing is
 * lost: a whole life of the library is lived once for every mmap, mprotect, allocation of metadata
 * and map of a user's backend in it, with that one refused, and once more with all that follow
 * refused too. */
#include "config.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mmb.h>
#include "src/base/meta.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/fault/refusals.h"
#include "tests/support/suite.h"

static long n_mapped;

static mmbError user_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)domain;
    if (is_refused(BACKEND) || posix_memalign(address, 64, n_bytes))
        return MMB_OUT_OF_MEMORY;
    n_mapped++;
    return MMB_OK;
}

static mmbError user_unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)n_bytes;
    n_mapped--;
    free(address);
    return MMB_OK;
}

/* ---- what went wrong ---- */

/* Asserted on by the parent where a child lives the life. */
static int n_wrong;

static void __attribute__((format(printf, 1, 2))) wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf(" (call %zu of kind %d refused%s)\n", order.at, (int)order.kind,
           order.lasts ? " and all that follow" : "");
    va_end(args);
    n_wrong++;
}

/* ---- a life: one call per step ---- */

enum { PAGE, STACK, PASSTHROUGH, THREAD, USER_PAGE, USER_STACK, N_INTERFACES };

#define N_BLOCKS 400

static struct {
    mmbBackend backend;
    mmbMemSpace *space;
    mmbMemInterface *interfaces[N_INTERFACES];
    mmbAllocation *blocks[N_BLOCKS];
    mmbAllocation *moving, *aligned, *slice, *inner, *wrapped, *large;
    mmbEvent *event;
    char bytes[5000];
} life;

/* Looking at this machine takes longer than all the rest, thousands of times. */
static mmbError life_init(size_t i)
{
    (void)i;
    mmbOptions options = MMB_OPTIONS_INIT;
#ifdef MMB_HAVE_HWLOC
    static char path[4096];
    const char *sources = getenv("MMB_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/topology/flat-dram.xml", sources ? sources : ".");
    options.topology_xml = access(path, R_OK) == 0 ? path : NULL;
#endif
    return mmb_init(&options);
}

static mmbError life_backend(size_t i)
{
    (void)i;
    const mmbBackendOps ops = {.size = sizeof ops,
                               .name = "fault",
                               .host_accessible = true,
                               .min_alignment = 64,
                               .map = user_map,
                               .unmap = user_unmap};
    return mmb_backend_register(&ops, NULL, &life.backend);
}

static mmbError life_space(size_t i)
{
    (void)i;
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = (size_t)64 << 20;
    return mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &life.space);
}

static mmbError life_interface(size_t i)
{
    static const mmbStrategy strategies[N_INTERFACES] = {
        MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_STACK,         MMB_STRATEGY_PASSTHROUGH,
        MMB_STRATEGY_THREAD_LOCAL,  MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_STACK};
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = i >= USER_PAGE ? life.backend : MMB_BACKEND_MMAP;
    config.strategy = strategies[i];
    config.name = "an interface with a name";
    config.flags = MMB_INTERFACE_FINDABLE;
    return mmb_create_interface(life.space, &config, &life.interfaces[i]);
}

/* Enough of every interface for more than one slab of records and one chunk. */
static mmbError life_allocate(size_t i)
{
    static const size_t sizes[] = {16, 100, 1000, 5000, 20000, 70000, 300000};
    size_t n_bytes = i % N_INTERFACES == PASSTHROUGH ? 3000 : sizes[i / N_INTERFACES % 7];
    return mmb_allocate(n_bytes, life.interfaces[i % N_INTERFACES], &life.blocks[i]);
}

static mmbError life_free(size_t i)
{
    mmbError error = mmb_free(life.blocks[i]);
    if (!error)
        life.blocks[i] = NULL;
    return error;
}

static mmbError life_allocate_aligned(size_t i)
{
    (void)i;
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = 8192;
    options.label = "aligned";
    options.zero = true;
    return mmb_allocate_opts(3000, life.interfaces[PAGE], &options, &life.aligned);
}

static mmbError life_allocate_moving(size_t i)
{
    (void)i;
    return mmb_allocate(5000, life.interfaces[STACK], &life.moving);
}

/* Beyond what a record's own word can say. */
static mmbError life_allocate_large(size_t i)
{
    return mmb_allocate((size_t)17 << 20, life.interfaces[i], &life.large);
}

static mmbError life_free_large(size_t i)
{
    (void)i;
    mmbError error = mmb_free(life.large);
    if (!error)
        life.large = NULL;
    return error;
}

static mmbError life_migrate(size_t i)
{
    return mmb_migrate(life.moving, life.interfaces[i]);
}

static mmbError life_reallocate(size_t i)
{
    static const size_t sizes[] = {6000, 100000, 400000, 50, 5000};
    return mmb_reallocate(life.moving, sizes[i]);
}

static mmbError life_slice(size_t i)
{
    return i ? mmb_allocation_slice(life.slice, 10, 10, &life.inner)
             : mmb_allocation_slice(life.moving, 100, 1000, &life.slice);
}

static mmbError life_wrap(size_t i)
{
    (void)i;
    return mmb_allocation_create_wrapped(life.bytes, sizeof life.bytes, life.interfaces[PAGE],
                                         &life.wrapped);
}

static mmbError life_hold(size_t i)
{
    return i ? mmb_region_unhold(life.inner) : mmb_region_hold(life.inner);
}

static mmbError life_copy(size_t i)
{
    (void)i;
    return mmb_copy_async(life.moving, life.wrapped, &life.event);
}

static mmbError life_wait(size_t i)
{
    (void)i;
    return mmb_event_wait(&life.event);
}

static bool see(void *user, const mmbAllocationInfo *info, const char *label)
{
    (void)label;
    *(size_t *)user += info->n_bytes > 0;
    return true;
}

static mmbError life_list(size_t i)
{
    size_t n = 0;
    mmbError error = mmb_for_each_allocation(life.interfaces[i], see, &n);
    if (!error && n == 0)
        wrong("nothing is listed in interface %zu", i);
    return error;
}

static mmbError life_find(size_t i)
{
    mmbAllocation *found = NULL;
    const char *ptr = mmb_allocation_ptr(i ? life.wrapped : life.moving);
    mmbError error = mmb_allocation_find(ptr + 1, &found);
    if (!error && found != (i ? life.wrapped : life.moving))
        wrong("found is something else");
    return error;
}

static mmbError life_raw(size_t i)
{
    mmbMemInterface *interface = life.interfaces[i];
    void *ptr = mmb_calloc(interface, 10, 1000), *grown = NULL;
    if (ptr)
        grown = mmb_realloc(interface, ptr, 90000);
    mmbError error = mmb_free_ptr(interface, grown ? grown : ptr);
    return error ? error : grown ? MMB_OK : MMB_OUT_OF_MEMORY;
}

static mmbError life_mark(size_t i)
{
    static mmbStackMark mark;
    return i ? mmb_stack_release(life.interfaces[USER_STACK], mark)
             : mmb_stack_mark(life.interfaces[USER_STACK], &mark);
}

static mmbError life_free_views(size_t i)
{
    mmbAllocation **const views[] = {&life.inner, &life.slice, &life.wrapped, &life.moving,
                                     &life.aligned};
    mmbError error = mmb_free(*views[i]);
    if (!error)
        *views[i] = NULL;
    return error;
}

static mmbError life_trim(size_t i)
{
    return mmb_interface_trim(life.interfaces[i], 0);
}

static mmbError life_destroy(size_t i)
{
    return mmb_destroy_interface(life.interfaces[i]);
}

/* `count` times each; the argument counts from `first`. */
static const struct step {
    const char *name;
    mmbError (*call)(size_t i);
    size_t first, count;
} steps[] = {
    {"init", life_init, 0, 1},
    {"register a backend", life_backend, 0, 1},
    {"register memory", life_space, 0, 1},
    {"create an interface", life_interface, 0, N_INTERFACES},
    {"allocate", life_allocate, 0, N_BLOCKS},
    {"mark", life_mark, 0, 1},
    {"allocate what will move", life_allocate_moving, 0, 1},
    {"allocate aligned", life_allocate_aligned, 0, 1},
    {"allocate a large block", life_allocate_large, PAGE, 1},
    {"free the large block", life_free_large, 0, 1},
    {"allocate a large block", life_allocate_large, STACK, 1},
    {"free the large block", life_free_large, 0, 1},
    {"allocate a large block", life_allocate_large, PASSTHROUGH, 1},
    {"free the large block", life_free_large, 0, 1},
    {"migrate", life_migrate, PAGE, N_INTERFACES},
    {"migrate back", life_migrate, PAGE, 1},
    {"reallocate", life_reallocate, 0, 5},
    {"slice", life_slice, 0, 2},
    {"wrap", life_wrap, 0, 1},
    {"hold", life_hold, 0, 2},
    {"copy", life_copy, 0, 1},
    {"wait", life_wait, 0, 1},
    {"list", life_list, 0, N_INTERFACES},
    {"find", life_find, 0, 2},
    {"raw pointers", life_raw, 0, N_INTERFACES},
    {"free a view", life_free_views, 0, 5},
    {"release", life_mark, 1, 1},
    {"free", life_free, 0, N_BLOCKS},
    {"trim", life_trim, 0, N_INTERFACES},
    {"destroy", life_destroy, 0, N_INTERFACES},
};
#define N_STEPS (sizeof steps / sizeof steps[0])

static size_t used(void)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    return life.space && !mmb_space_get_info(life.space, &info) ? info.used : 0;
}

/* A refused call answers with one of these, charges nothing and works the second time. False: it is
 * refused for good. */
static bool try_step(const struct step *step, size_t i)
{
    size_t before = used();
    mmbError error = step->call(i);
    if (error == MMB_OK)
        return true;
    if (error != MMB_OUT_OF_MEMORY || atomic_load(&order.n_refused) == 0)
        wrong("%s %zu: %s: %s", step->name, i, mmb_error_name(error), mmb_error_detail());
    if (used() != before)
        wrong("%s %zu: %zu B were used and %zu are", step->name, i, before, used());
    if (order.lasts)
        return false;
    error = step->call(i);
    if (error)
        wrong("%s %zu again: %s: %s", step->name, i, mmb_error_name(error), mmb_error_detail());
    return !error;
}

static bool try_steps(void)
{
    for (size_t s = 0; s < N_STEPS; s++)
        for (size_t i = 0; i < steps[s].count; i++)
            if (!try_step(&steps[s], steps[s].first + i))
                return false;
    return true;
}

/* What finalize leaves is what was there before, once the first life has made what is kept. */
static void live(void)
{
    memset(&life, 0, sizeof life);
    bool done = try_steps();
    if (done && used() != 0)
        wrong("%zu B stay charged", used());
    bool was_refused = atomic_load(&order.n_refused) > 0;
    refuse(NOTHING, 0, false);
    while (mmb_finalize() == MMB_OK)
        continue;
    if (!done && !was_refused)
        wrong("a life that nobody disturbed did not come to its end");
    if (n_mapped != 0)
        wrong("%ld ranges of the user's backend are lost", n_mapped);
    if (mmb_budget_reserved(&mmb_host_budget) != 0)
        wrong("%zu B of host memory are lost", mmb_budget_reserved(&mmb_host_budget));
    if (mmb_address_map_count(&mmb_chunk_map) != 0)
        wrong("%zu chunks are lost", mmb_address_map_count(&mmb_chunk_map));
}

/* ---- for every call ---- */

#ifdef __SANITIZE_THREAD__
#define IS_SLOW true
#elif defined(__has_feature)
#define IS_SLOW __has_feature(thread_sanitizer)
#else
#define IS_SLOW false
#endif

/* Under valgrind or the thread sanitizer, a hundred times slower, one of seven stands for all. */
static size_t stride(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return IS_SLOW || (preloaded && strstr(preloaded, "vgpreload")) ? 7 : 1;
}

static size_t count_calls(enum kind kind)
{
    refuse(kind, SIZE_MAX, false);
    memset(&life, 0, sizeof life);
    if (!try_steps())
        wrong("a life that nobody disturbed did not come to its end");
    size_t n_calls = atomic_load(&order.n_calls);
    refuse(NOTHING, 0, false);
    while (mmb_finalize() == MMB_OK)
        continue;
    return n_calls;
}

/* In one process: its first lives have made what is kept until it ends. */
static void refuse_each(enum kind kind)
{
    mmb_logging_set_level(MMB_LOG_NONE); /* finalize warns of what a life left behind */
    refuse(NOTHING, 0, false);
    n_wrong = 0;
    live();
    live();
    size_t n_calls = count_calls(kind), n_meta = mmb_meta_bytes();
    SUITE_CHECK(n_calls > 5, "a life makes only %zu such calls", n_calls);
    for (int lasts = 0; lasts < 2; lasts++)
        for (size_t at = 1; at <= n_calls && n_wrong == 0; at += stride()) {
            refuse(kind, at, lasts);
            live();
            if (mmb_meta_bytes() != n_meta)
                wrong("call %zu: %zu B of metadata before, %zu after", at, n_meta,
                      mmb_meta_bytes());
        }
    CU_ASSERT_EQUAL(n_wrong, 0);
}

/* covers: mmb_allocation_slice MMB_OUT_OF_MEMORY */
static void test_fault_metadata(void)
{
    refuse_each(METADATA);
}

static void test_fault_user_backend(void)
{
    refuse_each(BACKEND);
}

static void test_fault_system_later(void)
{
    refuse_each(SYSTEM);
}

struct first_life {
    size_t at;
    bool lasts;
};

/* 0: fine; 1: something went wrong; 2: fine, and there was no such call. */
static int live_first(void *argument)
{
    const struct first_life *first = argument;
    mmb_logging_set_level(MMB_LOG_NONE);
    refuse(SYSTEM, first->at, first->lasts);
    memset(&life, 0, sizeof life);
    bool done = try_steps();
    size_t n_refused = atomic_load(&order.n_refused);
    if (!done && n_refused == 0)
        wrong("a life that nobody disturbed did not come to its end");
    refuse(NOTHING, 0, false);
    while (mmb_finalize() == MMB_OK)
        continue;
    live();
    size_t n_meta = mmb_meta_bytes();
    live();
    if (mmb_meta_bytes() != n_meta)
        wrong("%zu B of metadata after two lives, %zu after three", n_meta, mmb_meta_bytes());
    fflush(stdout);
    return n_wrong ? 1 : n_refused ? 0 : 2;
}

/* The very first life of a process reserves what is kept for good, so each has a process of its
 * own.
 */
static void test_fault_system_from_the_start(void)
{
    for (int lasts = 0; lasts < 2; lasts++) {
        struct first_life first = {1, lasts};
        int code = 0;
        for (; code == 0; first.at += stride()) {
            struct suite_child child = suite_run_child(live_first, &first, 120);
            code = child.exited ? child.code : -1;
            SUITE_CHECK(code == 0 || code == 2, "call %zu: %s %d", first.at,
                        child.exited ? "exit" : "signal", child.code);
        }
        SUITE_CHECK(first.at > 8, "a life makes only %zu such calls", first.at);
    }
}

/* From the start first: the others live in this process. */
MMB_SUITE("fault", T(test_fault_system_from_the_start), T(test_fault_metadata),
          T(test_fault_user_backend), T(test_fault_system_later))
