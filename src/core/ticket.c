/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles that are never handed out twice, in debug builds (ticket.h).
 *
 * Owns pieces of reserved addresses, which only grow and are kept for the life of the process, and
 * a table from records to their tickets. A page of tickets whose objects are all gone is given back
 * to the system; it then reads as zero, and a ticket of 0 is dead. So the memory follows the live
 * objects, while the addresses are never used again. What stays are page tables, 8 bytes for a page
 * of 255 tickets.
 *
 * No lock, and no order beyond what a ticket's first reader needs: it is used inside every
 * allocation, and must not order threads that the library itself leaves unordered, or
 * ThreadSanitizer would see less in debug builds. */
#include "src/core/ticket.h"
#include "src/spi/record.h"

#ifdef MMB_DEBUG
#include <stdatomic.h>
#include "src/base/debug.h"
#include "src/base/os.h"

/* 64 GiB have 4 * 10^9 tickets, and 16 TiB, an eighth of the addresses of a process, 10^12. Where
 * so much may not be reserved at once (ulimit -v), small pieces are taken as they are needed.
 * ThreadSanitizer knows only 1.5 TiB of addresses. */
#define PIECE_FIRST ((size_t)64 << 30)
#define PIECE_LAST  ((size_t)64 << 20)
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PIECES_MAX 8
#endif
#endif
#if !defined(PIECES_MAX) && defined(__SANITIZE_THREAD__)
#define PIECES_MAX 8
#endif
#ifndef PIECES_MAX
#define PIECES_MAX 256
#endif
/* One mprotect per 65,536 tickets. */
#define COMMIT_BYTES ((size_t)1 << 20)

/* The first of a page has no record and counts those of the page that are dead. The host pointer
 * comes first, as in a record: mmb_allocation_ptr() reads it. */
struct ticket {
    union {
        void *host;
        size_t n_dead;
    };
    mmbAllocation *record; /* NULL: dead */
};
_Static_assert(sizeof(struct ticket) == sizeof(struct mmbAllocation), "a ticket looks like one");

/* Lies in its own first page. */
struct piece {
    size_t n_bytes;
    _Atomic size_t n_committed; /* bytes */
    _Atomic size_t n_issued;    /* tickets; beyond what there is room for when it is full */
};

static _Atomic(struct piece *) pieces[PIECES_MAX];

/* ---- from records to their tickets ---- */

typedef _Atomic(struct ticket *) link_to_ticket;

#define LEAF_RECORDS ((size_t)1 << 16)
#define LEAVES       ((size_t)1 << 16) /* 4 * 10^9 records, as many as there may be */

static _Atomic(link_to_ticket *) leaves[LEAVES];

static link_to_ticket *make_leaf(_Atomic(link_to_ticket *) *place)
{
    link_to_ticket *leaf = mmb_os_map(LEAF_RECORDS * sizeof *leaf), *other = NULL;
    if (!leaf || atomic_compare_exchange_strong(place, &other, leaf))
        return leaf;
    mmb_os_unmap(leaf, LEAF_RECORDS * sizeof *leaf);
    return other;
}

static link_to_ticket *link_of(const mmbAllocation *record, bool make)
{
    size_t index = mmb_record_number(record);
    MMB_ASSERT(index / LEAF_RECORDS < LEAVES);
    _Atomic(link_to_ticket *) *place = &leaves[index / LEAF_RECORDS];
    link_to_ticket *leaf = atomic_load_explicit(place, memory_order_acquire);
    if (!leaf && make)
        leaf = make_leaf(place);
    return leaf ? &leaf[index % LEAF_RECORDS] : NULL;
}

/* ---- tickets ---- */

static size_t tickets_per_page(void)
{
    return mmb_os_page_bytes() / sizeof(struct ticket) - 1;
}

static struct piece *reserve(size_t n_bytes)
{
    struct piece *piece = mmb_os_reserve(n_bytes);
    if (!piece)
        return NULL;
    if (!mmb_os_commit(piece, COMMIT_BYTES)) {
        mmb_os_unmap(piece, n_bytes);
        return NULL;
    }
    piece->n_bytes = n_bytes;
    piece->n_committed = COMMIT_BYTES;
    return piece;
}

static struct piece *make_piece(_Atomic(struct piece *) *place)
{
    struct piece *piece = reserve(PIECE_FIRST), *other = NULL;
    if (!piece)
        piece = reserve(PIECE_LAST);
    if (!piece || atomic_compare_exchange_strong(place, &other, piece))
        return piece;
    mmb_os_unmap(piece, piece->n_bytes);
    return other;
}

/* Whoever comes at the same time commits the same. */
static bool commit(struct piece *piece, size_t end)
{
    size_t n_committed = atomic_load_explicit(&piece->n_committed, memory_order_relaxed);
    while (n_committed < end) {
        if (!mmb_os_commit((char *)piece + n_committed, COMMIT_BYTES))
            return false;
        if (atomic_compare_exchange_strong_explicit(&piece->n_committed, &n_committed,
                                                    n_committed + COMMIT_BYTES,
                                                    memory_order_relaxed, memory_order_relaxed))
            n_committed += COMMIT_BYTES;
    }
    return true;
}

