/* SPDX-License-Identifier: BSD-3-Clause */
/* What the C++ tests share: checks that count, an interface to work on, objects that are counted.
 */
#ifndef TESTS_BINDINGS_CXX_H
#define TESTS_BINDINGS_CXX_H

#include <cstdio>
#include <mmb.hpp>

extern int failures;

#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #claim);                                \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

#define CHECK_THROWS(type, expression)                                                             \
    do {                                                                                           \
        bool thrown = false;                                                                       \
        try {                                                                                      \
            (void)(expression);                                                                    \
        } catch (const type &) {                                                                   \
            thrown = true;                                                                         \
        }                                                                                          \
        CHECK(thrown &&#type);                                                                     \
    } while (0)

/* The code that an expression throws, MMB_OK when it throws none. */
template <class F> mmbError code_of(F expression)
{
    try {
        expression();
    } catch (const mmb::error &caught) {
        return caught.code();
    }
    return MMB_OK;
}

/* One space with a limit, one interface in it. */
struct world {
    mmb::library library;
    mmb::unique_space space;
    mmb::unique_interface interface;

    explicit world(std::size_t limit, mmbStrategy strategy = MMB_STRATEGY_THREAD_LOCAL)
        : space(mmb::register_memory(MMB_DRAM, MMB_CPU, limit)),
          interface(mmb::make_interface(space.get(), strategy, MMB_INTERFACE_FINDABLE))
    {
    }
    mmbMemInterface *get() const { return interface.get(); }
    mmbMemInterfaceStats stats() const
    {
        mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
        mmb::check(mmb_interface_get_stats(get(), &stats));
        return stats;
    }
    std::size_t live() const { return stats().live_count; }
};

/* Knows how many of it there are; the constructor number `fuse` throws, as a copy does. */
struct counted {
    static int alive, fuse;
    int value;

    explicit counted(int v = 7) : value(v)
    {
        burn();
        alive++;
    }
    counted(const counted &other) : value(other.value)
    {
        burn();
        alive++;
    }
    ~counted() { alive--; }
    static void burn()
    {
        if (fuse > 0 && --fuse == 0)
            throw 42;
    }
};

void test_allocators();
void test_memory_resource();
void test_objects();
void test_rma();

#endif
