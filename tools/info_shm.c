/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-info --shm: a shared segment, seen from outside. */
#include "tools/info_shm.h"
#include <stdlib.h>

static void print_text(FILE *out, const char *url, const mmbShmInfo *info)
{
    fprintf(out, "%s: %zu bytes\n", url, info->bytes);
    fprintf(out, "  live    %zu blocks, %zu bytes\n", info->live_count, info->live_bytes);
    fprintf(out, "  owners  %zu live, %zu dead with blocks\n", info->owners, info->dead_owners);
}

/* The URL was taken for one, so it holds no quote but what a file's name may have. */
static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_json(FILE *out, const char *url, const mmbShmInfo *info)
{
    fputs("{\"url\":", out);
    print_string(out, url);
    fprintf(out,
            ",\"bytes\":%zu,\"live_bytes\":%zu,\"live_count\":%zu,\"owners\":%zu,"
            "\"dead_owners\":%zu}\n",
            info->bytes, info->live_bytes, info->live_count, info->owners, info->dead_owners);
}

int info_show_shm(FILE *out, const char *url, bool as_json)
{
    mmbShmInfo info = MMB_SHM_INFO_INIT;
    mmbError error = mmb_init(NULL);
    if (error == MMB_OK) {
        error = mmb_shm_check(url, &info);
        mmb_finalize();
    }
    if (error != MMB_OK) {
        fprintf(stderr, "mmb-info: %s: %s\n", mmb_error_name(error), mmb_error_detail());
        return EXIT_FAILURE;
    }
    (as_json ? print_json : print_text)(out, url, &info);
    return EXIT_SUCCESS;
}
