/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts together what a probe saw and what runtimes say of devices (devices.h). Owns the list until
 * it is freed; takes no lock, the registry mutex is held.
 *
 * A runtime is loaded only where its device is seen: a login node, and a program that never touches
 * a device on a machine without one, pay nothing. */
#include "src/core/devices.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"

/* Of one runtime. */
#define DEVICES_MAX 64u

/* ---- the list ---- */

static bool reserve(struct mmb_machine *machine, size_t n_more)
{
    size_t capacity = machine->n_domains + n_more;
    if (capacity <= machine->capacity)
        return true;
    struct mmb_probe_domain *more = mmb_meta_alloc(capacity * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < machine->n_domains; i++)
        more[i] = machine->domains[i];
    mmb_meta_free(machine->domains, machine->capacity * sizeof *machine->domains);
    machine->domains = more;
    machine->capacity = capacity;
    return true;
}

void mmb_machine_free(struct mmb_machine *machine)
{
    mmb_meta_free(machine->domains, machine->capacity * sizeof *machine->domains);
    *machine = (struct mmb_machine){NULL, 0, 0};
}

static int compare(const void *a, const void *b)
{
    const struct mmb_probe_domain *left = a, *right = b;
    if (left->layer != right->layer)
        return left->layer < right->layer ? -1 : 1;
    if (left->os_index != right->os_index)
        return left->os_index < right->os_index ? -1 : 1;
    return strcmp(left->pci_id, right->pci_id);
}

/* ---- which is which ---- */

/* Some write the domain with eight digits, some letters small and some not. */
static bool read_pci_id(const char *text, unsigned int out[4])
{
    return sscanf(text, "%x:%x:%x.%x", &out[0], &out[1], &out[2], &out[3]) == 4;
}

static bool is_same(const struct mmb_probe_domain *domain, mmbExecutionContext context,
                    const struct mmb_probe_device *device)
{
    unsigned int seen[4], told[4];
    if (read_pci_id(domain->pci_id, seen) && read_pci_id(device->pci_id, told))
        return memcmp(seen, told, sizeof seen) == 0;
    return domain->numbered_by == context && domain->os_index == device->number;
}

/* A device with two numbers of one runtime is two: parts of it, each with memory of its own. */
static struct mmb_probe_domain *find(const struct mmb_machine *machine, mmbExecutionContext context,
                                     const struct mmb_probe_device *device)
{
    for (size_t i = 0; i < machine->n_domains; i++) {
        struct mmb_probe_domain *domain = &machine->domains[i];
        if (domain->layer == MMB_GDRAM && domain->numbers.by[context] < 0 &&
            is_same(domain, context, device))
            return domain;
    }
    return NULL;
}

/* ---- asking ---- */

/* No runtime that is built in has it, until one says otherwise. */
static void forget_numbers(struct mmb_device_numbers *numbers)
{
    numbers->asked = 0;
    for (size_t i = 0; mmb_builtin_device_probes[i]; i++)
        numbers->asked |= 1u << mmb_builtin_device_probes[i]->context;
    for (size_t i = 0; i < MMB_PROBE_CONTEXTS; i++)
        numbers->by[i] = -1;
}

static struct mmb_probe_domain *add(struct mmb_machine *machine)
{
    struct mmb_probe_domain *domain = &machine->domains[machine->n_domains++];
    *domain = (struct mmb_probe_domain){.layer = MMB_GDRAM};
    forget_numbers(&domain->numbers);
    return domain;
}

static bool has_number(const struct mmb_device_numbers *numbers)
{
    for (size_t i = 0; i < MMB_PROBE_CONTEXTS; i++)
        if (numbers->by[i] >= 0)
            return true;
    return false;
}

static void number(struct mmb_probe_domain *domain, mmbExecutionContext context,
                   const struct mmb_probe_device *device)
{
    if (!has_number(&domain->numbers)) {
        domain->os_index = device->number;
        domain->numbered_by = context;
        domain->total_bytes = device->total_bytes;
    }
    if (!domain->pci_id[0])
        memcpy(domain->pci_id, device->pci_id, sizeof domain->pci_id);
    domain->numbers.by[context] = device->number;
}

/* Room was reserved. What has no PCI id may be a device that another runtime told of before. */
static void take(struct mmb_machine *machine, mmbExecutionContext context,
                 const struct mmb_probe_device *devices, size_t n_devices)
{
    bool is_first = true;
    for (size_t i = 0; i < machine->n_domains; i++)
        is_first = is_first && !(machine->domains[i].layer == MMB_GDRAM &&
                                 has_number(&machine->domains[i].numbers));
    for (size_t i = 0; i < n_devices; i++) {
        struct mmb_probe_domain *domain = find(machine, context, &devices[i]);
        if (!domain && (is_first || devices[i].pci_id[0]))
            domain = add(machine);
        if (domain)
            number(domain, context, &devices[i]);
    }
}

static mmbError ask(struct mmb_machine *machine, const struct mmb_device_probe_ops *probe)
{
    struct mmb_probe_device devices[DEVICES_MAX];
    size_t n_devices = 0;
    if (probe->list(devices, DEVICES_MAX, &n_devices) != MMB_OK) {
        mmb_log(MMB_LOG_DEBUG, "init: %s tells of no device: %s", probe->name, mmb_error_detail());
        return MMB_OK;
    }
    if (!reserve(machine, n_devices))
        return mmb_fail(MMB_OUT_OF_MEMORY, "init: no memory for the %zu devices of %s", n_devices,
                        probe->name);
    take(machine, probe->context, devices, n_devices);
    mmb_log(MMB_LOG_DEBUG, "%s tells of %zu devices", probe->name, n_devices);
    return MMB_OK;
}

/* A runtime whose device is not seen has none, and is not loaded to say so. */
static mmbError ask_all(struct mmb_machine *machine)
{
    mmbError error = MMB_OK;
    for (size_t i = 0; i < machine->n_domains; i++)
        if (machine->domains[i].layer == MMB_GDRAM)
            forget_numbers(&machine->domains[i].numbers);
    for (size_t i = 0; mmb_builtin_device_probes[i] && error == MMB_OK; i++)
        if (mmb_builtin_device_probes[i]->is_seen())
            error = ask(machine, mmb_builtin_device_probes[i]);
    return error;
}

mmbError mmb_machine_make(const struct mmb_probe_report *report, struct mmb_machine *out_machine)
{
    struct mmb_machine machine = {NULL, 0, 0};
    mmbError error = MMB_OK;
    if (!reserve(&machine, report->n_domains))
        return mmb_fail(MMB_OUT_OF_MEMORY, "init: no memory for the %zu domains that were found",
                        report->n_domains);
    for (; machine.n_domains < report->n_domains; machine.n_domains++)
        machine.domains[machine.n_domains] = report->domains[machine.n_domains];
    if (report->is_this_system && !report->is_host_only)
        error = ask_all(&machine);
    if (error != MMB_OK) {
        mmb_machine_free(&machine);
        return error;
    }
    if (machine.n_domains > 1)
        qsort(machine.domains, machine.n_domains, sizeof *machine.domains, compare);
    *out_machine = machine;
    return MMB_OK;
}
