/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test, on a kernel that has the kinds of memory (tests/guest/boot.sh): layers are
 * found, blocks lie where they were asked for, what is not there is refused before the kernel
 * kills, and fallbacks, migration and limits of cgroups work. The machine is named in the
 * environment. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mmb.h>
#include "tests/support/group.h"
#include "tests/support/node.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

/* Layers and their nodes, -1 behind the last. */
struct kind {
    mmbMemLayer layer;
    int nodes[3];
};

struct machine {
    const char *name;
    struct kind kinds[5];
    size_t n_kinds;
    bool knows_speed;
};

static const struct machine machines[] = {
    {"hbm", {{MMB_DRAM, {0, -1}}, {MMB_HBM, {1, -1}}, {MMB_CXL, {2, -1}}}, 3, true},
    {"xeonmax", {{MMB_DRAM, {0, 1, -1}}, {MMB_HBM, {2, 3, -1}}}, 2, true},
    {"nvdimm",
     {{MMB_DRAM, {0, -1}}, {MMB_HBM, {1, -1}}, {MMB_CXL, {2, -1}}, {MMB_NVDIMM, {3, -1}}},
     4,
     true},
    {"cxl", {{MMB_DRAM, {0, -1}}, {MMB_CXL, {1, -1}}}, 2, false},
    {"memless", {{MMB_DRAM, {0, 2, -1}}}, 1, false},
};

static const struct machine *machine;

static void set_up(void)
{
    const char *name = getenv("MMB_GUEST_PROFILE");
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (name && strcmp(machines[i].name, name) == 0)
            machine = &machines[i];
    CU_ASSERT_PTR_NOT_NULL_FATAL(machine);
    SUITE_CHECK(mmb_init(MMB_INIT_DEFAULT) == MMB_OK, "%s", mmb_error_detail());
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
}

static const struct kind *kind_of(mmbMemLayer layer)
{
    for (size_t i = 0; i < machine->n_kinds; i++)
        if (machine->kinds[i].layer == layer)
            return &machine->kinds[i];
    return NULL;
}

static bool has_node(const struct kind *kind, int node)
{
    for (const int *at = kind->nodes; *at >= 0; at++)
        if (*at == node)
            return true;
    return false;
}

static size_t n_nodes(const struct kind *kind)
{
    size_t n = 0;
    while (kind->nodes[n] >= 0)
        n++;
    return n;
}

