// SPDX-License-Identifier: BSD-3-Clause
// Standard containers over an interface: by mmb::allocator, and by mmb::memory_resource in C++17.
#include "cxx.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

template <class T> using vector_of = std::vector<T, mmb::allocator<T>>;
using text = std::basic_string<char, std::char_traits<char>, mmb::allocator<char>>;

static void test_allocator_serves_every_container()
{
    world w(16 << 20);
    {
        mmb::allocator<int> from(w.get());
        vector_of<int> vector(from);
        std::list<int, mmb::allocator<int>> list(from);
        std::deque<int, mmb::allocator<int>> deque(from);
        std::set<int, std::less<int>, mmb::allocator<int>> set(std::less<int>(), from);
        using pair = std::pair<const int, int>;
        std::map<int, int, std::less<int>, mmb::allocator<pair>> map(std::less<int>(), from);
        std::unordered_map<int, int, std::hash<int>, std::equal_to<int>, mmb::allocator<pair>>
            table(8, std::hash<int>(), std::equal_to<int>(), from);
        for (int i = 0; i < 1000; i++) {
            int value = i * 7919 % 1000;
            vector.push_back(value), list.push_back(value), deque.push_front(value);
            set.insert(value), map[value] = i, table[value] = i;
        }
        std::sort(vector.begin(), vector.end());
        list.sort();
        CHECK(std::equal(vector.begin(), vector.end(), list.begin()));
        CHECK(std::equal(set.begin(), set.end(), vector.begin()) && map.size() == 1000);
        for (int i = 0; i < 1000; i++)
            CHECK(map[i] == table[i] && deque[std::size_t(i)] == (999 - i) * 7919 % 1000);
        CHECK(w.live() > 3000);
    }
    CHECK(w.live() == 0 && w.stats().live_bytes == 0);
}

static void test_allocator_nests_and_shares()
{
    world w(1 << 20);
    {
        mmb::allocator<text> from(w.get());
        vector_of<text> words(from);
        for (int i = 0; i < 50; i++)
            words.push_back(text(std::size_t(i) + 20, char('a' + i % 26), from));
        CHECK(words[30] == text(50, 'e', from));
        CHECK(w.live() == 51);
        std::shared_ptr<int> shared = std::allocate_shared<int>(mmb::allocator<int>(w.get()), 5);
        CHECK(*shared == 5 && w.live() == 52);
    }
    CHECK(w.live() == 0);
}

static void test_allocator_goes_along_with_a_move()
{
    world w(1 << 20);
    mmb::unique_interface other = mmb::make_interface(w.space.get(), MMB_STRATEGY_SCALABLE_PAGE);
    {
        vector_of<int> a(100, 1, mmb::allocator<int>(w.get()));
        vector_of<int> b(200, 2, mmb::allocator<int>(other.get()));
        CHECK(a.get_allocator() != b.get_allocator());
        const int *data = b.data();
        a.swap(b);
        CHECK(a.data() == data && a.get_allocator().interface() == other.get());
        b = std::move(a);
        CHECK(b.data() == data && b.get_allocator().interface() == other.get() && w.live() == 0);
        vector_of<int> c(mmb::allocator<int>(w.get()));
        c = b;
        CHECK(c.size() == 200 && c.get_allocator().interface() == w.get() && w.live() == 1);
    }
    CHECK(w.live() == 0);
}

static void test_allocator_stops_at_the_limit()
{
    world w(8000);
    vector_of<double> fits(1000, 1.0, mmb::allocator<double>(w.get()));
    try {
        fits.push_back(2.0);
        CHECK(false);
    } catch (const mmb::bad_alloc &caught) {
        CHECK(std::strstr(caught.what(), "limit 8000"));
    }
    CHECK(fits.size() == 1000 && fits[999] == 1.0);
    CHECK_THROWS(std::bad_alloc, vector_of<char>(1, 'x', mmb::allocator<char>(w.get())));
    CHECK_THROWS(std::bad_alloc, mmb::allocator<double>(w.get()).allocate(SIZE_MAX / 8 + 1));
}

