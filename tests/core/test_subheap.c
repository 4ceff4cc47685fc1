/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: in a space with a limit per domain each interface has a heap per domain. A
 * block lies in one domain and is charged to it; the space's own numbers are the sums; what cannot
 * be told domain by domain is refused. */
#include <stdint.h>
#include <string.h>
#include "src/core/interface.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

#define N_DOMAINS 3

static size_t sizes[N_DOMAINS];
static mmbMemSpace *space;

/* A layer as discovery would make it; all its domains are this machine's node 0. */
static void set_up(void)
{
    static const struct mmb_domain_found domains[N_DOMAINS] = {
        {.os_index = 0, .total_bytes = 64 << 20, .available_bytes = 64 << 20},
        {.os_index = 0, .total_bytes = 64 << 20, .available_bytes = 64 << 20},
        {.os_index = 0, .total_bytes = 64 << 20, .available_bytes = 64 << 20}};
    const struct mmb_layer_found found = {
        .id = MMB_NADRAM, .domains = domains, .n_domains = N_DOMAINS};
    control_open();
    mmb_registry_lock();
    CU_ASSERT_EQUAL_FATAL(mmb_layer_add_found(&found), MMB_OK);
    mmb_registry_unlock();
}

static mmbMemSpaceConfig limits(size_t first, size_t second, size_t third)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    sizes[0] = first;
    sizes[1] = second;
    sizes[2] = third;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes = (mmbNumaSizes){N_DOMAINS, sizes};
    return config;
}

/* A backend of the user's that is told the domain, so that the tests need no NUMA. */
static int last_domain;
static _Alignas(4096) char arena[N_DOMAINS][4 << 20];
static size_t arena_used[N_DOMAINS];

static mmbError arena_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    last_domain = domain;
    n_bytes = (n_bytes + 4095) & ~(size_t)4095;
    if (domain < 0 || n_bytes > sizeof arena[0] - arena_used[domain])
        return MMB_OUT_OF_MEMORY;
    *address = arena[domain] + arena_used[domain];
    arena_used[domain] += n_bytes;
    return MMB_OK;
}

static mmbError arena_unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)address;
    (void)n_bytes;
    return MMB_OK;
}

static int domain_at(const void *pointer)
{
    return (int)(((const char *)pointer - arena[0]) / (ptrdiff_t)sizeof arena[0]);
}

static mmbMemInterface *open_interface(mmbStrategy strategy, mmbMemSpaceConfig config)
{
    static const mmbBackendOps ops = {.size = sizeof ops,
                                      .name = "arena",
                                      .host_accessible = true,
                                      .map = arena_map,
                                      .unmap = arena_unmap,
                                      .min_alignment = 4096};
    static mmbBackend backend;
    mmbMemInterfaceConfig how = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface = NULL;
    memset(arena_used, 0, sizeof arena_used);
    mmbError error = mmb_backend_register(&ops, NULL, &backend);
    CU_ASSERT_TRUE_FATAL(error == MMB_OK || error == MMB_EXISTS);
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_NADRAM, MMB_CPU, &config, &space), MMB_OK);
    how.backend = backend;
    how.strategy = strategy;
    how.flags = MMB_INTERFACE_FINDABLE;
    SUITE_CHECK(mmb_create_interface(space, &how, &interface) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

static mmbError allocate_in(mmbMemInterface *interface, size_t n_bytes, int domain,
                            mmbAllocation **out)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.domain = domain;
    return mmb_allocate_opts(n_bytes, interface, &options, out);
}

static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

static size_t used_in(size_t domain)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_domain_info(space, domain, &info), MMB_OK);
    return info.used;
}