/* Where the next ticket of a piece starts, in bytes; beyond its end when it is full. */
static size_t take_offset(struct piece *piece)
{
    size_t index = atomic_load_explicit(&piece->n_issued, memory_order_relaxed);
    size_t per_page = tickets_per_page(), page = mmb_os_page_bytes();
    if (index / per_page + 1 < piece->n_bytes / page)
        index = atomic_fetch_add_explicit(&piece->n_issued, 1, memory_order_relaxed);
    return (index / per_page + 1) * page + (index % per_page + 1) * sizeof(struct ticket);
}

/* NULL: no addresses or no memory. */
static struct ticket *take(void)
{
    for (size_t i = 0; i < PIECES_MAX; i++) {
        struct piece *piece = atomic_load_explicit(&pieces[i], memory_order_acquire);
        if (!piece)
            piece = make_piece(&pieces[i]);
        if (!piece)
            return NULL;
        size_t offset = take_offset(piece);
        if (offset < piece->n_bytes)
            return commit(piece, offset + sizeof(struct ticket))
                       ? (struct ticket *)(void *)((char *)piece + offset)
                       : NULL;
    }
    return NULL;
}

static struct ticket *ticket_at(const void *handle)
{
    for (size_t i = 0; i < PIECES_MAX; i++) {
        struct piece *piece = atomic_load_explicit(&pieces[i], memory_order_acquire);
        if (!piece)
            return NULL;
        size_t distance = (uintptr_t)handle - (uintptr_t)piece;
        if (distance < atomic_load_explicit(&piece->n_committed, memory_order_relaxed))
            return distance < mmb_os_page_bytes() || distance % sizeof(struct ticket)
                       ? NULL
                       : (struct ticket *)handle;
    }
    return NULL;
}

/* It may die in several ways; the first counts. Looked at before it is written, for its page may be
 * with the system again. */
static void retire(struct ticket *ticket)
{
    mmbAllocation *record = __atomic_load_n(&ticket->record, __ATOMIC_RELAXED);
    if (!record || !__atomic_compare_exchange_n(&ticket->record, &record, NULL, false,
                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    size_t page = mmb_os_page_bytes();
    struct ticket *first = (struct ticket *)((uintptr_t)ticket & ~(page - 1));
    if (__atomic_add_fetch(&first->n_dead, 1, __ATOMIC_RELAXED) == tickets_per_page())
        mmb_os_discard(first, page);
}

/* ---- for the public functions ---- */

mmbAllocation *mmb_ticket_record(const mmbAllocation *handle)
{
    struct ticket *ticket = ticket_at(handle);
    mmbAllocation *record = ticket ? __atomic_load_n(&ticket->record, __ATOMIC_RELAXED) : NULL;
    return record ? record : (mmbAllocation *)handle;
}

mmbAllocation *mmb_ticket_of(mmbAllocation *record)
{
    link_to_ticket *link = link_of(record, true);
    if (!link)
        return record;
    struct ticket *ticket = atomic_load_explicit(link, memory_order_acquire), *other = NULL;
    if (ticket)
        return (mmbAllocation *)ticket;
    ticket = take();
    if (!ticket)
        return record;
    ticket->host = record->host;
    __atomic_store_n(&ticket->record, record, __ATOMIC_RELAXED);
    if (atomic_compare_exchange_strong_explicit(link, &other, ticket, memory_order_release,
                                                memory_order_acquire))
        return (mmbAllocation *)ticket;
    retire(ticket);
    return (mmbAllocation *)other;
}

void mmb_ticket_issue(mmbAllocation **record)
{
    mmb_records_forget(*record, 1);
    *record = mmb_ticket_of(*record);
}

void mmb_ticket_follow(const mmbAllocation *record)
{
    link_to_ticket *link = link_of(record, false);
    struct ticket *ticket = link ? atomic_load_explicit(link, memory_order_relaxed) : NULL;
    if (ticket)
        ticket->host = record->host;
}

mmbError mmb_ticket_freed(const mmbAllocation *handle, mmbError error)
{
    struct ticket *ticket = error ? NULL : ticket_at(handle);
    if (ticket)
        retire(ticket);
    return error;
}

bool mmb_ticket_is_ours(const void *handle)
{
    return ticket_at(handle) != NULL;
}

void mmb_records_forget(const mmbAllocation *records, size_t n_records)
{
    for (size_t i = 0; i < n_records; i++) {
        link_to_ticket *link = link_of(&records[i], false);
        struct ticket *ticket = link ? atomic_load_explicit(link, memory_order_relaxed) : NULL;
        if (!ticket)
            continue;
        atomic_store_explicit(link, NULL, memory_order_relaxed);
        retire(ticket);
    }
}

#endif
