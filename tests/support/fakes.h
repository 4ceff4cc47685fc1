/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKES_H
#define MMB_TESTS_SUPPORT_FAKES_H
/* Puts the fake GPU runtimes where the library looks for the real ones. */
#include "tests/support/fake_cuda.h"

/* Before the first call that wants a GPU. What the environment names already stays, so that the
 * same test runs on a real one. */
void fakes_use(void);

/* The fake driver's own functions; NULL: the driver is another one. */
const struct fake_cuda_control *fakes_cuda(void);
/* A function of the driver, NULL where it has none. */
void *fakes_cuda_function(const char *name);

#endif
