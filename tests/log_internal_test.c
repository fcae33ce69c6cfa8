/* Logging: levels, what is evaluated, the format, quoting, and the rate limit
 * on a clock of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <gust/errors.h>
#include <gust/log.h>

#include "util/log_internal.h"

/* --- a sink that remembers --------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    size_t lines;
    gust_log_record last;
    char module[64];
    char message[GUST_MAX_LOG_MESSAGE + 1];
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t now_ns = INT64_C(1000000000000);

static int64_t test_clock(void)
{
    return now_ns;
}

static void remember(const gust_log_record *record, void *user)
{
    pthread_mutex_lock(&seen.lock);
    assert_ptr_equal(user, &seen);
    seen.lines++;
    seen.last = *record;
    assert_true(record->message.len < sizeof(seen.message));
    memcpy(seen.message, record->message.ptr, record->message.len);
    seen.message[record->message.len] = '\0';
    snprintf(seen.module, sizeof(seen.module), "%.*s", GUST_FMT(record->module));
    pthread_mutex_unlock(&seen.lock);
}

static int start(void **state)
{
    (void)state;
    seen.lines = 0;
    now_ns = (now_ns / 1000000000 + 100) * 1000000000; /* what one test wrote counts in no other */
    gust__log_set_clock(test_clock);
    gust_log_set_sink(remember, &seen);
    for (int i = 0; i < 3; i++) {
        gust_log_set_level((enum gust_logger)i, GUST_LOG_INFO);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gust_log_flush();
    gust_log_set_sink(NULL, NULL);
    gust__log_set_clock(NULL);
    return 0;
}

/* --- switches --------------------------------------------------------------------------------- */

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void test_log__silent_without_a_sink(void **state)
{
    (void)state;
    gust_log_set_sink(NULL, NULL);
    evaluated = 0;
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_CRITICAL, "%d", evaluate());
    assert_int_equal(evaluated, 0);
    assert_int_equal(seen.lines, 0);
}

static void test_log__a_level_for_each_logger(void **state)
{
    (void)state;
    static const enum gust_log_level all[] = {GUST_LOG_DEBUG, GUST_LOG_INFO, GUST_LOG_WARNING,
                                              GUST_LOG_ERROR, GUST_LOG_CRITICAL};
    gust_log_set_level(GUST_LOG_ACCESS, GUST_LOG_ERROR);
    gust_log_set_level(GUST_LOG_APPLICATION, GUST_LOG_DEBUG);
    gust_log_set_level(GUST_LOG_GENERAL, GUST_LOG_NONE);
    static const int expected[3] = {2, 5, 0};
    for (int logger = 0; logger < 3; logger++) {
        seen.lines = 0;
        evaluated = 0;
        for (int i = 0; i < 5; i++) {
            GUST_LOG((enum gust_logger)logger, all[i], "%d", evaluate());
        }
        assert_int_equal(seen.lines, expected[logger]);
        assert_int_equal(evaluated, expected[logger]);
    }
}

static void test_log__record_has_it_all(void **state)
{
    (void)state;
    errno = EBADF;
    int line = __LINE__ + 1;
    GUST_LOG(GUST_LOG_APPLICATION, GUST_LOG_INFO, "%s-%d", "text", 7);
    assert_int_equal(errno, EBADF);
    assert_int_equal(seen.last.logger, GUST_LOG_APPLICATION);
    assert_int_equal(seen.last.level, GUST_LOG_INFO);
    assert_int_equal(seen.last.line, line);
    assert_true(seen.last.unix_ns == now_ns);
    assert_string_equal(seen.module, "log_internal_test");
    assert_string_equal(seen.message, "text-7");
}

static void test_log__long_messages_say_what_is_missing(void **state)
{
    (void)state;
    static char text[10001];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t n = 0; n <= 10000; n += n > 4000 && n < 4200 ? 1 : 123) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_INFO, "%.*s", (int)n, text);
        size_t len = strlen(seen.message);
        if (n < GUST_MAX_LOG_MESSAGE) {
            assert_int_equal(len, n);
        } else {
            const char *tail = strstr(seen.message, "...(+");
            assert_non_null(tail);
            assert_int_equal((size_t)(tail - seen.message) + strtoul(tail + 5, NULL, 10), n);
            assert_int_equal(seen.message[len - 1], ')');
        }
    }
}

