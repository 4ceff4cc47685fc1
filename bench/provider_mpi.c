/* SPDX-License-Identifier: BSD-3-Clause */
/* A module of mmb-bench: regions attached to a dynamic window of one process. What it opens lasts
 * as long as the process; takes no lock. */
#include "bench/providers.h"
#include <mmb/mpi.h>
#include <stdlib.h>

bool bench_provider(mmbRegionProvider **out_provider, const char **out_why)
{
    MPI_Win window;
    /* For one process alone Open MPI would take shared memory, which has no dynamic windows. */
    setenv("OMPI_MCA_osc", "^sm", 0);
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS ||
        MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_SELF, &window) != MPI_SUCCESS) {
        *out_why = "MPI does not start";
        return false;
    }
    return mmb_region_provider_create_mpi(window, 0, out_provider) == MMB_OK;
}

/* Its folder of the session. */
void bench_provider_finish(void)
{
    MPI_Finalize();
}
