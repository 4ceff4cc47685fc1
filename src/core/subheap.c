/* SPDX-License-Identifier: BSD-3-Clause */
/* The heaps of interfaces (subheap.h). Owns backends, sources and allocators; takes no lock of its
 * own. Opening and closing is under the registry mutex, allocating under none. */
#include "src/core/subheap.h"
#include <stdint.h>
#include "interfaces/shared.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/core/backend_table.h"
#include "src/core/context.h"
#include "src/core/interface.h"
#include "src/core/interface_region.h"
#include "src/core/registry.h"
#include "src/core/source.h"
#include "src/core/space_limits.h"
#include "src/core/trace.h"

/* What the heaps of one interface have in common. */
struct plan {
    mmbMemInterface *interface;
    const mmbMemInterfaceConfig *config;
    const struct mmb_backend_ops *backend_ops;
    const struct mmb_allocator_ops *allocator_ops;
};

/* ---- budgets ---- */

static size_t capacity_of(const struct mmb_domain *domain)
{
    return atomic_load_explicit(&domain->budget.capacity, memory_order_relaxed);
}

struct chosen {
    size_t n, last, sum, least;
};

static struct chosen choose(const struct mmb_layer *layer, uint64_t domains)
{
    struct chosen chosen = {0, 0, 0, SIZE_MAX};
    for (size_t i = 0; i < layer->n_domains; i++) {
        if (domains != 0 && (i >= 64 || !(domains >> i & 1)))
            continue;
        size_t capacity = capacity_of(&layer->domains[i]);
        chosen.n++;
        chosen.last = i;
        if (!mmb_add_size(chosen.sum, capacity, &chosen.sum))
            chosen.sum = SIZE_MAX;
        if (capacity < chosen.least)
            chosen.least = capacity;
    }
    return chosen;
}

/* The domain that is the backend's device, or NULL. Only in the layer of devices: elsewhere domains
 * are nodes, whose numbers are no device's. */
static struct mmb_domain *device_of(const struct plan *plan, const struct mmb_backend *backend)
{
    const mmbMemSpace *space = plan->interface->space;
    struct mmb_layer *layer = space->layer;
    for (size_t i = 0; backend->has_device && layer->id == MMB_GDRAM && i < layer->n_domains; i++)
        if (mmb_domain_number(&layer->domains[i], space->context) == backend->device)
            return &layer->domains[i];
    return NULL;
}

/* Whose memory a heap takes: its domain's; its device's; that of the one domain it is bound to;
 * else the layer's, within what the chosen domains have together. Interleaved pages are spread
 * evenly, so the smallest of the domains says how much that is. */
static struct mmb_budget *budget_of(const struct plan *plan, int domain, struct mmb_subheap *heap)
{
    struct mmb_layer *layer = plan->interface->space->layer;
    if (domain >= 0)
        return &layer->domains[domain].budget;
    struct mmb_domain *device = device_of(plan, heap->backend);
    if (device)
        return &device->budget;
    mmbNumaPolicy policy = plan->config->backend_opts.numa.policy;
    bool is_bound = policy == MMB_NUMA_BIND || policy == MMB_NUMA_INTERLEAVE;
    if (plan->backend_ops->id != MMB_BACKEND_NUMA || !is_bound)
        return &layer->budget;
    struct chosen chosen = choose(layer, plan->config->backend_opts.numa.domains);
    if (chosen.n == 1)
        return &layer->domains[chosen.last].budget;
    size_t evenly;
    if (!mmb_mul_size(chosen.least, chosen.n, &evenly))
        evenly = SIZE_MAX;
    if (policy == MMB_NUMA_BIND)
        evenly = chosen.sum;
    mmb_budget_init(&heap->budget, evenly, &layer->budget, layer->name);
    return &heap->budget;
}

/* ---- making ---- */

static int domain_number(const mmbMemSpace *space, int domain)
{
    return domain < 0 ? -1 : mmb_domain_number(&space->layer->domains[domain], space->context);
}

static mmbError open_backend(const struct plan *plan, int domain, struct mmb_subheap *heap)
{
    const struct mmb_backend_ops *ops = plan->backend_ops;
    const mmbMemSpace *space = plan->interface->space;
    const struct mmb_backend_request request = {
        .id = ops->id,
        .layer = space->layer->id,
        .context = space->context,
        .options = &plan->config->backend_opts,
        .domain = domain,
        .domain_os_index = domain_number(space, domain),
        .os_indexes = space->layer->os_indexes,
        .n_domains = space->layer->n_domains,
        .strategy = plan->config->strategy,
        .id_is_taken = mmb_shared_id_is_taken,
    };
    if (domain >= 0 && request.domain_os_index < 0)
        return mmb_fail(MMB_UNSUPPORTED,
                        "create_interface: domain %d of layer %s is no device that %s has", domain,
                        space->layer->name, mmb_context_text(space->context));
    mmbError error = ops->open(&request, &heap->backend);
    if (error != MMB_OK)
        return error;
    heap->source = mmb_source_open(heap->backend, budget_of(plan, domain, heap));
    if (!heap->source)
        error =
            mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no memory for the library's own data");
    else
        error = mmb_interface_register_chunks(plan->interface, heap->backend, heap->source,
                                              request.domain_os_index);
    if (error != MMB_OK) {
        mmb_source_close(heap->source);
        ops->close(heap->backend);
    }
    return error;
}

