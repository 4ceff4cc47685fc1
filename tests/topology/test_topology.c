/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a machine's topology becomes the right layers. The machines of our own in
 * this folder hold one rule each; recorded ones, where there are any ($MMB_TOPOLOGIES), hold them
 * all to reality. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "src/core/discovery.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/suite.h"

#define GIB         ((size_t)1 << 30)
#define MAX_DOMAINS 8
#define MAX_LAYERS  4

struct layer_row {
    mmbMemLayer layer;
    size_t total_bytes;
    size_t bandwidth_mib_s, latency_ns;
    size_t n_domains;
    int os_index[MAX_DOMAINS];
};

struct machine {
    const char *name;
    size_t n_layers;
    struct layer_row layers[MAX_LAYERS];
};

static const struct machine machines[] = {
    {"flat-dram", 1, {{MMB_DRAM, 32 * GIB, 0, 0, 2, {0, 1}}}},
    {"hbm-by-bandwidth",
     2,
     {{MMB_DRAM, 128 * GIB, 102400, 100, 2, {0, 2}}, {MMB_HBM, 32 * GIB, 409600, 120, 2, {1, 3}}}},
    /* exactly twice and exactly half are still DRAM */
    {"near-bandwidths", 1, {{MMB_DRAM, 14 * GIB, 200000, 0, 3, {0, 1, 2}}}},
    /* slow beside fast is CXL; slow beside slow, on another package, is that package's DRAM */
    {"slow-dram",
     2,
     {{MMB_DRAM, 20 * GIB, 100000, 0, 3, {0, 2, 3}}, {MMB_CXL, 4 * GIB, 25000, 0, 1, {1}}}},
    {"knl-mcdram", 2, {{MMB_DRAM, 96 * GIB, 0, 0, 1, {0}}, {MMB_HBM, 16 * GIB, 0, 0, 1, {1}}}},
    /* by subtype, CXLDevice and DAXParent, each before what else the node says */
    {"cxl", 2, {{MMB_DRAM, 32 * GIB, 0, 0, 1, {0}}, {MMB_CXL, 28 * GIB, 0, 0, 3, {1, 2, 3}}}},
    /* a DAX device of volatile memory is DRAM */
    {"nvdimm-dax",
     2,
     {{MMB_DRAM, 34 * GIB, 0, 0, 2, {0, 3}}, {MMB_NVDIMM, 192 * GIB, 0, 0, 2, {1, 2}}}},
    /* what is named is not judged by its bandwidth */
    {"named-first",
     2,
     {{MMB_DRAM, 36 * GIB, 900000, 0, 2, {0, 2}}, {MMB_HBM, 8 * GIB, 100000, 0, 1, {1}}}},
    {"gpu-nodes",
     2,
     {{MMB_DRAM, 256 * GIB, 0, 0, 2, {0, 3}}, {MMB_GDRAM, 64 * GIB, 0, 0, 4, {0, 1, 2, 3}}}},
    /* three GPUs seen twice, one as a node of unknown address, one by CUDA only */
    {"gpu-nodes-and-devices",
     2,
     {{MMB_DRAM, 256 * GIB, 0, 0, 2, {0, 3}}, {MMB_GDRAM, 72 * GIB, 0, 0, 5, {0, 1, 2, 3, 4}}}},
    /* CUDA, RSMI, Level Zero with its two halves, OpenCL alone; no SATA disk, no OpenCL CPU */
    {"devices",
     3,
     {{MMB_DRAM, 16 * GIB, 0, 0, 1, {0}},
      {MMB_GDRAM, 62 * GIB, 0, 0, 5, {0, 1, 2, 3, 4}},
      {MMB_SSD, (size_t)3000000 * 1024, 0, 0, 2, {0, 1}}}},
    {"not-allowed", 1, {{MMB_DRAM, 16 * GIB, 0, 0, 1, {0}}}},
    {"empty-node", 1, {{MMB_DRAM, 16 * GIB, 0, 0, 1, {0}}}},
};

static bool has_discovery(void)
{
#ifdef MMB_HAVE_HWLOC
    return true;
#else
    return false;
#endif
}

static const char *source_folder(void)
{
    const char *folder = getenv("MMB_SRCDIR");
    return folder ? folder : ".";
}

/* Reads a machine into the layers; close_machine always follows. */
static mmbError open_machine(const char *path)
{
    mmb_registry_lock();
    mmb_layers_open();
    return mmb_discovery_run(path, false);
}

static void close_machine(void)
{
    mmb_layers_close();
    mmb_registry_unlock();
}

static size_t count_layers(void)
{
    size_t n = 0;
    while (mmb_layer_known_at(n))
        n++;
    return n;
}

static void check_domains(const char *machine, const struct layer_row *row,
                          const struct mmb_layer *layer)
{
    for (size_t i = 0; i < layer->n_domains && i < row->n_domains; i++) {
        const struct mmb_domain *domain = &layer->domains[i];
        SUITE_CHECK(domain->os_index == row->os_index[i], "%s, %s: domain %zu is number %d",
                    machine, layer->name, i, domain->os_index);
        /* Of another machine all is said to be there. */
        SUITE_CHECK(domain->budget.capacity == domain->total_bytes,
                    "%s, %s: domain %zu can give %zu of %zu", machine, layer->name, i,
                    domain->budget.capacity, domain->total_bytes);
    }
}

