/* SPDX-License-Identifier: BSD-3-Clause */
/* What does not fit in a record: 64 bytes beside it (spi/record.h). A record is made INDIRECT when
 * it is sliced, held, labelled, over-aligned, moved or 16 MiB and larger, and becomes plain again
 * when the last of these is gone, so that its free is fast again.
 *
 * Owns a reserved range of extensions, committed as it grows and kept for the life of the process,
 * and their free list (threaded through n_bytes). Locks: `extensions.lock`, a leaf; it also orders
 * the conversions and counts of one record, which several threads may slice or hold at once: a
 * record may become plain, and its extension another's, while somebody is about to read it.
 * Therefore all who do not own the object read a copy that was made under the lock. */
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/os.h"
#include "src/spi/record.h"

/* The low part of a word numbers 2^24 of them; 1 GiB of addresses. */
#define EXTENSIONS_MAX ((size_t)MMB_RECORD_LOW + 1)
#define EXTENSIONS_MIN ((size_t)1 << 16)
#define COMMIT_COUNT   ((size_t)4096) /* 256 KiB per mprotect */

struct mmb_extension *mmb_extensions;

static struct {
    struct mmb_lock lock;
    size_t n_reserved;
    size_t n_committed;
    size_t n_used;
    size_t free; /* index + 1; 0 = none */
} extensions = {.lock = MMB_LOCK_INIT};

mmbError mmb_extensions_open(void)
{
    if (mmb_extensions)
        return MMB_OK;
    for (size_t n = EXTENSIONS_MAX; n >= EXTENSIONS_MIN; n /= 2) {
        mmb_extensions = mmb_os_reserve(n * sizeof(struct mmb_extension));
        extensions.n_reserved = n;
        if (mmb_extensions)
            return MMB_OK;
    }
    return mmb_fail(MMB_OUT_OF_MEMORY, "init: cannot reserve addresses for %zu extensions",
                    EXTENSIONS_MIN);
}

size_t mmb_extensions_bytes(void)
{
    return __atomic_load_n(&extensions.n_committed, __ATOMIC_RELAXED) *
           sizeof(struct mmb_extension);
}

/* Index of an extension, or SIZE_MAX. Lock held. */
static size_t take(void)
{
    if (extensions.free) {
        size_t index = extensions.free - 1;
        extensions.free = mmb_extensions[index].n_bytes;
        return index;
    }
    if (extensions.n_used == extensions.n_committed) {
        if (extensions.n_committed + COMMIT_COUNT > extensions.n_reserved ||
            !mmb_os_commit(&mmb_extensions[extensions.n_committed],
                           COMMIT_COUNT * sizeof(struct mmb_extension)))
            return SIZE_MAX;
        __atomic_store_n(&extensions.n_committed, extensions.n_committed + COMMIT_COUNT,
                         __ATOMIC_RELAXED);
    }
    return extensions.n_used++;
}

static void give(struct mmb_extension *extension)
{
    extension->n_bytes = extensions.free;
    extensions.free = (size_t)(extension - mmb_extensions) + 1;
}

static void set_word(mmbAllocation *record, uint32_t state, size_t low)
{
    __atomic_store_n(&record->word, state << 24 | (uint32_t)low, __ATOMIC_RELEASE);
}

static mmbError no_extension(void)
{
    return mmb_fail(MMB_OUT_OF_MEMORY, "no metadata left for extended records (%zu in use)",
                    extensions.n_used);
}

/* Lock held. */
static mmbError attach(mmbAllocation *record, const struct mmb_extension *filled)
{
    size_t index = take();
    if (index == SIZE_MAX)
        return no_extension();
    mmb_extensions[index] = *filled;
    if (record->host && filled->head)
        record->host = (char *)record->host + filled->head;
    set_word(record, MMB_RECORD_INDIRECT, index);
    atomic_fetch_add_explicit(&mmb_record_owner_of(record)->n_extended, 1, memory_order_relaxed);
    return MMB_OK;
}

static mmbError attach_if_plain(mmbAllocation *record)
{
    uint32_t word = record->word;
    if (mmb_record_state(word) == MMB_RECORD_INDIRECT)
        return MMB_OK;
    struct mmb_extension filled = {.n_bytes = word & MMB_RECORD_LOW,
                                   .base_state = (uint8_t)mmb_record_state(word)};
    return attach(record, &filled);
}

/* 0 for what every block has. */
static uint8_t alignment_log2(size_t alignment)
{
    return alignment > 16 ? (uint8_t)__builtin_ctzll(alignment) : 0;
}

/* Lock held. */
static void detach(mmbAllocation *record, struct mmb_extension *extension)
{
    size_t low = extension->n_bytes <= MMB_RECORD_LOW ? extension->n_bytes : 0;
    if (record->host && extension->head)
        record->host = (char *)record->host - extension->head;
    set_word(record, extension->base_state, low);
    atomic_fetch_sub_explicit(&mmb_record_owner_of(record)->n_extended, 1, memory_order_relaxed);
    give(extension);
}

static bool is_needed(const struct mmb_extension *extension)
{
    return extension->flags || extension->label || extension->head || extension->alignment_log2 ||
           extension->n_bytes > MMB_RECORD_LOW || atomic_load(&extension->slices) ||
           atomic_load(&extension->holds) || atomic_load(&extension->copies);
}

