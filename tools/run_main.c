/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-run: starts a program with libmmb-preload in front of the C library's malloc. Owns the
 * command line and the environment that it makes of it; what cannot work is told before the program
 * runs. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mmb.h>

static const char usage_text[] =
    "usage: mmb-run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "Runs a program with its large blocks of memory in a layer of choice.\n"
    "  --layer NAME      where they go (HBM)\n"
    "  --min-size SIZE   from this size on; K, M, G are binary (64K)\n"
    "  --fallback NAME   the layer for what the first cannot give; none: refuse it.\n"
    "                    Without this option the C library serves it\n"
    "  --strategy NAME   PASSTHROUGH, SCALABLE_PAGE or THREAD_LOCAL (the default)\n"
    "  --stats           print counts on the error stream as each process ends\n"
    "  --help, --version\n";

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("mmb-run: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(125);
}

/* In decimal bytes, as the preloaded library reads it. */
static void set_min_size(const char *text)
{
    static const char units[] = "KMG";
    char *end, bytes[32];
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        end++;
    if (end == text || *text == '-' || *end || errno || n << shift >> shift != n)
        die("--min-size %s: not a size", text);
    snprintf(bytes, sizeof bytes, "%llu", n << shift);
    setenv("MMB_RUN_MIN_SIZE", bytes, 1);
}

/* A stack would grow with every free() that does not come in order. */
static void set_strategy(const char *name)
{
    static const char *const usable[] = {"PASSTHROUGH", "SCALABLE_PAGE", "THREAD_LOCAL"};
    for (size_t i = 0; i < sizeof usable / sizeof *usable; i++)
        if (strcmp(name, usable[i]) == 0) {
            setenv("MMB_RUN_STRATEGY", name, 1);
            return;
        }
    die("--strategy %s: not one of PASSTHROUGH, SCALABLE_PAGE, THREAD_LOCAL", name);
}

/* True too where nobody can tell: discovery is not built in. */
static bool is_here(mmbMemLayer layer)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    return mmb_layer_count() == 0 || (!mmb_layer_get_info(layer, &info) && info.discovered);
}

/* A layer that nobody has seen is served all the same, by ordinary memory: the user's word counts,
 * but he may not know. */
static void check_layer(const char *name)
{
    mmbMemLayer layer;
    mmbMemInterface *interface;
    mmbError error = mmb_layer_from_name(name, &layer);
    if (!error && !is_here(layer))
        fprintf(stderr, "mmb-run: no %s was found on this machine: it is ordinary memory here\n",
                name);
    if (error || mmb_get_interface(layer, MMB_CPU, &interface))
        die("layer %s: %s", name, mmb_error_detail());
}

static void check_layers(void)
{
    const char *layer = getenv("MMB_RUN_LAYER");
    const char *fallback = getenv("MMB_RUN_FALLBACK");
    if (mmb_init_host(MMB_INIT_DEFAULT))
        die("%s", mmb_error_detail());
    check_layer(layer ? layer : "HBM");
    if (fallback && *fallback && strcmp(fallback, "none") != 0)
        check_layer(fallback);
    mmb_finalize();
}

/* Where the installed library is when this program was moved with it: the folders that its own path
 * and MMB_BINDIR end in alike are the installation's, and what is before them was replaced. False:
 * it was not installed. */
static bool find_moved(char *path, size_t n_bytes)
{
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    char *slash = length < 0 ? NULL : memrchr(own, '/', (size_t)length);
    if (!slash)
        return false;
    size_t n_own = (size_t)(slash - own), n_bin = strlen(MMB_BINDIR), same = 0;
    for (size_t i = 1; i <= n_own && i <= n_bin && own[n_own - i] == MMB_BINDIR[n_bin - i]; i++)
        if (own[n_own - i] == '/')
            same = i;
    size_t n_prefix = n_bin - same;
    if (same == 0 || strncmp(MMB_BINDIR, MMB_LIBDIR, n_prefix) != 0)
        return false;
    int written = snprintf(path, n_bytes, "%.*s%s/libmmb-preload.so", (int)(n_own - same), own,
                           &MMB_LIBDIR[n_prefix]);
    return written > 0 && (size_t)written < n_bytes && access(path, R_OK) == 0;
}

static const char *find_library(void)
{
    static char moved[8192];
    const char *named = getenv("MMB_RUN_LIBRARY");
    if (named && *named)
        return named;
    return find_moved(moved, sizeof moved) ? moved : MMB_LIBDIR "/libmmb-preload.so";
}

/* Before whatever the user preloads already. */
static void preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char value[4096];
    int length = snprintf(value, sizeof value, "%s%s%s", library, others && *others ? ":" : "",
                          others ? others : "");
    if (access(library, R_OK))
        die("%s: %s", library, strerror(errno));
    if (length < 0 || (size_t)length >= sizeof value)
        die("LD_PRELOAD is too long");
    setenv("LD_PRELOAD", value, 1);
}

static void take_option(int option)
{
    switch (option) {
    case 'l':
        setenv("MMB_RUN_LAYER", optarg, 1);
        break;
    case 'm':
        set_min_size(optarg);
        break;
    case 'f':
        setenv("MMB_RUN_FALLBACK", optarg, 1);
        break;
    case 's':
        set_strategy(optarg);
        break;
    case 't':
        setenv("MMB_RUN_STATS", "1", 1);
        break;
    case 'h':
        fputs(usage_text, stdout);
        exit(EXIT_SUCCESS);
    case 'v':
        printf("mmb-run %d.%d.%d\n", MMB_VERSION_MAJOR, MMB_VERSION_MINOR, MMB_VERSION_PATCH);
        exit(EXIT_SUCCESS);
    default:
        fputs(usage_text, stderr);
        exit(125);
    }
}

/* Like env and nohup: 125 for our own failures, 126 and 127 for a program that cannot be run. */
int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"layer", required_argument, NULL, 'l'},    {"min-size", required_argument, NULL, 'm'},
        {"fallback", required_argument, NULL, 'f'}, {"strategy", required_argument, NULL, 's'},
        {"stats", no_argument, NULL, 't'},          {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
        take_option(option);
    if (optind == argc)
        take_option('?');
    check_layers();
    preload(find_library());
    execvp(argv[optind], argv + optind);
    int errnum = errno;
    fprintf(stderr, "mmb-run: %s: %s\n", argv[optind], strerror(errnum));
    return errnum == ENOENT ? 127 : 126;
}
