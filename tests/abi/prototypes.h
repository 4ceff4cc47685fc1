/* SPDX-License-Identifier: BSD-3-Clause */
/* Every exported function, declared a second time. The compiler refuses this file after <mmb.h>
 * when a prototype has changed: the record that a release is compared with. */
#ifdef __cplusplus
extern "C" {
#endif
const char *mmb_error_name(mmbError);
const char *mmb_error_description(mmbError);
const char *mmb_error_detail(void);
mmbError mmb_logging_set_level(mmbLogLevel);
mmbError mmb_logging_set_callback(mmbLogCallback, void *user);
mmbError mmb_init(const mmbOptions *);
mmbError mmb_init_host(const mmbOptions *);
mmbError mmb_finalize(void);
mmbError mmb_version(int *major, int *minor, int *patch);
mmbError mmb_layer_define(const char *name, const mmbLayerInfo *, mmbMemLayer *);
mmbError mmb_layer_set_info(mmbMemLayer, const mmbLayerInfo *);
mmbError mmb_layer_get_info(mmbMemLayer, mmbLayerInfo *);
size_t mmb_layer_count(void);
mmbError mmb_layer_at(size_t, mmbMemLayer *);
const char *mmb_layer_name(mmbMemLayer);
mmbError mmb_layer_from_name(const char *, mmbMemLayer *);
const char *mmb_execution_context_name(mmbExecutionContext);
mmbError mmb_register_memory(const mmbMemLayer, const mmbExecutionContext,
                             const mmbMemSpaceConfig *, mmbMemSpace **new_space);
mmbError mmb_create_space(const mmbMemLayer, const mmbExecutionContext, const mmbMemSpaceConfig *,
                          mmbMemSpace **out_space);
mmbError mmb_request_space(const mmbMemLayer, const mmbExecutionContext, const mmbMemSpaceConfig *,
                           mmbMemSpace **out_space);
mmbError mmb_memspace_configure(const mmbMemSpaceConfig *, mmbMemSpace *);
mmbError mmb_destroy_space(mmbMemSpace *);
mmbError mmb_request_best_space(mmbRank, mmbExecutionContext, size_t n_bytes,
                                mmbMemSpace **out_space);
size_t mmb_space_count(void);
mmbError mmb_space_at(size_t, mmbMemSpace **);
mmbError mmb_space_get_info(const mmbMemSpace *, mmbSpaceInfo *);
mmbError mmb_space_get_domain_info(const mmbMemSpace *, size_t domain, mmbSpaceInfo *);
mmbError mmb_create_interface(mmbMemSpace *, const mmbMemInterfaceConfig *,
                              mmbMemInterface **out_interface);
mmbError mmb_request_interface(mmbMemSpace *, const mmbMemInterfaceConfig *,
                               mmbMemInterface **out_interface);
mmbError mmb_destroy_interface(mmbMemInterface *);
mmbError mmb_get_interface(mmbMemLayer, mmbExecutionContext, mmbMemInterface **out_interface);
size_t mmb_interface_count(const mmbMemSpace *);
mmbError mmb_interface_at(const mmbMemSpace *, size_t, mmbMemInterface **);
mmbError mmb_interface_from_id(uint64_t id, mmbMemInterface **);
const char *mmb_backend_name(mmbBackend);
const char *mmb_strategy_name(mmbStrategy);
mmbError mmb_interface_get_info(const mmbMemInterface *, mmbMemInterfaceInfo *);
mmbError mmb_interface_get_stats(const mmbMemInterface *, mmbMemInterfaceStats *);
mmbError mmb_interface_trim(mmbMemInterface *, size_t min_bytes_to_keep);
mmbError mmb_stack_mark(mmbMemInterface *, mmbStackMark *);
mmbError mmb_stack_release(mmbMemInterface *, mmbStackMark);
mmbError mmb_stack_reset(mmbMemInterface *);
mmbError mmb_allocate(size_t n_bytes, mmbMemInterface *, mmbAllocation **out_allocation);
mmbError mmb_allocate_opts(size_t n_bytes, mmbMemInterface *, const mmbAllocateOptions *,
                           mmbAllocation **out_allocation);
mmbError mmb_reallocate(mmbAllocation *, size_t n_bytes);
mmbError mmb_free(mmbAllocation *);
mmbError mmb_free_opts(mmbAllocation *, const mmbAllocateOptions *);
mmbError mmb_allocation_create_wrapped(void *ptr, size_t n_bytes, mmbMemInterface *,
                                       mmbAllocation **out_allocation);
mmbError mmb_allocation_slice(mmbAllocation *parent, size_t offset, size_t n_bytes,
                              mmbAllocation **out_allocation);
mmbError mmb_allocation_get_info(const mmbAllocation *, mmbAllocationInfo *);
void *mmb_allocation_ptr(const mmbAllocation *);
size_t mmb_allocation_size(const mmbAllocation *);
mmbError mmb_allocation_native(const mmbAllocation *, void **native, size_t *offset);
void *mmb_device_ptr(const mmbAllocation *);
mmbError mmb_for_each_allocation(mmbMemInterface *, mmbAllocationVisitor, void *user);
mmbError mmb_advise(mmbAllocation *, size_t offset, size_t n_bytes, mmbAdvice);
mmbError mmb_allocation_find(const void *ptr, mmbAllocation **out_allocation);
mmbError mmb_migrate(mmbAllocation *, mmbMemInterface *to);
void *mmb_malloc(mmbMemInterface *, size_t n_bytes);
void *mmb_calloc(mmbMemInterface *, size_t count, size_t n_bytes);
void *mmb_realloc(mmbMemInterface *, void *ptr, size_t n_bytes);
void *mmb_aligned_alloc(mmbMemInterface *, size_t alignment, size_t n_bytes);
mmbError mmb_free_ptr(mmbMemInterface *, void *ptr);
mmbError mmb_free_sized(mmbMemInterface *, void *ptr, size_t n_bytes, size_t alignment);
size_t mmb_usable_size(mmbMemInterface *, const void *ptr);
mmbError mmb_allocate_array(size_t count, size_t n_bytes, mmbMemInterface *,
                            mmbAllocation **out_allocation);
mmbError mmb_copy(mmbAllocation *dst, const mmbAllocation *src);
mmbError mmb_copy_1d(mmbAllocation *dst, size_t doffset, const mmbAllocation *src, size_t soffset,
                     size_t n_bytes);
mmbError mmb_copy_2d(mmbAllocation *dst, size_t dx, size_t dy, size_t dpitch,
                     const mmbAllocation *src, size_t sx, size_t sy, size_t spitch, size_t width,
                     size_t height);
mmbError mmb_copy_nd(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                     const mmbAllocation *src, const size_t *soffset, const size_t *spitch,
                     size_t ndims, const size_t *dims);
mmbError mmb_memset(mmbAllocation *, size_t offset, int value, size_t n_bytes);
mmbError mmb_copy_async(mmbAllocation *, const mmbAllocation *, mmbEvent **);
mmbError mmb_copy_1d_async(mmbAllocation *, size_t, const mmbAllocation *, size_t, size_t,
                           mmbEvent **);
mmbError mmb_copy_2d_async(mmbAllocation *, size_t, size_t, size_t, const mmbAllocation *, size_t,
                           size_t, size_t, size_t, size_t, mmbEvent **);
mmbError mmb_copy_nd_async(mmbAllocation *, const size_t *, const size_t *, const mmbAllocation *,
                           const size_t *, const size_t *, size_t, const size_t *, mmbEvent **);
mmbError mmb_memset_async(mmbAllocation *, size_t, int, size_t, mmbEvent **);
mmbError mmb_copy_1d_on(mmbAllocation *, size_t, const mmbAllocation *, size_t, size_t,
                        void *native_stream, mmbEvent **event_or_null);
mmbError mmb_copy_nd_on(mmbAllocation *, const size_t *, const size_t *, const mmbAllocation *,
                        const size_t *, const size_t *, size_t, const size_t *, void *native_stream,
                        mmbEvent **event_or_null);
mmbError mmb_event_stream_wait(mmbEvent *, void *native_stream);
mmbError mmb_event_query(mmbEvent *, _Bool *done);
mmbError mmb_event_wait(mmbEvent **);
mmbError mmb_backend_register(const mmbBackendOps *, void *user, mmbBackend *);
mmbOffset mmb_atomic_offset_load(const mmbAtomicOffset *);
void mmb_atomic_offset_store(mmbAtomicOffset *, mmbOffset);
mmbOffset mmb_atomic_offset_exchange(mmbAtomicOffset *, mmbOffset);
_Bool mmb_atomic_offset_compare_exchange(mmbAtomicOffset *, mmbOffset *expected, mmbOffset desired);
mmbOffset mmb_atomic_offset_fetch_add(mmbAtomicOffset *, uint64_t n_bytes);
mmbSharedPtr mmb_atomic_shared_ptr_load(const mmbAtomicSharedPtr *);
void mmb_atomic_shared_ptr_store(mmbAtomicSharedPtr *, mmbSharedPtr);
mmbSharedPtr mmb_atomic_shared_ptr_exchange(mmbAtomicSharedPtr *, mmbSharedPtr);
mmbError mmb_allocation_get_shared(const mmbAllocation *, mmbSharedPtr *);
mmbError mmb_allocation_from_shared(mmbSharedPtr, mmbAllocation **out_allocation);
void *mmb_shared_ptr(mmbMemInterface *, mmbOffset);
void *mmb_shared_range(mmbMemInterface *, mmbOffset, size_t n_bytes);
mmbError mmb_shared_offset(mmbMemInterface *, const void *ptr, mmbOffset *);
mmbError mmb_interface_get_header(mmbMemInterface *, void **header, size_t *n_bytes);
mmbError mmb_shm_unlink(const char *url);
mmbError mmb_shm_check(const char *url, mmbShmInfo *);
mmbError mmb_shm_reclaim(mmbMemInterface *, mmbShmKeep keep_or_null, void *user,
                         size_t *n_bytes_freed);
mmbError mmb_shm_adopt(mmbMemInterface *, mmbSharedPtr);
mmbError mmb_shm_created(mmbMemInterface *, _Bool *created);
mmbError mmb_ipc_export(const mmbAllocation *, void *buffer, size_t *n_bytes);
mmbError mmb_ipc_import(const void *buffer, size_t n_bytes, mmbMemInterface *,
                        mmbAllocation **out_allocation);
mmbError mmb_region_provider_create(const mmbRegionProviderOps *, void *user, mmbRegionProvider **);
mmbError mmb_region_provider_create_mlock(mmbRegionProvider **);
mmbError mmb_region_provider_destroy(mmbRegionProvider *);
mmbError mmb_allocation_get_region(const mmbAllocation *, size_t offset, size_t n_bytes,
                                   mmbRegionView *);
mmbError mmb_allocation_export_region(const mmbAllocation *, void *buffer, size_t *n_bytes);
mmbError mmb_region_import(const void *buffer, size_t n_bytes, mmbRegionProvider *,
                           mmbRegionView *out);
mmbError mmb_region_release(mmbRegionView *);
mmbError mmb_region_hold(mmbAllocation *);
mmbError mmb_region_unhold(mmbAllocation *);
/* What came after the agreed declarations. */
#ifdef MMB_BACKEND_INFO_INIT
mmbError mmb_backend_get_info(mmbBackend, mmbBackendInfo *);
#endif
#ifdef MMB_SHARED_OBJECT_H
mmbError mmb_shared_list_create(mmbMemInterface *interface, size_t element_bytes, size_t n_elements,
                                mmbSharedList *out_list);
mmbError mmb_shared_list_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                              mmbSharedList *out_list);
mmbError mmb_shared_list_destroy(const mmbSharedList *list);
mmbError mmb_shared_list_insert(const mmbSharedList *list, uint64_t before, const void *element,
                                uint64_t *out_position);
