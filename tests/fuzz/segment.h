/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_FUZZ_SEGMENT_H
#define MMB_TESTS_FUZZ_SEGMENT_H
/* A segment that somebody wrote anything into, as a file of a few hundred bytes:
 *
 *     struct fuzz_control | script | what the segment begins with | what it ends with
 *
 * What lies between is zero. The script is what is done with the segment, one byte per step. */
#include <stddef.h>
#include <stdint.h>

enum {
    FUZZ_IN_FILE = 1,  /* attached to by URL; else in an array */
    FUZZ_IS_LARGE = 2, /* granules of 16 KiB; else of 4 KiB */
    FUZZ_MEND_SUM = 4, /* the head's checksum is made right, so that the rest of it is looked at */
    FUZZ_MEND_PLACES = 8, /* and what follows from its length, header, skew and strategy */
};

struct fuzz_control {
    uint8_t flags;
    uint8_t n_steps;
    uint8_t tail_low, tail_high; /* bytes of the last part */
};

#define FUZZ_SMALL_BYTES ((size_t)32 << 10)
#define FUZZ_LARGE_BYTES ((size_t)520 << 10)

static inline size_t fuzz_bytes(unsigned int flags)
{
    return flags & FUZZ_IS_LARGE ? FUZZ_LARGE_BYTES : FUZZ_SMALL_BYTES;
}

/* Does what the input says; ends the process by abort() when a promise does not hold. Always 0. The
 * name and the signature are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);
/* How many of the inputs so far were segments that could be attached to. */
extern size_t fuzz_n_attached;

#endif
