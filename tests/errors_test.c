/* Error codes: names, sentences, and what is promised of the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>

static void test_own_codes__have_their_name_and_text(void **state)
{
    (void)state;
#define CHECK(name, number, text)                                                                  \
    assert_int_equal(name, number);                                                                \
    assert_string_equal(gust_err_name(name), #name);                                               \
    assert_string_equal(gust_err_text(name), text);
    GUST_ERRORS(CHECK)
#undef CHECK
}

static void test_own_codes__lie_below_every_errno(void **state)
{
    (void)state;
#define CHECK(name, number, text) assert_true(name <= -20000 && name > -21000);
    GUST_ERRORS(CHECK)
#undef CHECK
}

static void test_own_codes__are_distinct(void **state)
{
    (void)state;
    static const int codes[] = {
#define CODE(name, number, text) name,
        GUST_ERRORS(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
        }
    }
}

static void test_system_codes__are_named_by_their_macro(void **state)
{
    (void)state;
    assert_string_equal(gust_err_name(-ECONNRESET), "ECONNRESET");
    assert_string_equal(gust_err_name(-ENOMEM), "ENOMEM");
    assert_string_equal(gust_err_name(-EAGAIN), "EAGAIN");
    assert_string_equal(gust_err_name(-EMFILE), "EMFILE");
    assert_string_equal(gust_err_name(-EPIPE), "EPIPE");
    assert_string_equal(gust_err_text(-ECONNRESET), "connection reset");
}

static void test_unknown_codes__have_a_static_answer(void **state)
{
    (void)state;
    static const int codes[] = {1, 404, -99999, -19999, -4000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_equal(gust_err_name(codes[i]), "unknown");
        assert_string_equal(gust_err_text(codes[i]), "unknown error");
    }
    assert_string_equal(gust_err_name(0), "OK");
}

/* Lower case but for names, no full stop. */
static void test_texts__are_sentences_without_a_stop(void **state)
{
    (void)state;
    for (int code = -140; code < 0; code++) {
        const char *text = gust_err_text(code);
        assert_true(strlen(text) > 3);
        assert_int_not_equal(text[strlen(text) - 1], '.');
    }
}

static int fails_with(int status, int *reached)
{
    GUST_TRY(status);
    *reached = 1;
    return 0;
}

static void test_try__returns_what_is_not_zero(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(fails_with(404, &reached), 404);
    assert_int_equal(fails_with(-ENOMEM, &reached), -ENOMEM);
    assert_int_equal(reached, 0);
    assert_int_equal(fails_with(0, &reached), 0);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_codes__have_their_name_and_text),
        cmocka_unit_test(test_own_codes__lie_below_every_errno),
        cmocka_unit_test(test_own_codes__are_distinct),
        cmocka_unit_test(test_system_codes__are_named_by_their_macro),
        cmocka_unit_test(test_unknown_codes__have_a_static_answer),
        cmocka_unit_test(test_texts__are_sentences_without_a_stop),
        cmocka_unit_test(test_try__returns_what_is_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
