/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_FILE_SHARED_H
#define MMB_LAYERS_HOST_FILE_SHARED_H
#include "src/spi/backend.h"

/* The file backend's open for options with a mode: a heap that processes share, in a named file. */
mmbError mmb_file_shared_open(const struct mmb_backend_request *request,
                              struct mmb_backend **out_backend);

#endif
