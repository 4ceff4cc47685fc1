/* SPDX-License-Identifier: BSD-3-Clause */
/* Half of the fuzzer's changes: a word of the heap's own becomes another one that it could be, a
 * descriptor with some class, owner and length, say. Changes of bytes seldom get there. The other
 * half are libFuzzer's. Owns nothing. */
#include <string.h>
#include <unistd.h>
#include "src/shared/segment.h"
#include "src/shared/stack.h"
#include "tests/fuzz/segment.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n_bytes, size_t n_most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n_bytes, size_t n_most, unsigned int seed);

/* An input in its parts. */
struct parts {
    uint8_t *script, *front, *tail;
    size_t n_steps, n_front, n_tail;
    struct mmb_shared_layout layout;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool take_apart(uint8_t *bytes, size_t n_bytes, struct parts *out)
{
    struct fuzz_control control;
    struct mmb_shared_head head;
    if (n_bytes < sizeof control)
        return false;
    memcpy(&control, bytes, sizeof control);
    out->n_steps = control.n_steps;
    out->n_tail = control.tail_low | (size_t)control.tail_high << 8;
    if (n_bytes < sizeof control + out->n_steps + out->n_tail + sizeof head)
        return false;
    out->script = bytes + sizeof control;
    out->front = out->script + out->n_steps;
    out->n_front = n_bytes - sizeof control - out->n_steps - out->n_tail;
    out->tail = out->front + out->n_front;
    memcpy(&head, out->front, sizeof head);
    out->layout = head.layout;
    return head.magic == MMB_SHARED_MAGIC && head.layout.granule_log2 < 32;
}

static void put(const struct parts *parts, uint64_t at, uint64_t word, size_t n_bytes)
{
    if (at <= parts->n_front && parts->n_front - at >= n_bytes)
        memcpy(parts->front + at, &word, n_bytes);
}

/* ---- words as they could be ---- */

static uint64_t some_owner(uint64_t *state)
{
    static const uint64_t special[] = {0, MMB_SHARED_OWNER_DEAD, MMB_SHARED_OWNER_DETACHED};
    uint64_t draw = next(state) % 8;
    return draw < 3 ? special[draw] : draw - 2;
}

static void change_dynamic(const struct parts *parts, uint64_t *state)
{
    uint64_t at = MMB_SHARED_DYNAMIC_OFFSET, n_granules = parts->layout.n_granules;
    switch (next(state) % 3) {
    case 0:
        put(parts, at + offsetof(struct mmb_shared_dynamic, lock),
            next(state) % 5 << 12 | next(state) % 20, 4);
        break;
    case 1:
        put(parts, at + offsetof(struct mmb_shared_dynamic, hint), next(state) % (n_granules + 2),
            4);
        break;
    default:
        put(parts, at + offsetof(struct mmb_shared_dynamic, n_entries), next(state) % 64, 8);
    }
}

static void change_slot(const struct parts *parts, uint64_t *state)
{
    const uint64_t owners[] = {0, 1ull << 32 | 1, (uint64_t)getpid() << 32 | 1,
                               0x7ffffffeull << 32 | 1, 2};
    uint64_t at = MMB_SHARED_SLOTS_OFFSET + next(state) % 16 * sizeof(struct mmb_shared_slot);
    put(parts, at + offsetof(struct mmb_shared_slot, owner), owners[next(state) % 5], 8);
}

static void change_descriptor(const struct parts *parts, uint64_t *state)
{
    uint64_t n = parts->layout.n_granules ? parts->layout.n_granules : 1;
    struct mmb_descriptor d = {
        .state = next(state) % 8 ? 1 + next(state) % 2 : 0,
        .class_index = next(state) % 4 ? (uint32_t)(next(state) % MMB_SHARED_CLASSES_MAX)
                                       : MMB_SHARED_CLASS_LARGE,
        .owner = (uint32_t)some_owner(state),
        .adopter = next(state) % 4 ? 0 : (uint32_t)some_owner(state),
        .n_granules = (uint32_t)(next(state) % (n + 2)),
    };
    put(parts, parts->layout.descriptors + next(state) % n * 8, mmb_descriptor_pack(d), 8);
}

static void change_bits(const struct parts *parts, uint64_t *state)
{
    uint64_t n = parts->layout.n_granules ? parts->layout.n_granules : 1;
    uint64_t words[] = {0, ~0ull, next(state), 1ull << next(state) % 64, 1};
    uint64_t at = parts->layout.control + next(state) % n * parts->layout.control_bytes;
    put(parts, at + next(state) % 16 * 8, words[next(state) % 5], 8);
}

static void change_entry(const struct parts *parts, uint64_t *state)
{
    size_t n = parts->n_tail / sizeof(struct mmb_shared_entry);
    if (n == 0)
        return;
    uint64_t flags = next(state) % 4 ? 0 : (next(state) % 4) << 62;
    struct mmb_shared_entry entry = {
        .start = parts->layout.data + next(state) % 300 * MMB_SHARED_UNIT,
        .info = next(state) % 300 | next(state) % 3 << MMB_ENTRY_GENERATION_SHIFT |
                some_owner(state) << MMB_ENTRY_OWNER_SHIFT | flags,
    };
    memcpy(parts->tail + next(state) % n * sizeof entry, &entry, sizeof entry);
}

static void change_script(const struct parts *parts, uint64_t *state)
{
    if (parts->n_steps)
        parts->script[next(state) % parts->n_steps] = (uint8_t)next(state);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n_bytes, size_t n_most, unsigned int seed)
{
    static void (*const changes[])(const struct parts *, uint64_t *) = {
        change_dynamic, change_slot,  change_descriptor, change_descriptor,
        change_bits,    change_entry, change_script};
    uint64_t state = seed * 2654435761ull + 1;
    struct parts parts;
    if (next(&state) % 2 || !take_apart(bytes, n_bytes, &parts))
        return LLVMFuzzerMutate(bytes, n_bytes, n_most);
    for (uint64_t n = 1 + next(&state) % 4; n > 0; n--)
        changes[next(&state) % (sizeof changes / sizeof changes[0])](&parts, &state);
    return n_bytes;
}