mmbError mmb_shared_list_remove(const mmbSharedList *list, uint64_t position, void *out_element);
mmbError mmb_shared_list_get(const mmbSharedList *list, uint64_t position, void *out_element);
mmbError mmb_shared_list_set(const mmbSharedList *list, uint64_t position, const void *element);
mmbError mmb_shared_list_next(const mmbSharedList *list, uint64_t position, uint64_t *out_position);
mmbError mmb_shared_list_previous(const mmbSharedList *list, uint64_t position,
                                  uint64_t *out_position);
mmbError mmb_shared_list_count(const mmbSharedList *list, size_t *out_count);
mmbError mmb_shared_mutex_create(mmbMemInterface *interface, mmbSharedMutex *out_mutex);
mmbError mmb_shared_mutex_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                               mmbSharedMutex *out_mutex);
mmbError mmb_shared_mutex_destroy(const mmbSharedMutex *mutex);
mmbError mmb_shared_mutex_lock(const mmbSharedMutex *mutex, bool *out_holder_died);
mmbError mmb_shared_mutex_try_lock(const mmbSharedMutex *mutex, bool *out_holder_died);
mmbError mmb_shared_mutex_unlock(const mmbSharedMutex *mutex);
mmbError mmb_shared_mutex_repaired(const mmbSharedMutex *mutex);
mmbError mmb_shared_rwlock_create(mmbMemInterface *interface, mmbSharedRwlock *out_lock);
mmbError mmb_shared_rwlock_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                mmbSharedRwlock *out_lock);
mmbError mmb_shared_rwlock_destroy(const mmbSharedRwlock *lock);
mmbError mmb_shared_rwlock_read_lock(const mmbSharedRwlock *lock, bool *out_holder_died);
mmbError mmb_shared_rwlock_try_read_lock(const mmbSharedRwlock *lock, bool *out_holder_died);
mmbError mmb_shared_rwlock_read_unlock(const mmbSharedRwlock *lock);
mmbError mmb_shared_rwlock_write_lock(const mmbSharedRwlock *lock, bool *out_holder_died);
mmbError mmb_shared_rwlock_try_write_lock(const mmbSharedRwlock *lock, bool *out_holder_died);
mmbError mmb_shared_rwlock_write_unlock(const mmbSharedRwlock *lock);
mmbError mmb_shared_rwlock_repaired(const mmbSharedRwlock *lock);
mmbError mmb_shared_map_create(mmbMemInterface *interface, size_t key_bytes, size_t value_bytes,
                               size_t n_elements, mmbSharedMap *out_map);
