/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an allocator gets its chunks (spi/source.h): budgets, then the backend, then the region
 * provider, then the map of addresses; given back in reverse.
 *
 * Owns the chunks' descriptors. Takes no lock of its own; the caller holds none that a backend, the
 * chunk map or, when a budget is exhausted, the trimming of other interfaces would need.
 *
 * A chunk is charged before it is mapped, since what is mapped beyond the capacity is not refused
 * by the kernel but paid for by whoever touches it. What the backend's rounding added is charged
 * after. It is registered before anybody sees a block of it, and deregistered when no block is
 * left. */
#include "src/core/source.h"
#include <stdatomic.h>
#include <stdint.h>
#include "interfaces/page_map.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/core/registry.h"
#include "src/core/relief.h"

/* The layer's budget and, for backends that take it from there, the host's. */
#define BUDGETS 2

struct mmb_source {
    struct mmb_backend *backend;
    struct mmb_budget *budgets[BUDGETS]; /* NULL: none */
    mmbRegionProvider *provider;         /* NULL: chunks are not registered */
    const struct mmb_quota *quota;
    mmbRegionAttr attr;
    _Atomic size_t reserved;
    _Atomic size_t n_chunks;
};

/* Of the strategies' pages: a chunk that is no multiple has a tail that serves nothing. */
#define GRANULE ((size_t)64 << 10)

/* One chunk that is wanted. */
struct want {
    size_t min_bytes, want_bytes, alignment;
};

/* ---- life ---- */

/* The user's array was his before; nothing is taken from the layer for it. Nor for a segment: it is
 * no one process's, and its file system has the last word on its pages. */
static bool takes_from_layer(mmbBackend id)
{
    return id != MMB_BACKEND_ARRAY;
}

static bool takes_host_memory(const struct mmb_backend *backend)
{
    return backend->ops->takes_host_memory && !backend->is_file && !backend->shared;
}

struct mmb_source *mmb_source_open(struct mmb_backend *backend, struct mmb_budget *layer_budget)
{
    struct mmb_source *source = mmb_meta_alloc(sizeof *source);
    if (!source)
        return NULL;
    mmbBackend id = backend->ops->id;
    source->backend = backend;
    source->budgets[0] = takes_from_layer(id) && !backend->shared ? layer_budget : NULL;
    source->budgets[1] = takes_host_memory(backend) ? &mmb_host_budget : NULL;
    return source;
}

void mmb_source_close(struct mmb_source *source)
{
    if (!source)
        return;
    /* All chunks were returned, but in a child for those that another thread of the parent was just
     * obtaining at the fork: they are mapped and known to nobody. */
    mmb_meta_free(source, sizeof *source);
}

void mmb_source_register_chunks(struct mmb_source *source, mmbRegionProvider *provider,
                                const struct mmb_quota *quota, const mmbRegionAttr *attr)
{
    source->provider = provider;
    source->quota = quota;
    source->attr = *attr;
}

mmbRegionProvider *mmb_source_provider(const struct mmb_source *source)
{
    return source->provider;
}

int mmb_source_domain(const struct mmb_source *source)
{
    return source->budgets[0] ? source->budgets[0]->domain : -1;
}

bool mmb_source_draws_on(const struct mmb_source *source, const struct mmb_budget *budget)
{
    for (size_t i = 0; i < BUDGETS; i++)
        for (const struct mmb_budget *at = source->budgets[i]; at; at = at->parent)
            if (at == budget)
                return true;
    return false;
}

/* ---- budgets ---- */

static void uncharge(struct mmb_source *source, size_t n_bytes)
{
    for (size_t i = 0; i < BUDGETS; i++)
        mmb_budget_uncharge(source->budgets[i], n_bytes);
}

/* NULL: all are charged; else the exhausted one, and none is. */
static struct mmb_budget *charge(struct mmb_source *source, size_t n_bytes)
{
    mmb_host_budget_refresh();
    for (size_t i = 0; i < BUDGETS; i++) {
        struct mmb_budget *exhausted = mmb_budget_try(source->budgets[i], n_bytes);
        if (!exhausted)
            continue;
        while (i-- > 0)
            mmb_budget_uncharge(source->budgets[i], n_bytes);
        return exhausted;
    }
    return NULL;
}

static size_t room(const struct mmb_source *source)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < BUDGETS; i++) {
        size_t here = mmb_budget_room(source->budgets[i]);
        if (here < least)
            least = here;
    }
    return least;
}

/* Charges as much of the wanted bytes as there is, at least the minimum. */
static struct mmb_budget *charge_want(struct mmb_source *source, struct want *want)
{
    struct mmb_budget *exhausted = charge(source, want->want_bytes);
    if (!exhausted)
        return NULL;
    size_t rest = room(source);
    want->want_bytes = rest > want->min_bytes && rest < want->want_bytes ? rest : want->min_bytes;
    return charge(source, want->want_bytes);
}