static void test_level_parse__words(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int level;
    } rows[] = {{"debug", GUST_LOG_DEBUG},
                {"Info", GUST_LOG_INFO},
                {"WARNING", GUST_LOG_WARNING},
                {"eRRor", GUST_LOG_ERROR},
                {"critical", GUST_LOG_CRITICAL},
                {"none", GUST_LOG_NONE},
                {"None", GUST_LOG_NONE},
                {"", -1},
                {"warn", -1},
                {"debug ", -1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum gust_log_level level = (enum gust_log_level)17;
        int status = gust_log_level_parse(gust_str_from(rows[i].word), &level);
        assert_int_equal(status, rows[i].level < 0 ? -EINVAL : 0);
        assert_int_equal(level, rows[i].level < 0 ? 17 : rows[i].level);
    }
}

/* --- the format -------------------------------------------------------------------------------- */

static const char *formatted(enum gust_log_level level, gust_str message, bool colour, size_t cap)
{
    static char out[2048];
    gust_log_record record = {.logger = GUST_LOG_GENERAL,
                              .level = level,
                              .module = GUST_STR("chat"),
                              .line = 57,
                              .unix_ns = INT64_C(1732128200999999999),
                              .message = message};
    memset(out, '!', sizeof(out));
    size_t n = gust_log_format(out, cap, &record, colour);
    assert_true(n <= cap);
    assert_int_equal(out[n], '!');
    out[n] = '\0';
    return out;
}

static void test_format__tornados_layout(void **state)
{
    (void)state;
    static const char letters[] = "DIWEC";
    static const char colours[] = "42315";
    for (int i = 0; i < 5; i++) {
        char plain[128];
        char coloured[128];
        snprintf(plain, sizeof(plain), "[%c 241120 18:43:20 chat:57] message\n", letters[i]);
        snprintf(coloured, sizeof(coloured),
                 "\033[3%cm[%c 241120 18:43:20 chat:57]\033[0m message\n", colours[i], letters[i]);
        enum gust_log_level level = (enum gust_log_level)(10 * (i + 1));
        assert_string_equal(formatted(level, GUST_STR("message"), false, 2000), plain);
        assert_string_equal(formatted(level, GUST_STR("message"), true, 2000), coloured);
    }
}

static void expect_message(gust_str message, const char *text)
{
    char line[256];
    snprintf(line, sizeof(line), "[I 241120 18:43:20 chat:57] %s\n", text);
    assert_string_equal(formatted(GUST_LOG_INFO, message, false, 2000), line);
}

static void test_format__one_line_and_its_continuation(void **state)
{
    (void)state;
    expect_message(GUST_STR(""), "");
    expect_message(GUST_STR("a\nb\n\nc"), "a\n    b\n    \n    c");
    expect_message(GUST_STR("a\tb"), "a\tb");
    expect_message(GUST_STR("\033[31mred\r\x7f\0z"), "\\x1B[31mred\\x0D\\x7F\\x00z");
    expect_message(GUST_STR("\xc3\xa9\xe2\x82\xac"), "\xc3\xa9\xe2\x82\xac");
    expect_message(GUST_STR("\xff\xe9x\xc2\x85"), "\\xFF\\xE9x\\xC2\\x85");
    expect_message(GUST_STR("quotes \" and \\ stay"), "quotes \" and \\ stay");
}

static void test_format__never_beyond_the_buffer(void **state)
{
    (void)state;
    for (size_t cap = 128; cap < 400; cap++) {
        const char *line = formatted(
            GUST_LOG_ERROR,
            GUST_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                     "\xe2\x82\xac\n\xff\x01\xc2\x85 bbbbbbbbbbbbbbbbbbbbbbbbb"
                     "\xe2\x82\xac\n\xff\x01\xc2\x85 bbbbbbbbbbbbbbbbbbbbbbbbb"),
            true, cap);
        assert_int_equal(line[strlen(line) - 1], '\n');
        gust_str s = gust_str_from(line);
        assert_int_equal(gust_str_find(s, GUST_STR("!")), SIZE_MAX);
    }
}