/* What can never be had is refused now, not when the first block finds out. */
static mmbError check_capacity(const struct mmb_source *source, mmbStrategy strategy,
                               const mmbStrategyOptions *options)
{
    size_t bounded = mmb_source_bounded(source);
    if (strategy != MMB_STRATEGY_STACK || options->stack_bytes <= bounded)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_SIZE, "create_interface: a stack of %zu B does not fit into %zu B",
                    options->stack_bytes, bounded);
}

static mmbError open_allocator(const struct plan *plan, int domain, struct mmb_subheap *heap)
{
    mmbMemSpace *space = plan->interface->space;
    struct mmb_shared_segment *segment = heap->backend->shared;
    const struct mmb_allocator_ops *ops =
        segment ? mmb_shared_strategy_ops(segment->layout.strategy) : plan->allocator_ops;
    struct mmb_allocator_request request = {
        .base = {.ops = ops,
                 .quota = mmb_space_quota(space, domain),
                 .source = heap->source,
                 .interface = plan->interface,
                 .domain = domain,
                 .is_findable = plan->interface->flags & MMB_INTERFACE_FINDABLE},
        .options = plan->config->strategy_opts,
        .segment = segment,
    };
    mmbError error = check_capacity(heap->source, ops->strategy, &request.options);
    if (error == MMB_OK)
        error = mmb_allocator_slot_take(&request.base.slot);
    if (error != MMB_OK)
        return error;
    error = ops->open(&request, &heap->allocator);
    mmb_allocator_slot_set(request.base.slot, error == MMB_OK ? heap->allocator : NULL);
    return error;
}

static void close_heap(struct mmb_subheap *heap)
{
    uint32_t slot = heap->allocator->slot;
    heap->allocator->ops->close(heap->allocator);
    mmb_allocator_slot_set(slot, NULL);
    mmb_source_close(heap->source);
    heap->backend->ops->close(heap->backend);
}

static mmbError open_heap(const struct plan *plan, int domain, struct mmb_subheap *heap)
{
    if (domain >= 0)
        mmb_node_distances_read("", plan->interface->space->layer->os_indexes[domain],
                                &heap->distances);
    mmbError error = open_backend(plan, domain, heap);
    if (error != MMB_OK)
        return error;
    error = open_allocator(plan, domain, heap);
    if (error != MMB_OK) {
        mmb_source_close(heap->source);
        heap->backend->ops->close(heap->backend);
    }
    return error;
}

static void describe(const struct plan *plan)
{
    mmbMemInterface *interface = plan->interface;
    const struct mmb_subheap *first = &interface->heaps[0];
    interface->allocator = first->allocator;
    interface->backend = first->backend;
    interface->source = first->source;
    interface->backend_id = plan->backend_ops->id;
    interface->strategy = first->allocator->ops->strategy;
    interface->host_accessible = first->backend->host_accessible;
    interface->min_alignment =
        interface->host_accessible ? MMB_HOST_ALIGNMENT : first->backend->min_alignment;
}

static mmbError open_all(const struct plan *plan)
{
    mmbMemInterface *interface = plan->interface;
    bool by_domain = mmb_space_is_by_domain(interface->space);
    size_t n_heaps = by_domain ? interface->space->n_domains : 1;
    struct mmb_subheap *heaps = mmb_meta_alloc(n_heaps * sizeof *heaps);
    if (!heaps)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no memory for %zu heaps", n_heaps);
    for (size_t i = 0; i < n_heaps; i++) {
        mmbError error = open_heap(plan, by_domain ? (int)i : -1, &heaps[i]);
        if (error == MMB_OK)
            continue;
        while (i-- > 0)
            close_heap(&heaps[i]);
        mmb_meta_free(heaps, n_heaps * sizeof *heaps);
        return error;
    }
    interface->heaps = heaps;
    interface->n_heaps = n_heaps;
    return MMB_OK;
}

/* Memory with a limit per domain has to be bound to its domains, be it DRAM. */
static mmbBackend backend_wanted(const mmbMemSpace *space, mmbBackend asked)
{
    bool is_bound = asked == MMB_BACKEND_DEFAULT && mmb_space_is_by_domain(space) &&
                    space->context == MMB_CPU && mmb_layer_is_host(space->layer->id);
    return is_bound ? MMB_BACKEND_NUMA : asked;
}