/* ---- chunks ---- */

/* want_bytes are charged and are not any more after a failure; *out_exhausted is then the budget
 * that was, or NULL. */
static mmbError map(struct mmb_source *source, const struct want *want, struct mmb_memory *out,
                    struct mmb_budget **out_exhausted)
{
    struct mmb_backend *backend = source->backend;
    mmbError error =
        backend->ops->map(backend, want->min_bytes, want->want_bytes, want->alignment, out);
    if (error != MMB_OK) {
        uncharge(source, want->want_bytes);
        return error;
    }
    if (out->n_bytes <= want->want_bytes) {
        uncharge(source, want->want_bytes - out->n_bytes);
        return MMB_OK;
    }
    *out_exhausted = charge(source, out->n_bytes - want->want_bytes);
    if (!*out_exhausted)
        return MMB_OK;
    backend->ops->unmap(backend, out);
    uncharge(source, want->want_bytes);
    return MMB_OUT_OF_MEMORY;
}

/* A range that the backend does not take back is still taken: its budgets stay charged. */
static void unmap(struct mmb_source *source, const struct mmb_memory *memory)
{
    if (source->backend->ops->unmap(source->backend, memory) == MMB_OK)
        uncharge(source, memory->n_bytes);
    else
        mmb_log(MMB_LOG_ERROR, "%zu B could not be given back: %s", memory->n_bytes,
                mmb_error_detail());
}

/* The memory is given back where it cannot be registered. */
static mmbError register_chunk(struct mmb_source *source, struct mmb_chunk *chunk)
{
    struct mmb_registration *registration;
    if (!source->provider)
        return MMB_OK;
    mmbError error = mmb_registration_make(source->provider, (void *)chunk->memory.address,
                                           chunk->memory.n_bytes, &source->attr, &registration);
    if (error == MMB_OK)
        chunk->region = registration;
    else
        unmap(source, &chunk->memory);
    return error;
}

/* No more than the provider may still register, as long as that is enough. */
static void clamp_to_provider(const struct mmb_source *source, struct want *want)
{
    if (!source->provider)
        return;
    size_t left = mmb_region_provider_room(source->provider);
    if (left < want->want_bytes)
        want->want_bytes = left > want->min_bytes ? left : want->min_bytes;
}

/* MMB_OUT_OF_MEMORY without words when a budget is exhausted: the next try may help. */
static mmbError try_map(struct mmb_source *source, const struct want *asked,
                        struct mmb_chunk *chunk, struct mmb_budget **out_exhausted)
{
    struct want want = *asked;
    clamp_to_provider(source, &want);
    *out_exhausted = charge_want(source, &want);
    if (*out_exhausted)
        return MMB_OUT_OF_MEMORY;
    mmbError error = map(source, &want, &chunk->memory, out_exhausted);
    return error == MMB_OK ? register_chunk(source, chunk) : error;
}

/* Rounding by the backend may not fit where the wanted bytes do, and less may be registered where
 * more may not, hence the second try with the least. The third comes after everything empty was
 * given back. */
static mmbError map_somehow(struct mmb_source *source, const struct want *asked,
                            struct mmb_chunk *chunk)
{
    const struct want least = {asked->min_bytes, asked->min_bytes, asked->alignment};
    struct mmb_budget *exhausted = NULL;
    mmbError error = try_map(source, asked, chunk, &exhausted);
    if (error == MMB_OUT_OF_MEMORY && (exhausted || source->provider) &&
        asked->want_bytes > asked->min_bytes)
        error = try_map(source, &least, chunk, &exhausted);
    if (error == MMB_OUT_OF_MEMORY && mmb_relieve(exhausted, source))
        error = try_map(source, &least, chunk, &exhausted);
    if (error == MMB_OUT_OF_MEMORY && exhausted)
        return mmb_budget_refuse(exhausted, asked->min_bytes);
    return error;
}

/* Starts and sizes as the provider wants them. False: there are not that many bytes. */
static bool align_want(const struct mmb_source *source, struct want *want)
{
    size_t alignment = source->provider ? source->provider->caps.alignment : 0;
    if (alignment == 0)
        return true;
    if (want->alignment < alignment)
        want->alignment = alignment;
    return mmb_round_up_size(want->min_bytes, alignment, &want->min_bytes) &&
           mmb_round_up_size(want->want_bytes, alignment, &want->want_bytes);
}

/* The provider is let go of the memory first. False: it does not let go, so that a transfer may
 * still reach the memory, which can never be given back. */