mmbError mmb_shared_map_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                             mmbSharedMap *out_map);
mmbError mmb_shared_map_destroy(const mmbSharedMap *map);
mmbError mmb_shared_map_put(const mmbSharedMap *map, const void *key, const void *value);
mmbError mmb_shared_map_get(const mmbSharedMap *map, const void *key, void *out_value);
mmbError mmb_shared_map_remove(const mmbSharedMap *map, const void *key, void *out_value);
mmbError mmb_shared_map_next(const mmbSharedMap *map, uint64_t *cursor, void *out_key,
                             void *out_value);
mmbError mmb_shared_map_count(const mmbSharedMap *map, size_t *out_count);
mmbError mmb_shared_ring_create(mmbMemInterface *interface, size_t element_bytes, size_t n_elements,
                                mmbSharedRing *out_ring);
mmbError mmb_shared_ring_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                              mmbSharedRing *out_ring);
mmbError mmb_shared_ring_destroy(const mmbSharedRing *ring);
mmbError mmb_shared_ring_push(const mmbSharedRing *ring, const void *element);
mmbError mmb_shared_ring_pop(const mmbSharedRing *ring, void *out_element);
mmbError mmb_shared_ring_count(const mmbSharedRing *ring, size_t *out_count);
mmbError mmb_shared_vector_create(mmbMemInterface *interface, size_t element_bytes,
                                  size_t n_elements, mmbSharedVector *out_vector);
mmbError mmb_shared_vector_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                mmbSharedVector *out_vector);
mmbError mmb_shared_vector_destroy(const mmbSharedVector *vector);
mmbError mmb_shared_vector_push(const mmbSharedVector *vector, const void *element);
mmbError mmb_shared_vector_pop(const mmbSharedVector *vector, void *out_element);
mmbError mmb_shared_vector_get(const mmbSharedVector *vector, size_t index, void *out_element);
mmbError mmb_shared_vector_set(const mmbSharedVector *vector, size_t index, const void *element);
mmbError mmb_shared_vector_count(const mmbSharedVector *vector, size_t *out_count);
#endif
#ifdef __cplusplus
}
#endif
