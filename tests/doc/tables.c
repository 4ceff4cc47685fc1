/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the manual's tables out of the library itself, so that they cannot drift from it:
 *
 *     tables size-classes      what each size class loses
 *     tables backends          which layers each backend that is built serves, per context
 *     tables smallest-array    the least an array must have for each strategy
 *
 * It looks inside, since the public face has no list of classes. What it prints of backends is
 * asked of mmb_create_interface too: it exits with 1 where the two disagree. Owns nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interfaces/size_class.h"
#include "src/spi/backend.h"
#include "tests/support/control.h"

#define ARRAY_BYTES ((size_t)1 << 18)

static int disagreements;

/* ---- size classes ---- */

static void print_part(uint32_t first, uint32_t end)
{
    size_t before = first ? mmb_class_bytes[first - 1] : 0;
    double share = 0;
    size_t most = 0, from = before + 1;
    printf("| %zu – %u |", from, (unsigned int)mmb_class_bytes[end - 1]);
    for (uint32_t c = first; c < end; c++) {
        size_t lost = mmb_class_bytes[c] - before - 1;
        double part = 100.0 * (double)lost / (double)mmb_class_bytes[c];
        most = lost > most ? lost : most;
        share = part > share ? part : share;
        printf(" %u", (unsigned int)mmb_class_bytes[c]);
        before = mmb_class_bytes[c];
    }
    printf(" | %zu B | %.1f %% |\n", most, share);
}

/* One line per doubling, from 256 B on; below there is one step. */
static void print_size_classes(void)
{
    puts("| request, bytes | blocks, bytes | lost at most | of the block |");
    puts("|---|---|---|---|");
    uint32_t c = 0;
    for (uint32_t top = 16; c < MMB_CLASSES; top *= top < 256 ? 16 : 2) {
        uint32_t end = c;
        while (end < MMB_CLASSES && mmb_class_bytes[end] <= top)
            end++;
        print_part(c, end);
        c = end;
    }
}

/* ---- backends ---- */

static const mmbMemLayer layers[] = {MMB_DRAM, MMB_GDRAM,  MMB_HBM, MMB_NVDIMM,
                                     MMB_CXL,  MMB_NADRAM, MMB_SSD};

/* Creation must refuse what the table does not list, before it looks for runtime or device. */
static void ask(const struct mmb_backend_ops *ops, mmbMemLayer layer, mmbExecutionContext context)
{
    mmbMemSpace *space;
    mmbMemInterface *interface;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = ops->id;
    if (ops->serves(layer, context) || mmb_register_memory(layer, context, NULL, &space) != MMB_OK)
        return;
    mmbError error = mmb_create_interface(space, &config, &interface);
    if (error == MMB_UNSUPPORTED)
        return;
    fprintf(stderr, "%s over %s in %s: created, or refused with %s\n", ops->name,
            mmb_layer_name(layer), mmb_execution_context_name(context), mmb_error_name(error));
    disagreements++;
}

static bool print_backend(const struct mmb_backend_ops *ops, mmbExecutionContext context)
{
    bool any = false;
    for (size_t i = 0; i < N_ROWS(layers); i++) {
        ask(ops, layers[i], context);
        if (!ops->serves(layers[i], context))
            continue;
        if (!any)
            printf("| %s | %s |", mmb_backend_name(ops->id), mmb_execution_context_name(context));
        printf(" %s", mmb_layer_name(layers[i]));
        any = true;
    }
    if (any && ops->serves(MMB_LAYER_USER, context))
        printf(" *defined*");
    if (any)
        puts(" |");
    return any;
}

static void print_backends(void)
{
    puts("| backend | context | layers |");
    puts("|---|---|---|");
    for (const struct mmb_backend_ops *const *ops = mmb_builtin_backends; *ops; ops++)
        for (int context = MMB_CPU; context <= MMB_OPENACC; context++)
            print_backend(*ops, (mmbExecutionContext)context);
}

/* ---- the smallest array ---- */

struct trial {
    mmbMemSpace *space;
    char *base;
    mmbStrategy strategy;
};

static bool serves(const struct trial *trial, size_t array_bytes, size_t n_bytes)
{
    mmbMemInterface *interface;
    mmbAllocation *block;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = trial->base;
    config.backend_opts.array.bytes = array_bytes;
    config.strategy = trial->strategy;
    if (mmb_create_interface(trial->space, &config, &interface) != MMB_OK)
        return false;
    bool served = mmb_allocate(n_bytes, interface, &block) == MMB_OK;
    if (served)
        mmb_free(block);
    mmb_destroy_interface(interface);
    return served;
}

/* Steps of 16 B, which every block's address is a multiple of. 0: none that is small enough. */
static size_t smallest(const struct trial *trial, size_t n_bytes)
{
    for (size_t bytes = 16; bytes <= ARRAY_BYTES; bytes += 16)
        if (bytes >= n_bytes && serves(trial, bytes, n_bytes))
            return bytes;
    return 0;
}

static void print_smallest_array(void)
{
    static const size_t sizes[] = {1, 64, 1000, 4096, 65536};
    struct trial trial = {NULL, aligned_alloc(65536, ARRAY_BYTES), MMB_STRATEGY_DEFAULT};
    mmbMemLayer layer;
    if (!trial.base || mmb_layer_define("TABLE", NULL, &layer) != MMB_OK ||
        mmb_register_memory(layer, MMB_CPU, NULL, &trial.space) != MMB_OK)
        exit(EXIT_FAILURE);
    puts("| strategy | for 1 B | 64 B | 1000 B | 4 KiB | 64 KiB |");
    puts("|---|---|---|---|---|---|");
    for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++) {
        trial.strategy = (mmbStrategy)s;
        printf("| %s |", mmb_strategy_name(trial.strategy));
        for (size_t i = 0; i < N_ROWS(sizes); i++)
            printf(" %zu |", smallest(&trial, sizes[i]));
        puts("");
    }
    free(trial.base);
}

int main(int argc, char **argv)
{
    const char *table = argc == 2 ? argv[1] : "";
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        return EXIT_FAILURE;
    if (strcmp(table, "size-classes") == 0)
        print_size_classes();
    else if (strcmp(table, "backends") == 0)
        print_backends();
    else if (strcmp(table, "smallest-array") == 0)
        print_smallest_array();
    else
        return EXIT_FAILURE;
    return mmb_finalize() != MMB_OK || disagreements ? EXIT_FAILURE : EXIT_SUCCESS;
}
