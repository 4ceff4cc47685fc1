/* SPDX-License-Identifier: BSD-3-Clause */
/* The allocation object. A record is 16 bytes in the library's own memory: it is the user's handle,
 * the provenance of the block and the allocator's free-list entry in one. Records of one span lie
 * side by side in a slab; the table of granules leads from a record's address to its owner, so
 * nothing is ever looked up through the pointer it holds. What does not fit (a large size, a slice,
 * a hold, a label, an over-aligned or moved block) goes into a 64-byte extension; the record is
 * then INDIRECT.
 *
 * word = state << 24 | low. low is: the requested bytes (PLAIN to SHARED), the extension's
 * index (INDIRECT), the owner's free-list link (FREE). A word of 0 was never handed out. */
#ifndef MMB_SPI_RECORD_H
#define MMB_SPI_RECORD_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/allocation.h>
#include <mmb/error.h>
#include "src/base/range.h"

struct mmb_allocator;
struct mmb_record_owner;

struct mmbAllocation {
    void *host;    /* first byte for the host, NULL where the host has none */
    uint32_t word; /* see above */
    uint32_t home; /* allocator slot * MMB_SLOT_BYTES + offset of its magazine in a thread area */
};
_Static_assert(sizeof(struct mmbAllocation) == 16, "one record is 16 bytes");
_Static_assert(offsetof(struct mmbAllocation, word) % 8 == 0, "word and home are one word");

enum {
    MMB_RECORD_PLAIN = 0,    /* live; may be freed into the thread's magazine */
    MMB_RECORD_LOCKED = 1,   /* live; freed by its allocator */
    MMB_RECORD_STACKED = 2,  /* the same, but live only while its stack is that high */
    MMB_RECORD_SHARED = 3,   /* the same, but live only while its shared block is */
    MMB_RECORD_INDIRECT = 4, /* live; everything else is in the extension */
    MMB_RECORD_FREE = 255
};
#define MMB_RECORD_LOW 0xffffffu /* the low part of a word; also the largest size held in it */
#define MMB_SLOT_LOG2  12u
#define MMB_SLOT_BYTES (1u << MMB_SLOT_LOG2) /* one allocator's part of a thread area */
/* Where the magazine of a class lies in that part. */
#define MMB_MAGAZINE_OFFSET(class_index) (128u + (class_index)*32u)
#define MMB_CLASS_OF_OFFSET(offset)      (((offset)-128u) / 32u)

static inline uint32_t mmb_record_state(uint32_t word)
{
    return word >> 24;
}

/* ---- validity: is this a handle of ours? ---- */

/* Where records lie. n_records are committed; read without a lock: a stale, smaller number can only
 * be seen by a thread that was never given a record above it. */
struct mmb_record_range {
    struct mmb_range range;
    size_t n_records;
    struct mmb_record_owner **owners; /* by granule of 64 records */
};
extern struct mmb_record_range mmb_records __attribute__((visibility("hidden")));

/* A pointer to a record of ours, which can be read; one that was never given has a word of 0. */
static inline bool mmb_record_is_ours(const void *handle)
{
    return mmb_range_has(&mmb_records.range, handle);
}

/* Records count from 0 on; those below n_records can be reached by their number. */
static inline size_t mmb_record_number(const mmbAllocation *record)
{
    return ((uintptr_t)record - mmb_records.range.base) / sizeof *record;
}

static inline mmbAllocation *mmb_record_by_number(size_t number)
{
    return (mmbAllocation *)mmb_records.range.base + number;
}

static inline uint32_t mmb_record_word(const mmbAllocation *record)
{
    return __atomic_load_n(&record->word, __ATOMIC_ACQUIRE);
}

/* Word and home, of 32 bits each, as one. */
static inline uint64_t mmb_record_halves(uint64_t word, uint64_t home)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return home << 32 | word;
#else
    return word << 32 | home;
#endif
}

static inline void mmb_record_set_halves(mmbAllocation *record, uint64_t halves)
{
    typedef uint64_t __attribute__((may_alias)) both;
    __atomic_store_n((both *)(void *)&record->word, halves, __ATOMIC_RELAXED);
}

/* Sets the state alone: one store of the word's top byte. */
static inline void mmb_record_mark_free(mmbAllocation *record)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    __atomic_store_n((uint8_t *)&record->word + 3, MMB_RECORD_FREE, __ATOMIC_RELAXED);
#else
    __atomic_store_n((uint8_t *)&record->word, MMB_RECORD_FREE, __ATOMIC_RELAXED);
