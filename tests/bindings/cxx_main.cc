// SPDX-License-Identifier: BSD-3-Clause
// Runs the tests of the C++ binding; test_cxx.sh builds it for each compiler and standard.
// Here: errors, owners of handles, full pointers.
#include "cxx.h"

#include <cstring>
#include <type_traits>
#include <utility>

int failures;
int counted::alive, counted::fuse;

static void test_error_has_code_and_detail()
{
    mmb::library library;
    try {
        mmb::make_interface(nullptr);
        CHECK(false);
    } catch (const mmb::error &caught) {
        CHECK(caught.code() == MMB_INVALID_SPACE);
        CHECK(std::strncmp(caught.what(), "MMB_INVALID_SPACE: ", 19) == 0);
        CHECK(std::strcmp(caught.detail(), caught.what() + 19) == 0 && caught.detail()[0]);
        mmb::error copy = caught;
        CHECK(std::strcmp(copy.detail(), caught.detail()) == 0);
    }
}

static void test_library_counts_references()
{
    int major, minor, patch;
    {
        mmb::library outer;
        {
            mmb::library inner;
        }
        CHECK(code_of([] { mmb::register_memory(MMB_DRAM, MMB_CPU, 4096); }) == MMB_OK);
    }
    CHECK(mmb_version(&major, &minor, &patch) == MMB_OK);
    CHECK(code_of([] { mmb::register_memory(MMB_DRAM, MMB_CPU); }) == MMB_NOT_INITIALIZED);
}

static void test_owner_frees_once()
{
    world w(1 << 20);
    {
        mmb::unique_allocation first = mmb::make_allocation(w.get(), 100);
        mmb::unique_allocation second = std::move(first);
        CHECK(!first && second && w.live() == 1);
        first = mmb::make_allocation(w.get(), 50);
        CHECK(w.live() == 2);
        first.swap(second);
        CHECK(mmb_allocation_size(first.get()) == 100);
        first = std::move(second);
        CHECK(w.live() == 1 && mmb_allocation_size(first.get()) == 50);
        mmbAllocation *given = first.release();
        CHECK(!first && w.live() == 1 && mmb_free(given) == MMB_OK);
        first.destroy();
    }
    CHECK(w.live() == 0);
    static_assert(!std::is_copy_constructible<mmb::unique_allocation>::value, "one owner");
    static_assert(std::is_nothrow_move_constructible<mmb::unique_allocation>::value, "moves");
}

static void test_owner_keeps_what_is_refused()
{
    world w(1 << 20);
    mmb::unique_allocation block = mmb::make_allocation(w.get(), 100);
    CHECK(code_of([&] { w.interface.destroy(); }) == MMB_BUSY);
    CHECK(w.interface && w.live() == 1);
    mmbAllocation *slice = nullptr;
    CHECK(mmb_allocation_slice(block.get(), 0, 10, &slice) == MMB_OK);
    CHECK(code_of([&] { block.destroy(); }) == MMB_BUSY);
    CHECK(block && mmb_free(slice) == MMB_OK);
}

struct base {
    int number;
};
struct derived : base {
    int more;
};

static void test_full_ptr_from_either_side()
{
    world w(1 << 20);
    mmb::full_ptr<int> whole = mmb::allocate<int>(w.get(), 10 * sizeof(int));
    whole[0] = 0;
    whole[3] = 33;
    mmb::full_ptr<int> inside(&whole[3]);
    CHECK(*inside == 33 && inside.allocation() == whole.allocation());
    CHECK(inside.offset() == 3 * sizeof(int) && whole.offset() == 0);
    CHECK(mmb::full_ptr<int>(whole.allocation()) == whole);
    mmb::full_ptr<void> raw = whole;
    CHECK(raw.cast<int>() == whole && raw.cast<char>().get()[0] == 0);
    CHECK(whole.reinterpret<unsigned char>().allocation() == whole.allocation());
    CHECK(whole.info().n_bytes == 40 && whole.info().interface == w.get());
    mmb::deallocate(whole);
    CHECK(!whole && whole == mmb::full_ptr<int>(nullptr) && w.live() == 0);
}

static void test_full_ptr_refuses_what_is_not_there()
{
    world w(1 << 20);
    int local = 0;
    CHECK(code_of([&] { mmb::full_ptr<int> p(&local); }) == MMB_NOT_FOUND);
    CHECK(mmb::full_ptr<int>(static_cast<int *>(nullptr)).is_null());
    CHECK(mmb::full_ptr<int>(MMB_SHARED_PTR_NULL).is_null());
    CHECK(code_of([] { mmb::full_ptr<int> p(mmbSharedPtr{1, 64}); }) != MMB_OK);
    mmb::full_ptr<int> one = mmb::new_object<int>(w.get(), 5);
    CHECK(code_of([&] { one.shared(); }) == MMB_UNSUPPORTED);
    CHECK(mmb::full_ptr<int>().shared().offset == 0);
    mmb::delete_object(one);
}

static void test_full_ptr_converts_as_pointers_do()
{
    world w(1 << 20);
    mmb::full_ptr<derived> object = mmb::new_object<derived>(w.get());
    mmb::full_ptr<base> as_base = object;
    mmb::full_ptr<const base> as_const = as_base;
    as_base->number = 12;
    CHECK(as_const->number == 12 && as_base.cast<derived>() == object);
    static_assert(!std::is_convertible<mmb::full_ptr<base>, mmb::full_ptr<derived>>::value, "");
    static_assert(!std::is_convertible<mmb::full_ptr<const int>, mmb::full_ptr<int>>::value, "");
    static_assert(std::is_trivially_copyable<mmb::full_ptr<base>>::value, "two words");
    static_assert(sizeof(mmb::full_ptr<base>) == 2 * sizeof(void *), "two words");
    mmb::delete_object(object);
}

/* In a shared heap, where this build has them. */
static void test_full_ptr_shared_side()
{
    mmb::library library;
    char name[64];
    std::snprintf(name, sizeof name, "/mmb-cxx-%p", static_cast<void *>(name));
    mmb::unique_space space = mmb::register_memory(MMB_DRAM, MMB_CPU);
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_SHM;
    config.backend_opts.shm.url = name;
    config.backend_opts.shm.bytes = 4 << 20;
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    config.flags = MMB_INTERFACE_FINDABLE;
    mmb::unique_interface heap;
    try {
        heap = mmb::make_interface(space.get(), &config);
    } catch (const mmb::error &caught) {
        CHECK(caught.code() == MMB_UNSUPPORTED);
        std::printf("no shared heap: %s\n", caught.what());
        return;
    }
    mmb::full_ptr<long> made = mmb::new_objects<long>(heap.get(), 4);
    made[2] = 99;
    mmb::full_ptr<long> imported(made.shared());
    CHECK(imported == made && imported.allocation() == made.allocation() && imported[2] == 99);
    mmb::full_ptr<long> found(made.get());
    CHECK(found.shared().offset == made.shared().offset);
    mmb::delete_objects(imported, 4);
    heap.reset();
    mmb_shm_unlink(name);
}

int main()
{
    test_error_has_code_and_detail();
    test_library_counts_references();
    test_owner_frees_once();
    test_owner_keeps_what_is_refused();
    test_full_ptr_from_either_side();
    test_full_ptr_refuses_what_is_not_there();
    test_full_ptr_converts_as_pointers_do();
    test_full_ptr_shared_side();
    test_allocators();
    test_memory_resource();
    test_objects();
    test_rma();
    return failures ? 1 : 0;
}
