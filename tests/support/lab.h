/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_LAB_H
#define MMB_TESTS_SUPPORT_LAB_H
/* What the tests of allocation stand on: an initialised library, interfaces of any strategy over
 * any memory of the host and over a device that the host cannot touch, and a way to every byte.
 * Failures to set up are fatal assertions of the running test. */
#include <stdbool.h>
#include <mmb.h>
#include "tests/support/fake_device.h"

enum lab_memory { LAB_MALLOC, LAB_MMAP, LAB_ARRAY, LAB_DEVICE, LAB_MEMORIES };
extern const char *const lab_memory_names[LAB_MEMORIES];
extern struct fake_device lab_device;
extern mmbBackend lab_device_backend, lab_faulty_backend;

/* set_up and tear_down of a suite. lab_close finalizes until nobody uses the library, and checks
 * that the device got everything back. */
void lab_open(void);
void lab_close(void);

/* DRAM for the CPU; MMB_NO_LIMIT: none. */
mmbMemSpace *lab_space(size_t limit);
/* An array has 32 MiB, and memory that faults behind it. */
mmbMemInterface *lab_interface(mmbMemSpace *space, mmbStrategy strategy, enum lab_memory memory,
                               uint64_t flags);
/* The same over an array of that many bytes. */
mmbMemInterface *lab_array_interface(mmbMemSpace *space, mmbStrategy strategy, size_t n_bytes);
/* A config for it; the array lives until lab_close. */
mmbMemInterfaceConfig lab_config(mmbStrategy strategy, enum lab_memory memory, size_t array_bytes);

/* Over host memory whose maps fail with `error` from the moment that n_good more have gone well. */
mmbMemInterface *lab_faulty_interface(mmbMemSpace *space, mmbStrategy strategy);
void lab_fail_maps_after(int n_good, mmbError error);
void lab_fail_no_map(void);
/* Calls of its map and unmap so far. */
size_t lab_maps(void);
size_t lab_unmaps(void);

mmbAllocation *lab_new(mmbMemInterface *interface, size_t n_bytes);
mmbAllocation *lab_new_aligned(mmbMemInterface *interface, size_t n_bytes, size_t alignment);
/* In the host's memory, by its standard interface; each byte has the value. */
mmbAllocation *lab_new_host(size_t n_bytes, int value);
void lab_free(mmbAllocation *allocation);
mmbAllocationInfo lab_info(const mmbAllocation *allocation);
mmbMemInterfaceStats lab_stats(const mmbMemInterface *interface);
size_t lab_used(const mmbMemSpace *space);
size_t lab_peak(const mmbMemSpace *space);

/* An object's bytes where the test can read and write them, behind the library's back. */
unsigned char *lab_bytes(const mmbAllocation *allocation);
/* The first n_bytes of an object; by mmb_copy_1d where the test itself does not reach them. */
void lab_write(const mmbAllocation *allocation, const void *bytes, size_t n_bytes);
void lab_read(const mmbAllocation *allocation, void *bytes, size_t n_bytes);
/* Those of the first n_bytes that are not 0. */
size_t lab_count_set(const mmbAllocation *allocation, size_t n_bytes);
/* A pattern that no two tags share. Of what is longer than 64 KiB only the edges and a byte of each
 * page are looked at. */
void lab_fill(const mmbAllocation *allocation, unsigned int tag);
/* The first n_bytes are as filled, by an object of at least that many. */
bool lab_is_filled(const mmbAllocation *allocation, size_t n_bytes, unsigned int tag);

/* The last failure's detail contains the text. */
bool lab_detail_has(const char *text);

/* A stream of pseudo-random numbers; state is any number but 0. */
uint64_t lab_random(uint64_t *state);

#endif
