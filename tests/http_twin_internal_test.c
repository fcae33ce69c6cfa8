/* The request parser against its twin, against itself in other cuts, and against
 * itself without vectors, on rows of http_rows.h that were changed at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/http_rows.h"
#include "tests/support/http_feed_internal.h"
#include "tests/support/http_input.h"
#include "tests/support/http_twin.h"

enum { ROUNDS = 200000 };

static void print_input(const char *data, size_t len)
{
    for (size_t i = 0; i < len && i < 2000; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c >= 0x20 && c < 0x7f) {
            print_message("%c", c);
        } else {
            print_message("\\x%02x", c);
        }
    }
    print_message("\n");
}

/* Accepted by one, accepted by the other, with the same outcome; and what holds a
 * blank line is never "more". */
static void check_twin(const struct http_head *h, const char *data, size_t len)
{
    char *twin_text = NULL;
    enum http_twin_verdict twin = http_twin(data, len, &twin_text);
    if ((h->verdict > 0) != (twin == HTTP_TWIN_ACCEPTED) ||
        (h->verdict == 0 && twin != HTTP_TWIN_INCOMPLETE)) {
        print_input(data, len);
        fail_msg("verdict %td (%s), twin %d", h->verdict, h->verdict < 0 ? h->p.error : "-",
                 (int)twin);
    }
    if (h->verdict > 0) {
        char *text = http_head_text(h, data);
        if (strcmp(text, twin_text) != 0) {
            print_input(data, len);
            fail_msg("outcome\n%stwin\n%s", text, twin_text);
        }
        free(text);
    }
    free(twin_text);
}

static void check_other(const struct http_head *whole, const struct http_machine *m,
                        const char *data, size_t len, size_t first, size_t step)
{
    struct http_head h;
    http_feed_head(m, data, len, first, step, &h);
    if (!http_head_same(whole, &h)) {
        print_input(data, len);
        fail_msg("verdict %td, cut %zu %zu %s vectors %s memory %td", whole->verdict, first, step,
                 m == &http_machine_without_vectors ? "without" : "with",
                 m->remembers ? "with" : "without", h.verdict);
    }
}

static void check_input(struct http_random *random, const char *data, size_t len)
{
    struct http_head h;
    uint32_t first = 1 + http_random(random, (uint32_t)len);
    http_feed_head(&http_machine, data, len, len, 0, &h);
    check_twin(&h, data, len);
    check_other(&h, &http_machine, data, len, first, 1 + http_random(random, 20));
    check_other(&h, &http_machine_with_memory, data, len, len, 0);
    check_other(&h, &http_machine_without_vectors, data, len, len, 0);
    check_other(&h, &http_machine_without_vectors, data, len, first, 1 + http_random(random, 20));
}

static void check_mutant(struct http_random *random, const struct http_row *row)
{
    static const char ends[][40] = {"", "", "\r\n\r\n", "\r\nHost: a\r\n\r\n"};
    size_t len, mutant_len;
    char *data = http_input_make(&row->in, &len);
    char *mutant = http_mutate(random, data, len, &mutant_len);
    const char *end = ends[http_random(random, 4)];
    mutant = realloc(mutant, mutant_len + strlen(end) + 1);
    assert_non_null(mutant);
    memcpy(mutant + mutant_len, end, strlen(end));
    mutant_len += strlen(end);
    if (mutant_len > 0) {
        check_input(random, mutant, mutant_len);
    }
    free(mutant);
    free(data);
}

static void test_rows__twin_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        struct http_head h;
        size_t len;
        char *data = http_input_make(&http_rows[i].in, &len);
        http_feed_head(&http_machine, data, len, len, 0, &h);
        check_twin(&h, data, len);
        free(data);
    }
}

static void test_mutated_rows__twin_agrees(void **state)
{
    (void)state;
    struct http_random random = {20260801};
    for (int i = 0; i < ROUNDS;) {
        const struct http_row *row = &http_rows[http_random(&random, HTTP_ROWS)];
        /* Rather what is right, or nearly: wrong it becomes by itself. */
        bool wanted = row->status == 0 || http_random(&random, 8) == 0;
        if (wanted && row->in.fills == 0) {
            check_mutant(&random, row);
            i++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__twin_agrees),
        cmocka_unit_test(test_mutated_rows__twin_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
