/* gust_shared: one block, the count in front of the bytes. */
#include <gust/shared.h>

#include <errno.h>
#include <stdatomic.h>

#include "util/alloc_internal.h"
#include "util/check_internal.h"

struct gust_shared {
    atomic_size_t refs;
    size_t len;
    char bytes[];
};

int gust_shared_new_uninit(size_t len, char **out_bytes, gust_shared **out_shared)
{
    size_t size;
    gust_shared *shared = gust__size_add(sizeof(*shared), len, &size) ? gust__malloc(size) : NULL;
    if (shared == NULL) {
        return -ENOMEM;
    }
    atomic_init(&shared->refs, 1);
    shared->len = len;
    *out_bytes = shared->bytes;
    *out_shared = shared;
    return 0;
}

int gust_shared_new(gust_str bytes, gust_shared **out_shared)
{
    char *to;
    int status = gust_shared_new_uninit(bytes.len, &to, out_shared);
    if (status == 0 && bytes.len != 0) {
        memcpy(to, bytes.ptr, bytes.len);
    }
    return status;
}

gust_shared *gust_shared_ref(gust_shared *shared)
{
    size_t before = atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    GUST_ASSERT(before > 0);
    (void)before;
    return shared;
}

/* The release and the acquire order every use of the bytes before the free. */
void gust_shared_unref(gust_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    if (atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_release) == 1) {
        atomic_thread_fence(memory_order_acquire);
        gust__free(shared);
    }
}

gust_str gust_shared_bytes(const gust_shared *shared)
{
    return gust_str_make(shared->bytes, shared->len);
}
