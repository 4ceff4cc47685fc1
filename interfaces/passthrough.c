/* SPDX-License-Identifier: BSD-3-Clause */
/* The passthrough strategy: one chunk per allocation, for few large blocks and for backends that
 * pool by themselves.
 *
 * Owns the list of chunks and the counts, under `lock`, which is never held while the source works.
 */
#include "interfaces/passthrough.h"
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/meta.h"

struct passthrough {
    struct mmb_allocator base;
    struct mmb_lock lock;
    struct mmb_list chunks; /* chunk->owned is the record */
    struct mmb_allocator_stats stats;
};

static struct passthrough *passthrough_of(struct mmb_allocator *allocator)
{
    return (struct passthrough *)allocator;
}

static mmbError passthrough_open(const struct mmb_allocator_request *request,
                                 struct mmb_allocator **out)
{
    struct passthrough *self = mmb_meta_alloc(sizeof *self);
    if (!self)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for an allocator");
    self->base = request->base;
    mmb_lock_init(&self->lock);
    mmb_list_init(&self->chunks);
    *out = &self->base;
    return MMB_OK;
}

static void passthrough_close(struct mmb_allocator *allocator)
{
    struct passthrough *self = passthrough_of(allocator);
    MMB_LIST_FOR_EACH_SAFE (node, next, &self->chunks) {
        struct mmb_chunk *chunk = MMB_CONTAINER_OF(node, struct mmb_chunk, link);
        mmbAllocation *record = chunk->owned;
        mmb_list_remove(node);
        mmb_record_drop_extension(record);
        mmb_record_delete(record);
        mmb_source_return(chunk);
    }
    mmb_meta_free(self, sizeof *self);
}

/* A block that replaces another is no higher peak until the other one's part is gone. */
static void count_in(struct passthrough *self, struct mmb_chunk *chunk,
                     const struct mmb_request *request)
{
    mmb_lock_acquire(&self->lock);
    mmb_list_push_back(&self->chunks, &chunk->link);
    self->stats.total_allocations++;
    self->stats.live_count++;
    self->stats.live_bytes += request->n_bytes;
    if (self->stats.live_bytes - request->prepaid > self->stats.peak_bytes)
        self->stats.peak_bytes = self->stats.live_bytes - request->prepaid;
    mmb_lock_release(&self->lock);
}

static void count_out(struct passthrough *self, struct mmb_chunk *chunk, size_t n_bytes)
{
    mmb_lock_acquire(&self->lock);
    mmb_list_remove(&chunk->link);
    self->stats.total_frees++;
    self->stats.live_count--;
    self->stats.live_bytes -= n_bytes;
    mmb_lock_release(&self->lock);
}

/* A live record for the chunk's bytes. */
static mmbError make_record(struct passthrough *self, struct mmb_chunk *chunk,
                            const struct mmb_request *request, mmbAllocation **out_record)
{
    mmbAllocation *record = mmb_record_new(chunk);
    if (!record)
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: no metadata for a record",
                        request->n_bytes);
    record->host = chunk->memory.host;
    record->home = self->base.slot * MMB_SLOT_BYTES;
    mmbError error =
        mmb_record_publish(record, MMB_RECORD_LOCKED, request->n_bytes, 0, request->asked);
    if (error) {
        mmb_record_delete(record);
        return error;
    }
    chunk->owned = record;
    *out_record = record;
    return MMB_OK;
}

static mmbError passthrough_allocate(struct mmb_allocator *allocator,
                                     const struct mmb_request *request, mmbAllocation **out_record)
{
    struct passthrough *self = passthrough_of(allocator);
    size_t n_bytes = request->n_bytes, charge = n_bytes - request->prepaid;
    mmbError error = mmb_quota_charge(allocator->quota, charge);
    if (error)
        return error;
    struct mmb_chunk *chunk;
    error = mmb_source_obtain(allocator->source, n_bytes, n_bytes, request->alignment, &chunk);
    if (error)
        goto uncharge;
    chunk->allocator = allocator;
    error = make_record(self, chunk, request, out_record);
    if (error)
        goto give_back;
    count_in(self, chunk, request);
    return MMB_OK;
give_back:
    mmb_source_return(chunk);
uncharge:
    mmb_quota_uncharge(allocator->quota, charge);
    return error;
}

/* Each block is a chunk of its own. */
static bool passthrough_is_fresh(const struct mmb_allocator *allocator, const mmbAllocation *record)
{
    (void)allocator;
    (void)record;
    return true;
}

