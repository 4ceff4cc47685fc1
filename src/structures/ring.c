/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded queue without locks (shared_ring.h). Owns nothing, never waits.
 *
 * Elements lie in n cells. Which cell is first, second and so on stands in n words of order, used
 * round and round; `head` and `tail` count positions and only ever lag behind. The state of a cell
 * says who has it:
 *
 *     free ─► BUSY (producer) ─► OFFERED at a position ─► BUSY (consumer) ─► free
 *
 *     order[p mod n]: empty for p ─► cell i at p ─► empty for p + n
 *
 * Push: take a free cell, write the element, mark it OFFERED at position t = tail, put it into
 * order[t] if that is empty for t, else offer it at the next position. The exchange on order is
 * what pushes. Pop: read order[h] at h = head, take its cell from OFFERED at h to BUSY: the
 * exchange on the state is what pops. The rest, emptying order[h] and moving head and tail, is done
 * by whoever comes by. So a process that stops or dies anywhere holds up nobody: each turn of a
 * loop that fails does so because another's exchange succeeded.
 *
 * An exchange cannot mistake a later state for the one that it read: order words and offers name
 * their position, and positions come again only after 2^34 pushes.
 *
 * BUSY and OFFERED name the process. When no cell is free, those of dead processes are taken back:
 * a BUSY one always, since nobody else has it; an OFFERED one when order does not lead to it, since
 * its producer died before the push and no other puts it there. A consumer that dies BUSY has
 * popped its element. Memory: an element is written before the release of OFFERED, which the
 * acquire of the consumer's exchange reads; it is read before the release of the free state, which
 * the next producer's exchange reads. Everything else is sequentially consistent. */
#include <mmb/shared_ring.h>
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/structures/object.h"

#define CELLS_MAX ((uint64_t)1 << 22)

/* order: position << 24 | cell + 1, or position << 24 when empty for it. */
#define CELL_BITS 24
#define POSITIONS (((uint64_t)1 << 40) - 1)

/* state: kind << 62 | slot << 50 | upper half of the incarnation << 34 | position. */
#define BUSY             ((uint64_t)1 << 62)
#define OFFERED          ((uint64_t)2 << 62)
#define KIND             ((uint64_t)3 << 62)
#define SLOT_SHIFT       50
#define SLOT_MASK        0xfffu
#define INCARNATION      34
#define INCARNATION_MASK 0xffffu
#define OFFERED_AT       (((uint64_t)1 << 34) - 1)

struct ring_words {
    struct mmb_object_head head;
    uint64_t tail; /* on lines of their own */
    uint64_t pad_tail[7];
    uint64_t first;
    uint64_t pad_first[7];
};

struct ring {
    struct mmb_object object;
    struct ring_words *words;
    uint64_t *order, *states;
    unsigned char *elements;
    uint64_t n, element_bytes, stride;
    uint64_t self; /* in states */
};

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    size_t n_bytes;
    (void)segment;
    bool fits = sizes[0] != 0 && sizes[0] <= SIZE_MAX / 2 && sizes[1] <= CELLS_MAX &&
                mmb_is_power_of_two((size_t)sizes[1]) &&
                mmb_mul_size(mmb_round_up((size_t)sizes[0], 8) + 2 * sizeof(uint64_t),
                             (size_t)sizes[1], &n_bytes) &&
                mmb_add_size(n_bytes, sizeof(struct ring_words), &n_bytes);
    return fits ? n_bytes : 0;
}

static const struct mmb_object_type type = {MMB_OBJECT_RING, "ring", bytes};

static mmbError enter(const mmbSharedRing *ring, struct ring *out)
{
    mmbError error = mmb_object_enter(ring ? &ring->object : NULL, &type, &out->object);
    if (error != MMB_OK)
        return error;
    const struct mmb_shared_segment *segment = out->object.segment;
    uint64_t incarnation = mmb_robust_self(segment) >> 48;
    out->element_bytes = ring->object.sizes[0];
    out->n = ring->object.sizes[1];
    out->stride = mmb_round_up((size_t)out->element_bytes, 8);
    out->words = (struct ring_words *)out->object.head;
    out->order = (uint64_t *)(out->words + 1);
    out->states = out->order + out->n;
    out->elements = (unsigned char *)(out->states + out->n);
    out->self = (uint64_t)segment->slot << SLOT_SHIFT | incarnation << INCARNATION;
    return MMB_OK;
}

/* ---- life ---- */

static uint64_t empty_for(uint64_t position)
{
    return (position & POSITIONS) << CELL_BITS;
}

