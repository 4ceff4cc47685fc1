/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_REGIONS_EXHAUST_H
#define MMB_TESTS_REGIONS_EXHAUST_H
#include <stdbool.h>

/* From now on malloc gives this process nothing. False: it cannot be done here (a sanitizer). For a
 * child that ends soon. */
bool exhaust_malloc(void);

#endif
