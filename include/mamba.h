/* SPDX-License-Identifier: BSD-3-Clause */
#include <mmb.h> /* for programs written for Mamba */
