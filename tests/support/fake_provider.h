/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKE_PROVIDER_H
#define MMB_TESTS_SUPPORT_FAKE_PROVIDER_H
/* A region provider whose network is a table: it knows every range that is registered, refuses what
 * it is told to refuse, and notices what no provider may be asked to do. */
#include <stdatomic.h>
#include <stdbool.h>
#include <mmb.h>

#define FAKE_REGIONS     256u
#define FAKE_KEY_BYTES   8u
#define FAKE_REMOTE_BASE 0x100000000ull /* remote address of the first byte of region 1 */

struct fake_region {
    uint64_t key; /* 0: a free slot */
    void *base;
    size_t n_bytes;
    mmbRegionAttr attr;
};

struct fake_provider {
    /* Set before. */
    mmbRegionCaps caps;
    long refuse_from; /* the number, from 1, of the first registration that is refused; 0: none */
    long refuse_to;   /* and of the last */
    mmbError refusal;
    mmbError open_error, deregister_error;
    size_t key_bytes;
    const char *text; /* what error_text says; NULL: nothing */
    /* Read after. */
    struct fake_region regions[FAKE_REGIONS];
    _Atomic long calls; /* registrations tried */
    _Atomic size_t live, peak, deregistered, opened, closed;
    _Atomic size_t wrong; /* calls at a time, ranges that overlap, regions that are none */
    atomic_flag busy;
};

/* Everything works; no bounds. */
void fake_provider_init(struct fake_provider *fake);
extern const mmbRegionProviderOps fake_provider_ops;
/* The provider over it; a failure is a fatal assertion. */
mmbRegionProvider *fake_provider_make(struct fake_provider *fake);
/* The bytes that a key and a remote address reach, or NULL: denied. */
void *fake_provider_reach(struct fake_provider *fake, uint64_t key, uint64_t remote_address,
                          size_t n_bytes);

#endif