#endif
}

/* Ours, handed out and not freed since. */
static inline bool mmb_record_is_live(const void *handle)
{
    if (!mmb_record_is_ours(handle))
        return false;
    uint32_t word = mmb_record_word((const mmbAllocation *)handle);
    return word != 0 && mmb_record_state(word) <= MMB_RECORD_INDIRECT;
}

/* ---- slabs: n records side by side with one owner ---- */

enum mmb_owner_kind {
    MMB_OWNER_SPAN,  /* blocks of one size; interfaces/span.h */
    MMB_OWNER_POOL,  /* free-standing records; src/core/record_pool.c */
    MMB_OWNER_STACK, /* interfaces/stack.c */
    MMB_OWNER_ORPHAN /* its allocator is gone; handles that moved away still live here */
};

/* First member of what owns a slab. n_extended of its records are INDIRECT. */
struct mmb_record_owner {
    enum mmb_owner_kind kind;
    uint32_t n_records;
    _Atomic uint32_t n_extended;
    mmbAllocation *records;
};

#define MMB_RECORDS_PER_GRANULE 64u   /* 1 KiB: slabs are whole granules */
#define MMB_SLAB_RECORDS_MAX    4096u /* 64 KiB of 16-byte blocks */

/* Reserves the ranges of records and extensions; once per process, kept for its life so that a
 * stale handle is refused, not dereferenced into a hole. */
mmbError mmb_records_open(void);
/* Gives owner->n_records zeroed or stale records (words 0 or FREE). False: no metadata. */
bool mmb_record_slab_alloc(struct mmb_record_owner *owner);
void mmb_record_slab_free(struct mmb_record_owner *owner);
/* Makes another owner the owner of a slab that is in use (the orphan, when an allocator is closed).
 */
void mmb_record_slab_adopt(mmbAllocation *records, struct mmb_record_owner *owner);
#ifdef MMB_DEBUG
/* The handles that stood for these records are dead from now on (src/core/ticket.h): new objects
 * use the records. In release builds a record is its own handle. */
void mmb_records_forget(const mmbAllocation *records, size_t n_records);
#else
static inline void mmb_records_forget(const mmbAllocation *records, size_t n_records)
{
    (void)records;
    (void)n_records;
}
#endif
struct mmb_record_owner *mmb_record_owner_of(const mmbAllocation *record);

/* ---- free-standing records: large blocks, chunks, slices, wrapped pointers ---- */

/* `home_object` is what the allocator wants to find again from the record. State FREE until set. */
mmbAllocation *mmb_record_new(void *home_object);
void mmb_record_delete(mmbAllocation *record);
/* All that are live: slices, wrapped pointers and moved handles when the library ends. */
void mmb_record_delete_all(void);
void *mmb_record_home_object(const mmbAllocation *record);
void mmb_record_set_home_object(mmbAllocation *record, void *home_object);

/* ---- extensions ---- */

enum {
    MMB_EXTENSION_SLICE = 1,     /* part of `parent`, at parent_offset */
    MMB_EXTENSION_WRAPPED = 2,   /* the user's memory, at `wrapped` */
    MMB_EXTENSION_MOVED = 4,     /* the bytes are in `block`'s block, not in its own */
    MMB_EXTENSION_IMPORTED = 16, /* with WRAPPED: another process's, opened by its backend */
    MMB_EXTENSION_HIDDEN = 8     /* not a handle: the block behind the moved handle `parent` */
};

struct mmb_extension {
    size_t n_bytes;
    mmbAllocation *block; /* MOVED: the hidden record that now has the bytes */
    mmbAllocation *parent;
    union {
        size_t parent_offset; /* SLICE */
        void *wrapped;        /* WRAPPED */
    };
    const char *label;
    size_t head; /* bytes skipped at the block's start for alignment */
    _Atomic uint32_t slices, holds, copies;
    uint16_t flags;
    uint8_t base_state;     /* PLAIN to SHARED: what the record is without the extension */
    uint8_t alignment_log2; /* that was asked for, if more than 16; 0 for views */
};
_Static_assert(sizeof(struct mmb_extension) == 64, "one extension is 64 bytes");

