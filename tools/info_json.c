/* SPDX-License-Identifier: BSD-3-Clause */
/* The report as one JSON object on one line. The names and their order are part of the interface:
 * members are added at the end, never renamed. A space without a limit has the limit null, since no
 * number says that. */
#include "tools/info.h"

/* The bytes of the UTF-8 character at text; 0: it is none. Names of files may be anything. */
static size_t character_bytes(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t n = bytes[0] < 0x80    ? 1
               : bytes[0] < 0xc2  ? 0
               : bytes[0] < 0xe0  ? 2
               : bytes[0] < 0xf0  ? 3
               : bytes[0] <= 0xf4 ? 4
                                  : 0;
    for (size_t i = 1; i < n; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void print_ascii(FILE *out, char byte)
{
    if (byte == '"' || byte == '\\')
        fprintf(out, "\\%c", byte);
    else if (byte == '\n')
        fputs("\\n", out);
    else if (byte == '\t')
        fputs("\\t", out);
    else if (byte < 0x20 || byte == 0x7f)
        fprintf(out, "\\u%04x", (unsigned int)byte);
    else
        fputc(byte, out);
}

static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) {
        size_t n = character_bytes(text);
        if (n == 1)
            print_ascii(out, *text);
        else if (n == 0)
            fputs("\\ufffd", out);
        else
            fwrite(text, 1, n, out);
        text += n ? n : 1;
    }
    fputc('"', out);
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void print_layer(FILE *out, const mmbLayerInfo *layer)
{
    fputs("{\"name\":", out);
    print_string(out, layer->name);
    fprintf(out, ",\"total_bytes\":%zu,\"domains\":%zu", layer->total_bytes, layer->domains);
    fprintf(out, ",\"bandwidth_mib_s\":%zu,\"latency_ns\":%zu", layer->bandwidth_mib_s,
            layer->latency_ns);
    fprintf(out, ",\"discovered\":%s}", boolean(layer->discovered));
}

static void print_space(FILE *out, const struct info_space *space)
{
    fputs("{\"layer\":", out);
    print_string(out, space->layer);
    fputs(",\"context\":", out);
    print_string(out, space->context);
    if (space->info.limit == MMB_NO_LIMIT)
        fputs(",\"limit\":null", out);
    else
        fprintf(out, ",\"limit\":%zu", space->info.limit);
    fprintf(out, ",\"used\":%zu}", space->info.used);
}

static void print_backend(FILE *out, const struct info_backend *backend)
{
    fputs("{\"name\":", out);
    print_string(out, backend->name);
    fprintf(out, ",\"built\":%s,\"available\":%s,\"detail\":", boolean(backend->built),
            boolean(backend->available));
    print_string(out, backend->detail);
    fputc('}', out);
}

void info_print_json(FILE *out, const struct info *info)
{
    fputs("{\"layers\":[", out);
    for (size_t i = 0; i < info->n_layers; i++) {
        fputs(i ? "," : "", out);
        print_layer(out, &info->layers[i]);
    }
    fputs("],\"spaces\":[", out);
    for (size_t i = 0; i < info->n_spaces; i++) {
        fputs(i ? "," : "", out);
        print_space(out, &info->spaces[i]);
    }
    fputs("],\"backends\":[", out);
    for (size_t i = 0; i < info->n_backends; i++) {
        fputs(i ? "," : "", out);
        print_backend(out, &info->backends[i]);
    }
    fputs("]}\n", out);
}
