/* SPDX-License-Identifier: BSD-3-Clause */
/* The user's functions behind the contract of spi/backend.h. Owns a copy of every registered table
 * and its name until mmb_user_backends_close; takes no lock: registration and open are ordered by
 * the caller, and what the other functions read never changes.
 *
 * The user's map knows no alignment and no range of sizes. More alignment than he promises is made
 * by asking for more and leaving the surplus unused, since he takes back only what he gave. */
#include "layers/user/user.h"
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/meta.h"
#include "src/base/struct_size.h"

/* What every backend promises at least (spi/backend.h). */
#define LEAST_ALIGNMENT 16u
#define KINDS_FIRST     8u
/* Bytes copied in at a time where the user has no `set`. */
#define FILL_BYTES 1024u

struct kind {
    struct mmb_backend_ops ops;
    mmbBackendOps calls;
    void *user;
};

struct instance {
    struct mmb_backend base;
    const struct kind *kind;
    int domain;
};

/* kinds[i] is backend MMB_BACKEND_USER + i. */
static struct {
    struct kind **kinds;
    size_t n_kinds;
    size_t capacity;
} users;

static struct instance *instance_of(struct mmb_backend *backend)
{
    return MMB_CONTAINER_OF(backend, struct instance, base);
}

/* ---- the user's functions ---- */

/* What the user's function returned, in our words: he may return nonsense, and leaves no detail. */
static mmbError relay(const struct kind *kind, const char *function, size_t n_bytes, mmbError error)
{
    if (error == MMB_OK)
        return MMB_OK;
    const char *name = mmb_error_name(error);
    if (!name)
        return mmb_fail(MMB_ERROR, "%s backend: %s of %zu B returned %d, which is no error code",
                        kind->ops.name, function, n_bytes, (int)error);
    return mmb_fail(error, "%s backend: %s of %zu B failed: %s", kind->ops.name, function, n_bytes,
                    name);
}

/* ---- instances ---- */

static bool serves_host(mmbMemLayer layer, mmbExecutionContext context)
{
    (void)layer;
    return context == MMB_CPU;
}

/* What the host cannot touch may belong to any programming model: the user knows which. */
static bool serves_all(mmbMemLayer layer, mmbExecutionContext context)
{
    (void)layer;
    return context != MMB_EXECUTION_CONTEXT_DEFAULT;
}

static mmbError is_available(void)
{
    return MMB_OK;
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    const struct kind *kind = users.kinds[request->id - MMB_BACKEND_USER];
    struct instance *instance = mmb_meta_alloc(sizeof *instance);
    if (!instance)
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: no memory for its own data",
                        kind->ops.name);
    instance->base.ops = &kind->ops;
    instance->base.bounded = SIZE_MAX;
    instance->base.min_alignment =
        kind->calls.min_alignment > LEAST_ALIGNMENT ? kind->calls.min_alignment : LEAST_ALIGNMENT;
    instance->base.host_accessible = kind->calls.host_accessible;
    instance->kind = kind;
    instance->domain = request->domain;
    *out = &instance->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    if (backend)
        mmb_meta_free(instance_of(backend), sizeof(struct instance));
}

/* ---- memory ---- */

/* A memory's cookie: the bytes before it in the user's range, and log2 of the alignment that the
 * range was made for; both together lead back to what the user gave. */
static uint64_t cookie_make(size_t head, size_t alignment)
{
    return (uint64_t)head << 6 | (unsigned int)__builtin_ctzll(alignment);
}

static size_t cookie_head(uint64_t cookie)
{
    return (size_t)(cookie >> 6);
}

static size_t cookie_alignment(uint64_t cookie)
{
    return (size_t)1 << (cookie & 63);
}

static mmbError take(const struct instance *instance, size_t n_bytes, uintptr_t *out_address)
{
    const struct kind *kind = instance->kind;
    void *address = NULL;
    mmbError error = relay(kind, "map", n_bytes,
                           kind->calls.map(kind->user, n_bytes, instance->domain, &address));
    if (error != MMB_OK)
        return error;
    if (!address)
        return mmb_fail(MMB_ERROR, "%s backend: map of %zu B gave no address", kind->ops.name,
                        n_bytes);
    if ((uintptr_t)address & (kind->calls.min_alignment - 1)) {
        kind->calls.unmap(kind->user, address, n_bytes);
        return mmb_fail(MMB_ERROR, "%s backend: map gave %p, which is not aligned to %zu",
                        kind->ops.name, address, kind->calls.min_alignment);
    }
    *out_address = (uintptr_t)address;
    return MMB_OK;
}