/* The pretty sink's line, through a pipe in the place of standard error. */
static void test_enable_pretty__one_write_to_stderr(void **state)
{
    (void)state;
    int ends[2];
    char line[512] = {0};
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    gust_log_enable_pretty(GUST_LOG_WARNING);
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_INFO, "not this");
    GUST_LOG(GUST_LOG_ACCESS, GUST_LOG_WARNING, "404 GET /%s", "x");
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(ends[0], line, sizeof(line) - 1);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(n > 0);
    assert_int_equal(strncmp(line, "[W 700101 ", 10), 0);
    assert_non_null(strstr(line, " log_internal_test:"));
    assert_int_equal(strcmp(strchr(line, ']'), "] 404 GET /x\n"), 0);
}

/* --- quoting -------------------------------------------------------------------------------------- */

static void test_quote__every_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char out[64];
        char byte = (char)c;
        gust_log_quote(out, sizeof(out), gust_str_make(&byte, 1));
        bool stays = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        char expected[8];
        snprintf(expected, sizeof(expected), stays ? "%c" : "\\x%02X", c);
        assert_string_equal(out, expected);
    }
}

static void test_quote__characters(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(gust_log_quote(out, sizeof(out), GUST_STR("")), "");
    assert_string_equal(gust_log_quote(out, sizeof(out), GUST_STR("caf\xc3\xa9 \xf0\x9f\x98\x80")),
                        "caf\xc3\xa9 \xf0\x9f\x98\x80");
    assert_string_equal(gust_log_quote(out, sizeof(out), GUST_STR("\xc2\x9f\xc2\xa0")),
                        "\\xC2\\x9F\xc2\xa0");
    assert_string_equal(gust_log_quote(out, sizeof(out), GUST_STR("\xe2\x82")), "\\xE2\\x82");
    assert_string_equal(gust_log_quote(out, sizeof(out), GUST_STR("\xed\xa0\x80")),
                        "\\xED\\xA0\\x80");
    assert_string_equal(gust_log_quote(out, 31, GUST_STR("abc")), "");
}

/* The text that was shown, then the count of the bytes that were not. */
static void check_cut(const char *out, size_t cap, size_t len, size_t bytes_each, size_t width)
{
    size_t n = strlen(out);
    assert_true(n < cap && n < GUST_MAX_LOG_FIELD);
    const char *tail = strstr(out, "...(+");
    if (len / bytes_each * width < (cap < GUST_MAX_LOG_FIELD ? cap : GUST_MAX_LOG_FIELD)) {
        assert_null(tail);
        assert_int_equal(n, len / bytes_each * width);
        return;
    }
    assert_non_null(tail);
    size_t shown = (size_t)(tail - out);
    assert_int_equal(shown % width, 0);
    assert_int_equal(shown / width * bytes_each + strtoul(tail + 5, NULL, 10), len);
    assert_int_equal(out[n - 1], ')');
}

static void test_quote__counts_what_it_drops(void **state)
{
    (void)state;
    static char plain[9000];
    static char controls[9000];
    static char euros[9000];
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = 'a';
        controls[i] = '\x01';
        euros[i] = "\xe2\x82\xac"[i % 3];
    }
    for (size_t cap = 32; cap < 1200; cap += 13) {
        char out[1200];
        for (size_t len = 0; len < 8192; len += len < 1300 ? 9 : 501) {
            size_t whole = len / 3 * 3;
            check_cut(gust_log_quote(out, cap, gust_str_make(plain, len)), cap, len, 1, 1);
            check_cut(gust_log_quote(out, cap, gust_str_make(controls, len)), cap, len, 1, 4);
            check_cut(gust_log_quote(out, cap, gust_str_make(euros, whole)), cap, whole, 3, 3);
        }
    }
}

/* --- the rate limit -------------------------------------------------------------------------------- */

