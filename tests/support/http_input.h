/* Inputs out of http_rows.h, and random ones from a seed. */
#ifndef GUST_TESTS_HTTP_INPUT_H
#define GUST_TESTS_HTTP_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct http_input;

/* A row's bytes; malloc'd. */
char *http_input_make(const struct http_input *in, size_t *out_len);

/* The same numbers for the same seed everywhere. */
struct http_random {
    uint64_t state;
};
uint32_t http_random(struct http_random *random, uint32_t below);

/* A copy of `data` with one to four things done to it: a byte changed, put in,
 * left out or doubled, a piece moved, a telling word put in; malloc'd. */
char *http_mutate(struct http_random *random, const char *data, size_t len, size_t *out_len);

#endif