static mmbError map_sized(struct instance *instance, size_t n_bytes, size_t alignment,
                          struct mmb_memory *out)
{
    size_t total;
    if (!mmb_add_size(n_bytes, alignment - instance->kind->calls.min_alignment, &total))
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: %zu B aligned to %zu do not fit any memory",
                        instance->kind->ops.name, n_bytes, alignment);
    uintptr_t start = 0;
    mmbError error = take(instance, total, &start);
    if (error != MMB_OK)
        return error;
    uintptr_t address = mmb_round_up(start, alignment);
    *out = (struct mmb_memory){
        .host = instance->base.host_accessible ? (void *)address : NULL,
        .address = address,
        .n_bytes = n_bytes,
        .native = (void *)address,
        .cookie = cookie_make(address - start, alignment),
    };
    return MMB_OK;
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    struct instance *instance = instance_of(backend);
    if (alignment < backend->min_alignment)
        alignment = backend->min_alignment;
    mmbError error = map_sized(instance, want_bytes, alignment, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < want_bytes)
        error = map_sized(instance, min_bytes, alignment, out);
    return error;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    const struct kind *kind = instance_of(backend)->kind;
    size_t slack = cookie_alignment(memory->cookie) - kind->calls.min_alignment;
    size_t total = memory->n_bytes + slack;
    void *start = (void *)(memory->address - cookie_head(memory->cookie));
    return relay(kind, "unmap", total, kind->calls.unmap(kind->user, start, total));
}

/* ---- copying ---- */

static mmbError copy_in(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        const void *from_host, size_t n_bytes)
{
    const struct kind *kind = instance_of(backend)->kind;
    void *dst = (void *)(to->address + to_offset);
    return relay(kind, "copy_in", n_bytes,
                 kind->calls.copy_in(kind->user, dst, from_host, n_bytes));
}

static mmbError copy_out(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                         size_t from_offset, size_t n_bytes)
{
    const struct kind *kind = instance_of(backend)->kind;
    const void *src = (const void *)(from->address + from_offset);
    return relay(kind, "copy_out", n_bytes,
                 kind->calls.copy_out(kind->user, to_host, src, n_bytes));
}

static mmbError copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                     const struct mmb_memory *from, size_t from_offset, size_t n_bytes)
{
    const struct kind *kind = instance_of(backend)->kind;
    void *dst = (void *)(to->address + to_offset);
    const void *src = (const void *)(from->address + from_offset);
    return relay(kind, "copy", n_bytes, kind->calls.copy(kind->user, dst, src, n_bytes));
}

static mmbError set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                    int value, size_t n_bytes)
{
    const struct kind *kind = instance_of(backend)->kind;
    void *dst = (void *)(to->address + to_offset);
    return relay(kind, "set", n_bytes, kind->calls.set(kind->user, dst, value, n_bytes));
}

static mmbError set_by_copy_in(struct mmb_backend *backend, const struct mmb_memory *to,
                               size_t to_offset, int value, size_t n_bytes)
{
    unsigned char fill[FILL_BYTES];
    memset(fill, value, sizeof fill);
    mmbError error = MMB_OK;
    for (size_t done = 0; done < n_bytes && error == MMB_OK; done += sizeof fill) {
        size_t part = n_bytes - done < sizeof fill ? n_bytes - done : sizeof fill;
        error = copy_in(backend, to, to_offset + done, fill, part);
    }
    return error;
}

/* ---- registration ---- */

static mmbError check(const mmbBackendOps *ops)
{
    if (!ops->name || !*ops->name)
        return mmb_fail(MMB_INVALID_ARG, "backend_register: a backend needs a name");
    if (!ops->map || !ops->unmap)
        return mmb_fail(MMB_INVALID_ARG, "backend_register: %s lacks %s", ops->name,
                        ops->map ? "unmap" : "map");
    if (!ops->copy_in != !ops->copy_out)
        return mmb_fail(MMB_INVALID_ARG, "backend_register: %s lacks %s, the pair of %s", ops->name,
                        ops->copy_in ? "copy_out" : "copy_in",
                        ops->copy_in ? "copy_in" : "copy_out");
    if (!ops->host_accessible && !ops->copy_in)
        return mmb_fail(MMB_INVALID_ARG,
                        "backend_register: %s needs copy_in and copy_out, since the host cannot "
                        "touch its memory",
                        ops->name);
    if (ops->min_alignment && !mmb_is_power_of_two(ops->min_alignment))
        return mmb_fail(MMB_INVALID_ARG, "backend_register: %s: alignment %zu is no power of two",
                        ops->name, ops->min_alignment);
    return MMB_OK;
}

