/* Two kinds of checks, and small attributes.
 *
 * GUST_CHECK guards public arguments in every build and returns a code.
 * GUST_ASSERT guards our own logic in debug and test builds (-DGUST_DEBUG).
 * Nothing that a peer, the kernel or malloc can cause may be asserted. */
#ifndef GUST_CHECK_INTERNAL_H
#define GUST_CHECK_INTERNAL_H

#include <stddef.h>

#define GUST_CHECK(cond, code)                                                                     \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            return (code);                                                                         \
        }                                                                                          \
    } while (0)

#ifdef GUST_DEBUG
#include <assert.h>
#define GUST_ASSERT(cond) assert(cond)
#else
#define GUST_ASSERT(cond) ((void)(0 && (cond)))
#endif

#define GUST_CONTAINER_OF(ptr, type, member)                                                       \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#if defined(__GNUC__)
#define GUST_LIKELY(x) __builtin_expect(!!(x), 1)
#define GUST_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define GUST_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define GUST_NOINLINE __attribute__((noinline))
#define GUST_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define GUST_LIKELY(x) (x)
#define GUST_UNLIKELY(x) (x)
#define GUST_PRINTF(fmt, args)
#define GUST_NOINLINE
#define GUST_ALWAYS_INLINE inline
#endif

/* Memory that is kept for reuse: under AddressSanitizer, touching it between
 * GUST_POISON and GUST_UNPOISON is an error. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUST__ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GUST__ASAN 1
#endif

#ifdef GUST__ASAN
#include <sanitizer/asan_interface.h>
#define GUST_POISON(ptr, n) __asan_poison_memory_region(ptr, n)
#define GUST_UNPOISON(ptr, n) __asan_unpoison_memory_region(ptr, n)
#else
#define GUST_POISON(ptr, n) ((void)(ptr), (void)(n))
#define GUST_UNPOISON(ptr, n) ((void)(ptr), (void)(n))
#endif

#endif
