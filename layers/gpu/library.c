/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens a runtime's library (library.h). Never closes it: runtimes have threads of their own. The
 * library's mutex is held meanwhile, and the dynamic loader's lock is taken inside it. */
#include "layers/gpu/library.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "src/base/error.h"

const char *mmb_gpu_text(char text[MMB_GPU_TEXT_BYTES], int code, const char *name,
                         const char *words)
{
    snprintf(text, MMB_GPU_TEXT_BYTES, "%s (%d): %s", name ? name : "error", code,
             words ? words : "no text");
    return text;
}

/* A program with more rights than its user hears no environment. */
static const char *file_of(const struct mmb_gpu_library *library)
{
    const char *file = secure_getenv(library->variable);
    return file && *file ? file : library->file;
}

static bool find_all(struct mmb_gpu_library *library, void *handle)
{
    for (size_t i = 0; i < library->n_symbols; i++) {
        void *symbol = dlsym(handle, library->symbols[i].name);
        *(void **)library->symbols[i].out = symbol;
        if (symbol || library->symbols[i].is_optional)
            continue;
        snprintf(library->why, sizeof library->why, "%s has no %s: it is too old", file_of(library),
                 library->symbols[i].name);
        return false;
    }
    return true;
}

static void count(struct mmb_gpu_library *library)
{
    int n_devices = 0;
    const char *what = "";
    char text[MMB_GPU_TEXT_BYTES];
    int code = library->count(&n_devices, &what);
    if (code != 0)
        snprintf(library->why, sizeof library->why, "%s: %s", what,
                 library->error_text(code, text));
    else if (n_devices <= 0)
        snprintf(library->why, sizeof library->why, "%s: no device", what);
    else
        library->n_devices = (size_t)n_devices;
}

/* The reason is the first file's. A file that the user named is tried alone. */
static void *open_library(struct mmb_gpu_library *library)
{
    const char *file = file_of(library);
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const char *why = handle ? NULL : dlerror();
    snprintf(library->why, sizeof library->why, "%s", why ? why : "dlopen failed");
    const char *const *others = file == library->file ? library->others : NULL;
    for (; others && *others && !handle; others++)
        handle = dlopen(*others, RTLD_NOW | RTLD_LOCAL);
    return handle;
}

/* Mutex held. */
static void try_once(struct mmb_gpu_library *library)
{
    library->is_tried = true;
    void *handle = open_library(library);
    if (handle && find_all(library, handle))
        count(library);
}

mmbError mmb_gpu_library_load(struct mmb_gpu_library *library, size_t *out_n_devices)
{
    mmb_mutex_lock(&library->mutex);
    if (!library->is_tried)
        try_once(library);
    mmb_mutex_unlock(&library->mutex);
    if (library->n_devices == 0)
        return mmb_fail(MMB_UNSUPPORTED, "%s backend: %s", library->backend, library->why);
    *out_n_devices = library->n_devices;
    return MMB_OK;
}

bool mmb_gpu_library_is_seen(const struct mmb_gpu_library *library, const char *const *paths)
{
    if (file_of(library) != library->file)
        return true;
    for (; *paths; paths++)
        if (access(*paths, F_OK) == 0)
            return true;
    return false;
}
