/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules that make layers out of NUMA nodes, strongest first. What somebody wrote down about a
 * node is believed before what was measured on it:
 *
 *   1. subtype MCDRAM or HBM: HBM; GPUMemory: GDRAM
 *   2. subtype CXL-*, a CXLDevice, or a DAX parent with ACPI0017 (the CXL root): CXL. Before 3,
 * since a CXL device can also say that it is non-volatile, and its link decides how fast it is.
 *   3. subtype NVM, or DAXType NVM: NVDIMM
 *   4. subtype DRAM: DRAM
 *   5. the rest are DRAM-like until their bandwidth says otherwise, compared with the DRAM-like
 * node of the lowest OS index, which is where the system booted: over twice: HBM; under half, while
 * a DRAM-like node beside the same processors has at least twice: CXL, a slow expander; else DRAM.
 *      A threshold in MB/s would grow old: it calls the DDR5 of today what HBM was.
 *
 * Owns nothing, takes no lock. */
#include "layers/hwloc/classify.h"
#include <string.h>

static bool has_text(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

static bool info_is(hwloc_obj_t node, const char *name, const char *wanted)
{
    return has_text(hwloc_obj_get_info_by_name(node, name), wanted);
}

static bool is_cxl(hwloc_obj_t node)
{
    const char *parent = hwloc_obj_get_info_by_name(node, "DAXParent");
    return (node->subtype && strncmp(node->subtype, "CXL-", 4) == 0) ||
           hwloc_obj_get_info_by_name(node, "CXLDevice") || (parent && strstr(parent, "ACPI0017"));
}

/* Rules 1 to 4. False: nobody says what it is. */
static bool layer_by_name(hwloc_obj_t node, mmbMemLayer *out)
{
    if (has_text(node->subtype, "MCDRAM") || has_text(node->subtype, "HBM"))
        *out = MMB_HBM;
    else if (has_text(node->subtype, "GPUMemory"))
        *out = MMB_GDRAM;
    else if (is_cxl(node))
        *out = MMB_CXL;
    else if (has_text(node->subtype, "NVM") || info_is(node, "DAXType", "NVM"))
        *out = MMB_NVDIMM;
    else if (has_text(node->subtype, "DRAM"))
        *out = MMB_DRAM;
    else
        return false;
    return true;
}

/* The value at the best initiator, of the first of two attributes that has one. hwloc's units are
 * ours: MiB/s and ns. Clamped so that twice a value can be compared, whatever a file says. */
static size_t best_value(hwloc_topology_t topology, hwloc_obj_t node,
                         const hwloc_memattr_id_t attributes[2])
{
    for (size_t i = 0; i < 2; i++) {
        struct hwloc_location initiator;
        hwloc_uint64_t value;
        if (hwloc_memattr_get_best_initiator(topology, attributes[i], node, 0, &initiator,
                                             &value) == 0)
            return value < SIZE_MAX / 4 ? (size_t)value : SIZE_MAX / 4;
    }
    return 0;
}

/* Rule 5 is about these, and goes on being when it has given one another layer. */
static bool is_dram_like(const struct mmb_hwloc_node *node)
{
    return !node->is_named || node->layer == MMB_DRAM;
}

/* The bandwidth of the DRAM-like node of the lowest OS index, 0 if it is unknown. */
static size_t reference_bandwidth(const struct mmb_hwloc_node *nodes, size_t n)
{
    const struct mmb_hwloc_node *lowest = NULL;
    for (size_t i = 0; i < n; i++)
        if (is_dram_like(&nodes[i]) &&
            (!lowest || nodes[i].object->os_index < lowest->object->os_index))
            lowest = &nodes[i];
    return lowest ? lowest->bandwidth_mib_s : 0;
}

static bool has_faster_neighbour(const struct mmb_hwloc_node *nodes, size_t n,
                                 const struct mmb_hwloc_node *slow)
{
    for (size_t i = 0; i < n; i++)
        if (&nodes[i] != slow && is_dram_like(&nodes[i]) &&
            hwloc_bitmap_isequal(nodes[i].object->cpuset, slow->object->cpuset) &&
            nodes[i].bandwidth_mib_s >= 2 * slow->bandwidth_mib_s)
            return true;
    return false;
}

/* Rule 5 for one node whose bandwidth is known, as is the reference. */
static mmbMemLayer layer_by_bandwidth(const struct mmb_hwloc_node *nodes, size_t n,
                                      const struct mmb_hwloc_node *node, size_t reference)
{
    if (node->bandwidth_mib_s > 2 * reference)
        return MMB_HBM;
    bool is_slow = 2 * node->bandwidth_mib_s < reference;
    return is_slow && has_faster_neighbour(nodes, n, node) ? MMB_CXL : MMB_DRAM;
}

/* hwloc drops what is not allowed unless told otherwise; a file may have been made with that. */
static bool is_usable(hwloc_topology_t topology, hwloc_obj_t node)
{
    return node->attr->numanode.local_memory != 0 &&
           hwloc_bitmap_isset(hwloc_topology_get_allowed_nodeset(topology), node->os_index);
}

size_t mmb_hwloc_classify(hwloc_topology_t topology, struct mmb_hwloc_node *nodes)
{
    static const hwloc_memattr_id_t bandwidth[2] = {HWLOC_MEMATTR_ID_BANDWIDTH,
                                                    HWLOC_MEMATTR_ID_READ_BANDWIDTH};
    static const hwloc_memattr_id_t latency[2] = {HWLOC_MEMATTR_ID_LATENCY,
                                                  HWLOC_MEMATTR_ID_READ_LATENCY};
    size_t n = 0;
    hwloc_obj_t object = NULL;
    while ((object = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, object)) != NULL) {
        if (!is_usable(topology, object))
            continue;
        struct mmb_hwloc_node *node = &nodes[n++];
        *node = (struct mmb_hwloc_node){.object = object, .layer = MMB_DRAM};
        node->is_named = layer_by_name(object, &node->layer);
        node->bandwidth_mib_s = best_value(topology, object, bandwidth);
        node->latency_ns = best_value(topology, object, latency);
    }
    size_t reference = reference_bandwidth(nodes, n);
    for (size_t i = 0; i < n; i++)
        if (!nodes[i].is_named && nodes[i].bandwidth_mib_s != 0 && reference != 0)
            nodes[i].layer = layer_by_bandwidth(nodes, n, &nodes[i], reference);
    return n;
}
