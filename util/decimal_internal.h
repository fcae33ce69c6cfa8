/* Doubles to decimal text and back, exactly, without the locale.
 *
 * Both ways rest on one table: 10^k = g * 2^(floor(log2(10^k)) - 127), where g
 * is an integer of 128 bits rounded up, its top bit set. */
#ifndef GUST_DECIMAL_INTERNAL_H
#define GUST_DECIMAL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <gust/str.h>

enum {
    GUST__POW10_MIN = -348,
    GUST__POW10_MAX = 324,
    GUST__DOUBLE_TEXT_MAX = 32 /* bytes of the longest text, with room to spare */
};

/* g's high and low word for each k. */
extern const uint64_t gust__pow10[GUST__POW10_MAX - GUST__POW10_MIN + 1][2];

/* floor(log2(10^k)), for all k of the table. */
static inline int gust__log2_pow10(int k)
{
    return (int)((k * INT64_C(1741647)) >> 19);
}

/* The shortest text that reads back as `value`, which is finite, in Python's
 * layout: 1.0, 0.1, 1e-05, 1.5e+16. Returns its length; no NUL. */
size_t gust__double_to_text(char out[GUST__DOUBLE_TEXT_MAX], double value);

/* The double nearest to `number`, of two the even one.
 *
 * number  follows JSON's grammar: the caller has looked
 * Returns 0, or GUST_ETOOBIG beyond the largest double. */
int gust__text_to_double(gust_str number, double *out_value);

#endif
