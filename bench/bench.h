/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_BENCH_H
#define MMB_BENCH_BENCH_H
/* The words of the benchmark. A *workload* is something to do; a *contender* is who does it: an
 * allocator, in a process of its own. Source that allocates is compiled once per *way* of asking
 * for a block (bench/block.h), so that no contender pays for an indirect call. A *comparison* is
 * two contenders in one workload, and perhaps a target for their ratio.
 * A new workload, contender or comparison is one entry of its table. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/interface_config.h>

enum bench_way {
    BENCH_REFERENCE, /* what a workload is held against, where that is no allocator: memcpy, say */
    BENCH_MALLOC,    /* malloc and free, whoever was preloaded */
    BENCH_MMB,       /* mmb_allocate and mmb_free */
    BENCH_BUMP,      /* a bump pointer, inlined */
    BENCH_PLACED,    /* malloc and free of a program that mmb-run runs */
    BENCH_BOOST,     /* a managed segment of boost.interprocess */
    BENCH_N_WAYS
};

/* Who takes part in what. */
enum bench_group {
    BENCH_PEERS = 1,        /* other allocators, by preload */
    BENCH_LOCAL = 2,        /* libmmb, thread-local */
    BENCH_PAGES = 4,        /* libmmb, scalable page */
    BENCH_UNLIMITED = 8,    /* libmmb without a limit */
    BENCH_STACKS = 16,      /* libmmb's stack, and the bump pointer */
    BENCH_FINDABLE = 32,    /* libmmb with lookup by pointer */
    BENCH_THE_OTHER = 64,   /* the reference */
    BENCH_REGISTERED = 128, /* libmmb with its chunks registered for DMA */
    BENCH_NETWORKS = 256,   /* the same with the network libraries */
    BENCH_EACH_TIME = 512,  /* a buffer registered each time */
    BENCH_RUN = 1024,       /* mmb-run */
    BENCH_SHARED = 2048,    /* heaps that processes share */
    BENCH_GENERAL = BENCH_PEERS | BENCH_LOCAL | BENCH_PAGES
};

struct bench_contender {
    const char *name; /* as on the command line */
    const char *title;
    enum bench_way way;
    enum bench_group group;
    const char *preload;             /* file name of the library that has to serve malloc */
    void (*version)(char *, size_t); /* its own word for it, or NULL */
    mmbStrategy strategy;
    uint64_t flags; /* of the interface */
    bool has_no_limit;
    const char *provider; /* of regions: "mlock", or a module beside mmb-bench; NULL: none */
    bool is_shared;       /* over a segment that processes share */
};

struct bench_run;
typedef void bench_function(struct bench_run *run);

enum bench_unit {
    BENCH_NANOSECONDS, /* of the processor's time, per operation */
    BENCH_BYTES,
    BENCH_FACTOR
};

/* When a workload is run. */
enum bench_when { BENCH_ALWAYS, BENCH_WHEN_LONG };

struct bench_workload {
    const char *name; /* as on the command line */
    const char *title;
    bench_function *run[BENCH_N_WAYS]; /* NULL: not by this way */
    unsigned int groups;               /* of the contenders */
    const char *reference;             /* what that is here */
    enum bench_unit unit;
    enum bench_when when;
    bool is_bare;           /* starts libmmb itself, or not at all */
    bool is_memory;         /* what was touched before must be little */
    size_t ops;             /* in a full run */
    size_t least_ops;       /* a quick run does not go below */
    unsigned int n_threads; /* or processes */
    size_t n_live;
    size_t least, most; /* bytes of a block */
    size_t parameter;   /* its function says of what */
};

/* One measurement, in a process of its own. */
struct bench_run {
    const struct bench_workload *workload;
    const struct bench_contender *contender;
    size_t ops;
    double value; /* in the workload's unit */
    double wall;  /* ns per operation on the clock; 0: as the processor's */
};

extern const struct bench_workload bench_workloads[];
extern const size_t bench_n_workloads;
extern const struct bench_contender bench_contenders[];
extern const size_t bench_n_contenders;

bool bench_takes_part(const struct bench_contender *contender,
                      const struct bench_workload *workload);
/* SIZE_MAX: there is none of this name. */
size_t bench_find_contender(const char *name);
size_t bench_find_workload(const char *name);

#endif
