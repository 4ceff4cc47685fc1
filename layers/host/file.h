/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_FILE_H
#define MMB_LAYERS_FILE_H
#include "src/spi/backend.h"

/* Mapped files: drives, persistent memory with a file system on it. */
extern const struct mmb_backend_ops mmb_file_backend;

#endif
