/* SPDX-License-Identifier: BSD-3-Clause */
/* The block sizes of the classes (size_class.h). */
#include "interfaces/size_class.h"

#define STEP(b, parts, i) ((1u << (b)) + (i) * ((1u << (b)) / (parts)))
#define EIGHT(b)                                                                                   \
    STEP(b, 8, 1), STEP(b, 8, 2), STEP(b, 8, 3), STEP(b, 8, 4), STEP(b, 8, 5), STEP(b, 8, 6),      \
        STEP(b, 8, 7), STEP(b, 8, 8)
#define FOUR(b) STEP(b, 4, 1), STEP(b, 4, 2), STEP(b, 4, 3), STEP(b, 4, 4)

const uint32_t mmb_class_bytes[MMB_CLASSES] = {
    16,       32,       48,        64,        80,        96,        112,       128,
    144,      160,      176,       192,       208,       224,       240,       256,
    EIGHT(8), EIGHT(9), EIGHT(10), EIGHT(11), EIGHT(12), EIGHT(13), EIGHT(14), EIGHT(15),
    FOUR(16), FOUR(17), FOUR(18),  FOUR(19),  FOUR(20),  FOUR(21)};
