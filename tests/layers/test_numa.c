/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the pages of the numa backend lie where the policy says, options that cannot
 * be met are refused when an interface is made, and distances are read as the kernel writes them.
 */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers/numa/nodes.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "src/spi/backend.h"
#include "tests/support/control.h"
#include "tests/support/node.h"
#include "tests/support/suite.h"
#ifdef MMB_HAVE_NUMA
#include "layers/numa/numa.h"

static const int nodes[] = {0, 0};

static mmbError open_with(const mmbBackendOptions *options, int domain, const int *os_indexes,
                          struct mmb_backend **out)
{
    const struct mmb_backend_request request = {
        .id = MMB_BACKEND_NUMA,
        .layer = MMB_DRAM,
        .context = MMB_CPU,
        .options = options,
        .domain = domain,
        .domain_os_index = domain < 0 ? -1 : os_indexes[domain],
        .os_indexes = os_indexes,
        .n_domains = os_indexes ? 2 : 0,
    };
    return mmb_numa_backend.open(&request, out);
}

static bool is_usable(void)
{
    if (mmb_numa_backend.available() == MMB_OK)
        return true;
    suite_skip(mmb_error_detail());
    return false;
}

static void test_numa_pages_lie_on_the_node_under_every_policy(void)
{
    if (!is_usable())
        return;
    for (int policy = MMB_NUMA_BIND; policy <= MMB_NUMA_LOCAL; policy++) {
        mmbBackendOptions options = {.numa = {.policy = (mmbNumaPolicy)policy}};
        struct mmb_backend *backend = NULL;
        struct mmb_memory memory;
        if (!SUITE_CHECK(open_with(&options, -1, nodes, &backend) == MMB_OK, "policy %d: %s",
                         policy, mmb_error_detail()))
            continue;
        CU_ASSERT_EQUAL_FATAL(backend->ops->map(backend, 100000, 100000, 65536, &memory), MMB_OK);
        memset(memory.host, 1, memory.n_bytes);
        CU_ASSERT_EQUAL(memory.address % 65536, 0);
        SUITE_CHECK(node_of(memory.host) == 0, "policy %d: node %d", policy, node_of(memory.host));
        CU_ASSERT_EQUAL(node_policy_of(memory.host), node_policy_for(policy));
        CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_OK);
        backend->ops->close(backend);
    }
}

static void test_numa_refuses_options(void)
{
    static const int absent[] = {1023, 1023};
    static const struct {
        mmbBackendOptions options;
        int domain;
        const int *nodes;
        mmbError error;
    } rows[] = {
        {.options.numa.policy = (mmbNumaPolicy)4,
         .domain = -1,
         .nodes = nodes,
         .error = MMB_INVALID_ARG},
        {.options.numa.reserved = 1, .domain = -1, .nodes = nodes, .error = MMB_INVALID_ARG},
        {.options.numa.domains = 4, .domain = -1, .nodes = nodes, .error = MMB_INVALID_ARG},
        {.options.numa.domains = 2, .domain = 0, .nodes = nodes, .error = MMB_INVALID_ARG},
        {.options.numa.policy = MMB_NUMA_INTERLEAVE,
         .domain = 0,
         .nodes = nodes,
         .error = MMB_UNSUPPORTED},
        {.options.numa.policy = MMB_NUMA_PREFERRED,
         .domain = 0,
         .nodes = nodes,
         .error = MMB_UNSUPPORTED},
        {.options.numa.policy = MMB_NUMA_LOCAL,
         .domain = 1,
         .nodes = nodes,
         .error = MMB_UNSUPPORTED},
        {.options.numa.domains = 0, .domain = -1, .nodes = NULL, .error = MMB_UNSUPPORTED},
        {.options.numa.domains = 0, .domain = -1, .nodes = absent, .error = MMB_NOT_FOUND},
        {.options.numa.domains = 2, .domain = 1, .nodes = absent, .error = MMB_NOT_FOUND},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        struct mmb_backend *backend = NULL;
        mmbError error = open_with(&rows[i].options, rows[i].domain, rows[i].nodes, &backend);
        SUITE_CHECK(error == rows[i].error, "row %zu: %s: %s", i, mmb_error_name(error),
                    mmb_error_detail());
        CU_ASSERT_PTR_NULL(backend);
    }
}

/* ---- through the library ---- */

static mmbMemInterface *interface_of(mmbMemLayer layer, uint64_t domains, mmbNumaPolicy policy)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_NUMA;
    config.backend_opts.numa.domains = domains;
    config.backend_opts.numa.policy = policy;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(layer, MMB_CPU, NULL, &space), MMB_OK);
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

/* What a machine with high-bandwidth memory would have found; this one has node 0 for it. */
static void add_layer(mmbMemLayer id, size_t first_bytes, size_t second_bytes)
{
    const struct mmb_domain_found domains[] = {
        {.os_index = 0, .total_bytes = first_bytes, .available_bytes = first_bytes},
        {.os_index = 0, .total_bytes = second_bytes, .available_bytes = second_bytes}};
    const struct mmb_layer_found found = {.id = id, .domains = domains, .n_domains = 2};
    mmb_registry_lock();
    CU_ASSERT_EQUAL_FATAL(mmb_layer_add_found(&found), MMB_OK);
    mmb_registry_unlock();
}

static void test_numa_is_the_default_of_discovered_hbm(void)
{
    if (!is_usable())
        return;
    static const mmbMemLayer layers[] = {MMB_HBM, MMB_NVDIMM, MMB_CXL};
    for (size_t i = 0; i < N_ROWS(layers); i++) {
        mmbMemInterface *interface = NULL;
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        mmbLayerInfo layer = MMB_LAYER_INFO_INIT;
        mmb_layer_get_info(layers[i], &layer);
        if (!layer.discovered)
            add_layer(layers[i], 1 << 20, 1 << 20);
        CU_ASSERT_EQUAL_FATAL(mmb_get_interface(layers[i], MMB_CPU, &interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &info), MMB_OK);
        CU_ASSERT_EQUAL(info.backend, MMB_BACKEND_NUMA);
    }
}

