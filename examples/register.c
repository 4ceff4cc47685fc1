/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the program describes itself, with or without discovery: main memory with a limit,
 * and a layer of its own that lies in an array of the program's.
 *
 *     gcc -std=c99 register.c $(pkg-config --cflags --libs mmb) -o register && ./register
 */
#include <stdio.h>
#include <stdlib.h>
#include <mmb.h>

#define N_FIELD   1000
#define PAD_BYTES ((size_t)256 * 1024)

/* Every call is checked, and so is whatever this program claims of the library. */
#define CHECK(call)   check((call), #call)
#define EXPECT(claim) check((claim) ? MMB_OK : MMB_ERROR, #claim)

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(EXIT_FAILURE);
}

/* Compiled with one version, running with another: both can be asked, before anything else. */
static void print_versions(void)
{
    int major, minor, patch;
    CHECK(mmb_version(&major, &minor, &patch));
    printf("headers %d.%d.%d\n", MMB_VERSION_MAJOR, MMB_VERSION_MINOR, MMB_VERSION_PATCH);
    printf("library %d.%d.%d\n", major, minor, patch);
    EXPECT(major == MMB_VERSION_MAJOR);
}

/* [register dram] */
/* What the layer's interfaces have in common may be said once, in the config of the space. */
static mmbMemInterface *register_dram(size_t limit)
{
    mmbMemSpace *space;
    mmbMemInterface *interface;
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    config.interface_opts.backend = MMB_BACKEND_MALLOC;
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space));
    CHECK(mmb_request_interface(space, NULL, &interface));

    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    CHECK(mmb_interface_get_info(interface, &info));
    EXPECT(info.space == space && info.backend == MMB_BACKEND_MALLOC && info.host_accessible);
    printf("registered DRAM: %zu bytes from %s\n", limit, mmb_backend_name(info.backend));
    return interface;
}
/* [register dram] */

/* [define layer] */
/* A layer this library has never heard of, and how fast the program knows it to be. */
static mmbMemLayer define_layer(void)
{
    mmbMemLayer layer, same;
    mmbLayerInfo known = MMB_LAYER_INFO_INIT, info = MMB_LAYER_INFO_INIT;
    known.total_bytes = PAD_BYTES;
    known.bandwidth_mib_s = 100000;
    known.latency_ns = 10;
    CHECK(mmb_layer_define("SCRATCHPAD", &known, &layer));

    CHECK(mmb_layer_from_name("scratchpad", &same));
    CHECK(mmb_layer_get_info(layer, &info));
    EXPECT(same == layer && info.total_bytes == PAD_BYTES && !info.discovered);
    printf("defined %s: %zu bytes, %zu MiB/s, %zu ns\n", info.name, info.total_bytes,
           info.bandwidth_mib_s, info.latency_ns);
    return layer;
}
/* [define layer] */

/* [register array] */
/* The array stays the program's, and must outlive the interface. Nothing but data lies in it. */
static mmbMemInterface *register_array(mmbMemLayer layer, void *base, size_t n_bytes)
{
    mmbMemSpace *space;
    mmbMemInterface *interface;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = base;
    config.backend_opts.array.bytes = n_bytes;
    config.name = "pad";
    CHECK(mmb_register_memory(layer, MMB_CPU, NULL, &space));
    CHECK(mmb_create_interface(space, &config, &interface));

    /* Other parts of a program find it by what they know of it. */
    mmbMemInterface *same;
    mmbMemInterfaceConfig wanted = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    wanted.name = "pad";
    CHECK(mmb_request_interface(space, &wanted, &same));
    EXPECT(same == interface);
    printf("registered %s: an array of %zu bytes\n", mmb_layer_name(layer), n_bytes);
    return interface;
}
/* [register array] */

/* [wrap] */
/* A wrapped pointer is no memory of the library's: it can be copied and sliced, and is not freed.
 */
static void copy_through(mmbMemInterface *dram, mmbMemInterface *pad)
{
    static double input[N_FIELD]; /* as some other code may bring it */
    mmbAllocation *wrapped, *field, *fast;
    for (int i = 0; i < N_FIELD; i++)
        input[i] = i;

    CHECK(mmb_allocation_create_wrapped(input, sizeof input, dram, &wrapped));
    CHECK(MMB_NEW(pad, double, N_FIELD, &fast));
    CHECK(MMB_NEW(dram, double, N_FIELD,
                  &field)); /* all that the space has: wrapped is not charged */
    CHECK(mmb_copy(fast, wrapped));
    CHECK(mmb_copy(field, fast));
    EXPECT(MMB_PTR(field, double)[N_FIELD - 1] == N_FIELD - 1);
    printf("copied %zu bytes from the program through SCRATCHPAD to DRAM\n", sizeof input);

    mmbAllocation *one_more;
    mmbError error = mmb_allocate(1, dram, &one_more);
    EXPECT(error == MMB_OUT_OF_MEMORY);
    printf("refused with %s: %s\n", mmb_error_name(error), mmb_error_detail());
    CHECK(mmb_free(wrapped));
    CHECK(mmb_free(field));
    CHECK(mmb_free(fast));
    EXPECT(input[N_FIELD - 1] == N_FIELD - 1);
}
/* [wrap] */

int main(void)
{
    print_versions();
    void *array = malloc(PAD_BYTES);
    EXPECT(array != NULL);

    CHECK(mmb_init(MMB_INIT_DEFAULT));
    mmbMemInterface *dram = register_dram(N_FIELD * sizeof(double));
    mmbMemInterface *pad = register_array(define_layer(), array, PAD_BYTES);
    copy_through(dram, pad);

    /* Known layers, in the order in which they became known. */
    printf("layers:");
    for (size_t i = 0; i < mmb_layer_count(); i++) {
        mmbMemLayer layer;
        CHECK(mmb_layer_at(i, &layer));
        printf(" %s", mmb_layer_name(layer));
    }
    printf("\n");

    CHECK(mmb_finalize()); /* ends spaces and interfaces too; the array may go only now */
    free(array);
    return EXIT_SUCCESS;
}
