/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_PLACES_H
#define MMB_TESTS_SUPPORT_PLACES_H
/* Every kind of memory that this build can give on this machine: host memory, and each device's
 * backend whose runtime is there, which may be a fake. Bytes are reached by copies only, so what is
 * shown holds for memory that the host cannot touch. */
#include <mmb.h>

struct place {
    const char *name;
    mmbMemLayer layer;
    mmbExecutionContext context;
    mmbBackend backend;
};

#define PLACES_MAX 16
extern struct place places[PLACES_MAX];
extern size_t n_places;

/* set_up and tear_down of a suite: the library, the fakes, and the list of places. tear_down checks
 * that a fake driver got back everything. */
void places_open(void);
void places_close(void);

/* Of a space of its own without limit. */
mmbMemInterface *place_interface(const struct place *place, mmbStrategy strategy, size_t limit);
mmbAllocation *place_new(mmbMemInterface *interface, size_t n_bytes);
void place_free(mmbAllocation *object);

/* Through a host object and mmb_copy_1d. */
void place_write(mmbAllocation *object, size_t offset, const void *bytes, size_t n_bytes);
void place_read(const mmbAllocation *object, size_t offset, void *bytes, size_t n_bytes);
/* A pattern that no two tags share. */
void place_fill(mmbAllocation *object, unsigned int tag);
bool place_is_filled(const mmbAllocation *object, size_t n_bytes, unsigned int tag);
unsigned char place_byte(size_t i, unsigned int tag);

#endif
