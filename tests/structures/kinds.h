/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_STRUCTURES_KINDS_H
#define MMB_TESTS_STRUCTURES_KINDS_H
/* All kinds of shared objects, behind functions of one form. */
#include <mmb.h>
#include "tests/support/objects.h"

#define N_KINDS 6

union view {
    mmbSharedObject object; /* first in all of them */
    mmbSharedRing ring;
    mmbSharedVector vector;
    mmbSharedList list;
    mmbSharedMap map;
    mmbSharedMutex mutex;
    mmbSharedRwlock rwlock;
};

struct kind {
    const char *name;
    mmbError (*create)(mmbMemInterface *, union view *);
    mmbError (*open)(mmbMemInterface *, mmbSharedPtr, union view *);
    /* Everything there is to do with one, whatever comes of it; the first answer that is neither of
     * the ordinary ones. NULL for a view: passed on. */
    mmbError (*use)(const union view *);
    mmbError (*destroy)(const union view *);
};
/* Ring, vector, list, map, mutex, rwlock. */
extern const struct kind kinds[N_KINDS];

#endif
