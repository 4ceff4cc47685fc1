/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_GPU_H
#define MMB_BENCH_GPU_H
/* `mmb-bench gpu`: copies and pools on a CUDA device beside the driver's own calls, as Markdown on
 * standard output. Gives the exit status: 77 with a line that says why where no device is, and then
 * no figure is written. */
int bench_gpu(void);

#endif