static void check_layer(const char *machine, const struct layer_row *row)
{
    const struct mmb_layer *layer = mmb_layer_lookup(row->layer);
    if (!SUITE_CHECK(layer && layer->discovered, "%s: layer %d was not found", machine,
                     (int)row->layer))
        return;
    SUITE_CHECK(layer->total_bytes == row->total_bytes, "%s, %s: %zu B, not %zu", machine,
                layer->name, layer->total_bytes, row->total_bytes);
    SUITE_CHECK(layer->n_domains == row->n_domains, "%s, %s: %zu domains, not %zu", machine,
                layer->name, layer->n_domains, row->n_domains);
    SUITE_CHECK(layer->bandwidth_mib_s == row->bandwidth_mib_s, "%s, %s: %zu MiB/s", machine,
                layer->name, layer->bandwidth_mib_s);
    SUITE_CHECK(layer->latency_ns == row->latency_ns, "%s, %s: %zu ns", machine, layer->name,
                layer->latency_ns);
    check_domains(machine, row, layer);
}

static void test_topology_of_synthetic_machines(void)
{
    if (!has_discovery()) {
        suite_skip("discovery is not built in");
        return;
    }
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        const struct machine *machine = &machines[i];
        char path[4096];
        snprintf(path, sizeof path, "%s/tests/topology/%s.xml", source_folder(), machine->name);
        mmbError error = open_machine(path);
        if (SUITE_CHECK(error == MMB_OK, "%s: %s", machine->name, mmb_error_detail())) {
            SUITE_CHECK(count_layers() == machine->n_layers, "%s: %zu layers, not %zu",
                        machine->name, count_layers(), machine->n_layers);
            SUITE_CHECK(!mmb_discovery_is_this_system(), "%s is taken for this system",
                        machine->name);
            for (size_t j = 0; j < machine->n_layers; j++)
                check_layer(machine->name, &machine->layers[j]);
        }
        close_machine();
    }
}

/* ---- recorded machines: expected.tsv has file, layer, bytes, domains, derivable, note ---- */

struct recorded {
    char file[64], layer[16], derivable[8];
    uint64_t total_bytes;
    size_t n_domains;
};

static bool read_row(FILE *table, struct recorded *out)
{
    char line[1024];
    while (fgets(line, sizeof line, table))
        if (sscanf(line, "%63[^\t]\t%15[^\t]\t%" SCNu64 "\t%zu\t%7s", out->file, out->layer,
                   &out->total_bytes, &out->n_domains, out->derivable) == 5)
            return true;
    return false;
}

static const struct mmb_layer *find_layer(const char *name)
{
    for (size_t i = 0; mmb_layer_known_at(i); i++)
        if (strcmp(mmb_layer_known_at(i)->name, name) == 0)
            return mmb_layer_known_at(i);
    return NULL;
}

/* What the rules cannot know may differ, but is told. */
static void check_recorded(const struct recorded *row)
{
    const struct mmb_layer *layer = find_layer(row->layer);
    bool is_equal =
        layer && layer->total_bytes == row->total_bytes && layer->n_domains == row->n_domains;
    if (strcmp(row->derivable, "yes") == 0)
        SUITE_CHECK(is_equal, "%s, %s: %zu B in %zu domains, not %" PRIu64 " in %zu", row->file,
                    row->layer, layer ? layer->total_bytes : 0, layer ? layer->n_domains : 0,
                    row->total_bytes, row->n_domains);
    else if (!is_equal)
        printf("# %s, %s: %zu B in %zu domains, in truth %" PRIu64 " in %zu\n", row->file,
               row->layer, layer ? layer->total_bytes : 0, layer ? layer->n_domains : 0,
               row->total_bytes, row->n_domains);
}

static FILE *open_table(char folder[4096])
{
    char path[4200];
    const char *chosen = getenv("MMB_TOPOLOGIES");
    if (chosen)
        snprintf(folder, 4096, "%s", chosen);
    else
        snprintf(folder, 4096, "%s/../shared/topologies", source_folder());
    snprintf(path, sizeof path, "%s/expected.tsv", folder);
    return fopen(path, "r");
}

/* The rows of one machine follow each other; with them, all its layers are named. */
static void check_table(FILE *table, const char *folder)
{
    char open_file[64] = "";
    struct recorded row;
    size_t n_rows = 0;
    while (read_row(table, &row)) {
        if (strcmp(row.file, open_file) != 0) {
            char path[4200];
            if (open_file[0]) {
                SUITE_CHECK(count_layers() == n_rows, "%s: %zu layers, not %zu", open_file,
                            count_layers(), n_rows);
                close_machine();
            }
            snprintf(path, sizeof path, "%s/%s", folder, row.file);
            SUITE_CHECK(open_machine(path) == MMB_OK, "%s: %s", row.file, mmb_error_detail());
            snprintf(open_file, sizeof open_file, "%s", row.file);
            n_rows = 0;
        }
        check_recorded(&row);
        n_rows++;
    }
    CU_ASSERT(n_rows > 0);
    if (open_file[0])
        close_machine();
}

static void test_topology_of_recorded_machines(void)
{
    char folder[4096];
    FILE *table = has_discovery() ? open_table(folder) : NULL;
    if (!table) {
        suite_skip("no recorded machines here (MMB_TOPOLOGIES), or no discovery");
        return;
    }
    check_table(table, folder);
    fclose(table);
}

MMB_SUITE("topology", T(test_topology_of_synthetic_machines), T(test_topology_of_recorded_machines))
