// SPDX-License-Identifier: BSD-3-Clause
// Pointers into registered memory, and containers that hold such pointers.
#include "cxx.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <forward_list>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

// A network that is a table: a region's key is its number from 1, and remote addresses begin at a
// base of each region's own.
struct network {
    struct range {
        char *base;
        std::size_t n_bytes;
    };
    std::vector<range> ranges;
    std::size_t live = 0;
    mmbRegionProviderOps ops;
    mmbRegionProvider *provider = nullptr;

    network() : ops()
    {
        ops.size = sizeof ops;
        ops.name = "table";
        ops.register_region = enter;
        ops.deregister_region = leave;
    }
    static std::uint64_t remote_base(std::uint64_t key) { return key << 32; }
    static mmbError enter(void *user, void *base, std::size_t n_bytes, const mmbRegionAttr *,
                          mmbRegion *out)
    {
        network *self = static_cast<network *>(user);
        self->ranges.push_back(range{static_cast<char *>(base), n_bytes});
        self->live++;
        const std::uint64_t key = self->ranges.size();
        out->local_desc = base;
        out->remote_base = remote_base(key);
        out->remote_key_bytes = sizeof key;
        std::memcpy(out->remote_key, &key, sizeof key);
        return MMB_OK;
    }
    static mmbError leave(void *user, mmbRegion *)
    {
        static_cast<network *>(user)->live--;
        return MMB_OK;
    }
    // What a peer reaches with what a view says; null: denied.
    void *reach(const mmbRegionView &view) const
    {
        std::uint64_t key;
        if (view.remote_key_bytes != sizeof key)
            return nullptr;
        std::memcpy(&key, view.remote_key, sizeof key);
        if (key < 1 || key > ranges.size())
            return nullptr;
        const range &of = ranges[key - 1];
        const std::uint64_t offset = view.remote_address - remote_base(key);
        return offset <= of.n_bytes && view.n_bytes <= of.n_bytes - offset ? of.base + offset
                                                                           : nullptr;
    }
};

// The library, a space, and an interface whose chunks the network knows.
struct rma_world {
    mmb::library library;
    network net;
    mmb::unique_space space;
    mmb::unique_interface interface;