static void warn(enum gust_logger logger, enum gust_log_level level)
{
    GUST_LOG(logger, level, "bad request");
}

static void test_rate__ten_a_second_then_one_summary(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        warn(GUST_LOG_GENERAL, GUST_LOG_WARNING);
        now_ns += 900000; /* 0.9 s in all */
    }
    assert_int_equal(seen.lines, 10);
    now_ns += 200000000;
    warn(GUST_LOG_GENERAL, GUST_LOG_WARNING);
    assert_int_equal(seen.lines, 12);
    assert_string_equal(seen.message, "bad request");
    gust_log_flush();
    assert_int_equal(seen.lines, 12);
}

static void test_rate__the_summary_comes_with_any_later_line(void **state)
{
    (void)state;
    for (int i = 0; i < 13; i++) {
        warn(GUST_LOG_APPLICATION, GUST_LOG_ERROR);
    }
    GUST_LOG(GUST_LOG_ACCESS, GUST_LOG_INFO, "same second");
    assert_int_equal(seen.lines, 11);
    now_ns += 1000000000;
    seen.lines = 0;
    gust_log_set_level(GUST_LOG_ACCESS, GUST_LOG_DEBUG);
    GUST_LOG(GUST_LOG_ACCESS, GUST_LOG_DEBUG, "later");
    assert_int_equal(seen.lines, 2);
    assert_string_equal(seen.message, "later");
}

static void test_rate__flush_tells_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 15; i++) {
        warn(GUST_LOG_GENERAL, GUST_LOG_CRITICAL);
    }
    assert_int_equal(seen.lines, 10);
    gust_log_flush();
    assert_int_equal(seen.lines, 11);
    assert_string_equal(seen.message, "5 more lines like this were dropped");
    assert_int_equal(seen.last.level, GUST_LOG_CRITICAL);
    assert_string_equal(seen.module, "log_internal_test");
    gust_log_flush();
    assert_int_equal(seen.lines, 11);
}

static void test_rate__each_place_has_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_WARNING, "one");
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_WARNING, "other");
    }
    assert_int_equal(seen.lines, 20);
    gust_log_flush();
    assert_int_equal(seen.lines, 22);
}

static void test_rate__not_for_access_and_below_warning(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        GUST_LOG(GUST_LOG_ACCESS, GUST_LOG_ERROR, "500 GET /");
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_INFO, "info");
    }
    assert_int_equal(seen.lines, 100);
}

/* A peer that makes a million bad requests in three seconds. */
static void test_rate__a_million_lines(void **state)
{
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        warn(GUST_LOG_GENERAL, GUST_LOG_WARNING);
        now_ns += 3000;
    }
    assert_in_range(seen.lines, 30, 33);
}

static void *warn_often(void *user)
{
    (void)user;
    for (int i = 0; i < 10000; i++) {
        warn(GUST_LOG_GENERAL, GUST_LOG_WARNING);
    }
    return NULL;
}

static void test_rate__over_all_threads(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, warn_often, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(seen.lines, 10);
    gust_log_flush();
    assert_string_equal(seen.message, "19990 more lines like this were dropped");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_log__silent_without_a_sink),
        CASE(test_log__a_level_for_each_logger),
        CASE(test_log__record_has_it_all),
        CASE(test_log__long_messages_say_what_is_missing),
        CASE(test_level_parse__words),
        CASE(test_format__tornados_layout),
        CASE(test_format__one_line_and_its_continuation),
        CASE(test_format__never_beyond_the_buffer),
        CASE(test_enable_pretty__one_write_to_stderr),
        CASE(test_quote__every_byte),
        CASE(test_quote__characters),
        CASE(test_quote__counts_what_it_drops),
        CASE(test_rate__ten_a_second_then_one_summary),
        CASE(test_rate__the_summary_comes_with_any_later_line),
        CASE(test_rate__flush_tells_at_once),
        CASE(test_rate__each_place_has_its_own),
        CASE(test_rate__not_for_access_and_below_warning),
        CASE(test_rate__a_million_lines),
        CASE(test_rate__over_all_threads),
    };
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
