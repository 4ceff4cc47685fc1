/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Pointers that mean the same in every process.
 *
 * An offset counts from the start of a shared heap; a shared pointer also names the heap. Both are
 * plain values that may lie in the shared memory itself, and zero-filled memory is full of nulls,
 * because no block lies at offset 0. shared.h turns them into addresses and back. Read
 * examples/strategies.c first, for interfaces over private memory.
 *
 * The functions here are inline and exported. They check nothing: a pointer argument must point to
 * an aligned object. All are sequentially consistent. Of an atomic shared pointer only the offset
 * is atomic as such: two threads that exchange pointers into different heaps may mix them up.
 */
#ifndef MMB_SHARED_POINTER_H
#define MMB_SHARED_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes from the start of a shared heap. */
typedef struct mmbOffset {
    uint64_t value;
} mmbOffset;

/** A heap and an offset in it. */
typedef struct mmbSharedPtr {
    uint64_t allocator; /**< the heap's id in the low half, its generation in the high half */
    uint64_t offset;    /**< bytes from the heap's start; 0: null */
} mmbSharedPtr;

/** An offset that several processes change. Access it by the functions below only. */
typedef struct mmbAtomicOffset {
    uint64_t value;
} mmbAtomicOffset;

/** A shared pointer that several processes change. */
typedef struct mmbAtomicSharedPtr {
    uint64_t allocator;
    mmbAtomicOffset offset;
} mmbAtomicSharedPtr;

/* clang-format off */
/* The nulls. C++ has no compound literals. */
#ifdef __cplusplus
#define MMB_OFFSET_NULL     (mmbOffset{0})
#define MMB_SHARED_PTR_NULL (mmbSharedPtr{0, 0})
#else
#define MMB_OFFSET_NULL     ((mmbOffset){0})
#define MMB_SHARED_PTR_NULL ((mmbSharedPtr){0, 0})
#endif
/* clang-format on */

/**
 * Whether an offset points nowhere.
 * @param offset  any value
 * @return true for 0
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API bool mmb_offset_is_null(mmbOffset offset);

/**
 * Whether a shared pointer points nowhere.
 * @param pointer  any value
 * @return true when its offset is 0, whatever heap it names
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API bool mmb_shared_ptr_is_null(mmbSharedPtr pointer);

/**
 * Reads an offset.
 * @param atomic  required
 * @return its value
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbOffset mmb_atomic_offset_load(const mmbAtomicOffset *atomic);

/**
 * Writes an offset.
 * @param atomic  required
 * @param value  the new value
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void mmb_atomic_offset_store(mmbAtomicOffset *atomic, mmbOffset value);

/**
 * Writes an offset and reads what was there.
 * @param atomic  required
 * @param value  the new value
 * @return the value before
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbOffset mmb_atomic_offset_exchange(mmbAtomicOffset *atomic, mmbOffset value);

/**
 * Writes an offset if it is what the caller expects.
 * @param atomic  required
 * @param[in,out] expected  the value it must have; after a failure the value it has; required
 * @param desired  the new value
 * @return true when it was written; never fails without a reason
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API bool mmb_atomic_offset_compare_exchange(mmbAtomicOffset *atomic, mmbOffset *expected,
                                                mmbOffset desired);

/**
 * Moves an offset up.
 * @param atomic  required
 * @param n_bytes  added modulo 2^64
 * @return the value before
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbOffset mmb_atomic_offset_fetch_add(mmbAtomicOffset *atomic, uint64_t n_bytes);

/**
 * Reads a shared pointer.
 * @param atomic  required
 * @return its value
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbSharedPtr mmb_atomic_shared_ptr_load(const mmbAtomicSharedPtr *atomic);

/**
 * Writes a shared pointer: the heap first, so that who reads the new offset sees its heap.
 * @param atomic  required
 * @param value  the new value
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void mmb_atomic_shared_ptr_store(mmbAtomicSharedPtr *atomic, mmbSharedPtr value);

/**
 * Writes a shared pointer and reads what was there.
 * @param atomic  required
 * @param value  the new value
 * @return the value before
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbSharedPtr mmb_atomic_shared_ptr_exchange(mmbAtomicSharedPtr *atomic, mmbSharedPtr value);

#ifdef MMB_INLINE
MMB_INLINE bool mmb_offset_is_null(mmbOffset offset)
{
    return offset.value == 0;
}

MMB_INLINE bool mmb_shared_ptr_is_null(mmbSharedPtr pointer)
{
    return pointer.offset == 0;
}

MMB_INLINE mmbOffset mmb_atomic_offset_load(const mmbAtomicOffset *atomic)
{
    mmbOffset loaded;

    loaded.value = __atomic_load_n(&atomic->value, __ATOMIC_SEQ_CST);
    return loaded;
}

MMB_INLINE void mmb_atomic_offset_store(mmbAtomicOffset *atomic, mmbOffset value)
{
    __atomic_store_n(&atomic->value, value.value, __ATOMIC_SEQ_CST);
}

MMB_INLINE mmbOffset mmb_atomic_offset_exchange(mmbAtomicOffset *atomic, mmbOffset value)
{
    mmbOffset previous;

    previous.value = __atomic_exchange_n(&atomic->value, value.value, __ATOMIC_SEQ_CST);
    return previous;
}

MMB_INLINE bool mmb_atomic_offset_compare_exchange(mmbAtomicOffset *atomic, mmbOffset *expected,
                                                   mmbOffset desired)
{
    return __atomic_compare_exchange_n(&atomic->value, &expected->value, desired.value, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

MMB_INLINE mmbOffset mmb_atomic_offset_fetch_add(mmbAtomicOffset *atomic, uint64_t n_bytes)
{
    mmbOffset previous;

    previous.value = __atomic_fetch_add(&atomic->value, n_bytes, __ATOMIC_SEQ_CST);
    return previous;
}

MMB_INLINE mmbSharedPtr mmb_atomic_shared_ptr_load(const mmbAtomicSharedPtr *atomic)
{
    mmbSharedPtr loaded;

    loaded.offset = __atomic_load_n(&atomic->offset.value, __ATOMIC_SEQ_CST);
    loaded.allocator = __atomic_load_n(&atomic->allocator, __ATOMIC_RELAXED);
    return loaded;
}

MMB_INLINE void mmb_atomic_shared_ptr_store(mmbAtomicSharedPtr *atomic, mmbSharedPtr value)
{
    __atomic_store_n(&atomic->allocator, value.allocator, __ATOMIC_RELAXED);
    __atomic_store_n(&atomic->offset.value, value.offset, __ATOMIC_SEQ_CST);
}

MMB_INLINE mmbSharedPtr mmb_atomic_shared_ptr_exchange(mmbAtomicSharedPtr *atomic,
                                                       mmbSharedPtr value)
{
    mmbSharedPtr previous;

    previous.allocator = __atomic_exchange_n(&atomic->allocator, value.allocator, __ATOMIC_RELAXED);
    previous.offset = __atomic_exchange_n(&atomic->offset.value, value.offset, __ATOMIC_SEQ_CST);
    return previous;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
