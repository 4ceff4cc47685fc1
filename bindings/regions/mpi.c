/* SPDX-License-Identifier: BSD-3-Clause */
/* The region provider over MPI, a library of its own so that libmmb needs none. Owns nothing but
 * its own state; takes no lock: libmmb calls it from one thread at a time. */
#include <mmb/mpi.h>
#include <stdlib.h>
#include <string.h>

/* Open MPI's osc_rdma_max_attach as it is built. */
#define DEFAULT_LIMIT 64

struct mpi {
    MPI_Win window;
    size_t attach_limit;
    uint64_t rank;
    const char *reason; /* why open failed */
    char text[MPI_MAX_ERROR_STRING];
};

static mmbError code_of(int native)
{
    int class = MPI_ERR_OTHER;
    MPI_Error_class(native, &class);
    switch (class) {
    case MPI_ERR_NO_MEM:
    case MPI_ERR_RMA_ATTACH: /* "memory cannot be attached", for want of resources */
        return MMB_OUT_OF_MEMORY;
    case MPI_ERR_ARG:
    case MPI_ERR_WIN:
        return MMB_INVALID_ARG;
    default:
        return MMB_ERROR;
    }
}

static const char *error_text(void *user, int native_error)
{
    struct mpi *self = user;
    int length = 0;
    if (native_error == 0)
        return self->reason;
    if (MPI_Error_string(native_error, self->text, &length) != MPI_SUCCESS)
        return NULL;
    return self->text;
}

/* ---- life ---- */

static bool is_running(void)
{
    int is_initialized = 0, is_finalized = 1;
    MPI_Initialized(&is_initialized);
    MPI_Finalized(&is_finalized);
    return is_initialized && !is_finalized;
}

static bool is_dynamic(MPI_Win window)
{
    int *flavor = NULL, has_flavor = 0;
    MPI_Win_get_attr(window, MPI_WIN_CREATE_FLAVOR, &flavor, &has_flavor);
    return has_flavor && *flavor == MPI_WIN_FLAVOR_DYNAMIC;
}

static uint64_t rank_in(MPI_Win window)
{
    MPI_Group group;
    int rank = 0;
    MPI_Win_get_group(window, &group);
    MPI_Group_rank(group, &rank);
    MPI_Group_free(&group);
    return (uint64_t)rank;
}

static mmbError open_provider(void *user, mmbRegionCaps *out_caps)
{
    struct mpi *self = user;
    self->reason = "MPI is not running";
    if (!is_running())
        return MMB_UNSUPPORTED;
    self->reason = "the window is MPI_WIN_NULL";
    if (self->window == MPI_WIN_NULL)
        return MMB_INVALID_ARG;
    self->reason = "the window was not made by MPI_Win_create_dynamic";
    if (!is_dynamic(self->window))
        return MMB_UNSUPPORTED;
    self->rank = rank_in(self->window);
    out_caps->virtual_address = true;
    out_caps->provider_keys = true;
    out_caps->max_regions = self->attach_limit;
    out_caps->remote_key_bytes = sizeof self->rank;
    return MMB_OK;
}

static void close_provider(void *user)
{
    free(user);
}

/* ---- registering ---- */

/* A window's errors end the program unless somebody has said otherwise; here they are told. */
static MPI_Errhandler errors_return(MPI_Win window)
{
    MPI_Errhandler before = MPI_ERRHANDLER_NULL;
    MPI_Win_get_errhandler(window, &before);
    MPI_Win_set_errhandler(window, MPI_ERRORS_RETURN);
    return before;
}

static void restore(MPI_Win window, MPI_Errhandler before)
{
    MPI_Win_set_errhandler(window, before);
    MPI_Errhandler_free(&before);
}

static mmbError register_region(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region)
{
    struct mpi *self = user;
    (void)attr;
    MPI_Errhandler before = errors_return(self->window);
    out_region->native_error = MPI_Win_attach(self->window, base, (MPI_Aint)n_bytes);
    restore(self->window, before);
    if (out_region->native_error != MPI_SUCCESS)
        return code_of(out_region->native_error);
    MPI_Aint address;
    MPI_Get_address(base, &address);
    out_region->native = base;
    out_region->remote_base = (uint64_t)address;
    memcpy(out_region->remote_key, &self->rank, sizeof self->rank);
    out_region->remote_key_bytes = sizeof self->rank;
    return MMB_OK;
}

/* After MPI_Finalize the window is gone, and what was attached with it. */
static mmbError deregister_region(void *user, mmbRegion *region)
{
    struct mpi *self = user;
    if (!is_running())
        return MMB_OK;
    MPI_Errhandler before = errors_return(self->window);
    region->native_error = MPI_Win_detach(self->window, region->native);
    restore(self->window, before);
    return region->native_error == MPI_SUCCESS ? MMB_OK : code_of(region->native_error);
}

static const mmbRegionProviderOps ops = {
    .size = sizeof ops,
    .name = "mpi",
    .open = open_provider,
    .register_region = register_region,
    .deregister_region = deregister_region,
    .error_text = error_text,
    .close = close_provider,
};

mmbError mmb_region_provider_create_mpi(MPI_Win window, size_t attach_limit,
                                        mmbRegionProvider **out_provider)
{
    struct mpi *self = calloc(1, sizeof *self);
    if (!self)
        return MMB_OUT_OF_MEMORY;
    self->window = window;
    self->attach_limit = attach_limit ? attach_limit : DEFAULT_LIMIT;
    mmbError error = mmb_region_provider_create(&ops, self, out_provider);
    if (error != MMB_OK)
        free(self);
    return error;
}
