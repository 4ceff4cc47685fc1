/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_REGIONS_TWO_H
#define MMB_TESTS_REGIONS_TWO_H
/* Two processes with a socket between them, for tests of one-sided transfers. Both die with the
 * test and after a time; what they return is 0, or the number of what failed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb.h>

#define TWO_SKIP  77 /* the network is not here */
#define TWO_BYTES ((size_t)1 << 20)
#define TWO_FORM  512u

typedef int (*two_body)(int socket, void *argument);

/* Runs both; 0 when both gave 0. The initiator's number wins; the target's is added to 100. */
int two_run(two_body initiator, two_body target, void *argument);
/* The same as the running test, which is skipped for `why` where one of them says TWO_SKIP. */
void two_check(two_body initiator, two_body target, void *argument, const char *why);
/* One child that says 0, or TWO_SKIP. */
void two_check_child(int (*body)(void *argument), const char *why);

bool two_send(int socket, const void *from, size_t n_bytes);
/* Exactly that many; false when the other side is gone. */
bool two_receive(int socket, void *to, size_t n_bytes);
/* Is there something to receive? Does not wait. */
bool two_is_waiting(int socket);

/* What the target exports of its block and of a slice of it. */
struct two_exports {
    uint8_t block[TWO_FORM], slice[TWO_FORM];
    uint64_t block_bytes, slice_bytes;
};
#define TWO_SLICE_OFFSET ((size_t)96 << 10)
#define TWO_SLICE_BYTES  ((size_t)20000)

/* An interface over a provider with a block of TWO_BYTES and a slice of it. */
struct two_memory {
    mmbMemInterface *interface;
    mmbAllocation *block, *slice;
    mmbRegionProvider *provider;
};
bool two_memory_make(struct two_memory *memory, mmbRegionProvider *provider);
bool two_memory_export(const struct two_memory *memory, struct two_exports *out);
/* Frees both, gives the chunk back and destroys interface and provider. */
bool two_memory_end(struct two_memory *memory);

/* Sixteen parts of 4 KiB, and one of 1,000 B within the slice; the rest keeps the target's bytes.
 */
#define TWO_PARTS      16u
#define TWO_PART_BYTES 4096u
size_t two_part_offset(size_t part);
void two_fill_target(uint8_t *bytes);
void two_fill_initiator(uint8_t *bytes);
/* How many of the target's bytes are not what they must be after all parts were put. */
size_t two_count_wrong(const uint8_t *bytes);
#define TWO_INNER_OFFSET 100u /* in the slice */
#define TWO_INNER_BYTES  1000u

#endif