mmbError mmb_shared_ring_create(mmbMemInterface *interface, size_t element_bytes, size_t n_elements,
                                mmbSharedRing *out_ring)
{
    uint64_t sizes[2] = {element_bytes, n_elements == 0 ? 0 : 1};
    mmbSharedRing ring;
    struct ring fresh;
    while (sizes[1] != 0 && sizes[1] < n_elements && sizes[1] <= CELLS_MAX)
        sizes[1] *= 2;
    mmbError error = mmb_object_create(interface, &type, sizes, out_ring ? &ring.object : NULL);
    if (error == MMB_OK)
        error = enter(&ring, &fresh);
    if (error != MMB_OK)
        return error;
    for (uint64_t i = 0; i < fresh.n; i++)
        fresh.order[i] = empty_for(i);
    *out_ring = ring;
    return MMB_OK;
}

mmbError mmb_shared_ring_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                              mmbSharedRing *out_ring)
{
    return mmb_object_open(interface, &type, pointer, out_ring ? &out_ring->object : NULL);
}

mmbError mmb_shared_ring_destroy(const mmbSharedRing *ring)
{
    struct ring entered;
    if (!ring)
        return mmb_library_check("shared_ring_destroy");
    mmbError error = enter(ring, &entered);
    return error == MMB_OK ? mmb_object_destroy(&entered.object) : error;
}

