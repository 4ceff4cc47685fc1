/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Copying that does not wait, and events.
 *
 * Each call checks its arguments as its blocking twin in copy.h does, queues the copy and returns.
 * It runs on the destination's stream or queue, else on the source's, else in a worker thread. Read
 * examples/placement.c; until a copy's event was waited for or queried done, both allocations are
 * in use and answer #MMB_BUSY to free, reallocate and migrate.
 *
 * An event pointer may be NULL: the copy is then in flight until it ends, and its failure is only
 * logged. Every other event must be waited for, which releases it.
 */
#ifndef MMB_COPY_ASYNC_H
#define MMB_COPY_ASYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Queues mmb_copy().
 * @param dst  required
 * @param src  required
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy()
 * @retval MMB_INVALID_SIZE as for mmb_copy()
 * @retval MMB_INVALID_ARG as for mmb_copy()
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_async(mmbAllocation *dst, const mmbAllocation *src, mmbEvent **out_event);

/**
 * Queues mmb_copy_1d().
 * @param dst  required
 * @param doffset  bytes
 * @param src  required
 * @param soffset  bytes
 * @param n_bytes  0: nothing to do, the event is done
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy_1d()
 * @retval MMB_INVALID_SIZE as for mmb_copy_1d()
 * @retval MMB_INVALID_ARG as for mmb_copy_1d()
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_1d_async(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                                   size_t soffset, size_t n_bytes, mmbEvent **out_event);

/**
 * Queues mmb_copy_2d().
 * @param dst  required
 * @param dx  bytes
 * @param dy  rows
 * @param dpitch  bytes from row to row, at least width
 * @param src  required
 * @param sx  bytes
 * @param sy  rows
 * @param spitch  bytes from row to row, at least width
 * @param width  bytes of one row; 0: nothing to do, the event is done
 * @param height  rows; 0: nothing to do, the event is done
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy_2d()
 * @retval MMB_INVALID_SIZE as for mmb_copy_2d()
 * @retval MMB_INVALID_ARG as for mmb_copy_2d()
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_2d_async(mmbAllocation *dst, size_t dx, size_t dy, size_t dpitch,
                                   const mmbAllocation *src, size_t sx, size_t sy, size_t spitch,
                                   size_t width, size_t height, mmbEvent **out_event);

/**
 * Queues mmb_copy_nd(). The arrays are read during the call.
 * @param dst  required
 * @param doffset  ndims indices, the last in bytes; required
 * @param dpitch  ndims - 1 pitches in bytes; NULL: dense
 * @param src  required
 * @param soffset  ndims indices, the last in bytes; required
 * @param spitch  ndims - 1 pitches in bytes; NULL: dense
 * @param ndims  at least 1, at most 16
 * @param dims  ndims extents, the last in bytes; required; one 0: nothing to do, the event is done
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy_nd()
 * @retval MMB_INVALID_SIZE as for mmb_copy_nd()
 * @retval MMB_INVALID_ARG as for mmb_copy_nd()
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_nd_async(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                                   const mmbAllocation *src, const size_t *soffset,
                                   const size_t *spitch, size_t ndims, const size_t *dims,
                                   mmbEvent **out_event);

/**
 * Queues mmb_memset().
 * @param dst  required
 * @param offset  bytes from its start
 * @param value  its low 8 bits
 * @param n_bytes  0: nothing to do, the event is done
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_memset()
 * @retval MMB_INVALID_SIZE as for mmb_memset()
 * @retval MMB_UNSUPPORTED as for mmb_memset()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_memset_async(mmbAllocation *dst, size_t offset, int value, size_t n_bytes,
                                  mmbEvent **out_event);

/**
 * Queues mmb_copy_1d() on a stream of the user's.
 * @param dst  required
 * @param doffset  bytes
 * @param src  required
 * @param soffset  bytes
 * @param n_bytes  0: nothing to do, the event is done
 * @param native_stream  CUstream, hipStream_t or cl_command_queue of the device that has one of
 *         the sides, or the number of an OpenACC async queue, from 1 on, as a pointer; outlives
 *         the copy; NULL: as mmb_copy_1d_async()
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy_1d()
 * @retval MMB_INVALID_SIZE as for mmb_copy_1d()
 * @retval MMB_INVALID_ARG as for mmb_copy_1d(), or OpenACC: no number of a queue
 * @retval MMB_UNSUPPORTED neither side's backend has streams, or as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_1d_on(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                                size_t soffset, size_t n_bytes, void *native_stream,
                                mmbEvent **out_event);

/**
 * Queues mmb_copy_nd() on a stream of the user's. The arrays are read during the call.
 * @param dst  required
 * @param doffset  ndims indices, the last in bytes; required
 * @param dpitch  ndims - 1 pitches in bytes; NULL: dense
 * @param src  required
 * @param soffset  ndims indices, the last in bytes; required
 * @param spitch  ndims - 1 pitches in bytes; NULL: dense
 * @param ndims  at least 1, at most 16
 * @param dims  ndims extents, the last in bytes; required; one 0: nothing to do, the event is done
 * @param native_stream  as for mmb_copy_1d_on()
 * @param[out] out_event  mmb_event_wait() releases it; NULL: not wanted
 * @retval MMB_INVALID_ALLOCATION as for mmb_copy_nd()
 * @retval MMB_INVALID_SIZE as for mmb_copy_nd()
 * @retval MMB_INVALID_ARG as for mmb_copy_nd(), or OpenACC: no number of a queue
 * @retval MMB_UNSUPPORTED neither side's backend has streams, or as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY no memory for the event, or the worker thread cannot be started
 * @retval MMB_ERROR a backend's runtime refused to queue it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_nd_on(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                                const mmbAllocation *src, const size_t *soffset,
                                const size_t *spitch, size_t ndims, const size_t *dims,
                                void *native_stream, mmbEvent **out_event);

/**
 * Makes work that is queued on a stream later wait for the copy, on the device: the host goes on.
 * @param event  stays the caller's; required
 * @param native_stream  of the runtime that has one of the copy's sides, as for mmb_copy_1d_on();
 *         required
 * @retval MMB_INVALID_ARG event is no live event, or native_stream is NULL, or OpenACC: no number
 *         of a queue
 * @retval MMB_UNSUPPORTED neither side's backend has streams
 * @retval MMB_ERROR the backend's runtime refused
 * @note Caller orders against mmb_event_wait().
 * @since 0.1
 */
MMB_API mmbError mmb_event_stream_wait(mmbEvent *event, void *native_stream);

/**
 * Says whether the copy has ended, well or not; its own error comes from mmb_event_wait().
 * @param event  stays the caller's; required
 * @param[out] out_done  required; true: both sides may be freed
 * @retval MMB_INVALID_ARG event is no live event, or out_done is NULL
 * @return otherwise what the backend's runtime answered when it was asked
 * @note Caller orders against mmb_event_wait().
 * @since 0.1
 */
MMB_API mmbError mmb_event_query(mmbEvent *event, bool *out_done);

/**
 * Waits until the copy has ended, releases the event and sets it to NULL.
 * @param[in,out] event  required; one that is NULL already: nothing to do
 * @retval MMB_INVALID_ARG event is NULL, or points to no live event
 * @retval MMB_ERROR the copy failed: a backend's runtime; a user's backend: its own code. The
 *         event is released all the same.
 * @retval MMB_OUT_OF_MEMORY the copy failed: no memory to stage through. The event is released all
 *         the same.
 * @note Caller orders, per event: it is waited for once.
 * @since 0.1
 */
MMB_API mmbError mmb_event_wait(mmbEvent **event);

#ifdef __cplusplus
}
#endif

#endif