/* Extensions lie in a range of their own; an index below what was given is always readable. */
extern struct mmb_extension *mmb_extensions;
mmbError mmb_extensions_open(void);
/* Bytes of those that were ever needed. */
size_t mmb_extensions_bytes(void);

/* The extension of a record whose word is INDIRECT, else NULL. For the caller who orders all calls
 * for the object: where others may slice, hold or copy it, its extension comes and goes. */
static inline struct mmb_extension *mmb_record_extension(const mmbAllocation *record)
{
    uint32_t word = mmb_record_word(record);
    if (mmb_record_state(word) != MMB_RECORD_INDIRECT)
        return NULL;
    return &mmb_extensions[word & MMB_RECORD_LOW];
}

/* The extension as it is at one moment; false: there is none. Safe against all but the free. */
bool mmb_record_view(const mmbAllocation *record, struct mmb_extension *out_view);

/* Makes a live record INDIRECT (or finds that it is). Calls for one record from several threads are
 * safe against each other, not against its free. MMB_OUT_OF_MEMORY: nothing changed. */
mmbError mmb_record_extend(mmbAllocation *record, struct mmb_extension **out_extension);
/* Drops the extension whatever it says; the record becomes `base_state` with the size that fits in
 * its word, 0 otherwise, and points to its block's start. For free. */
void mmb_record_drop_extension(mmbAllocation *record);
/* The bytes of `handle` are in the block of `fresh` from now on: both are INDIRECT, the one MOVED,
 * the other HIDDEN. */
void mmb_record_move(mmbAllocation *handle, mmbAllocation *fresh, size_t n_bytes);

enum mmb_record_use { MMB_USE_SLICE, MMB_USE_HOLD, MMB_USE_COPY };
/* Counts one more, or one less, use of a live record; the last use that goes lets the record be
 * plain again when nothing else needs the extension. */
mmbError mmb_record_use(mmbAllocation *record, enum mmb_record_use use);
/* False when there was no such use. */
bool mmb_record_unuse(mmbAllocation *record, enum mmb_record_use use);
/* MMB_OK, or MMB_BUSY with a detail that counts what keeps the record in use. */
mmbError mmb_record_check_idle(const mmbAllocation *record, const char *function);

/* Bytes to skip at an address for an alignment. */
static inline size_t mmb_align_head(uintptr_t address, size_t alignment)
{
    return (size_t)(-address & (alignment - 1));
}
/* Hands a record out: live, of n_bytes, `head` bytes behind its block's start. More than fits the
 * word (a head, an alignment beyond 16, 16 MiB) makes it INDIRECT. MMB_OUT_OF_MEMORY: unchanged. */
mmbError mmb_record_publish(mmbAllocation *record, uint32_t state, size_t n_bytes, size_t head,
                            size_t alignment);
/* Requested bytes of a live record. Others may slice or hold it, so that it becomes plain after its
 * word was read, and INDIRECT again after that. */
static inline size_t mmb_record_bytes(const mmbAllocation *record)
{
    struct mmb_extension view;
    for (;;) {
        uint32_t word = mmb_record_word(record);
        if (mmb_record_state(word) != MMB_RECORD_INDIRECT)
            return word & MMB_RECORD_LOW;
        if (mmb_record_view(record, &view))
            return view.n_bytes;
    }
}
/* Bytes skipped at the block's start. */
static inline size_t mmb_record_head(const mmbAllocation *record)
{
    struct mmb_extension view;
    return mmb_record_view(record, &view) ? view.head : 0;
}
/* A new size for a live record. MMB_OUT_OF_MEMORY as publish. */
mmbError mmb_record_set_bytes(mmbAllocation *record, size_t n_bytes);

/* Around fork, in this order: pool, slabs; extensions are a leaf like the slabs. */
void mmb_record_pool_lock(void);
void mmb_record_pool_unlock(void);
void mmb_record_slabs_lock(void);
void mmb_record_slabs_unlock(void);
void mmb_extensions_lock(void);
void mmb_extensions_unlock(void);

/* ---- the allocator table ---- */

/* NULL for a slot that is not in use. Lock-free. */
struct mmb_allocator *mmb_allocator_at(uint32_t slot);
static inline struct mmb_allocator *mmb_record_allocator(const mmbAllocation *record)
{
    return mmb_allocator_at(record->home / MMB_SLOT_BYTES);
}

#endif
