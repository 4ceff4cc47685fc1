/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the binary layout of the public headers. The header under test comes from the command line
 * (-include), so that two of them can be compared. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct row {
    const char *name;
    uint64_t first;
    uint64_t second;
};

#define SIZE(type)                                                                                 \
    {                                                                                              \
#type, sizeof(type), _Alignof(type)                                                        \
    }
#define PLACE(type, member)                                                                        \
    {                                                                                              \
#type "." #member, offsetof(type, member), sizeof(((type *)0)->member)                     \
    }

static const struct row rows[] = {
#define TYPE(type)           SIZE(type),
#define MEMBER(type, member) PLACE(type, member),
#define CONSTANT(name)       {#name, (uint64_t)(name), 0},
#define INITIAL(type, initialiser)
#include "layout.def"
#undef TYPE
#undef MEMBER
#undef CONSTANT
#undef INITIAL
};

struct initial {
    const char *name;
    const void *bytes;
    size_t n_bytes;
};

#define TYPE(type)
#define MEMBER(type, member)
#define CONSTANT(name)
#define INITIAL(type, initialiser) static const type initial_##type = initialiser;
#include "layout.def"
#undef INITIAL

static const struct initial initials[] = {
#define INITIAL(type, initialiser) {#initialiser, &initial_##type, sizeof(type)},
#include "layout.def"
};

int main(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("%s %ju %ju\n", rows[i].name, (uintmax_t)rows[i].first, (uintmax_t)rows[i].second);
    for (size_t i = 0; i < sizeof(initials) / sizeof(initials[0]); i++) {
        const unsigned char *bytes = initials[i].bytes;
        printf("%s ", initials[i].name);
        for (size_t at = 0; at < initials[i].n_bytes; at++)
            printf("%02x", (unsigned int)bytes[at]);
        printf("\n");
    }
    return 0;
}