mmbError mmb_subheaps_open(mmbMemInterface *interface, const mmbMemInterfaceConfig *config)
{
    const mmbMemSpace *space = interface->space;
    struct plan plan = {.interface = interface, .config = config};
    mmbError error = mmb_backend_select(backend_wanted(space, config->backend), space->layer,
                                        space->context, &plan.backend_ops);
    if (error == MMB_OK)
        error = mmb_strategy_select(config->strategy, &plan.allocator_ops);
    /* A traced call must not find a thread's magazine on its way (trace.h). */
    if (error == MMB_OK && mmb_trace_is_on &&
        plan.allocator_ops->strategy == MMB_STRATEGY_THREAD_LOCAL)
        error = mmb_strategy_select(MMB_STRATEGY_SCALABLE_PAGE, &plan.allocator_ops);
    if (error == MMB_OK && mmb_space_is_by_domain(space) && !plan.backend_ops->places_by_domain)
        error = mmb_fail(MMB_UNSUPPORTED,
                         "create_interface: the space has a limit per domain, and backend %s does "
                         "not place by domain",
                         mmb_backend_text(plan.backend_ops->id));
    if (error == MMB_OK)
        error = open_all(&plan);
    if (error == MMB_OK)
        describe(&plan);
    return error;
}

void mmb_subheaps_close(mmbMemInterface *interface)
{
    for (size_t i = 0; i < interface->n_heaps; i++)
        close_heap(&interface->heaps[i]);
    mmb_meta_free(interface->heaps, interface->n_heaps * sizeof *interface->heaps);
    interface->heaps = NULL;
    interface->n_heaps = 0;
}

/* ---- allocating ---- */

static mmbError allocate_in(const struct mmb_subheap *heap, const struct mmb_request *request,
                            mmbAllocation **out_record)
{
    return heap->allocator->ops->allocate(heap->allocator, request, out_record);
}

/* The nearest to the caller of those that were not tried; of equal ones the first. NULL: none. */
static const struct mmb_subheap *next_heap(const mmbMemInterface *interface, int here,
                                           uint64_t tried)
{
    const struct mmb_subheap *best = NULL;
    unsigned int least = 0;
    for (size_t i = 0; i < interface->n_heaps; i++) {
        const struct mmb_subheap *heap = &interface->heaps[i];
        bool is_known = here >= 0 && here < (int)MMB_NODES_NEAR;
        unsigned int distance = is_known ? heap->distances.from[here] : MMB_NODES_UNKNOWN;
        if (tried >> i & 1 || (best && distance >= least))
            continue;
        best = heap;
        least = distance;
    }
    return best;
}

static mmbError allocate_nearest(mmbMemInterface *interface, const struct mmb_request *request,
                                 mmbAllocation **out_record)
{
    int here = mmb_node_here();
    uint64_t tried = 0;
    const struct mmb_subheap *heap;
    mmbError error = MMB_OUT_OF_MEMORY;
    while (error == MMB_OUT_OF_MEMORY && (heap = next_heap(interface, here, tried)) != NULL) {
        error = allocate_in(heap, request, out_record);
        tried |= (uint64_t)1 << (heap - interface->heaps);
    }
    return error;
}

mmbError mmb_subheaps_allocate(mmbMemInterface *interface, int domain,
                               const struct mmb_request *request, mmbAllocation **out_record)
{
    if (interface->n_heaps == 1)
        return allocate_in(&interface->heaps[0], request, out_record);
    if (domain >= 0)
        return allocate_in(&interface->heaps[domain], request, out_record);
    return allocate_nearest(interface, request, out_record);
}

/* ---- sums ---- */

void mmb_subheaps_get_stats(const mmbMemInterface *interface, struct mmb_allocator_stats *out)
{
    *out = (struct mmb_allocator_stats){0};
    for (size_t i = 0; i < interface->n_heaps; i++) {
        struct mmb_allocator *allocator = interface->heaps[i].allocator;
        struct mmb_allocator_stats one;
        allocator->ops->get_stats(allocator, &one);
        out->live_bytes += one.live_bytes;
        out->live_count += one.live_count;
        out->peak_bytes += one.peak_bytes;
        out->total_allocations += one.total_allocations;
        out->total_frees += one.total_frees;
    }
}

size_t mmb_subheaps_reserved(const mmbMemInterface *interface)
{
    size_t sum = 0;
    for (size_t i = 0; i < interface->n_heaps; i++)
        sum += mmb_source_reserved(interface->heaps[i].source);
    return sum;
}

size_t mmb_subheaps_chunks(const mmbMemInterface *interface)
{
    size_t sum = 0;
    for (size_t i = 0; i < interface->n_heaps; i++)
        sum += mmb_source_chunks(interface->heaps[i].source);
    return sum;
}

/* Each may keep what all are asked to keep: how much of it is whose is nobody's to say. */
void mmb_subheaps_trim(mmbMemInterface *interface, size_t keep_bytes)
{
    for (size_t i = 0; i < interface->n_heaps; i++) {
        struct mmb_allocator *allocator = interface->heaps[i].allocator;
        allocator->ops->trim(allocator, keep_bytes);
    }
}
