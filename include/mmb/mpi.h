/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A region provider over MPI's dynamic windows. Link with mmb-mpi.
 *
 * It attaches chunks to a window of MPI_Win_create_dynamic(). Remote addresses are displacements
 * for MPI_Put() and MPI_Get(); the remote key is the owner's rank in the window, a uint64_t.
 */
#ifndef MMB_MPI_H
#define MMB_MPI_H

#include <mpi.h>
#include <mmb/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a provider for a window. MPI must allow calls from the threads that allocate and free;
 * the provider makes them one at a time, which is enough for MPI_THREAD_SERIALIZED if the program
 * makes its own calls no other way.
 * @param window  made by MPI_Win_create_dynamic(); must outlive the provider
 * @param attach_limit  regions at a time, counted before MPI is asked, since Open MPI hangs after a
 *         refusal; 0: 64, as Open MPI is built
 * @param[out] out_provider  required; destroyed with mmb_region_provider_destroy()
 * @retval MMB_INVALID_ARG window is MPI_WIN_NULL or out_provider is NULL
 * @retval MMB_UNSUPPORTED window is of another kind, or MPI is not running
 * @retval MMB_OUT_OF_MEMORY no room for the provider
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_create_mpi(MPI_Win window, size_t attach_limit,
                                                mmbRegionProvider **out_provider);

#ifdef __cplusplus
}
#endif

#endif
