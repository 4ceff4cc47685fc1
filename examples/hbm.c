/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An array in high-bandwidth memory, with main memory for what does not fit there or where there is
 * none.
 *
 *     gcc -std=c99 hbm.c $(pkg-config --cflags --libs mmb) -o hbm && ./hbm
 */
#include <stdio.h>
#include <stdlib.h>
#include <mmb.h>

#define N_FIELD 1000000

/* Every call is checked. */
#define CHECK(call) check((call), #call)

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(EXIT_FAILURE);
}

/* [hbm] */
/* HBM where this machine has some, and DRAM for what HBM cannot give. */
static mmbMemInterface *fast_memory(void)
{
    mmbMemSpace *space;
    mmbMemInterface *dram, *hbm;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    CHECK(mmb_get_interface(MMB_DRAM, MMB_CPU, &dram));
    if (mmb_request_space(MMB_HBM, MMB_CPU, NULL, &space) != MMB_OK)
        return dram; /* mmb_error_detail() says why */
    config.fallback = dram;
    CHECK(mmb_create_interface(space, &config, &hbm));
    return hbm;
}
/* [hbm] */

int main(void)
{
    mmbAllocation *field;
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CHECK(mmb_init(MMB_INIT_DEFAULT));

    /* [hbm array] */
    CHECK(MMB_NEW(fast_memory(), double, N_FIELD, &field));
    for (size_t i = 0; i < N_FIELD; i++)
        MMB_PTR(field, double)[i] = 1.0;
    CHECK(mmb_allocation_get_info(field, &info));
    printf("%d numbers in %s\n", N_FIELD, mmb_layer_name(info.layer));
    CHECK(mmb_free(field));
    /* [hbm array] */
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