static void fill_ops(struct kind *kind, mmbBackend id)
{
    const mmbBackendOps *calls = &kind->calls;
    kind->ops = (struct mmb_backend_ops){
        .size = sizeof kind->ops,
        .places_by_domain = true,
        .name = calls->name,
        .id = id,
        .serves = calls->host_accessible ? serves_host : serves_all,
        .available = is_available,
        .open = open_backend,
        .close = close_backend,
        .map = map,
        .unmap = unmap,
    };
    if (calls->copy)
        kind->ops.copy = copy;
    if (!calls->copy_in)
        return; /* the CPU copies and sets */
    kind->ops.copy_in = copy_in;
    kind->ops.copy_out = copy_out;
    kind->ops.set = calls->set ? set : set_by_copy_in;
}

static bool make_room(void)
{
    if (users.n_kinds < users.capacity)
        return true;
    size_t capacity = users.capacity ? 2 * users.capacity : KINDS_FIRST;
    struct kind **more = mmb_meta_alloc(capacity * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < users.n_kinds; i++)
        more[i] = users.kinds[i];
    mmb_meta_free(users.kinds, users.capacity * sizeof *users.kinds);
    users.kinds = more;
    users.capacity = capacity;
    return true;
}

static void destroy(struct kind *kind)
{
    if (!kind)
        return;
    mmb_meta_strfree((char *)(uintptr_t)kind->calls.name);
    mmb_meta_free(kind, sizeof *kind);
}

static struct kind *create(const mmbBackendOps *calls, void *user)
{
    struct kind *kind = mmb_meta_alloc(sizeof *kind);
    if (!kind)
        return NULL;
    kind->calls = *calls;
    kind->calls.name = mmb_meta_strdup(calls->name);
    kind->user = user;
    if (!kind->calls.min_alignment)
        kind->calls.min_alignment = LEAST_ALIGNMENT;
    if (kind->calls.name && make_room())
        return kind;
    destroy(kind);
    return NULL;
}

mmbError mmb_user_backend_add(const mmbBackendOps *ops, void *user, mmbBackend *out_id)
{
    mmbBackendOps known = {.size = sizeof known};
    mmbError error = mmb_struct_in(&known, sizeof known, ops, sizeof known, "mmbBackendOps");
    if (error == MMB_OK)
        error = check(&known);
    if (error != MMB_OK)
        return error;
    for (size_t i = 0; i < users.n_kinds; i++)
        if (strcmp(users.kinds[i]->ops.name, known.name) == 0)
            return mmb_fail(MMB_EXISTS, "backend_register: %s exists already", known.name);
    struct kind *kind = create(&known, user);
    if (!kind)
        return mmb_fail(MMB_OUT_OF_MEMORY, "backend_register: no memory for %s", known.name);
    mmbBackend id = (mmbBackend)(MMB_BACKEND_USER + (int)users.n_kinds);
    fill_ops(kind, id);
    users.kinds[users.n_kinds++] = kind;
    *out_id = id;
    return MMB_OK;
}

const struct mmb_backend_ops *mmb_user_backend_at(size_t index)
{
    return index < users.n_kinds ? &users.kinds[index]->ops : NULL;
}

const struct mmb_backend_ops *mmb_user_backend_find(mmbBackend id)
{
    return (int)id < MMB_BACKEND_USER ? NULL : mmb_user_backend_at((size_t)id - MMB_BACKEND_USER);
}

void mmb_user_backends_close(void)
{
    for (size_t i = 0; i < users.n_kinds; i++)
        destroy(users.kinds[i]);
    mmb_meta_free(users.kinds, users.capacity * sizeof *users.kinds);
    users.kinds = NULL;
    users.n_kinds = 0;
    users.capacity = 0;
}
