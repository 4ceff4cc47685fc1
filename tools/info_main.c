/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-info: shows the memory of this machine, or of a topology file, as the library sees it. */
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/info.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: mmb-info [--json] [--topology FILE]\n"
    "       mmb-info --version | --help\n"
    "Shows memory layers, their sizes and speeds, spaces with their limits, and which\n"
    "backends are built and usable.\n"
    "  --json           one JSON object on standard output\n"
    "  --topology FILE  the machine that FILE describes (XML written by hwloc)\n"
    "  --version        the library's version\n"
    "  --help           this text\n";

struct request {
    const char *topology_xml;
    bool as_json, wants_version, wants_help;
};

/* getopt has said what was wrong. */
static bool parse(int argc, char **argv, struct request *out)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"topology", required_argument, NULL, 't'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    memset(out, 0, sizeof *out);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            out->as_json = true;
            break;
        case 't':
            out->topology_xml = optarg;
            break;
        case 'V':
            out->wants_version = true;
            break;
        case 'h':
            out->wants_help = true;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
    return optind == argc;
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

static int show(const struct request *request)
{
    struct info info;
    mmbOptions options = MMB_OPTIONS_INIT;
    options.topology_xml = request->topology_xml;
    if (mmb_init(&options) != MMB_OK)
        return fail("cannot start");
    int status = EXIT_SUCCESS;
    if (!info_take(&info)) {
        status = fail("cannot read the library's state");
    } else if (request->as_json) {
        info_print_json(stdout, &info);
    } else {
        const struct info_style style = choose_style();
        info_print_text(stdout, &info, &style);
    }
    info_drop(&info);
    mmb_finalize();
    return status;
}

static int run(const struct request *request)
{
    int major, minor, patch;
    if (request->wants_help) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (!request->wants_version)
        return show(request);
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