/* covers: mmb_allocate_opts MMB_OUT_OF_MEMORY MMB_INVALID_ARG */
static void test_subheap_block_lies_in_the_domain_that_was_named(void)
{
    for (size_t i = 0; i < N_ROWS(strategies); i++) {
        mmbMemInterface *interface = open_interface(strategies[i], limits(1000, 2000, 3000));
        for (int domain = 0; domain < N_DOMAINS; domain++) {
            mmbAllocation *block = NULL, *more = NULL;
            mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
            size_t limit = 1000 * (size_t)(domain + 1);
            if (!SUITE_CHECK(allocate_in(interface, limit, domain, &block) == MMB_OK, "%d: %s",
                             domain, mmb_error_detail()))
                continue;
            CU_ASSERT_EQUAL(domain_at(MMB_PTR(block, char)), domain);
            CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &info), MMB_OK);
            CU_ASSERT_EQUAL(info.domain, domain);
            CU_ASSERT_EQUAL(used_in((size_t)domain), limit);
            CU_ASSERT_EQUAL(allocate_in(interface, 1, domain, &more), MMB_OUT_OF_MEMORY);
        }
        mmbAllocation *none = NULL;
        CU_ASSERT_EQUAL(allocate_in(interface, 1, N_DOMAINS, &none), MMB_INVALID_ARG);
        CU_ASSERT_EQUAL(allocate_in(interface, 1, -2, &none), MMB_INVALID_ARG);
        CU_ASSERT_PTR_NULL(none);
        CU_ASSERT_EQUAL(control_used(space), 6000);
    }
}

static void test_subheap_any_domain_fills_all_and_no_block_is_split(void)
{
    for (size_t i = 0; i < N_ROWS(strategies); i++) {
        mmbMemInterface *interface = open_interface(strategies[i], limits(1000, 1000, 1000));
        mmbAllocation *blocks[6] = {NULL}, *large = NULL;
        for (size_t n = 0; n < 6; n++)
            SUITE_CHECK(mmb_allocate(500, interface, &blocks[n]) == MMB_OK, "%zu: %s", n,
                        mmb_error_detail());
        CU_ASSERT_EQUAL(mmb_allocate(1, interface, &large), MMB_OUT_OF_MEMORY);
        mmb_free(blocks[5]);
        mmb_free(blocks[3]);
        /* 1000 bytes are free, in two domains. */
        CU_ASSERT_EQUAL(mmb_allocate(1000, interface, &large), MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(control_used(space), 2000);
        for (size_t n = 0; n < 3; n++)
            CU_ASSERT_EQUAL(domain_at(MMB_PTR(blocks[n * 2], char)), (int)n);
    }
}

struct seen {
    size_t n, per_domain[N_DOMAINS];
};

static bool count(void *user, const mmbAllocationInfo *info, const char *label)
{
    struct seen *seen = user;
    (void)label;
    seen->n++;
    seen->per_domain[info->domain]++;
    return true;
}

static void test_subheap_numbers_are_sums(void)
{
    mmbMemInterface *interface =
        open_interface(MMB_STRATEGY_SCALABLE_PAGE, limits(1000, 2000, 3000));
    mmbAllocation *blocks[N_DOMAINS], *found = NULL;
    for (int domain = 0; domain < N_DOMAINS; domain++)
        CU_ASSERT_EQUAL_FATAL(allocate_in(interface, 100, domain, &blocks[domain]), MMB_OK);
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.limit, 6000);
    CU_ASSERT_EQUAL(info.used, 300);
    CU_ASSERT_EQUAL(info.domains, N_DOMAINS);
    CU_ASSERT_EQUAL(info.allocations, 3);
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    CU_ASSERT_EQUAL(stats.live_bytes, 300);
    CU_ASSERT_EQUAL(stats.live_count, 3);
    CU_ASSERT_EQUAL(stats.chunks, 3);
    struct seen seen = {0, {0}};
    CU_ASSERT_EQUAL(mmb_for_each_allocation(interface, count, &seen), MMB_OK);
    CU_ASSERT_EQUAL(seen.n, 3);
    CU_ASSERT_EQUAL(seen.per_domain[0] * seen.per_domain[1] * seen.per_domain[2], 1);
    CU_ASSERT_EQUAL(mmb_allocation_find(MMB_PTR(blocks[2], char) + 99, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, blocks[2]);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_BUSY);
    for (int domain = 0; domain < N_DOMAINS; domain++)
        CU_ASSERT_EQUAL(mmb_free(blocks[domain]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    CU_ASSERT_EQUAL(stats.chunks, 0);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

/* A block that grows stays where it is, and is paid once; then it goes where there is room. */
static void test_subheap_reallocate_and_migrate(void)
{
    mmbMemInterface *interface =
        open_interface(MMB_STRATEGY_SCALABLE_PAGE, limits(1000, 1000, 100));
    mmbMemInterface *other = control_interface(control_space(MMB_NO_LIMIT),
                                               MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_MMAP);
    mmbAllocation *block = NULL;
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(allocate_in(interface, 600, 1, &block), MMB_OK);
    memset(MMB_PTR(block, char), 7, 600);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 1000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.domain, 1);
    CU_ASSERT_EQUAL(used_in(1), 1000);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 1001), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_OK);
    CU_ASSERT_EQUAL(used_in(1), 0);
    CU_ASSERT_EQUAL(mmb_migrate(block, interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &info), MMB_OK);
    CU_ASSERT_TRUE(info.domain == 0 || info.domain == 1);
    CU_ASSERT_EQUAL(MMB_PTR(block, char)[599], 7);
    CU_ASSERT_EQUAL(control_used(space), 1000);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(control_used(space), 0);
}

