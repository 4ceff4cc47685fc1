// SPDX-License-Identifier: BSD-3-Clause
// Objects and arrays of objects: construction, destruction, growth, and what an exception leaves.
#include "cxx.h"

#include <cstdint>
#include <memory>
#include <string>

static void test_object_is_constructed_and_destroyed()
{
    world w(1 << 20);
    mmb::full_ptr<counted> object = mmb::new_object<counted>(w.get(), 41);
    CHECK(object->value == 41 && counted::alive == 1 && w.live() == 1);
    mmb::delete_object(object);
    CHECK(object.is_null() && counted::alive == 0 && w.live() == 0);
    mmb::delete_object(object);
    auto moved = mmb::new_object<std::unique_ptr<int>>(w.get(), std::unique_ptr<int>(new int(3)));
    CHECK(**moved == 3);
    mmb::delete_object(moved);
}

static void test_object_that_throws_leaves_nothing()
{
    world w(1 << 20);
    counted::fuse = 1;
    CHECK_THROWS(int, mmb::new_object<counted>(w.get()));
    counted::fuse = 3;
    CHECK_THROWS(int, mmb::new_objects<counted>(w.get(), 5));
    counted::fuse = 0;
    CHECK(counted::alive == 0 && w.live() == 0);
}

static void test_object_is_destroyed_once()
{
    world w(1 << 20);
    mmb::full_ptr<counted> object = mmb::new_object<counted>(w.get());
    mmb::full_ptr<counted> again = object;
    mmb::delete_object(object);
    CHECK(code_of([&] { mmb::delete_object(again); }) == MMB_INVALID_ALLOCATION);
    mmb::full_ptr<counted> array = mmb::new_objects<counted>(w.get(), 4);
    mmb::full_ptr<counted> inside(&array[1]);
    CHECK(code_of([&] { mmb::delete_object(inside); }) == MMB_INVALID_ALLOCATION);
    CHECK(code_of([&] { mmb::delete_objects(array, 5); }) == MMB_INVALID_SIZE);
    CHECK(counted::alive == 4);
    mmb::delete_objects(array, 4);
    CHECK(counted::alive == 0);
}

static void test_objects_of_numbers_start_at_zero()
{
    world w(1 << 20, MMB_STRATEGY_SCALABLE_PAGE);
    for (int round = 0; round < 2; round++) {
        mmb::full_ptr<int> numbers = mmb::new_objects<int>(w.get(), 100);
        for (std::size_t i = 0; i < 100; i++) {
            CHECK(numbers[i] == 0);
            numbers[i] = -1;
        }
        mmb::delete_objects(numbers, 100);
    }
    CHECK(code_of([&] { mmb::new_objects<int>(w.get(), 0); }) == MMB_INVALID_SIZE);
    CHECK(code_of([&] { mmb::new_objects<int>(w.get(), SIZE_MAX / 2); }) == MMB_INVALID_SIZE);
    CHECK(code_of([&] { mmb::new_objects<int>(w.get(), 1 << 20); }) == MMB_OUT_OF_MEMORY);
}

static void test_objects_grow_and_shrink()
{
    world w(1 << 20);
    mmb::full_ptr<std::string> words = mmb::new_objects<std::string>(w.get(), 3);
    for (std::size_t i = 0; i < 3; i++)
        words[i] = "a string longer than its own small buffer, number " + std::to_string(i);
    mmb::reallocate_objects(words, 3, 300);
    CHECK(words[2].back() == '2' && words[299].empty() && w.live() == 1);
    mmb::reallocate_objects(words, 300, 1);
    CHECK(words[0].back() == '0' && w.stats().live_bytes == sizeof(std::string));
    mmb::delete_objects(words, 1);

    mmb::full_ptr<int> numbers = mmb::new_objects<int>(w.get(), 4);
    numbers[3] = 30;
    mmb::reallocate_objects(numbers, 4, 40000);
    CHECK(numbers[3] == 30 && numbers[4] == 0 && numbers[39999] == 0);
    mmb::delete_objects(numbers, 40000);
    CHECK(w.live() == 0);
}

static void test_objects_stay_when_growing_fails()
{
    world w(1000);
    mmb::full_ptr<counted> array = mmb::new_objects<counted>(w.get(), 10);
    array[9].value = 9;
    const counted *before = array.get();
    counted::fuse = 5;
    CHECK_THROWS(int, mmb::reallocate_objects(array, 10, 20));
    counted::fuse = 15;
    CHECK_THROWS(int, mmb::reallocate_objects(array, 10, 20));
    counted::fuse = 0;
    CHECK(code_of([&] { mmb::reallocate_objects(array, 10, 1000); }) == MMB_OUT_OF_MEMORY);
    CHECK(array.get() == before && array[9].value == 9 && counted::alive == 10 && w.live() == 1);
    mmb::delete_objects(array, 10);

    mmb::full_ptr<int> numbers = mmb::new_objects<int>(w.get(), 10);
    CHECK(code_of([&] { mmb::reallocate_objects(numbers, 10, 1000); }) == MMB_OUT_OF_MEMORY);
    CHECK(mmb_allocation_size(numbers.allocation()) == 40);
    mmb::delete_objects(numbers, 10);
}

struct alignas(512) wide {
    wide() : id(5) {}
    std::uint64_t id;
};

static bool is_wide(const wide *object)
{
    return reinterpret_cast<std::uintptr_t>(object) % 512 == 0;
}

static void test_objects_have_their_alignment()
{
    world w(1 << 20);
    mmb::full_ptr<wide> one = mmb::new_object<wide>(w.get());
    mmb::full_ptr<wide> array = mmb::new_objects<wide>(w.get(), 3);
    CHECK(is_wide(one.get()) && is_wide(array.get()));
    mmb::reallocate_objects(array, 3, 100);
    CHECK(is_wide(array.get()) && array[99].id == 5);
    mmb::delete_object(one);
    mmb::delete_objects(array, 100);
}

static void test_bytes_are_reallocated_and_freed()
{
    world w(1 << 20);
    mmb::full_ptr<char> bytes = mmb::allocate<char>(w.get(), 100);
    bytes[99] = 'z';
    mmb::reallocate(bytes, 100000);
    CHECK(bytes[99] == 'z' && mmb_allocation_size(bytes.allocation()) == 100000);
    mmb::full_ptr<void> untyped = bytes;
    mmb::reallocate(untyped, 50);
    mmb::deallocate(untyped);
    CHECK(w.live() == 0);
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = 4096;
    options.zero = true;
    mmb::full_ptr<unsigned char> page = mmb::allocate<unsigned char>(w.get(), 4096, &options);
    CHECK(page[4095] == 0 && page.info().alignment == 4096);
    mmb::deallocate(page);
}

void test_objects()
{
    test_object_is_constructed_and_destroyed();
    test_object_that_throws_leaves_nothing();
    test_object_is_destroyed_once();
    test_objects_of_numbers_start_at_zero();
    test_objects_grow_and_shrink();
    test_objects_stay_when_growing_fails();
    test_objects_have_their_alignment();
    test_bytes_are_reallocated_and_freed();
}
