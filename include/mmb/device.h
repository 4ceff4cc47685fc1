/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief What kernels need: offsets, atomics and thread identity.
 *
 * All of it is inline and works in CUDA and HIP kernels and in host code alike, over memory that
 * both sides reach, such as #MMB_BACKEND_CUDA_SHM: what a kernel builds with offsets the host can
 * walk, and the other way round. Nothing here needs mmb_init(); tests/headers/kernel.cu shows each
 * in use, and <mmb/device_memory.h> has allocators made of it.
 */
#ifndef MMB_DEVICE_H
#define MMB_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <mmb/shared_pointer.h>

#if defined(__CUDACC__) || defined(__HIPCC__)
/** Marks what kernels and host code may call. */
#define MMB_DEVICE_FUNCTION static __host__ __device__ __forceinline__
#else
#define MMB_DEVICE_FUNCTION static inline
#endif

#if defined(__CUDA_ARCH__) || defined(__HIP_DEVICE_COMPILE__)
#define MMB_DEVICE_CODE 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- threads ---- */

/**
 * The number of the calling thread in its grid; on the host 0.
 * @return unique among the threads of one launch
 * @since 0.1
 */
MMB_DEVICE_FUNCTION uint64_t mmb_device_thread_id(void)
{
#ifdef MMB_DEVICE_CODE
    uint64_t block =
        blockIdx.x + (uint64_t)gridDim.x * (blockIdx.y + (uint64_t)gridDim.y * blockIdx.z);
    uint64_t in_block =
        threadIdx.x + blockDim.x * (threadIdx.y + (uint64_t)blockDim.y * threadIdx.z);
    return block * ((uint64_t)blockDim.x * blockDim.y * blockDim.z) + in_block;
#else
    return 0;
#endif
}

/**
 * Lets other threads go first while this one waits for them.
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void mmb_device_yield(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
    __nanosleep(40);
#elif defined(MMB_DEVICE_CODE)
    __threadfence();
#elif defined(__x86_64__) || defined(__i386__)
    __asm__ __volatile__("pause");
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

/**
 * Waits about that long, by turns of mmb_device_yield() where there is no clock to sleep by.
 * @param microseconds  0: not at all
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void mmb_device_sleep_us(uint64_t microseconds)
{
    uint64_t i;
    for (i = 0; i < microseconds * 25; i++)
        mmb_device_yield();
}

/* ---- atomics ---- */

/**
 * Adds to a word, for all threads of device and host.
 * @param word  required, 8-byte aligned
 * @param n  modulo 2^64
 * @return what it was
 * @since 0.1
 */
MMB_DEVICE_FUNCTION uint64_t mmb_device_fetch_add(uint64_t *word, uint64_t n)
{
#ifdef MMB_DEVICE_CODE
    return atomicAdd_system((unsigned long long *)word, (unsigned long long)n);
#else
    return __atomic_fetch_add(word, n, __ATOMIC_ACQ_REL);
#endif
}

/**
 * Replaces a word if it is as expected.
 * @param word  required, 8-byte aligned
 * @param expected  what it has to be
 * @param desired  what it will be then
 * @return what it was: `expected` if it was replaced
 * @since 0.1
 */
MMB_DEVICE_FUNCTION uint64_t mmb_device_compare_swap(uint64_t *word, uint64_t expected,
                                                     uint64_t desired)
{
#ifdef MMB_DEVICE_CODE
    unsigned long long was;
    __threadfence_system();
    was = atomicCAS_system((unsigned long long *)word, (unsigned long long)expected,
                           (unsigned long long)desired);
    __threadfence_system();
    return was;
#else
    __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return expected;
#endif
}

/**
 * Reads a word that others change.
 * @param word  required, 8-byte aligned
 * @return its value
 * @since 0.1
 */
MMB_DEVICE_FUNCTION uint64_t mmb_device_load(const uint64_t *word)
{
#ifdef MMB_DEVICE_CODE
    uint64_t value = *(const volatile uint64_t *)word;
    __threadfence_system();
    return value;
#else
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
#endif
}

/**
 * Writes a word that others read.
 * @param word  required, 8-byte aligned
 * @param value  what it will be
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void mmb_device_store(uint64_t *word, uint64_t value)
{
#ifdef MMB_DEVICE_CODE
    __threadfence_system();
    *(volatile uint64_t *)word = value;
#else
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
#endif
}

/* ---- offsets ---- */

/**
 * Where an offset leads from a base.
 * @param base  what the offset counts from, as mapped here
 * @param offset  null is allowed
 * @return NULL for the null offset
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void *mmb_device_at(void *base, mmbOffset offset)
{
    return offset.value ? (void *)((char *)base + offset.value) : NULL;
}

/**
 * Where a shared pointer leads, if it is into that segment.
 * @param base  what the segment's offsets count from, as mapped here
 * @param allocator  the segment's, out of any of its shared pointers
 * @param pointer  null is allowed
 * @return NULL for null and for a pointer into another segment
 * @since 0.1
 */
MMB_DEVICE_FUNCTION void *mmb_device_shared_at(void *base, uint64_t allocator, mmbSharedPtr pointer)
{
    if (pointer.offset == 0 || pointer.allocator != allocator)
        return NULL;
    return (void *)((char *)base + pointer.offset);
}

/**
 * The offset of an address; the pair of mmb_device_at().
 * @param base  as there
 * @param address  NULL gives the null offset; else above base
 * @return the distance
 * @since 0.1
 */
MMB_DEVICE_FUNCTION mmbOffset mmb_device_offset(const void *base, const void *address)
{
    mmbOffset offset;
    offset.value = address ? (uint64_t)((const char *)address - (const char *)base) : 0;
    return offset;
}

#ifdef __cplusplus
}
#endif

#endif
