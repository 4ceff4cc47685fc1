/* SPDX-License-Identifier: BSD-3-Clause */
/* Size classes: steps of 16 B to 256 B, eight per doubling to 64 KiB, four per doubling to 4 MiB.
 * The most that is lost inside a block is 15 B, 11 % and 20 % in the three parts. */
#ifndef MMB_INTERFACES_SIZE_CLASS_H
#define MMB_INTERFACES_SIZE_CLASS_H
#include <stddef.h>
#include <stdint.h>

#define MMB_CLASSES           104u
#define MMB_CLASS_NONE        255u   /* larger than any class */
#define MMB_CLASS_SMALL_BYTES 65536u /* larger blocks stand alone in a run of pages */
#define MMB_CLASS_MAX_BYTES   (4u << 20)
#define MMB_CLASS_FIRST_LARGE 80u

extern const uint32_t mmb_class_bytes[MMB_CLASSES];

/* The smallest class that holds n bytes, 1 <= n <= MMB_CLASS_MAX_BYTES. With x = n - 1 and b its
 * highest bit, the class of a middle size is the block of 2^b / 8 (or / 4) that x falls into. */
static inline uint32_t mmb_class_of(size_t n_bytes)
{
    size_t x = n_bytes - 1;
    if (x < 256)
        return (uint32_t)(x >> 4);
    uint32_t b = 63u - (uint32_t)__builtin_clzll(x);
    if (b < 16)
        return 16 + (b - 8) * 8 + (uint32_t)((x >> (b - 3)) & 7);
    return 80 + (b - 16) * 4 + (uint32_t)((x >> (b - 2)) & 3);
}

#endif
