/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every size up to 4 MiB has the smallest class that holds it, and no class
 * wastes more than it may: 15 B, a ninth and a fifth in the three parts. */
#include "interfaces/size_class.h"
#include "tests/support/suite.h"

static void test_class_table_ascends_in_steps_of_16(void)
{
    CU_ASSERT_EQUAL(mmb_class_bytes[0], 16);
    CU_ASSERT_EQUAL(mmb_class_bytes[MMB_CLASSES - 1], MMB_CLASS_MAX_BYTES);
    CU_ASSERT_EQUAL(mmb_class_bytes[MMB_CLASS_FIRST_LARGE - 1], MMB_CLASS_SMALL_BYTES);
    for (uint32_t c = 0; c < MMB_CLASSES; c++) {
        SUITE_CHECK(mmb_class_bytes[c] % 16 == 0, "class %u has %u B", c, mmb_class_bytes[c]);
        SUITE_CHECK(c == 0 || mmb_class_bytes[c] > mmb_class_bytes[c - 1], "class %u", c);
    }
}

static void test_class_of_every_size_is_the_smallest(void)
{
    size_t n_wrong = 0, first_wrong = 0;
    uint32_t expected = 0;
    for (size_t n = 1; n <= MMB_CLASS_MAX_BYTES; n++) {
        if (n > mmb_class_bytes[expected])
            expected++;
        if (mmb_class_of(n) != expected && n_wrong++ == 0)
            first_wrong = n;
    }
    SUITE_CHECK(n_wrong == 0, "%zu sizes have the wrong class, the first is %zu", n_wrong,
                first_wrong);
}

static void test_class_loses_little(void)
{
    for (uint32_t c = 1; c < MMB_CLASSES; c++) {
        size_t worst = mmb_class_bytes[c - 1] + 1, block = mmb_class_bytes[c];
        size_t lost = block - worst;
        bool is_fine = block <= 256                     ? lost <= 15
                       : block <= MMB_CLASS_SMALL_BYTES ? lost * 9 < block
                                                        : lost * 5 < block;
        SUITE_CHECK(is_fine, "class %u loses %zu of %zu B", c, lost, block);
    }
}

MMB_SUITE("interfaces/size_class", T(test_class_table_ascends_in_steps_of_16),
          T(test_class_of_every_size_is_the_smallest), T(test_class_loses_little))