struct alignas(256) wide {
    unsigned char bytes[256];
};

static bool is_aligned(const void *ptr, std::size_t alignment)
{
    return reinterpret_cast<std::uintptr_t>(ptr) % alignment == 0;
}

static void test_allocator_aligns()
{
    world w(1 << 20);
    mmb::allocator<wide> from(w.get());
    wide *blocks[9];
    for (std::size_t n = 1; n < 9; n++)
        CHECK(is_aligned(blocks[n] = from.allocate(n), 256));
    for (std::size_t n = 1; n < 9; n++)
        from.deallocate(blocks[n], n);
    CHECK(w.live() == 0);
    wide *none = from.allocate(0);
    CHECK(none);
    from.deallocate(none, 0);
}

static mmbError map_nothing(void *, size_t, int, void **)
{
    return MMB_OUT_OF_MEMORY;
}
static mmbError unmap_nothing(void *, void *, size_t)
{
    return MMB_OK;
}
static mmbError move_nothing(void *, void *, const void *, size_t)
{
    return MMB_OK;
}

static void test_allocator_refuses_what_it_cannot_use()
{
    world w(1 << 20);
    CHECK(code_of([] { mmb::allocator<int> a(nullptr); }) == MMB_INVALID_INTERFACE);
    mmbBackendOps ops = {};
    ops.size = sizeof ops, ops.name = "far away", ops.map = map_nothing;
    ops.unmap = unmap_nothing, ops.copy_in = move_nothing, ops.copy_out = move_nothing;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmb::check(mmb_backend_register(&ops, nullptr, &config.backend));
    mmb::unique_interface device = mmb::make_interface(w.space.get(), &config);
    CHECK(code_of([&] { mmb::allocator<int> a(device.get()); }) == MMB_UNSUPPORTED);
    CHECK(code_of([&] { mmb::new_object<int>(device.get()); }) == MMB_UNSUPPORTED);
}

void test_allocators()
{
    test_allocator_serves_every_container();
    test_allocator_nests_and_shares();
    test_allocator_goes_along_with_a_move();
    test_allocator_stops_at_the_limit();
    test_allocator_aligns();
    test_allocator_refuses_what_it_cannot_use();
}

#ifdef MMB_HAS_MEMORY_RESOURCE
static void test_resource_serves_containers()
{
    world w(1 << 20);
    {
        mmb::memory_resource resource(w.get());
        std::pmr::vector<std::pmr::string> words(&resource);
        for (int i = 0; i < 100; i++)
            words.emplace_back("a word that is too long to lie in the string itself");
        CHECK(w.live() == 101 && words[99].get_allocator().resource() == &resource);
        void *page = resource.allocate(100, 4096);
        CHECK(is_aligned(page, 4096));
        resource.deallocate(page, 100, 4096);
        std::pmr::monotonic_buffer_resource buffer(1024, &resource);
        (void)buffer.allocate(10);
        CHECK(w.live() == 102);
    }
    CHECK(w.live() == 0);
}

static void test_resource_is_equal_by_interface()
{
    world w(1 << 20);
    mmb::unique_interface other = mmb::make_interface(w.space.get());
    mmb::memory_resource a(w.get()), b(w.get()), c(other.get());
    CHECK(a == b && a != c && a != *std::pmr::new_delete_resource());
}

static void test_resource_stops_at_the_limit()
{
    world w(8000);
    mmb::memory_resource resource(w.get());
    std::pmr::vector<char> full(8000, 'x', &resource);
    CHECK_THROWS(std::bad_alloc, full.push_back('y'));
    CHECK_THROWS(mmb::bad_alloc, resource.allocate(1));
    CHECK(full.size() == 8000 && w.stats().refused > 0);
}

void test_memory_resource()
{
    test_resource_serves_containers();
    test_resource_is_equal_by_interface();
    test_resource_stops_at_the_limit();
}
#else
#if __cplusplus >= 201703L
#error C++17 must have mmb::memory_resource
#endif
void test_memory_resource() {}
#endif
