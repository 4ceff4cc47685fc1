/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads /proc/cpuinfo. Owns nothing, takes no lock. */
#include "bench/machine.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(MMB_DEBUG)
#define BUILD_NOTE ", debug build: THE NUMBERS DO NOT COUNT"
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILD_NOTE ", sanitized build: THE NUMBERS DO NOT COUNT"
#elif !defined(__OPTIMIZE__)
#define BUILD_NOTE ", without optimisation: THE NUMBERS DO NOT COUNT"
#else
#define BUILD_NOTE ""
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The value behind the first "key : value" whose key begins so; "" when there is none. */
static void read_value(FILE *file, const char *key, char *text, size_t n_bytes)
{
    char line[1024];

    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(text, n_bytes, "%.*s", (int)strcspn(colon, "\n"), colon);
        return;
    }
}

static void look_at_processor(struct bench_machine *machine)
{
    /* x86, Power, RISC-V; Arm's kernels name a part number only. */
    static const char *const keys[] = {"model name", "cpu", "uarch", "CPU part"};
    FILE *file = fopen("/proc/cpuinfo", "re");

    machine->model[0] = '\0';
    for (size_t i = 0; file && i < sizeof keys / sizeof keys[0] && !machine->model[0]; i++) {
        rewind(file);
        read_value(file, keys[i], machine->model, sizeof machine->model);
    }
    if (file)
        fclose(file);
    if (!machine->model[0])
        snprintf(machine->model, sizeof machine->model, "unknown processor");
}

void bench_machine_look(struct bench_machine *machine)
{
    time_t now = time(NULL);
    struct tm utc;

    look_at_processor(machine);
    machine->n_cores = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    machine->memory_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    if (!gmtime_r(&now, &utc) ||
        strftime(machine->date, sizeof machine->date, "%Y-%m-%d %H:%M UTC", &utc) == 0)
        machine->date[0] = '\0';
    snprintf(machine->build, sizeof machine->build, "%s%s", COMPILER, BUILD_NOTE);
}