static mmbMemInterface *default_of(mmbMemLayer layer)
{
    mmbMemInterface *interface = NULL;
    SUITE_CHECK(mmb_get_interface(layer, MMB_CPU, &interface) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

/* An interface of its own in a space of the layer with a limit. */
static mmbMemInterface *limited(mmbMemLayer layer, size_t limit,
                                const mmbMemInterfaceConfig *config)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbMemSpaceConfig how = MMB_MEMSPACE_CONFIG_DEFAULT;
    how.size_opts.action = MMB_SIZE_SET;
    how.size_opts.mem_size = limit;
    SUITE_CHECK(mmb_create_space(layer, MMB_CPU, &how, &space) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    SUITE_CHECK(mmb_create_interface(space, config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

static mmbAllocation *touched(mmbMemInterface *interface, size_t n_bytes, int value)
{
    mmbAllocation *block = NULL;
    SUITE_CHECK(mmb_allocate(n_bytes, interface, &block) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    memset(MMB_PTR(block, char), value, n_bytes);
    return block;
}

/* Every page. */
static void check_nodes(const mmbAllocation *block, const struct kind *kind)
{
    const char *first = MMB_PTR(block, const char);
    size_t n_wrong = 0;
    int wrong = 0;
    for (size_t at = 0; at < mmb_allocation_size(block); at += 4096) {
        int node = node_of(first + at);
        if (has_node(kind, node))
            continue;
        n_wrong++;
        wrong = node;
    }
    SUITE_CHECK(n_wrong == 0, "layer %s: %zu pages are elsewhere, one on node %d",
                mmb_layer_name(kind->layer), n_wrong, wrong);
}

/* ---- what is there ---- */

static void test_guest_layers_are_found(void)
{
    CU_ASSERT_EQUAL(mmb_layer_count(), machine->n_kinds);
    for (size_t i = 0; i < machine->n_kinds; i++) {
        const struct kind *kind = &machine->kinds[i];
        mmbLayerInfo info = MMB_LAYER_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_layer_get_info(kind->layer, &info), MMB_OK);
        SUITE_CHECK(info.discovered && info.domains == n_nodes(kind), "layer %s: %zu domains",
                    info.name, info.domains);
        SUITE_CHECK(info.total_bytes > 64 * MIB, "layer %s: %zu B", info.name, info.total_bytes);
        SUITE_CHECK(!machine->knows_speed || (info.bandwidth_mib_s && info.latency_ns),
                    "layer %s: %zu MiB/s, %zu ns", info.name, info.bandwidth_mib_s,
                    info.latency_ns);
    }
}

static void test_guest_pages_lie_in_their_layer(void)
{
    for (size_t i = 0; i < machine->n_kinds; i++) {
        const struct kind *kind = &machine->kinds[i];
        mmbMemInterface *interface = default_of(kind->layer);
        mmbAllocation *large = touched(interface, 2 * MIB + 5000, 1);
        mmbAllocation *small = touched(interface, 100, 1);
        mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
        check_nodes(large, kind);
        check_nodes(small, kind);
        CU_ASSERT_EQUAL(mmb_allocation_get_info(large, &info), MMB_OK);
        CU_ASSERT_EQUAL(info.layer, kind->layer);
        mmb_free(large);
        mmb_free(small);
    }
}

static mmbMemSpace *space_of(mmbRank rank)
{
    mmbMemSpace *space = NULL;
    SUITE_CHECK(mmb_request_best_space(rank, MMB_CPU, MIB, &space) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    return space;
}

static void test_guest_best_space(void)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT, free_info = MMB_SPACE_INFO_INIT;
    mmbMemLayer best = kind_of(MMB_HBM) ? MMB_HBM : MMB_DRAM;
    CU_ASSERT_EQUAL(mmb_space_get_info(space_of(MMB_BEST_BANDWIDTH), &info), MMB_OK);
    CU_ASSERT_EQUAL(info.layer, best);
    /* On xeonmax the firmware calls the DRAM faster to answer. */
    best = strcmp(machine->name, "xeonmax") == 0 ? MMB_DRAM : best;
    CU_ASSERT_EQUAL(mmb_space_get_info(space_of(MMB_BEST_LATENCY), &info), MMB_OK);
    CU_ASSERT_EQUAL(info.layer, best);
    CU_ASSERT_EQUAL(mmb_space_get_info(space_of(MMB_MOST_FREE), &free_info), MMB_OK);
    for (size_t i = 0; i < mmb_space_count(); i++) {
        mmbMemSpace *space = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_space_at(i, &space), MMB_OK);
        CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
        SUITE_CHECK(info.limit - info.used <= free_info.limit - free_info.used, "space %zu", i);
    }
}

/* ---- domains ---- */

static mmbMemInterface *by_domain(mmbMemLayer layer, size_t limit)
{
    size_t limits[2] = {limit, limit};
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbMemSpaceConfig how = MMB_MEMSPACE_CONFIG_DEFAULT;
    how.size_opts.action = MMB_SIZE_SET;
    how.size_opts.is_numa_aware = true;
    how.size_opts.numa_sizes = (mmbNumaSizes){2, limits};
    SUITE_CHECK(mmb_create_space(layer, MMB_CPU, &how, &space) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    SUITE_CHECK(mmb_create_interface(space, NULL, &interface) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

static void check_named_domains(const struct kind *kind, mmbMemInterface *interface)
{
    for (int domain = 0; domain < 2; domain++) {
        mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
        mmbAllocation *block = NULL;
        options.domain = domain;
        if (!SUITE_CHECK(mmb_allocate_opts(2 * MIB, interface, &options, &block) == MMB_OK, "%s",
                         mmb_error_detail()))
            return;
        memset(MMB_PTR(block, char), 1, 2 * MIB);
        const struct kind one = {kind->layer, {kind->nodes[domain], -1}};
        check_nodes(block, &one);
        mmb_free(block);
    }
}

static void test_guest_blocks_lie_in_their_domain(void)
{
    size_t n_checked = 0;
    for (size_t i = 0; i < machine->n_kinds; i++) {
        const struct kind *kind = &machine->kinds[i];
        if (n_nodes(kind) != 2)
            continue;
        check_named_domains(kind, by_domain(kind->layer, 4 * MIB));
        n_checked++;
    }
    if (n_checked == 0)
        suite_skip("no layer here has two domains");
}

/* The nearest has room for two blocks; the next ones are in the other. */
static void test_guest_nearest_domain_first(void)
{
    if (strcmp(machine->name, "xeonmax") != 0) {
        suite_skip("only xeonmax has two processors with memory each");
        return;
    }
    for (int here = 0; here < 2; here++) {
        /* This machine has CPU n on node n. */
        CU_ASSERT_TRUE_FATAL(node_run_on_cpu((size_t)here));
        mmbMemInterface *interface = by_domain(MMB_HBM, 2 * MIB);
        for (size_t i = 0; i < 4; i++) {
            mmbAllocation *block = touched(interface, MIB, 1);
            int wanted = i < 2 ? 2 + here : 3 - here;
            SUITE_CHECK(node_of(MMB_PTR(block, char)) == wanted, "from node %d, block %zu: node %d",
                        here, i, node_of(MMB_PTR(block, char)));
        }
    }
}

/* ---- what is not there ---- */

struct fill {
    mmbMemLayer layer;
    size_t block_bytes;
    size_t least_bytes; /* that must be had */
};

/* One byte of each page: emulated CXL memory is slow, and a page is there or it is not. */
static void touch(mmbAllocation *block, size_t n_bytes)
{
    for (size_t at = 0; at < n_bytes; at += 4096)
        MMB_PTR(block, volatile char)[at] = 1;
    MMB_PTR(block, volatile char)[n_bytes - 1] = 1;
}

/* Touches all it gets, until it gets no more: 0, or what was wrong. */
static int fill_layer(void *argument)
{
    const struct fill *fill = argument;
    mmbMemInterface *interface = NULL;
    mmbAllocation *block;
    size_t got = 0;
    mmbError error = mmb_get_interface(fill->layer, MMB_CPU, &interface);
    if (error != MMB_OK)
        return 1;
    while ((error = mmb_allocate(fill->block_bytes, interface, &block)) == MMB_OK) {
        touch(block, fill->block_bytes);
        got += fill->block_bytes;
    }
    return error != MMB_OUT_OF_MEMORY ? 2 : got < fill->least_bytes ? 3 : 0;
}

static void check_fill(const struct fill *fill)
{
    struct suite_child child = suite_run_child(fill_layer, (void *)(uintptr_t)fill, 120);
    SUITE_CHECK(child.exited && child.code == 0,
                "layer %s, blocks of %zu B: exited %d, killed %d, too slow %d, code %d",
                mmb_layer_name(fill->layer), fill->block_bytes, child.exited, child.signalled,
                child.timed_out, child.code);
}

static void test_guest_layers_refuse_before_they_are_full(void)
{
    for (size_t i = 0; i < machine->n_kinds; i++) {
        mmbLayerInfo info = MMB_LAYER_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_layer_get_info(machine->kinds[i].layer, &info), MMB_OK);
        const struct fill fill = {machine->kinds[i].layer, MIB, info.total_bytes / 2};
        check_fill(&fill);
    }
}

static void test_guest_small_blocks_fill_hbm(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    if (strcmp(machine->name, "xeonmax") != 0) {
        suite_skip("xeonmax has the smallest nodes: millions of blocks are enough");
        return;
    }
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_HBM, &info), MMB_OK);
    const struct fill fill = {MMB_HBM, 17, info.total_bytes / 4};
    check_fill(&fill);
}

/* Heaps of one domain do not know what an interface over both has taken. */
static int fill_domains(void *argument)
{
    mmbMemInterface *either = default_of(MMB_HBM);
    mmbAllocation *block;
    (void)argument;
    for (size_t i = 0; i < 110; i++)
        touched(either, MIB, 1);
    mmbMemInterface *one = by_domain(MMB_HBM, 512 * MIB);
    while (mmb_allocate(MIB, one, &block) == MMB_OK)
        touch(block, MIB);
    return mmb_allocate(MIB, one, &block) == MMB_OUT_OF_MEMORY ? 0 : 1;
}

static void test_guest_full_nodes_are_seen(void)
{
    if (strcmp(machine->name, "xeonmax") != 0) {
        suite_skip("only xeonmax has a layer with two nodes of its own");
        return;
    }
    struct suite_child child = suite_run_child(fill_domains, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "exited %d, killed %d, code %d", child.exited,
                child.signalled, child.code);
}

/* ---- one layer after the other ---- */

static void test_guest_fallback_tells_who_served(void)
{
    const mmbMemLayer chain[] = {MMB_HBM, MMB_DRAM, MMB_CXL};
    mmbMemInterface *previous = NULL;
    size_t n = 0; /* of the chain */
    for (size_t i = 3; i-- > 0;) {
        mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
        config.fallback = previous;
        if (kind_of(chain[i]))
            previous = limited(chain[i], MIB, &config);
    }
    for (size_t i = 0; i < 3; i++) {
        mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
        if (!kind_of(chain[i]))
            continue;
        mmbAllocation *block = touched(previous, MIB, 1);
        CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &info), MMB_OK);
        CU_ASSERT_EQUAL(info.layer, chain[i]);
        check_nodes(block, kind_of(chain[i]));
        CU_ASSERT_EQUAL(info.interface == previous, n == 0);
        n++;
    }
    mmbAllocation *none = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(1, previous, &none), MMB_OUT_OF_MEMORY);
}

static void test_guest_migrate_moves_the_pages(void)
{
    for (size_t i = 1; i < machine->n_kinds; i++) {
        mmbAllocation *block = touched(default_of(MMB_DRAM), MIB, 42);
        check_nodes(block, kind_of(MMB_DRAM));
        CU_ASSERT_EQUAL(mmb_migrate(block, default_of(machine->kinds[i].layer)), MMB_OK);
        check_nodes(block, &machine->kinds[i]);
        size_t n_changed = 0;
        for (size_t at = 0; at < MIB; at++)
            n_changed += MMB_PTR(block, char)[at] != 42;
        CU_ASSERT_EQUAL(n_changed, 0);
        CU_ASSERT_EQUAL(mmb_migrate(block, default_of(MMB_DRAM)), MMB_OK);
        check_nodes(block, kind_of(MMB_DRAM));
        mmb_free(block);
    }
    if (machine->n_kinds == 1)
        suite_skip("there is one layer only");
}

/* ---- memkind ---- */

static void test_guest_memkind_and_numa_agree(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbBackendInfo memkind = MMB_BACKEND_INFO_INIT;
    size_t n = 0;
    mmb_backend_get_info(MMB_BACKEND_MEMKIND, &memkind);
    config.backend = MMB_BACKEND_MEMKIND;
    for (size_t i = 0; i < machine->n_kinds; i++) {
        const struct kind *kind = &machine->kinds[i];
        /* An expander that only its speed gives away is ordinary memory to memkind. */
        bool is_dax = kind->layer == MMB_NVDIMM || strcmp(machine->name, "cxl") == 0;
        if (!memkind.available || (kind->layer != MMB_HBM && !is_dax) || kind->layer == MMB_DRAM)
            continue;
        mmbAllocation *block = touched(limited(kind->layer, 8 * MIB, &config), MIB + 5000, 1);
        mmbAllocation *other = touched(default_of(kind->layer), MIB + 5000, 1);
        check_nodes(block, kind);
        check_nodes(other, kind);
        n++;
    }
    if (n == 0)
        suite_skip("memkind has no kind for a layer of this machine, or is not there");
}

/* ---- what this process may not use ---- */

/* The layer is known from before; its node is taken away. */
static int open_forbidden_node(void *argument)
{
    const struct kind *kind = argument;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    if (!enter_group("one-node", "cpuset.mems", "0"))
        return 77;
    if (mmb_create_space(kind->layer, MMB_CPU, NULL, &space) != MMB_OK)
        return 1;
    return (int)mmb_create_interface(space, NULL, &interface);
}

/* A library that starts there does not even see it. */
static int start_with_one_node(void *argument)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    (void)argument;
    if (!enter_group("one-node-first", "cpuset.mems", "0"))
        return 77;
    mmb_finalize();
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        return 1;
    if (mmb_layer_count() != 1 || mmb_layer_get_info(MMB_DRAM, &info) != MMB_OK)
        return 2;
    return info.domains == 1 ? 0 : 3;
}

