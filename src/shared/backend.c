/* SPDX-License-Identifier: BSD-3-Clause */
/* The common part of backends whose memory carries its heap (backend.h). Owns the instances. Takes
 * no lock of its own: opening and closing are ordered by the registry, and the one range that there
 * is is given to the one allocator. */
#include "src/shared/backend.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "src/base/error.h"
#include "src/base/meta.h"

/* All processes map at such addresses, so that what is aligned in one is aligned in all. */
#define MAP_ALIGNMENT ((size_t)2 << 20)

mmbError mmb_shared_plan_check(const struct mmb_shared_plan *plan)
{
    if (plan->mode < MMB_SHM_CREATE || plan->mode > MMB_SHM_CREATE_OR_ATTACH)
        return mmb_fail(MMB_INVALID_ARG, "%s: %d is no mode of a shared heap", plan->what,
                        (int)plan->mode);
    if (plan->strategy == MMB_STRATEGY_PASSTHROUGH)
        return mmb_fail(MMB_UNSUPPORTED, "%s: passthrough needs no shared heap and serves none",
                        plan->what);
    if (plan->permissions > 0777)
        return mmb_fail(MMB_INVALID_ARG, "%s: permissions 0%o", plan->what, plan->permissions);
    if (plan->n_bytes == 0 && plan->mode == MMB_SHM_CREATE)
        return mmb_fail(MMB_INVALID_ARG, "%s: a segment of 0 bytes", plan->what);
    return MMB_OK;
}

mmbError mmb_shared_plan_check_id(const struct mmb_shared_plan *plan, uint32_t id)
{
    if (!plan->id_is_taken(id))
        return MMB_OK;
    return mmb_fail(MMB_EXISTS,
                    "%s: its id is %u; a heap of that id is attached already in this process",
                    plan->what, id);
}

mmbError mmb_shared_plan_matches(const struct mmb_shared_plan *plan,
                                 const struct mmb_shared_head *head)
{
    if (plan->strategy != MMB_STRATEGY_DEFAULT && (uint32_t)plan->strategy != head->layout.strategy)
        return mmb_fail(MMB_INVALID_ARG, "%s: it was created with strategy %u, not %d", plan->what,
                        head->layout.strategy, (int)plan->strategy);
    if (plan->id != 0 && plan->id != head->id)
        return mmb_fail(MMB_INVALID_ARG, "%s: its id is %u, not %u", plan->what, head->id,
                        plan->id);
    return mmb_shared_plan_check_id(plan, head->id);
}

uint32_t mmb_shared_id_of(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash ? hash : 1;
}

mmbStrategy mmb_shared_plan_strategy(const struct mmb_shared_plan *plan)
{
    return plan->strategy == MMB_STRATEGY_DEFAULT ? MMB_STRATEGY_THREAD_LOCAL : plan->strategy;
}

mmbError mmb_shared_backend_make(const struct mmb_backend_ops *ops, void *base,
                                 const struct mmb_shared_head *head, struct mmb_shared_place place,
                                 struct mmb_shared_backend **out)
{
    struct mmb_shared_backend *self = mmb_meta_alloc(sizeof *self);
    if (!self) {
        if (place.fd >= 0)
            close(place.fd);
        return mmb_fail(MMB_OUT_OF_MEMORY, "shared heap: no memory for the library's own data");
    }
    mmbError error = mmb_shared_join(&self->segment, base, head, place.fd, place.fd_offset);
    if (error != MMB_OK) {
        mmb_meta_free(self, sizeof *self);
        return error;
    }
    self->base.ops = ops;
    self->base.bounded = head->layout.data_end - head->layout.data;
    self->base.min_alignment = MMB_SHARED_UNIT;
    self->base.host_accessible = true;
    self->base.shared = &self->segment;
    *out = self;
    return MMB_OK;
}

mmbError mmb_shared_backend_map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                                size_t alignment, struct mmb_memory *out)
{
    struct mmb_shared_backend *self = (struct mmb_shared_backend *)backend;
    (void)min_bytes;
    (void)want_bytes;
    (void)alignment;
    *out = (struct mmb_memory){.host = self->segment.base,
                               .address = (uintptr_t)self->segment.base,
                               .n_bytes = self->segment.layout.n_bytes,
                               .native = self->segment.base};
    return MMB_OK;
}

mmbError mmb_shared_backend_unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    (void)memory;
    return MMB_OK;
}

void mmb_shared_backend_close(struct mmb_backend *backend)
{
    struct mmb_shared_backend *self = (struct mmb_shared_backend *)backend;
    if (!self)
        return;
    mmb_shared_leave(&self->segment);
    if (self->mapping)
        munmap(self->mapping, self->mapping_bytes);
    mmb_meta_free(self, sizeof *self);
}

void *mmb_shared_map(int fd, size_t n_bytes, bool writable)
{
    size_t reserved = n_bytes + MAP_ALIGNMENT;
    char *start =
        mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t head = -(uintptr_t)start & (MAP_ALIGNMENT - 1);
    int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    char *base = mmap(start + head, n_bytes, access, MAP_SHARED | MAP_FIXED, fd, 0);
    if (base == MAP_FAILED) {
        munmap(start, reserved);
        return NULL;
    }
    size_t used = (n_bytes + 4095) & ~(size_t)4095;
    if (head)
        munmap(start, head);
    munmap(base + used, reserved - head - used);
    return base;
}
