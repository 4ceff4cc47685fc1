// SPDX-License-Identifier: BSD-3-Clause
//
// C++: standard containers and objects in the memory of a chosen layer, here the one with the
// highest bandwidth, which is HBM where there is any.
//
//     g++ -std=c++11 containers.cc $(pkg-config --cflags --libs mmb) -o containers
//
#include <iostream>
#include <numeric>
#include <string>
#include <vector>
#include <mmb.hpp>

// [fastest layer]
// The layer with the highest bandwidth that the CPU can use. Without discovery the program says
// what there is.
static mmbMemLayer fastest_layer(std::size_t n_bytes)
{
    mmbMemSpace *best;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    mmbError error = mmb_request_best_space(MMB_BEST_BANDWIDTH, MMB_CPU, n_bytes, &best);
    if (error == MMB_NOT_FOUND)
        error = mmb_register_memory(MMB_DRAM, MMB_CPU, nullptr, &best);
    mmb::check(error);
    mmb::check(mmb_space_get_info(best, &info));
    return info.layer;
}
// [fastest layer]

// [space of]
static mmb::unique_space space_of(std::size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    return mmb::make_space(fastest_layer(limit), MMB_CPU, &config);
}
// [space of]

// [vector]
static void use_a_vector(mmbMemInterface *fast)
{
    std::vector<double, mmb::allocator<double>> field(1000, 0.5, fast);
    std::cout << "a vector of " << field.size() << " numbers, sum "
              << std::accumulate(field.begin(), field.end(), 0.0) << "\n";
    try {
        field.resize(1000000);
    } catch (const std::bad_alloc &refused) {
        std::cout << "refused: " << refused.what() << "\n";
    }
}
// [vector]

#ifdef MMB_HAS_MEMORY_RESOURCE
static void use_polymorphic_containers(mmbMemInterface *fast)
{
    mmb::memory_resource resource(fast);
    std::pmr::vector<std::pmr::string> names(&resource);
    names.emplace_back("a string whose characters lie beside the vector's elements");
    std::cout << "polymorphic: " << names[0] << "\n";
}
#endif

// An object is reached by its address, and its address leads back to where it came from.
static void use_objects(mmbMemInterface *fast)
{
    mmb::full_ptr<std::string> name = mmb::new_object<std::string>(fast, "an object");
    mmb::full_ptr<std::string> found(name.get());
    std::cout << *found << " in layer " << mmb_layer_name(found.info().layer) << "\n";
    mmb::delete_object(name);

    mmb::full_ptr<int> counts = mmb::new_objects<int>(fast, 10);
    counts[9] = 1;
    mmb::reallocate_objects(counts, 10, 100);
    std::cout << "an array grown to 100: " << counts[9] << " " << counts[99] << "\n";
    mmb::delete_objects(counts, 100);
}

// [registered vector]
// The provider only locks pages in RAM, so that the example needs no network; one for a network
// gives keys and remote addresses by the same calls.
static void use_registered_memory(mmbMemSpace *space)
{
    mmbRegionProvider *provider;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmb::check(mmb_region_provider_create_mlock(&provider));
    config.region_provider = provider;
    config.flags = MMB_INTERFACE_FINDABLE;
    mmb::unique_interface registered = mmb::make_interface(space, &config);
    {
        std::vector<double, mmb::rma_allocator<double>> field(1000, 0.5, registered.get());
        auto from = mmb::rma_ptr<double>::pointer_to(field[200]);
        mmb::unique_hold transfer = from.hold();
        mmbRegionView view = from.region(100);
        std::cout << "ready for the network: " << view.n_bytes << " bytes\n";
    }
    registered.destroy();
    mmb::check(mmb_region_provider_destroy(provider));
}
// [registered vector]

int main()
{
    try {
        mmb::library library;
        mmb::unique_space space = space_of(64 * 1024);
        mmb::unique_interface fast =
            mmb::make_interface(space.get(), MMB_STRATEGY_DEFAULT, MMB_INTERFACE_FINDABLE);
        use_a_vector(fast.get());
#ifdef MMB_HAS_MEMORY_RESOURCE
        use_polymorphic_containers(fast.get());
#endif
        use_objects(fast.get());
        use_registered_memory(space.get());
    } catch (const std::exception &failed) {
        std::cerr << failed.what() << "\n";
        return 1;
    }
    return 0;
}
