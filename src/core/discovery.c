/* SPDX-License-Identifier: BSD-3-Clause */
/* Discovery: asks the first probe that is built in and the runtimes of devices, and turns what they
 * say into layers. Owns two flags; the registry mutex is held. What a domain can really give is not
 * the probe's to say: it knows the machine, the kernel knows what is left of it. */
#include "src/core/discovery.h"
#include <stdlib.h>
#include "layers/host/host_memory.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/core/devices.h"
#include "src/core/layer.h"
#include "src/spi/probe.h"

static bool is_this_system = true;
static bool has_left_devices; /* this system was read, without them */

bool mmb_discovery_is_this_system(void)
{
    return is_this_system;
}

/* Where nothing is known of a node, as without /proc: the kernel needs a share that grows with the
 * memory, first of all for the struct page of every page, 64 bytes of each 4096. */
static size_t without_reserve(size_t n_bytes)
{
    return n_bytes - n_bytes / 64;
}

static bool is_numa_node(mmbMemLayer layer)
{
    return layer != MMB_GDRAM && layer != MMB_SSD;
}

struct found {
    const struct mmb_probe_domain *probed;
    struct mmb_domain_found *domains;
    size_t n_domains;
};

static void set_available(void *user, int os_index, size_t available_bytes)
{
    struct found *found = user;
    for (size_t i = 0; i < found->n_domains; i++)
        if (is_numa_node(found->probed[i].layer) && found->domains[i].os_index == os_index &&
            available_bytes < found->domains[i].total_bytes)
            found->domains[i].available_bytes = available_bytes;
}

/* Domain i of the machine is domain i here. */
static void fill_domains(struct found *found)
{
    for (size_t i = 0; i < found->n_domains; i++) {
        const struct mmb_probe_domain *probed = &found->probed[i];
        bool has_reserve = is_this_system && is_numa_node(probed->layer);
        found->domains[i] = (struct mmb_domain_found){
            .os_index = probed->os_index,
            .total_bytes = probed->total_bytes,
            .available_bytes =
                has_reserve ? without_reserve(probed->total_bytes) : probed->total_bytes,
            .numbers = probed->numbers,
        };
    }
    if (is_this_system)
        mmb_node_memory_each("", set_available, found);
}

/* One layer out of the n domains that begin with the first, all of the same layer: what its best
 * domain can do is what the layer is for. */
static mmbError add_layer(const struct found *found, size_t first, size_t n)
{
    /* Discovered before, or the user's since. */
    const struct mmb_layer *known = mmb_layer_lookup(found->probed[first].layer);
    if (has_left_devices && known && known->known)
        return MMB_OK;
    struct mmb_layer_found layer = {
        .id = found->probed[first].layer, .domains = &found->domains[first], .n_domains = n};
    for (size_t i = first; i < first + n; i++) {
        const struct mmb_probe_domain *domain = &found->probed[i];
        if (domain->bandwidth_mib_s > layer.bandwidth_mib_s)
            layer.bandwidth_mib_s = domain->bandwidth_mib_s;
        if (domain->latency_ns != 0 &&
            (layer.latency_ns == 0 || domain->latency_ns < layer.latency_ns))
            layer.latency_ns = domain->latency_ns;
    }
    return mmb_layer_add_found(&layer);
}

static mmbError add_layers(const struct mmb_machine *machine)
{
    struct found found = {machine->domains, NULL, machine->n_domains};
    if (found.n_domains == 0)
        return MMB_OK;
    found.domains = mmb_meta_alloc(found.n_domains * sizeof *found.domains);
    if (!found.domains)
        return mmb_fail(MMB_OUT_OF_MEMORY, "init: no memory for the %zu domains that were found",
                        found.n_domains);
    fill_domains(&found);
    mmbError error = MMB_OK;
    for (size_t first = 0, n; first < found.n_domains && error == MMB_OK; first += n) {
        for (n = 1; first + n < found.n_domains; n++)
            if (found.probed[first + n].layer != found.probed[first].layer)
                break;
        error = add_layer(&found, first, n);
    }
    mmb_meta_free(found.domains, found.n_domains * sizeof *found.domains);
    return error;
}

/* The environment of a program with more rights than its user is not heard. */
static const char *topology_of_environment(void)
{
    const char *path = secure_getenv("MMB_TOPOLOGY_XML");
    return path && *path ? path : NULL;
}

/* NULL: this system. */
static mmbError run(const struct mmb_probe_ops *probe, const char *topology_xml, bool is_host_only)
{
    struct mmb_probe_report report;
    mmbError error = probe->run(topology_xml, is_host_only, &report);
    if (error != MMB_OK)
        return error;
    is_this_system = report.is_this_system;
    mmb_log(MMB_LOG_DEBUG, "%s found %zu memory domains", probe->name, report.n_domains);
    struct mmb_machine machine;
    error = mmb_machine_make(&report, &machine);
    probe->release(&report);
    if (error != MMB_OK)
        return error;
    error = add_layers(&machine);
    mmb_machine_free(&machine);
    return error;
}

mmbError mmb_discovery_run(const char *topology_xml, bool is_host_only)
{
    const struct mmb_probe_ops *probe = mmb_builtin_probes[0];
    is_this_system = true;
    has_left_devices = false;
    if (!topology_xml)
        topology_xml = topology_of_environment();
    if (!probe && topology_xml)
        return mmb_fail(MMB_UNSUPPORTED,
                        "topology file \"%s\": discovery is not built into this version",
                        topology_xml);
    if (!probe)
        return MMB_OK;
    mmbError error = run(probe, topology_xml, is_host_only && !topology_xml);
    has_left_devices = error == MMB_OK && is_host_only && is_this_system && !topology_xml;
    return error;
}

mmbError mmb_discovery_add_devices(void)
{
    if (!has_left_devices)
        return MMB_OK;
    mmbError error = run(mmb_builtin_probes[0], NULL, false);
    if (error == MMB_OK)
        has_left_devices = false;
    return error;
}