static bool deregister_chunk(struct mmb_chunk *chunk)
{
    if (mmb_registration_end(chunk->region) == MMB_OK)
        return true;
    mmb_log(MMB_LOG_ERROR, "%zu B stay registered and mapped: %s", chunk->memory.n_bytes,
            mmb_error_detail());
    return false;
}

/* A chunk within a block of another one is in the map of chunks the nearer answer, and no page may
 * answer before it. The block is in use meanwhile, so its heap does not enter its pages again. */
static mmbError enter(struct mmb_chunk *chunk)
{
    uintptr_t first = chunk->memory.address, end = first + chunk->memory.n_bytes;
    bool is_within = mmb_chunk_find(first) != NULL;
    mmbError error = mmb_address_map_insert(&mmb_chunk_map, first, chunk->memory.n_bytes, chunk);
    if (error == MMB_OK && is_within) {
        first = mmb_round_down(first, MMB_PAGE_BYTES);
        mmb_page_map_leave(first, (end - first + MMB_PAGE_BYTES - 1) / MMB_PAGE_BYTES);
    }
    return error;
}

mmbError mmb_source_obtain(struct mmb_source *source, size_t min_bytes, size_t want_bytes,
                           size_t alignment, struct mmb_chunk **out_chunk)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct want want = {min_bytes, want_bytes, alignment};
    if (!align_want(source, &want))
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: more than there are addresses",
                        min_bytes);
    struct mmb_chunk *chunk = mmb_meta_alloc(sizeof *chunk);
    if (!chunk)
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate: no memory for the library's own data");
    mmbError error = map_somehow(source, &want, chunk);
    if (error != MMB_OK)
        goto free_chunk;
    chunk->source = source;
    mmb_list_init(&chunk->link);
    error = enter(chunk);
    if (error != MMB_OK)
        goto unmap_memory;
    atomic_fetch_add_explicit(&source->reserved, chunk->memory.n_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&source->n_chunks, 1, memory_order_relaxed);
    *out_chunk = chunk;
    return MMB_OK;

unmap_memory:
    if (deregister_chunk(chunk))
        unmap(source, &chunk->memory);
free_chunk:
    mmb_meta_free(chunk, sizeof *chunk);
    return error;
}

void mmb_source_return(struct mmb_chunk *chunk)
{
    struct mmb_source *source = chunk->source;
    mmb_address_map_remove(&mmb_chunk_map, chunk->memory.address, chunk->memory.n_bytes, chunk);
    atomic_fetch_sub_explicit(&source->reserved, chunk->memory.n_bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&source->n_chunks, 1, memory_order_relaxed);
    if (deregister_chunk(chunk))
        unmap(source, &chunk->memory);
    mmb_meta_free(chunk, sizeof *chunk);
}

/* Not of a registered chunk: the network would go on with the pages that it has pinned, while the
 * program gets others. */

void mmb_source_discard(struct mmb_chunk *chunk, size_t offset, size_t n_bytes)
{
    struct mmb_backend *backend = chunk->source->backend;
    if (backend->ops->discard && !chunk->region)
        backend->ops->discard(backend, &chunk->memory, offset, n_bytes);
}

struct mmb_chunk *mmb_chunk_find(uintptr_t address)
{
    struct mmb_address_range range;
    return mmb_address_map_lookup(&mmb_chunk_map, address, &range) ? range.value : NULL;
}

/* ---- properties ---- */

size_t mmb_source_bounded(const struct mmb_source *source)
{
    return source->backend->bounded;
}

size_t mmb_source_min_alignment(const struct mmb_source *source)
{
    return source->backend->min_alignment;
}

size_t mmb_source_free_alignment(const struct mmb_source *source, size_t wanted)
{
    size_t least = source->backend->min_alignment;
    return source->backend->ops->aligns_freely && wanted > least ? wanted : 0;
}

size_t mmb_source_min_chunk(const struct mmb_source *source)
{
    size_t max_regions = source->provider ? source->provider->caps.max_regions : 0;
    size_t limit = max_regions ? mmb_quota_limit(source->quota) : SIZE_MAX;
    size_t least;
    if (limit == SIZE_MAX ||
        !mmb_round_up_size(limit / max_regions + (limit % max_regions != 0), GRANULE, &least))
        return 0;
    return least;
}

struct mmb_backend *mmb_source_backend(const struct mmb_source *source)
{
    return source->backend;
}

size_t mmb_source_reserved(const struct mmb_source *source)
{
    return atomic_load_explicit(&source->reserved, memory_order_relaxed);
}

size_t mmb_source_chunks(const struct mmb_source *source)
{
    return atomic_load_explicit(&source->n_chunks, memory_order_relaxed);
}
