/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-info: shows the memory of this machine, of a topology file or of a running process, as the
 * library sees it. */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "tools/info_live.h"
#include "tools/info_shm.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: mmb-info [--json | --svg FILE] [--topology FILE]\n"
    "       mmb-info --live PID|NAME [--count N | --json | --svg FILE]\n"
    "       mmb-info --shm URL [--json]\n"
    "       mmb-info --version | --help\n"
    "Shows memory layers, their sizes and speeds, spaces with their limits, and which\n"
    "backends are built and usable.\n"
    "  --json           one JSON object on standard output\n"
    "  --svg FILE       a picture; - is standard output\n"
    "  --topology FILE  the machine that FILE describes (XML written by hwloc)\n"
    "  --live PID|NAME  a running process that was started with MMB_PUBLISH=1: what its\n"
    "                   interfaces use and how fast they work, until it ends\n"
    "  --count N        stop after showing it N times\n"
    "  --shm URL        verifies a shared segment and shows what it holds\n"
    "  --version        the library's version\n"
    "  --help           this text\n";

struct request {
    const char *topology_xml, *svg, *live, *shm;
    unsigned long count; /* 0: as long as it runs */
    bool as_json, wants_version, wants_help;
};

static bool take_count(const char *text, struct request *out)
{
    char *end;
    out->count = strtoul(text, &end, 10);
    return *text >= '1' && *text <= '9' && *end == 0;
}

static bool take_option(int option, struct request *out)
{
    switch (option) {
    case 'j':
        out->as_json = true;
        return true;
    case 's':
        out->svg = optarg;
        return true;
    case 'l':
        out->live = optarg;
        return true;
    case 'c':
        return take_count(optarg, out);
    case 'm':
        out->shm = optarg;
        return true;
    case 't':
        out->topology_xml = optarg;
        return true;
    case 'V':
        out->wants_version = true;
        return true;
    case 'h':
        out->wants_help = true;
        return true;
    default:
        return false;
    }
}

/* A topology is no process, and one answer has one form. */
static bool goes_together(const struct request *request)
{
    return !(request->shm && (request->svg || request->live || request->topology_xml)) &&
           !(request->as_json && request->svg) && !(request->live && request->topology_xml) &&
           !(request->count && (!request->live || request->as_json || request->svg));
}

/* getopt has said what was wrong. */
static bool parse(int argc, char **argv, struct request *out)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"svg", required_argument, NULL, 's'},
        {"live", required_argument, NULL, 'l'},
        {"count", required_argument, NULL, 'c'},
        {"topology", required_argument, NULL, 't'},
        {"shm", required_argument, NULL, 'm'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    memset(out, 0, sizeof *out);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (!take_option(option, out))
            return false;
    if (optind < argc)
        fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
    return optind == argc && goes_together(out);
}

static struct info_style choose_style(void)
{
    const struct info_style style = {.is_utf8 = isatty(STDOUT_FILENO) &&
                                                strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    return style;
}

static int fail(const char *what)
{
    const char *detail = mmb_error_detail();
    fprintf(stderr, "mmb-info: %s: %s\n", what, *detail ? detail : "out of memory");
    return EXIT_FAILURE;
}

/* ---- a picture ---- */

static int write_svg(const struct info *info, const char *path, const char *title)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "w");
    bool done = out && info_print_svg(out, info, title);
    if (out && !is_stdout)
        done = fclose(out) == 0 && done;
    if (done)
        return EXIT_SUCCESS;
    fprintf(stderr, "mmb-info: %s: %s\n", path, strerror(errno));
    return EXIT_FAILURE;
}

static int print(const struct request *request, const struct info *info, const char *title)
{
    const struct info_style style = choose_style();
    if (request->svg)
        return write_svg(info, request->svg, title);
    if (request->as_json)
        info_print_json(stdout, info);
    else
        info_print_text(stdout, info, &style);
    return EXIT_SUCCESS;
}

/* ---- this machine ---- */

