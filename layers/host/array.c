/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over one array of the user's. Owns a list of runs that tile the array, in metadata
 * memory, so that the array holds user data only; takes the instance's mutex, and inside it at most
 * the lock of the metadata memory, when runs melt together.
 *
 * First fit by address over the free runs: it keeps the array's end whole, which a best fit, or a
 * list in order of freeing, would not. Every run, used or free, is a node of the list in address
 * order: a range's neighbours are then known when it comes back, and giving back needs no memory
 * and cannot fail. */
#include "layers/host/array.h"
#include <stdint.h>
#include "layers/host/array_shared.h"
#include "layers/host/host.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/lock.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"

/* Every run starts at a multiple of this, counted from address 0, not from the array's start. */
#define GRANULARITY 16u

struct run {
    struct mmb_list order; /* of all runs, by address */
    struct mmb_list free;  /* of the free runs, by address; in no list while used */
    uintptr_t start;
    size_t n_bytes;
    bool is_free;
};

/* The runs of `order` tile [start, start + base.bounded): each begins where the one before ends,
 * and no two free ones are neighbours. */
struct array {
    struct mmb_backend base;
    struct mmb_mutex mutex;
    struct mmb_list order;
    struct mmb_list free;
    uintptr_t start;
};

struct request {
    size_t min_bytes, want_bytes, alignment;
};

/* Where a request would lie in a free run. */
struct place {
    struct run *run;
    size_t head; /* bytes before it, for alignment */
    size_t n_bytes;
};

/* Named by assertions only. */
__attribute__((unused)) static bool array_is_valid(const struct array *array)
{
    uintptr_t at = array->start;
    bool was_free = false;
    MMB_LIST_FOR_EACH (node, &array->order) {
        const struct run *run = MMB_CONTAINER_OF(node, struct run, order);
        if (run->start != at || run->n_bytes == 0 || run->start % GRANULARITY != 0)
            return false;
        if (run->is_free && was_free)
            return false;
        if (run->is_free == mmb_list_is_empty(&run->free))
            return false;
        was_free = run->is_free;
        at += run->n_bytes;
    }
    return at == array->start + array->base.bounded;
}

static mmbError check_options(const mmbBackendOptions *options)
{
    if (!options->array.base || options->array.bytes == 0)
        return mmb_fail(MMB_INVALID_ARG, "array backend: base %p, %zu B: no array",
                        options->array.base, options->array.bytes);
    size_t end;
    if (!mmb_add_size((uintptr_t)options->array.base, options->array.bytes, &end))
        return mmb_fail(MMB_INVALID_ARG,
                        "array backend: base %p, %zu B: ends beyond the last address",
                        options->array.base, options->array.bytes);
    if (options->array.mode == 0 && (options->array.header_bytes != 0 || options->array.id != 0))
        return mmb_fail(MMB_INVALID_ARG,
                        "array backend: header bytes and id are for shared heaps (mode not 0)");
    return MMB_OK;
}

static struct run *run_create(uintptr_t start, size_t n_bytes)
{
    struct run *run = mmb_meta_alloc(sizeof *run);
    if (!run)
        return NULL;
    mmb_list_init(&run->order);
    mmb_list_init(&run->free);
    run->start = start;
    run->n_bytes = n_bytes;
    return run;
}

static void run_destroy(struct run *run)
{
    if (!run)
        return;
    mmb_list_remove(&run->order);
    mmb_list_remove(&run->free);
    mmb_meta_free(run, sizeof *run);
}

/* Puts a run that is in `order` into its place in the list of free runs. */
static void run_set_free(struct array *array, struct run *run)
{
    run->is_free = true;
    MMB_LIST_FOR_EACH (node, &array->free) {
        if (MMB_CONTAINER_OF(node, struct run, free)->start < run->start)
            continue;
        mmb_list_push_back(node, &run->free);
        return;
    }
    mmb_list_push_back(&array->free, &run->free);
}

static void run_set_used(struct run *run)
{
    run->is_free = false;
    mmb_list_remove(&run->free);
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    const mmbBackendOptions *options = request->options;
    mmbError error = check_options(options);
    if (error != MMB_OK)
        return error;
    if (options->array.mode != 0)
        return mmb_array_shared_open(request, out);
    uintptr_t base = (uintptr_t)options->array.base, start;
    if (!mmb_round_up_size(base, GRANULARITY, &start) || start - base >= options->array.bytes)
        return mmb_fail(MMB_INVALID_ARG,
                        "array backend: base %p, %zu B: holds no address that is a multiple of %u",
                        options->array.base, options->array.bytes, GRANULARITY);
    struct array *array = mmb_meta_alloc(sizeof *array);
    struct run *whole = run_create(start, options->array.bytes - (start - base));
    if (!array || !whole)
        goto no_metadata;
    array->base = (struct mmb_backend){.ops = &mmb_array_backend,
                                       .bounded = whole->n_bytes,
                                       .min_alignment = GRANULARITY,
                                       .host_accessible = true};
    array->start = start;
    mmb_mutex_init(&array->mutex);
    mmb_list_init(&array->order);
    mmb_list_init(&array->free);
    mmb_list_push_back(&array->order, &whole->order);
    run_set_free(array, whole);
    *out = &array->base;
    return MMB_OK;

no_metadata:
    run_destroy(whole);
    mmb_meta_free(array, sizeof *array);
    return mmb_fail(MMB_OUT_OF_MEMORY, "array backend: no memory for its own data");
}

static void close_backend(struct mmb_backend *backend)
{
    if (!backend)
        return;
    struct array *array = (struct array *)backend;
    MMB_LIST_FOR_EACH_SAFE (node, next, &array->order)
        run_destroy(MMB_CONTAINER_OF(node, struct run, order));
    mmb_mutex_destroy(&array->mutex);
    mmb_meta_free(array, sizeof *array);
}