/* ---- words ---- */

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static bool exchange(uint64_t *word, uint64_t expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static uint64_t *order_at(const struct ring *ring, uint64_t position)
{
    return &ring->order[position & (ring->n - 1)];
}

static uint64_t position_of(uint64_t order)
{
    return order >> CELL_BITS;
}

/* UINT64_MAX when it is empty. */
static uint64_t cell_of(uint64_t order)
{
    return (order & (((uint64_t)1 << CELL_BITS) - 1)) - 1;
}

static bool is_empty(uint64_t order)
{
    return cell_of(order) == UINT64_MAX;
}

static void move_on(uint64_t *counter, uint64_t position)
{
    exchange(counter, position, (position + 1) & POSITIONS);
}

/* Is the element that an order word leads to still to be popped? */
static bool is_queued(const struct ring *ring, uint64_t order, uint64_t *out_state)
{
    uint64_t cell = cell_of(order);
    if (cell >= ring->n)
        return false;
    *out_state = load(&ring->states[cell]);
    return (*out_state & KIND) == OFFERED &&
           (*out_state & OFFERED_AT) == (position_of(order) & OFFERED_AT);
}

/* What was popped at a position leaves it. */
static void clear(const struct ring *ring, uint64_t order)
{
    uint64_t position = position_of(order);
    exchange(order_at(ring, position), order, empty_for(position + ring->n));
    move_on(&ring->words->first, position);
}

static mmbError damaged(const struct ring *ring)
{
    return mmb_object_corrupt(&ring->object, "its order contradicts itself");
}

/* ---- cells ---- */

static bool is_gone(const struct ring *ring, uint64_t state)
{
    uint32_t incarnation = (uint32_t)(state >> INCARNATION & INCARNATION_MASK) << 16;
    return mmb_robust_is_gone(ring->object.segment, state >> SLOT_SHIFT & SLOT_MASK, incarnation,
                              INCARNATION_MASK << 16);
}

/* Takes back what dead processes had in use. */
static bool collect(const struct ring *ring)
{
    bool any = false;
    for (uint64_t cell = 0; cell < ring->n; cell++) {
        uint64_t state = load(&ring->states[cell]), at = state & OFFERED_AT;
        uint64_t order = load(order_at(ring, at));
        bool is_pushed = (state & KIND) == OFFERED && cell_of(order) == cell &&
                         (position_of(order) & OFFERED_AT) == at;
        if (state != 0 && !is_pushed && is_gone(ring, state))
            any = exchange(&ring->states[cell], state, 0) || any;
    }
    return any;
}

static bool take_free(const struct ring *ring, uint64_t *out_cell)
{
    uint64_t from = load(&ring->words->tail);
    for (uint64_t i = 0; i < ring->n; i++) {
        uint64_t cell = (from + i) & (ring->n - 1);
        if (load(&ring->states[cell]) == 0 && exchange(&ring->states[cell], 0, BUSY | ring->self)) {
            *out_cell = cell;
            return true;
        }
    }
    return false;
}

static void give_back(const struct ring *ring, uint64_t cell)
{
    store(&ring->states[cell], 0);
}

/* ---- pushing ---- */

static mmbError full(void)
{
    return mmb_fail(MMB_BUSY, "shared ring: it is full");
}

/* So that pushing into a full ring need not look at every cell. The first is read twice: what is
 * between the two was true then. */
static bool is_full(const struct ring *ring)
{
    uint64_t first = load(&ring->words->first), tail = load(&ring->words->tail), state;
    uint64_t order = load(order_at(ring, first));
    return ((tail - first) & POSITIONS) == ring->n && position_of(order) == first &&
           is_queued(ring, order, &state) && load(&ring->words->first) == first;
}

/* What stands at the tail, when it is not empty for it. MMB_OK: something moved, try again. */
static mmbError pass(const struct ring *ring, uint64_t tail, uint64_t order)
{
    uint64_t state, n = ring->n;
    if (position_of(order) == tail || position_of(order) == ((tail + n) & POSITIONS)) {
        move_on(&ring->words->tail, tail);
        return MMB_OK;
    }
    if (position_of(order) == ((tail - n) & POSITIONS) && !is_empty(order)) {
        if (is_queued(ring, order, &state))
            return MMB_BUSY;
        clear(ring, order);
        return MMB_OK;
    }
    bool is_stale = load(&ring->words->tail) != tail || load(order_at(ring, tail)) != order;
    return is_stale ? MMB_OK : MMB_CORRUPT;
}

/* The cell is this process's and holds the element. */
static mmbError offer(const struct ring *ring, uint64_t cell)
{
    mmbError error = MMB_OK;
    while (error == MMB_OK) {
        uint64_t tail = load(&ring->words->tail), order = load(order_at(ring, tail));
        if (order != empty_for(tail)) {
            error = pass(ring, tail, order);
            continue;
        }
        store(&ring->states[cell], OFFERED | ring->self | (tail & OFFERED_AT));
        if (exchange(order_at(ring, tail), order, order | (cell + 1))) {
            move_on(&ring->words->tail, tail);
            return MMB_OK;
        }
    }
    give_back(ring, cell);
    return error == MMB_BUSY ? full() : damaged(ring);
}

mmbError mmb_shared_ring_push(const mmbSharedRing *ring, const void *element)
{
    struct ring self;
    uint64_t cell;
    mmbError error = enter(ring, &self);
    if (error != MMB_OK)
        return error;
    if (!element)
        return mmb_object_null(&type);
    if (is_full(&self))
        return full();
    if (!take_free(&self, &cell) && !(collect(&self) && take_free(&self, &cell)))
        return full();
    memcpy(self.elements + cell * self.stride, element, (size_t)self.element_bytes);
    return offer(&self, cell);
}

/* ---- popping ---- */

/* MMB_OK with the cell; MMB_NOT_FOUND: there was a moment when the ring was empty. */
static mmbError take_first(const struct ring *ring, uint64_t *out_cell)
{
    for (;;) {
        uint64_t first = load(&ring->words->first), order = load(order_at(ring, first)), state;
        uint64_t at = position_of(order);
        bool is_stale = load(&ring->words->first) != first;
        if (is_stale)
            continue;
        if (at == first && is_empty(order))
            return MMB_NOT_FOUND;
        if (at == first && is_queued(ring, order, &state)) {
            *out_cell = cell_of(order);
            if (!exchange(&ring->states[*out_cell], state, BUSY | ring->self))
                continue;
            clear(ring, order);
            return MMB_OK;
        }
        if (at == first)
            clear(ring, order);
        else if (at == ((first + ring->n) & POSITIONS))
            move_on(&ring->words->first, first);
        else if (load(order_at(ring, first)) == order && load(&ring->words->first) == first)
            return MMB_CORRUPT;
    }
}

mmbError mmb_shared_ring_pop(const mmbSharedRing *ring, void *out_element)
{
    struct ring self;
    uint64_t cell;
    mmbError error = enter(ring, &self);
    if (error != MMB_OK)
        return error;
    if (!out_element)
        return mmb_object_null(&type);
    error = take_first(&self, &cell);
    if (error == MMB_NOT_FOUND)
        return mmb_fail(error, "shared ring: it is empty");
    if (error != MMB_OK)
        return damaged(&self);
    memcpy(out_element, self.elements + cell * self.stride, (size_t)self.element_bytes);
    give_back(&self, cell);
    return MMB_OK;
}

mmbError mmb_shared_ring_count(const mmbSharedRing *ring, size_t *out_count)
{
    struct ring self;
    mmbError error = enter(ring, &self);
    if (error != MMB_OK)
        return error;
    if (!out_count)
        return mmb_object_null(&type);
    uint64_t first = load(&self.words->first), tail = load(&self.words->tail);
    uint64_t count = (tail - first) & POSITIONS;
    *out_count = (size_t)(count <= self.n ? count : 0);
    return MMB_OK;
}
