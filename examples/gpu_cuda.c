/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An array in the memory of a CUDA device without a line of CUDA: it is placed, filled from pinned
 * host memory, copied, moved back and freed. A kernel would get mmb_device_ptr(). Where there is no
 * driver or no device the program says so and ends with 77.
 *
 *     gcc -std=c99 gpu_cuda.c $(pkg-config --cflags --libs mmb) -o gpu_cuda && ./gpu_cuda
 */
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS      100u
#define COLUMNS   1000u
#define N_NUMBERS ((size_t)ROWS * COLUMNS)
#define N_BYTES   (N_NUMBERS * sizeof(float))

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

/* [cuda space] */
/* Room for exactly two such arrays; false: there is no device, or no driver for it. */
static int open_device(mmbMemInterface **pool)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = 2 * N_BYTES;
    if (mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, &config, &space) == MMB_UNSUPPORTED)
        return 0;
    CHECK(mmb_request_interface(space, NULL, pool));
    return 1;
}
/* [cuda space] */

/* Host memory that the driver has pinned: copies to the device run at full speed and overlap. */
static mmbMemInterface *open_pinned(void)
{
    mmbMemInterface *pinned;
    CHECK(mmb_register_memory(MMB_DRAM, MMB_GPU_CUDA, NULL, NULL));
    CHECK(mmb_get_interface(MMB_DRAM, MMB_GPU_CUDA, &pinned));
    return pinned;
}

static void use(mmbMemInterface *pool)
{
    mmbMemInterface *pinned = open_pinned();
    mmbAllocation *numbers, *first, *second, *more;
    mmbEvent *event;
    CHECK(MMB_NEW(pinned, float, N_NUMBERS, &numbers));
    CHECK(MMB_NEW(pool, float, N_NUMBERS, &first));
    CHECK(MMB_NEW(pool, float, N_NUMBERS, &second));
    EXPECT(mmb_allocation_ptr(first) == NULL); /* not for the host */
    EXPECT(mmb_device_ptr(first) != NULL);     /* for a kernel */
    if (mmb_allocate(1, pool, &more) == MMB_OUT_OF_MEMORY)
        printf("the space is full: %s\n", mmb_error_detail());

    for (size_t i = 0; i < N_NUMBERS; i++)
        MMB_PTR(numbers, float)[i] = (float)i;
    CHECK(mmb_copy_async(first, numbers, &event));
    CHECK(mmb_event_wait(&event));
    printf("copied %u numbers to the device\n", (unsigned int)N_NUMBERS);

    /* Ten columns of each row, from one array on the device to the other. */
    const size_t pitch = COLUMNS * sizeof(float), width = 10 * sizeof(float);
    CHECK(mmb_memset(second, 0, 0, N_BYTES));
    CHECK(mmb_copy_2d(second, 0, 0, pitch, first, 5 * sizeof(float), 0, pitch, width, ROWS));
    printf("copied 10 columns of %u rows on it\n", ROWS);

    CHECK(mmb_migrate(second, pinned));
    const float *result = MMB_PTR(second, float);
    for (size_t row = 0; row < ROWS; row++)
        EXPECT(result[row * COLUMNS + 9] == (float)(row * COLUMNS + 14) &&
               result[row * COLUMNS + 10] == 0.0F);
    printf("the second array moved to the host\n");
    CHECK(mmb_free(first));
    CHECK(mmb_free(second));
    CHECK(mmb_free(numbers));
}

int main(void)
{
    mmbMemInterface *pool;
    CHECK(mmb_init(MMB_INIT_DEFAULT));
    if (!open_device(&pool)) {
        printf("no CUDA device here: %s\n", mmb_error_detail());
        CHECK(mmb_finalize());
        return 77;
    }
    use(pool);
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