static int show(const struct request *request)
{
    struct info info;
    mmbOptions options = MMB_OPTIONS_INIT;
    options.topology_xml = request->topology_xml;
    if (mmb_init(&options) != MMB_OK)
        return fail("cannot start");
    int status = info_take(&info) ? print(request, &info,
                                          request->topology_xml ? request->topology_xml
                                                                : "Memory of this machine")
                                  : fail("cannot read the library's state");
    info_drop(&info);
    mmb_finalize();
    return status;
}

/* ---- a running process ---- */

static int fail_live(const char *target, const char *why)
{
    fprintf(stderr, "mmb-info: %s: %s\n", target, why);
    return EXIT_FAILURE;
}

/* Another snapshot than the one before. False with why; the empty one is the process's end. */
static bool wait_for_next(const char *path, const struct live *before, struct live *out,
                          char why[LIVE_WHY_BYTES])
{
    const struct timespec pause = {.tv_nsec = 50000000};
    while (live_read(path, out, why)) {
        if (out->at_ms != before->at_ms)
            return true;
        live_drop(out);
        nanosleep(&pause, NULL);
    }
    return false;
}

/* In a terminal it is written over the one before. False: there is no memory for it. */
static bool put(const struct live *before, const struct live *now, struct info_style *style)
{
    struct winsize size = {.ws_row = 0};
    if (!isatty(STDOUT_FILENO)) {
        live_print(stdout, before, now, style);
        return true;
    }
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    char *text = NULL;
    size_t n_bytes;
    FILE *memory = open_memstream(&text, &n_bytes);
    style->columns = is_known ? size.ws_col : 80;
    if (memory)
        live_print(memory, before, now, style);
    if (!memory || fclose(memory) != 0)
        return false;
    info_put_screen(stdout, text, style->columns, is_known ? size.ws_row : 24);
    free(text);
    return true;
}

/* Each screen needs two snapshots: rates are of the time between them. */
static int watch(const struct request *request, const char *path, struct live *before)
{
    struct info_style style = choose_style();
    const bool is_terminal = isatty(STDOUT_FILENO);
    const struct timespec second = {.tv_sec = 1};
    struct live now;
    char why[LIVE_WHY_BYTES];
    unsigned long n = 0, count = request->count ? request->count : is_terminal ? 0 : 1;
    while (wait_for_next(path, before, &now, why)) {
        fputs(is_terminal || n == 0 ? "" : "\n", stdout);
        bool is_shown = put(before, &now, &style);
        live_drop(before);
        *before = now;
        if (!is_shown)
            return fail_live(request->live, "out of memory");
        if (++n == count || fflush(stdout) != 0)
            return EXIT_SUCCESS;
        nanosleep(&second, NULL);
    }
    if (*why)
        return fail_live(request->live, why);
    puts("The process has ended.");
    return EXIT_SUCCESS;
}

static int show_live(const struct request *request)
{
    char path[LIVE_PATH_BYTES], why[LIVE_WHY_BYTES], title[LIVE_WHY_BYTES];
    struct live live;
    if (!live_find(request->live, path, why))
        return fail_live(request->live, why);
    if (!live_read(path, &live, why))
        return fail_live(request->live, *why ? why : "it has just ended");
    snprintf(title, sizeof title, "%s, process %d", live.program, live.pid);
    int status = request->svg || request->as_json ? print(request, &live.info, title)
                                                  : watch(request, path, &live);
    live_drop(&live);
    return status;
}

static int run(const struct request *request)
{
    int major, minor, patch;
    if (request->wants_help) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (request->shm && !request->wants_version)
        return info_show_shm(stdout, request->shm, request->as_json);
    if (!request->wants_version)
        return request->live ? show_live(request) : show(request);
    if (mmb_version(&major, &minor, &patch) != MMB_OK)
        return fail("cannot tell the version");
    printf("mmb-info %d.%d.%d\n", major, minor, patch);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct request request;
    setlocale(LC_CTYPE, ""); /* for the bars; messages stay the ones that programs know */
    if (!parse(argc, argv, &request)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    int status = run(&request);
    /* A full disk behind a redirection is found only now. */
    if (fclose(stdout) != 0 && status == EXIT_SUCCESS) {
        perror("mmb-info: standard output");
        status = EXIT_FAILURE;
    }
    return status;
}