    explicit rma_world(std::uint64_t flags = MMB_INTERFACE_FINDABLE,
                       std::size_t limit = MMB_NO_LIMIT)
        : space(mmb::register_memory(MMB_DRAM, MMB_CPU, limit))
    {
        mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
        mmb::check(mmb_region_provider_create(&net.ops, &net, &net.provider));
        config.region_provider = net.provider;
        config.flags = flags;
        interface = mmb::make_interface(space.get(), &config);
    }
    ~rma_world()
    {
        CHECK(live() == 0);
        interface.destroy();
        CHECK(net.live == 0 && mmb_region_provider_destroy(net.provider) == MMB_OK);
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

template <class T> using rma_vector = std::vector<T, mmb::rma_allocator<T>>;

static void test_rma_ptr_reaches_its_element()
{
    rma_world w;
    mmb::rma_allocator<int> from(w.get());
    mmb::rma_ptr<int> first = from.allocate(100);
    for (int i = 0; i < 100; i++)
        first[i] = i;
    for (int i = 0; i < 100; i++) {
        mmbRegionView view = (first + i).region();
        CHECK(view.ptr == first.get() + i && view.n_bytes == sizeof(int));
        CHECK(w.net.reach(view) == first.get() + i && view.local_desc == w.net.ranges[0].base);
    }
    CHECK((first + 40).region(60).n_bytes == 60 * sizeof(int));
    CHECK(code_of([&] { (first + 40).region(61); }) == MMB_INVALID_SIZE);
    CHECK(code_of([&] { (first + 100).region(); }) == MMB_INVALID_SIZE);
    CHECK(code_of([&] { first.region(0); }) == MMB_INVALID_SIZE);
    CHECK(code_of([&] { first.region(SIZE_MAX / sizeof(int) + 2); }) == MMB_INVALID_SIZE);
    CHECK(w.net.ranges.size() == 1);
    from.deallocate(first, 100);
}

static void test_rma_vector_elements_are_reached()
{
    rma_world w;
    rma_vector<double> field(1000, 0.5, w.get());
    field.resize(50000, 0.25);
    for (std::size_t i = 0; i < field.size(); i += 777) {
        auto ptr = mmb::rma_ptr<double>::pointer_to(field[i]);
        double *there = static_cast<double *>(w.net.reach(ptr.region(1)));
        CHECK(there == &field[i]);
        *there = double(i);
    }
    CHECK(field[777] == 777.0 && field[778] == 0.5 && field[1000] == 0.25 &&
          field.data() == &field[0]);
    rma_vector<double> other = std::move(field);
    CHECK(other[49728] == 49728.0);
    CHECK(w.net.ranges.size() == w.stats().chunks);
    const rma_vector<double> &fixed = other;
    auto constant = mmb::rma_ptr<const double>::pointer_to(fixed[0]);
    CHECK(constant.region(50000).remote_key != nullptr);
}

static void test_rma_ptr_without_lookup()
{
    rma_world w(0);
    rma_vector<int> field(10, 3, w.get());
    auto ptr = mmb::rma_ptr<int>::pointer_to(field[5]);
    CHECK(*ptr == 3 && code_of([&] { ptr.region(); }) == MMB_NOT_FOUND);
    mmb::rma_ptr<int> known = field.get_allocator().allocate(4);
    CHECK(w.net.reach((known + 3).region()) == (known + 3).get());
    field.get_allocator().deallocate(mmb::rma_ptr<int>::pointer_to(*known), 4);
}

static void test_rma_hold_keeps_a_block()
{
    rma_world w;
    mmb::rma_ptr<char> block(mmb::make_allocation(w.get(), 100).release());
    {
        mmb::unique_hold hold = (block + 5).hold();
        mmb::unique_hold moved = std::move(hold);
        CHECK(mmb_free(block.allocation()) == MMB_BUSY);
    }
    CHECK(mmb_free(block.allocation()) == MMB_OK);
}

static void test_rma_ptr_needs_a_provider()
{
    world w(1 << 20);
    mmb::rma_allocator<int> from(w.get());
    mmb::rma_ptr<int> block = from.allocate(1);
    CHECK(code_of([&] { block.region(); }) == MMB_UNSUPPORTED);
    from.deallocate(block, 1);
    CHECK(w.live() == 0);
    CHECK(code_of([] { mmb::rma_ptr<int>().region(); }) == MMB_INVALID_ARG);
}

static void test_rma_allocator_serves_containers()
{
    rma_world w;
    mmb::rma_allocator<int> from(w.get());
    rma_vector<int> vector(from);
    std::deque<int, mmb::rma_allocator<int>> deque(from);
    std::forward_list<int, mmb::rma_allocator<int>> forward(from);
    using pair = std::pair<const int, int>;
    std::unordered_map<int, int, std::hash<int>, std::equal_to<int>, mmb::rma_allocator<pair>>
        table(8, std::hash<int>(), std::equal_to<int>(), from);
    for (int i = 0; i < 1000; i++) {
        int value = i * 7919 % 1000;
        vector.push_back(value), deque.push_front(value);
        forward.push_front(value), table[value] = i;
    }
    std::sort(vector.begin(), vector.end());
    forward.sort();
    CHECK(std::equal(vector.begin(), vector.end(), forward.begin()));
    CHECK(table.size() == 1000 && deque.front() == 999 * 7919 % 1000);
    CHECK(w.net.ranges.size() == w.stats().chunks);
}

/* Of a container that has no use for fancy pointers. */
static void test_rma_ptr_into_any_container()
{
    rma_world w;
    using text = std::basic_string<char, std::char_traits<char>, mmb::allocator<char>>;
    text words("a string whose characters lie in registered memory", mmb::allocator<char>(w.get()));
    CHECK(w.net.reach(mmb::rma_ptr<char>::pointer_to(words[2]).region(6)) == &words[2]);
}

static void test_rma_allocator_stops_at_the_limit()
{
    rma_world w(MMB_INTERFACE_FINDABLE, 8000);
    rma_vector<double> fits(1000, 1.0, w.get());
    CHECK_THROWS(mmb::bad_alloc, fits.push_back(2.0));
    CHECK(fits.size() == 1000 && fits[999] == 1.0);
    CHECK_THROWS(std::bad_alloc, mmb::rma_allocator<double>(w.get()).allocate(SIZE_MAX / 8 + 1));
}

struct alignas(256) rma_wide {
    unsigned char bytes[256];
};

static void test_rma_allocator_aligns()
{
    rma_world w;
    mmb::rma_allocator<rma_wide> from(w.get());
    for (std::size_t n = 0; n < 9; n++) {
        mmb::rma_ptr<rma_wide> block = from.allocate(n);
        CHECK(block && reinterpret_cast<std::uintptr_t>(block.get()) % 256 == 0);
        from.deallocate(block, n);
    }
    mmb::unique_interface other = mmb::make_interface(w.space.get());
    CHECK(from == mmb::rma_allocator<int>(w.get()) && from != mmb::rma_allocator<int>(other.get()));
    CHECK(code_of([] { mmb::rma_allocator<int> a(nullptr); }) == MMB_INVALID_INTERFACE);
}

struct rma_base {
    int number;
};
struct rma_derived : rma_base {
    int more;
};

static void test_rma_ptr_computes_as_pointers_do()
{
    rma_derived objects[10] = {};
    mmb::rma_ptr<rma_derived> p = mmb::rma_ptr<rma_derived>::pointer_to(objects[0]), q = p + 9;
    CHECK(q - p == 9 && p < q && q >= p && p + 9 == q && 9 + p == q && q - 9 == p && p != q);
    CHECK(&p[4] == &objects[4] && (++p).get() == &objects[1] && (p++).get() == &objects[1]);
    CHECK((--p).get() == &objects[1] && (p--).get() == &objects[1] && p.get() == objects);
    CHECK((p += 3) == q - 6 && (p -= 3).get() == objects && p <= q && q > p);
    mmb::rma_ptr<rma_base> as_base = p;
    mmb::rma_ptr<const rma_base> as_const = as_base;
    as_base->number = 12;
    CHECK(as_const->number == 12 && (*p).number == 12 && as_const == p);
    mmb::rma_ptr<void> raw = p;
    CHECK(static_cast<mmb::rma_ptr<rma_derived>>(raw) == p && raw != nullptr && nullptr != raw);
    mmb::rma_ptr<int> none = nullptr;
    CHECK(!none && none == nullptr && nullptr == none && none == mmb::rma_ptr<int>());
    CHECK(std::distance(p, q) == 9);
    static_assert(!std::is_convertible<mmb::rma_ptr<void>, mmb::rma_ptr<int>>::value, "");
    static_assert(!std::is_convertible<mmb::rma_ptr<rma_base>, mmb::rma_ptr<rma_derived>>::value,
                  "");
    static_assert(!std::is_constructible<mmb::rma_ptr<int>, mmb::rma_ptr<const int>>::value, "");
    static_assert(std::is_trivially_copyable<mmb::rma_ptr<int>>::value, "two words");
    static_assert(sizeof(mmb::rma_ptr<int>) == 2 * sizeof(void *), "two words");
    using traits = std::pointer_traits<mmb::rma_ptr<int>>;
    static_assert(std::is_same<traits::element_type, int>::value, "");
    static_assert(std::is_same<traits::rebind<char>, mmb::rma_ptr<char>>::value, "");
}

void test_rma()
{
    test_rma_ptr_reaches_its_element();
    test_rma_vector_elements_are_reached();
    test_rma_ptr_without_lookup();
    test_rma_hold_keeps_a_block();
    test_rma_ptr_needs_a_provider();
    test_rma_allocator_serves_containers();
    test_rma_ptr_into_any_container();
    test_rma_allocator_stops_at_the_limit();
    test_rma_allocator_aligns();
    test_rma_ptr_computes_as_pointers_do();
}