/* The budget of a node, of two nodes, and of two nodes that fill evenly. */
static void test_numa_budget_is_of_the_chosen_domains(void)
{
    static const struct {
        uint64_t domains;
        mmbNumaPolicy policy;
        size_t capacity;
    } rows[] = {{1, MMB_NUMA_BIND, 1 << 20},       {2, MMB_NUMA_BIND, 3 << 20},
                {3, MMB_NUMA_BIND, 4 << 20},       {0, MMB_NUMA_BIND, 4 << 20},
                {0, MMB_NUMA_INTERLEAVE, 2 << 20}, {1, MMB_NUMA_PREFERRED, 4 << 20}};
    if (!is_usable())
        return;
    add_layer(MMB_NADRAM, 1 << 20, 3 << 20);
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbMemInterface *interface = interface_of(MMB_NADRAM, rows[i].domains, rows[i].policy);
        mmbMemInterfaceConfig through = MMB_MEMINTERFACE_CONFIG_DEFAULT;
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        mmbAllocation *fits = NULL, *beyond = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_interface_get_info(interface, &info), MMB_OK);
        through.backend = MMB_BACKEND_NUMA;
        through.strategy = MMB_STRATEGY_PASSTHROUGH;
        through.backend_opts.numa.domains = rows[i].domains;
        through.backend_opts.numa.policy = rows[i].policy;
        CU_ASSERT_EQUAL_FATAL(mmb_create_interface(info.space, &through, &interface), MMB_OK);
        SUITE_CHECK(mmb_allocate(rows[i].capacity, interface, &fits) == MMB_OK, "row %zu: %s", i,
                    mmb_error_detail());
        SUITE_CHECK(mmb_allocate(4096, interface, &beyond) == MMB_OUT_OF_MEMORY, "row %zu", i);
        CU_ASSERT_TRUE(control_detail_has("exhausted"));
        mmb_free(fits);
    }
}

/* Blocks of 17 bytes fill a node as blocks of pages do. */
static void test_numa_budget_refuses_small_blocks(void)
{
    if (!is_usable())
        return;
    add_layer(MMB_NADRAM, 1 << 20, 1 << 20);
    mmbMemInterface *interface = interface_of(MMB_NADRAM, 1, MMB_NUMA_BIND);
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    mmbAllocation *allocation;
    size_t n = 0;
    mmbError error;
    while (n < 200000 && (error = mmb_allocate(17, interface, &allocation)) == MMB_OK) {
        memset(MMB_PTR(allocation, char), 1, 17);
        n++;
    }
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(n > 20000);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    SUITE_CHECK(stats.reserved_bytes <= 1 << 20, "%zu B", stats.reserved_bytes);
}
#endif

/* ---- distances ---- */

static void write_file(const char *root, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sys/devices/system/node/%s", root, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static void make_directory(const char *root, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
}

/* Nodes 0, 1 and 4 to 6 are there: the third number is of node 4. */
static void test_node_files_of_sparse_nodes(void)
{
    static const char *const directories[] = {"sys", "sys/devices", "sys/devices/system",
                                              "sys/devices/system/node",
                                              "sys/devices/system/node/node4"};
    char root[] = "/tmp/mmb-nodes-XXXXXX", command[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    for (size_t i = 0; i < N_ROWS(directories); i++)
        make_directory(root, directories[i]);
    write_file(root, "online", "0-1,4-6\n");
    write_file(root, "node4/distance", "21 31 10 17 255\n");
    write_file(root, "node4/meminfo",
               "Node 4 MemTotal:       64000 kB\nNode 4 MemFree:        10000 kB\n"
               "Node 4 Active(file):     600 kB\nNode 4 Inactive(file):   400 kB\n");
    CU_ASSERT_EQUAL(mmb_node_free_bytes(root, 4), (10000 + 500) * 1024);
    CU_ASSERT_EQUAL(mmb_node_kept_bytes(root, 4), 64000 * 1024 / 16);
    CU_ASSERT_EQUAL(mmb_node_free_bytes(root, 5), SIZE_MAX);
    struct mmb_node_distances distances;
    mmb_node_distances_read(root, 4, &distances);
    CU_ASSERT_EQUAL(distances.from[0], 21);
    CU_ASSERT_EQUAL(distances.from[1], 31);
    CU_ASSERT_EQUAL(distances.from[2], MMB_NODES_UNKNOWN);
    CU_ASSERT_EQUAL(distances.from[4], 10);
    CU_ASSERT_EQUAL(distances.from[5], 17);
    CU_ASSERT_EQUAL(distances.from[6], MMB_NODES_UNKNOWN);
    mmb_node_distances_read(root, 5, &distances);
    CU_ASSERT_EQUAL(distances.from[0], MMB_NODES_UNKNOWN);
    snprintf(command, sizeof command, "rm -r %s", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

#ifdef MMB_HAVE_NUMA
MMB_SUITE_WITH("layers/numa", control_open, control_close,
               T(test_numa_pages_lie_on_the_node_under_every_policy), T(test_numa_refuses_options),
               T(test_numa_is_the_default_of_discovered_hbm),
               T(test_numa_budget_is_of_the_chosen_domains),
               T(test_numa_budget_refuses_small_blocks), T(test_node_files_of_sparse_nodes))
#else
MMB_SUITE("layers/numa", T(test_node_files_of_sparse_nodes))
#endif
