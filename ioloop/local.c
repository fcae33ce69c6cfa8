/* What the layers above keep at a loop: work to do before it waits, and blocks
 * of memory, one of each kind. */
#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

struct gust__local {
    struct gust__local *older;
    const gust_local_key *key;
    max_align_t block[];
};

void gust_ioloop_defer(gust_ioloop *loop, gust_deferred *deferred, gust_deferred_fn *fn)
{
    GUST_ASSERT(!gust__is_foreign(loop));
    if (deferred->queued) {
        return;
    }
    deferred->fn = fn;
    deferred->next = NULL;
    deferred->queued = true;
    *loop->deferred_end = deferred;
    loop->deferred_end = &deferred->next;
}

/* Those that are queued now; what they queue waits until the poller was asked
 * once more, so that no chain of them keeps the descriptors waiting. Each is off
 * the queue before its call: it may be queued again, or freed. */
void gust__deferred_run(gust_ioloop *loop)
{
    gust_deferred *next = loop->deferred;
    loop->deferred = NULL;
    loop->deferred_end = &loop->deferred;
    while (next != NULL) {
        gust_deferred *deferred = next;
        next = deferred->next;
        deferred->queued = false;
        deferred->fn(loop, deferred);
    }
}

/* All, with what they queue; for a loop that won't wait again. Bounded, since
 * one that queues itself each time would never end. */
void gust__deferred_finish(gust_ioloop *loop)
{
    for (int round = 0; round < 1000 && loop->deferred != NULL; round++) {
        gust__deferred_run(loop);
    }
}

static struct gust__local *local_find(const gust_ioloop *loop, const gust_local_key *key)
{
    struct gust__local *local = loop->locals;
    while (local != NULL && local->key != key) {
        local = local->older;
    }
    return local;
}

/* Linked after init: the blocks that init asked for are older, so they are closed
 * later than this one. */
static int local_make(gust_ioloop *loop, const gust_local_key *key, struct gust__local **out_local)
{
    size_t size;
    if (!gust__size_add(sizeof(struct gust__local), key->size, &size)) {
        return -ENOMEM;
    }
    struct gust__local *local = gust__calloc(1, size);
    if (local == NULL) {
        return -ENOMEM;
    }
    int code = key->init != NULL ? key->init(loop, local->block) : 0;
    if (code != 0) {
        gust__free(local);
        return code;
    }
    local->key = key;
    local->older = loop->locals;
    loop->locals = local;
    *out_local = local;
    return 0;
}

int gust_ioloop_local(gust_ioloop *loop, const gust_local_key *key, void **out_block)
{
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(!loop->closed, GUST_ECLOSED);
    struct gust__local *local = local_find(loop, key);
    if (local == NULL) {
        GUST_CHECK(!loop->closing, GUST_ECLOSED);
        GUST_TRY(local_make(loop, key, &local));
    }
    *out_block = local->block;
    return 0;
}

void gust__locals_close(gust_ioloop *loop)
{
    while (loop->locals != NULL) {
        struct gust__local *newest = loop->locals;
        loop->locals = newest->older;
        if (newest->key->deinit != NULL) {
            newest->key->deinit(loop, newest->block);
        }
        gust__free(newest);
    }
}