bool mmb_record_view(const mmbAllocation *record, struct mmb_extension *out_view)
{
    if (mmb_record_state(mmb_record_word(record)) != MMB_RECORD_INDIRECT)
        return false;
    mmb_lock_acquire(&extensions.lock);
    const struct mmb_extension *extension = mmb_record_extension(record);
    if (extension)
        *out_view = *extension;
    mmb_lock_release(&extensions.lock);
    return extension != NULL;
}

mmbError mmb_record_extend(mmbAllocation *record, struct mmb_extension **out_extension)
{
    mmb_lock_acquire(&extensions.lock);
    mmbError error = attach_if_plain(record);
    mmb_lock_release(&extensions.lock);
    if (!error)
        *out_extension = mmb_record_extension(record);
    return error;
}

void mmb_record_drop_extension(mmbAllocation *record)
{
    mmb_lock_acquire(&extensions.lock);
    struct mmb_extension *extension = mmb_record_extension(record);
    if (extension)
        detach(record, extension);
    mmb_lock_release(&extensions.lock);
}

void mmb_record_move(mmbAllocation *handle, mmbAllocation *fresh, size_t n_bytes)
{
    mmb_lock_acquire(&extensions.lock);
    struct mmb_extension *extension = mmb_record_extension(handle),
                         *hidden = mmb_record_extension(fresh);
    hidden->flags |= MMB_EXTENSION_HIDDEN;
    hidden->parent = handle;
    extension->flags |= MMB_EXTENSION_MOVED;
    extension->block = fresh;
    extension->head = 0;
    extension->n_bytes = n_bytes;
    handle->host = fresh->host;
    mmb_lock_release(&extensions.lock);
}

static _Atomic uint32_t *counter(struct mmb_extension *extension, enum mmb_record_use use)
{
    switch (use) {
    case MMB_USE_SLICE:
        return &extension->slices;
    case MMB_USE_HOLD:
        return &extension->holds;
    case MMB_USE_COPY:
        break;
    }
    return &extension->copies;
}

mmbError mmb_record_use(mmbAllocation *record, enum mmb_record_use use)
{
    mmb_lock_acquire(&extensions.lock);
    mmbError error = attach_if_plain(record);
    if (!error)
        atomic_fetch_add(counter(mmb_record_extension(record), use), 1);
    mmb_lock_release(&extensions.lock);
    return error;
}

bool mmb_record_unuse(mmbAllocation *record, enum mmb_record_use use)
{
    mmb_lock_acquire(&extensions.lock);
    struct mmb_extension *extension = mmb_record_extension(record);
    bool used = extension && atomic_load(counter(extension, use)) > 0;
    if (used) {
        atomic_fetch_sub(counter(extension, use), 1);
        if (!is_needed(extension))
            detach(record, extension);
    }
    mmb_lock_release(&extensions.lock);
    return used;
}

mmbError mmb_record_check_idle(const mmbAllocation *record, const char *function)
{
    struct mmb_extension view;
    if (!mmb_record_view(record, &view))
        return MMB_OK;
    uint32_t slices = view.slices, holds = view.holds, copies = view.copies;
    if (!(slices | holds | copies))
        return MMB_OK;
    return mmb_fail(MMB_BUSY, "%s: the object has %u slices, %u holds, %u copies in flight",
                    function, slices, holds, copies);
}

/* Everything is written before the word tells of it. */
mmbError mmb_record_publish(mmbAllocation *record, uint32_t state, size_t n_bytes, size_t head,
                            size_t alignment)
{
    mmb_records_forget(record, 1);
    if (n_bytes <= MMB_RECORD_LOW && head == 0 && alignment <= 16) {
        set_word(record, state, n_bytes);
        return MMB_OK;
    }
    struct mmb_extension filled = {.n_bytes = n_bytes,
                                   .head = head,
                                   .base_state = (uint8_t)state,
                                   .alignment_log2 = alignment_log2(alignment)};
    mmb_lock_acquire(&extensions.lock);
    mmbError error = attach(record, &filled);
    mmb_lock_release(&extensions.lock);
    return error;
}

mmbError mmb_record_set_bytes(mmbAllocation *record, size_t n_bytes)
{
    mmb_lock_acquire(&extensions.lock);
    struct mmb_extension *extension = mmb_record_extension(record);
    mmbError error = MMB_OK;
    if (extension) {
        extension->n_bytes = n_bytes;
        if (!is_needed(extension))
            detach(record, extension);
    } else if (n_bytes <= MMB_RECORD_LOW) {
        set_word(record, mmb_record_state(record->word), n_bytes);
    } else {
        struct mmb_extension filled = {.n_bytes = n_bytes,
                                       .base_state = (uint8_t)mmb_record_state(record->word)};
        error = attach(record, &filled);
    }
    mmb_lock_release(&extensions.lock);
    return error;
}

void mmb_extensions_lock(void)
{
    mmb_lock_acquire(&extensions.lock);
}

void mmb_extensions_unlock(void)
{
    mmb_lock_release(&extensions.lock);
}