/* The block's part of free and vacate. */
static void release(struct passthrough *self, mmbAllocation *record, size_t n_bytes,
                    size_t keep_charged)
{
    struct mmb_chunk *chunk = mmb_record_home_object(record);
    count_out(self, chunk, n_bytes);
    mmb_source_return(chunk);
    mmb_quota_uncharge(self->base.quota, n_bytes - keep_charged);
}

static mmbError passthrough_free(struct mmb_allocator *allocator, mmbAllocation *record,
                                 size_t n_bytes, size_t keep_charged)
{
    release(passthrough_of(allocator), record, n_bytes, keep_charged);
    mmb_record_drop_extension(record);
    mmb_record_delete(record);
    return MMB_OK;
}

static mmbError passthrough_resize(struct mmb_allocator *allocator, mmbAllocation *record,
                                   size_t old_bytes, size_t new_bytes)
{
    struct passthrough *self = passthrough_of(allocator);
    struct mmb_chunk *chunk = mmb_record_home_object(record);
    if (new_bytes > chunk->memory.n_bytes)
        return MMB_UNSUPPORTED;
    if (new_bytes > old_bytes) {
        mmbError error = mmb_quota_charge(allocator->quota, new_bytes - old_bytes);
        if (error)
            return error;
    }
    mmbError error = mmb_record_set_bytes(record, new_bytes);
    if (error) {
        mmb_quota_uncharge(allocator->quota, new_bytes - old_bytes);
        return error;
    }
    mmb_lock_acquire(&self->lock);
    self->stats.live_bytes += new_bytes - old_bytes; /* modulo 2^64, so it may shrink */
    if (self->stats.live_bytes > self->stats.peak_bytes)
        self->stats.peak_bytes = self->stats.live_bytes;
    mmb_lock_release(&self->lock);
    if (new_bytes < old_bytes)
        mmb_quota_uncharge(allocator->quota, old_bytes - new_bytes);
    return MMB_OK;
}

static void passthrough_vacate(struct mmb_allocator *allocator, mmbAllocation *record,
                               size_t n_bytes, size_t keep_charged)
{
    release(passthrough_of(allocator), record, n_bytes, keep_charged);
    mmb_record_set_home_object(record, NULL);
}

static void passthrough_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    (void)allocator;
    (void)record;
}

static bool passthrough_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                               struct mmb_block *out_block)
{
    (void)allocator;
    struct mmb_chunk *chunk = mmb_record_home_object(record);
    out_block->chunk = chunk;
    out_block->offset = 0;
    out_block->usable = chunk->memory.n_bytes;
    return true;
}

static mmbAllocation *passthrough_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                                       uintptr_t address)
{
    (void)allocator;
    (void)address;
    return chunk->owned;
}

static void passthrough_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit,
                                 void *user)
{
    struct passthrough *self = passthrough_of(allocator);
    mmb_lock_acquire(&self->lock);
    MMB_LIST_FOR_EACH (node, &self->chunks) {
        struct mmb_chunk *chunk = MMB_CONTAINER_OF(node, struct mmb_chunk, link);
        const struct mmb_block block = {chunk, 0, chunk->memory.n_bytes};
        if (!visit(user, chunk->owned, &block))
            break;
    }
    mmb_lock_release(&self->lock);
}

static void passthrough_get_stats(struct mmb_allocator *allocator,
                                  struct mmb_allocator_stats *out_stats)
{
    struct passthrough *self = passthrough_of(allocator);
    mmb_lock_acquire(&self->lock);
    *out_stats = self->stats;
    mmb_lock_release(&self->lock);
}

/* Nothing idles here. */
static void passthrough_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    (void)allocator;
    (void)keep_bytes;
}

static void passthrough_fork_lock(struct mmb_allocator *allocator)
{
    mmb_lock_acquire(&passthrough_of(allocator)->lock);
}

static void passthrough_fork_unlock(struct mmb_allocator *allocator)
{
    mmb_lock_release(&passthrough_of(allocator)->lock);
}

const struct mmb_allocator_ops mmb_passthrough_allocator = {
    .size = sizeof mmb_passthrough_allocator,
    .name = "passthrough",
    .strategy = MMB_STRATEGY_PASSTHROUGH,
    .open = passthrough_open,
    .close = passthrough_close,
    .allocate = passthrough_allocate,
    .free = passthrough_free,
    .resize = passthrough_resize,
    .vacate = passthrough_vacate,
    .reclaim = passthrough_reclaim,
    .locate = passthrough_locate,
    .find = passthrough_find,
    .for_each = passthrough_for_each,
    .get_stats = passthrough_get_stats,
    .trim = passthrough_trim,
    .fork_lock = passthrough_fork_lock,
    .fork_unlock = passthrough_fork_unlock,
    .is_fresh = passthrough_is_fresh,
};
