/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_GPU_LIBRARY_H
#define MMB_LAYERS_GPU_LIBRARY_H
/* A runtime's library that is opened at run time: a program linked to this one runs where the
 * runtime is not installed, and pays nothing before it asks for a device. */
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include "src/base/lock.h"

#define MMB_GPU_TEXT_BYTES 160

/* Writes the usual text out of a code's name and words, either of which may be NULL; gives it back.
 */
const char *mmb_gpu_text(char text[MMB_GPU_TEXT_BYTES], int code, const char *name,
                         const char *words);

struct mmb_gpu_symbol {
    const char *name;
    void *out; /* a pointer to a function pointer; NULL there for an optional one that is missing */
    bool is_optional;
};

struct mmb_gpu_library {
    const char *backend;  /* for details */
    const char *variable; /* of the environment, that names another file */
    const char *file;
    const char *const *others; /* tried after `file`, ends with NULL; or NULL */
    const struct mmb_gpu_symbol *symbols;
    size_t n_symbols;
    /* Starts the runtime and counts its devices; 0 or the code of the call that *out_what names. */
    int (*count)(int *out_n_devices, const char **out_what);
    const char *(*error_text)(int code, char text[MMB_GPU_TEXT_BYTES]);

    /* How the one attempt ended; `why` says it for every later call. The mutex guards it. */
    struct mmb_mutex mutex;
    bool is_tried;
    size_t n_devices;
    char why[256];
};

/* The first call decides. MMB_UNSUPPORTED with the native cause. The functions of the table are
 * valid after MMB_OK, and never change again. */
mmbError mmb_gpu_library_load(struct mmb_gpu_library *library, size_t *out_n_devices);

/* The user named the runtime, or one of the files is there by which the kernel shows its devices
 * (`paths` ends with NULL). Opens nothing. */
bool mmb_gpu_library_is_seen(const struct mmb_gpu_library *library, const char *const *paths);

/* "cuMemAlloc_v2" of cuMemAlloc, where that is a macro. */
#define MMB_GPU_QUOTED(name)   #name
#define MMB_GPU_EXPANDED(name) MMB_GPU_QUOTED(name)

#endif