/* covers: mmb_create_interface MMB_UNSUPPORTED, mmb_stack_mark MMB_UNSUPPORTED */
static void test_subheap_refuses_what_has_no_domain(void)
{
    static const mmbBackend backends[] = {MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP};
    mmbMemInterface *interface = open_interface(MMB_STRATEGY_STACK, limits(1000, 1000, 1000));
    mmbStackMark mark;
    CU_ASSERT_EQUAL(mmb_stack_mark(interface, &mark), MMB_UNSUPPORTED);
    for (size_t i = 0; i < N_ROWS(backends); i++) {
        mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
        mmbMemInterface *none = NULL;
        config.backend = backends[i];
        CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &none), MMB_UNSUPPORTED);
        CU_ASSERT_PTR_NULL(none);
    }
}

/* covers: mmb_memspace_configure MMB_BUSY */
static void test_subheap_limits_change_together_or_not_at_all(void)
{
    mmbMemInterface *interface =
        open_interface(MMB_STRATEGY_SCALABLE_PAGE, limits(1000, 1000, 1000));
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL_FATAL(allocate_in(interface, 800, 2, &block), MMB_OK);
    mmbMemSpaceConfig config = limits(10, 20, 799);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_BUSY);
    CU_ASSERT_EQUAL(control_limit_of(space), 3000);
    config = limits(5000, 20, 800);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 5820);
    config = control_limit(5000);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_BUSY);
    mmbMemSpaceConfig any = MMB_MEMSPACE_CONFIG_DEFAULT;
    any.size_opts.action = MMB_SIZE_ANY;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&any, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), MMB_NO_LIMIT);
    mmb_free(block);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 5000);
    config = limits(1, 2, 3);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 6);
}

/* The second of two domains is nearer to the calling CPU. */
static void test_subheap_nearest_first(void)
{
    mmbMemInterface *interface =
        open_interface(MMB_STRATEGY_SCALABLE_PAGE, limits(1000, 1000, 1000));
    mmbAllocation *blocks[3] = {NULL};
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    memset(interface->heaps[0].distances.from, 30, MMB_NODES_NEAR);
    memset(interface->heaps[1].distances.from, 10, MMB_NODES_NEAR);
    memset(interface->heaps[2].distances.from, 20, MMB_NODES_NEAR);
    static const int order[] = {1, 2, 0};
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &blocks[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_allocation_get_info(blocks[i], &info), MMB_OK);
        CU_ASSERT_EQUAL(info.domain, order[i]);
    }
}

MMB_SUITE_WITH("core/subheap", set_up, control_close,
               T(test_subheap_block_lies_in_the_domain_that_was_named),
               T(test_subheap_any_domain_fills_all_and_no_block_is_split),
               T(test_subheap_numbers_are_sums), T(test_subheap_reallocate_and_migrate),
               T(test_subheap_refuses_what_has_no_domain),
               T(test_subheap_limits_change_together_or_not_at_all), T(test_subheap_nearest_first))