/* The first free run that can hold `want`, else the one that can hold most. run == NULL: none is
 * left; n_bytes is what the run can hold at that alignment. */
static struct place find_place(struct array *array, size_t want, size_t alignment)
{
    struct place best = {NULL, 0, 0};
    MMB_LIST_FOR_EACH (node, &array->free) {
        struct run *run = MMB_CONTAINER_OF(node, struct run, free);
        uintptr_t at;
        if (!mmb_round_up_size(run->start, alignment, &at) || at - run->start >= run->n_bytes)
            continue;
        struct place place = {run, at - run->start, run->n_bytes - (at - run->start)};
        if (place.n_bytes >= want)
            return place;
        if (place.n_bytes > best.n_bytes)
            best = place;
    }
    return best;
}

/* Cuts the place out of its free run and marks it used; what is left before and after stays free.
 * Takes what it needs of the two spare runs and sets those to NULL. */
static struct run *carve(const struct place *place, struct run *spare[2])
{
    struct run *run = place->run;
    size_t tail = run->n_bytes - place->head - place->n_bytes;
    if (place->head != 0) {
        struct run *rest = spare[0];
        spare[0] = NULL;
        rest->start = run->start + place->head;
        rest->n_bytes = run->n_bytes - place->head;
        run->n_bytes = place->head;
        mmb_list_push_front(&run->order, &rest->order);
        run = rest;
    }
    if (tail != 0) {
        struct run *rest = spare[1];
        spare[1] = NULL;
        rest->start = run->start + place->n_bytes;
        rest->n_bytes = tail;
        run->n_bytes = place->n_bytes;
        mmb_list_push_front(&run->order, &rest->order);
        /* Next to the run it was cut from, which knows its place in the list of free runs. */
        rest->is_free = true;
        mmb_list_push_front(&place->run->free, &rest->free);
    }
    if (run->is_free)
        run_set_used(run);
    return run;
}

/* Under the mutex: the run for the request, or NULL with the largest free run at that alignment in
 * *largest. The last run of an array may end off the granularity; it can be given to its last byte.
 */
static struct run *take(struct array *array, const struct request *request, struct run *spare[2],
                        size_t *largest)
{
    size_t want = array->base.bounded;
    if (request->want_bytes < want)
        want = mmb_round_up(request->want_bytes, GRANULARITY);
    struct place place = find_place(array, want, request->alignment);
    *largest = place.n_bytes;
    if (place.n_bytes < request->min_bytes)
        return NULL;
    if (place.n_bytes > want)
        place.n_bytes = want;
    return carve(&place, spare);
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct array *array = (struct array *)backend;
    const struct request request = {min_bytes, want_bytes,
                                    alignment > GRANULARITY ? alignment : GRANULARITY};
    /* Before the mutex is taken: the metadata may have to ask the system. */
    struct run *spare[2] = {run_create(0, 0), run_create(0, 0)};
    struct run *run = NULL;
    size_t largest = 0;
    if (spare[0] && spare[1]) {
        mmb_mutex_lock(&array->mutex);
        run = take(array, &request, spare, &largest);
        MMB_ASSERT(array_is_valid(array));
        mmb_mutex_unlock(&array->mutex);
    }
    bool no_metadata = !run && !(spare[0] && spare[1]);
    run_destroy(spare[0]);
    run_destroy(spare[1]);
    if (no_metadata)
        return mmb_fail(MMB_OUT_OF_MEMORY, "array backend: no memory for its own data");
    if (!run)
        return mmb_fail(MMB_OUT_OF_MEMORY,
                        "array backend: %zu B aligned to %zu do not fit: array of %zu B, largest "
                        "free run %zu B",
                        min_bytes, request.alignment, array->base.bounded, largest);
    mmb_host_memory_fill(out, (void *)run->start, run->n_bytes);
    out->cookie = (uint64_t)(uintptr_t)run;
    return MMB_OK;
}

/* Melts the free run with the one after it in `order`, if that is free as well. */
static void absorb_next(struct array *array, struct run *run)
{
    if (run->order.next == &array->order)
        return;
    struct run *next = MMB_CONTAINER_OF(run->order.next, struct run, order);
    if (!next->is_free)
        return;
    run->n_bytes += next->n_bytes;
    run_destroy(next);
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct array *array = (struct array *)backend;
    struct run *run = (struct run *)(uintptr_t)memory->cookie;
    MMB_ASSERT(run->start == memory->address && !run->is_free);
    mmb_mutex_lock(&array->mutex);
    struct run *before = run->order.prev == &array->order
                             ? NULL
                             : MMB_CONTAINER_OF(run->order.prev, struct run, order);
    if (before && before->is_free) {
        before->n_bytes += run->n_bytes;
        run_destroy(run);
        run = before;
    } else {
        run_set_free(array, run);
    }
    absorb_next(array, run);
    MMB_ASSERT(array_is_valid(array));
    mmb_mutex_unlock(&array->mutex);
    return MMB_OK;
}

static void fork_lock(struct mmb_backend *backend)
{
    mmb_mutex_lock(&((struct array *)backend)->mutex);
}

static void fork_unlock(struct mmb_backend *backend)
{
    mmb_mutex_unlock(&((struct array *)backend)->mutex);
}

/* The pages that lie wholly inside; the rest of the heap keeps what it had. */
static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("array", memory->address + offset, n_bytes, advice);
}

const struct mmb_backend_ops mmb_array_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "array",
    .id = MMB_BACKEND_ARRAY,
    .serves = mmb_host_serves,
    .available = mmb_host_available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .advise = advise,
    .fork_lock = fork_lock,
    .fork_unlock = fork_unlock,
};
