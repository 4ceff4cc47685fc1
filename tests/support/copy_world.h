/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_COPY_WORLD_H
#define MMB_TESTS_SUPPORT_COPY_WORLD_H
/* What the tests of copying stand on: an initialised library with one interface in host memory and
 * one on each of two devices that the host cannot touch. */
#include <mmb.h>
#include "tests/support/fake_device.h"

enum world_place { WORLD_HOST, WORLD_LEFT, WORLD_RIGHT, WORLD_PLACES };

struct copy_world {
    struct fake_device left, right;
    mmbMemInterface *interfaces[WORLD_PLACES];
    mmbBackend backends[WORLD_PLACES];
};
extern struct copy_world world;
extern const char *const world_names[WORLD_PLACES];

/* set_up and tear_down of a suite. */
void world_open(void);
void world_close(void);

/* A new object; its bytes are what the memory held. */
mmbAllocation *world_new(enum world_place place, size_t n_bytes);
/* Its bytes where the test can read and write them, behind the library's back. */
unsigned char *world_bytes(const mmbAllocation *object);
void world_free(mmbAllocation *object);

/* A pattern that no two seeds share, and that no shift maps to itself. */
void world_fill(unsigned char *bytes, size_t n_bytes, unsigned int seed);
bool world_is_filled(const unsigned char *bytes, size_t n_bytes, unsigned int seed);

#endif
