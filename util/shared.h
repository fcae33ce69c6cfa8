/* gust_shared: bytes with a count of their users.
 *
 * A message that goes to 10,000 sockets is made once; each socket's write
 * queue holds a reference. The bytes never change.
 *
 * Thread: ref and unref from any thread (the count is atomic). */
#ifndef GUST_SHARED_H
#define GUST_SHARED_H

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_shared gust_shared;

/* A copy of `bytes` with one reference, the caller's. Returns 0 or -ENOMEM. */
int gust_shared_new(gust_str bytes, gust_shared **out_shared);

/* `len` writable bytes with one reference: fill *out_bytes before the first
 * other use. Returns 0 or -ENOMEM. */
int gust_shared_new_uninit(size_t len, char **out_bytes, gust_shared **out_shared);

/* One reference more; returns its argument. */
gust_shared *gust_shared_ref(gust_shared *shared);

/* One reference less; the last one frees. NULL is allowed. */
void gust_shared_unref(gust_shared *shared);

/* The bytes, borrowed while a reference is held. */
gust_str gust_shared_bytes(const gust_shared *shared);

#ifdef __cplusplus
}
#endif

#endif
