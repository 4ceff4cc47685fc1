/* SPDX-License-Identifier: BSD-3-Clause */
/* The arithmetic of a segment's layout and the check of its head (layout.h). Pure: owns nothing,
 * takes no lock. Everything that lies in a head but the ids follows from four numbers, so a head is
 * checked by making it again. */
#include "src/shared/layout.h"
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"

/* Small segments have small granules, so that every class can have some. */
static uint32_t granule_log2_of(uint64_t n_bytes)
{
    if (n_bytes >= (uint64_t)4 << 20)
        return 16;
    return n_bytes >= (uint64_t)512 << 10 ? 14 : 12;
}

static uint32_t slots_of(uint64_t n_bytes)
{
    uint64_t n_slots = n_bytes / 4096;
    if (n_slots < 16)
        return 16;
    return n_slots < MMB_SHARED_SLOTS_MAX ? (uint32_t)n_slots : MMB_SHARED_SLOTS_MAX;
}

/* A and F of each 64 units side by side, then K, then the generations. */
static uint64_t control_bytes_of(uint32_t granule_log2)
{
    uint64_t units = ((uint64_t)1 << granule_log2) / MMB_SHARED_UNIT;
    return units / 64 * 24 + units / 4;
}

static uint64_t round_up(uint64_t n, uint64_t power_of_two)
{
    return (n + power_of_two - 1) & ~(power_of_two - 1);
}

/* Places everything behind the custom header for n granules; false: it does not fit. */
static bool place(struct mmb_shared_layout *out, uint64_t n_granules)
{
    uint64_t granule = (uint64_t)1 << out->granule_log2;
    out->n_granules = (uint32_t)n_granules;
    out->descriptors = round_up(out->header + out->header_bytes, 64);
    out->control = round_up(out->descriptors + n_granules * 8, 64);
    uint64_t end = out->control + n_granules * out->control_bytes;
    out->data = round_up(end + out->skew, granule) - out->skew;
    out->data_end = out->data + n_granules * granule;
    return out->data_end <= out->n_bytes;
}

static void place_stack(struct mmb_shared_layout *out)
{
    out->control_bytes = 0;
    place(out, 0);
    out->data = round_up(out->header + out->header_bytes, 64);
    out->data_end = out->n_bytes & ~(uint64_t)(MMB_SHARED_UNIT - 1);
}

static void place_granules(struct mmb_shared_layout *out)
{
    uint64_t each = ((uint64_t)1 << out->granule_log2) + 8 + out->control_bytes;
    uint64_t n_granules = (out->n_bytes - out->header - out->header_bytes) / each;
    if (n_granules > MMB_SHARED_GRANULES_MAX)
        n_granules = MMB_SHARED_GRANULES_MAX;
    while (n_granules > 0 && !place(out, n_granules))
        n_granules--;
    place(out, n_granules);
}

mmbError mmb_shared_layout_make(uint64_t n_bytes, uint64_t header_bytes, uint64_t skew,
                                mmbStrategy strategy, struct mmb_shared_layout *out)
{
    struct mmb_shared_layout layout = {.n_bytes = n_bytes,
                                       .header_bytes = header_bytes,
                                       .skew = skew,
                                       .strategy = (uint32_t)strategy,
                                       .granule_log2 = granule_log2_of(n_bytes),
                                       .n_slots = slots_of(n_bytes)};
    layout.control_bytes = control_bytes_of(layout.granule_log2);
    layout.header =
        round_up(MMB_SHARED_SLOTS_OFFSET + layout.n_slots * sizeof(struct mmb_shared_slot), 64);
    bool fits = n_bytes <= (uint64_t)1 << 44 && header_bytes < n_bytes &&
                skew < (uint64_t)1 << layout.granule_log2 &&
                layout.header + header_bytes + 64 < n_bytes;
    if (fits && strategy == MMB_STRATEGY_STACK)
        place_stack(&layout);
    else if (fits)
        place_granules(&layout);
    fits = fits && layout.data < layout.data_end;
    if (!fits)
        return mmb_fail(MMB_INVALID_SIZE,
                        "shared heap: %llu B with a custom header of %llu B hold no block",
                        (unsigned long long)n_bytes, (unsigned long long)header_bytes);
    *out = layout;
    return MMB_OK;
}

/* FNV-1a over the words before the checksum: against accidents; the fields are checked one by one.
 */
uint64_t mmb_shared_head_sum(const struct mmb_shared_head *head)
{
    uint64_t words[offsetof(struct mmb_shared_head, checksum) / 8];
    uint64_t sum = 1469598103934665603ull;
    memcpy(words, head, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        sum = (sum ^ words[i]) * 1099511628211ull;
    return sum;
}

static mmbError corrupt(const char *what)
{
    return mmb_fail(MMB_CORRUPT, "shared heap: %s", what);
}

mmbError mmb_shared_head_check(const struct mmb_shared_head *copy, uint64_t n_bytes)
{
    if (copy->magic != MMB_SHARED_MAGIC)
        return corrupt("this is no segment of the library's");
    if (copy->version != MMB_SHARED_VERSION)
        return corrupt("the segment has another version's layout");
    if (copy->checksum != mmb_shared_head_sum(copy))
        return corrupt("the head's checksum is wrong");
    const struct mmb_shared_layout *found = &copy->layout;
    if (found->n_bytes > n_bytes)
        return corrupt("the segment is shorter than its head says");
    bool known = found->strategy >= MMB_STRATEGY_STACK &&
                 found->strategy <= MMB_STRATEGY_THREAD_LOCAL && copy->generation != 0;
    struct mmb_shared_layout again;
    if (!known || mmb_shared_layout_make(found->n_bytes, found->header_bytes, found->skew,
                                         (mmbStrategy)found->strategy, &again) != MMB_OK)
        return corrupt("the head's numbers cannot be");
    if (memcmp(&again, found, sizeof again) != 0)
        return corrupt("the head's numbers contradict each other");
    return MMB_OK;
}
