/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The opaque handles, and how public functions are declared.
 *
 * Everything a program holds of the library is a pointer to one of these types. Their contents
 * belong to the library, but for one word: an allocation starts with its host pointer or NULL. A
 * handle lives from the call that gives it to the call that destroys it, at most until the last
 * mmb_finalize(); examples/placement.c shows a life of each.
 */
#ifndef MMB_TYPES_H
#define MMB_TYPES_H

#ifdef __GNUC__
/** Marks what the shared library exports, also when it is built with -fvisibility=hidden. */
#define MMB_API __attribute__((visibility("default")))
/**
 * Marks a body that may be inlined and is never emitted: what is not inlined calls the library's
 * exported function. C99's own inline would not do: a program that declares such a function once
 * more without the word would define it. C++'s would give each program an own copy.
 */
#ifndef MMB_INLINE
#define MMB_INLINE extern __inline__ __attribute__((__gnu_inline__))
#endif
#else
#define MMB_API
#endif

/** A size-limited part of a layer for one execution context (space.h). */
typedef struct mmbMemSpace mmbMemSpace;
/** A way to hand out the memory of a space (interface.h). */
typedef struct mmbMemInterface mmbMemInterface;
/** A block of memory and where it came from (allocation.h). */
typedef struct mmbAllocation mmbAllocation;
/** Who registers memory for DMA (region.h). */
typedef struct mmbRegionProvider mmbRegionProvider;
/** A copy in flight (copy_async.h). */
typedef struct mmbEvent mmbEvent;

#endif
