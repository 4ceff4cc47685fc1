/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The external definitions of the functions that the public headers define inline. Callers that
 * were compiled without the inline bodies (at -O0, through a function pointer, from Fortran or
 * with a compiler that is not GNU-like) link to these. Owns nothing, takes no lock.
 *
 * MMB_INLINE is what marks those bodies; defined as MMB_API before the headers come in, it turns
 * them into ordinary exported functions in this one file, so that no body is written twice.
 */
#define MMB_INLINE MMB_API

#include <mmb/allocation_info.h>
#include <mmb/shared_pointer.h>