static void test_guest_nodes_of_the_cpuset_only(void)
{
    const struct kind *last = &machine->kinds[machine->n_kinds - 1];
    struct suite_child child = suite_run_child(start_with_one_node, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "code %d", child.code);
    if (last->layer == MMB_DRAM)
        return;
    child = suite_run_child(open_forbidden_node, (void *)(uintptr_t)last, 60);
    SUITE_CHECK(child.exited && child.code == MMB_PERMISSION, "code %d", child.code);
}

/* 64 MiB for everything: the process's own memory and the records of the blocks too. */
static int fill_group(void *argument)
{
    const struct fill *fill = argument;
    char name[32];
    mmb_finalize();
    snprintf(name, sizeof name, "little-%zu", fill->block_bytes);
    if (!enter_group(name, "memory.max", "67108864"))
        return 77;
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        return 5;
    return fill_layer(argument);
}

static void test_guest_memory_of_the_cgroup_only(void)
{
    static const struct fill rows[] = {{MMB_DRAM, MIB, 32 * MIB}, {MMB_DRAM, 17, 8 * MIB}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct suite_child child = suite_run_child(fill_group, (void *)(uintptr_t)&rows[i], 60);
        SUITE_CHECK(child.exited && child.code == 0,
                    "blocks of %zu B: exited %d, killed %d, code %d", rows[i].block_bytes,
                    child.exited, child.signalled, child.code);
    }
}

MMB_SUITE_WITH("guest", set_up, tear_down, T(test_guest_layers_are_found),
               T(test_guest_pages_lie_in_their_layer), T(test_guest_best_space),
               T(test_guest_blocks_lie_in_their_domain), T(test_guest_nearest_domain_first),
               T(test_guest_layers_refuse_before_they_are_full),
               T(test_guest_small_blocks_fill_hbm), T(test_guest_full_nodes_are_seen),
               T(test_guest_fallback_tells_who_served), T(test_guest_migrate_moves_the_pages),
               T(test_guest_memkind_and_numa_agree), T(test_guest_nodes_of_the_cpuset_only),
               T(test_guest_memory_of_the_cgroup_only))
