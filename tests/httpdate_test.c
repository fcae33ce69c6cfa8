/* HTTP dates: every day of ten thousand years, the three forms, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/httpdate.h>

struct row {
    int64_t seconds;
    const char *text;
};

static const struct row rows[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
    {1359312200, "Sun, 27 Jan 2013 18:43:20 GMT"},
    {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
    {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
    {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
    {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"},
    {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
    {-86400, "Wed, 31 Dec 1969 00:00:00 GMT"},
    {-2208988800, "Mon, 01 Jan 1900 00:00:00 GMT"},
    {-62167219200, "Sat, 01 Jan 0000 00:00:00 GMT"},
    {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void test_format__rows_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[GUST_HTTPDATE_LEN + 1] = {0};
        out[GUST_HTTPDATE_LEN] = '!';
        assert_int_equal(gust_httpdate_format(out, rows[i].seconds), 0);
        assert_memory_equal(out, rows[i].text, GUST_HTTPDATE_LEN);
        assert_int_equal(out[GUST_HTTPDATE_LEN], '!');
        int64_t back = 4711;
        assert_int_equal(gust_httpdate_parse(gust_str_from(rows[i].text), &back), 0);
        assert_true(back == rows[i].seconds);
    }
}

static void test_format__refuses_other_years(void **state)
{
    (void)state;
    static const int64_t bad[] = {-62167219201, 253402300800, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char out[GUST_HTTPDATE_LEN + 1] = "untouched";
        assert_int_equal(gust_httpdate_format(out, bad[i]), -ERANGE);
        assert_string_equal(out, "untouched");
    }
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Count the days one by one, as a calendar on the wall does. */
static void test_every_day__of_ten_thousand_years(void **state)
{
    (void)state;
    static const char days[7][4] = {"Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day_number = 0;
    for (int year = 0; year < 10000; year++) {
        for (int month = 0; month < 12; month++) {
            int length = lengths[month] + (month == 1 && is_leap(year));
            for (int day = 1; day <= length; day++, day_number++) {
                char text[64];
                snprintf(text, sizeof(text), "%s, %02d %s %04d 12:34:56 GMT", days[day_number % 7],
                         day, months[month], year);
                int64_t seconds = -INT64_C(62167219200) + day_number * 86400 + 45296;
                char out[GUST_HTTPDATE_LEN];
                assert_int_equal(gust_httpdate_format(out, seconds), 0);
                assert_memory_equal(out, text, sizeof(out));
                int64_t back = 0;
                assert_int_equal(gust_httpdate_parse(gust_str_make(text, sizeof(out)), &back), 0);
                assert_true(back == seconds);
            }
        }
    }
}

static void test_every_second__of_a_day(void **state)
{
    (void)state;
    for (int s = 0; s < 86400; s++) {
        char text[64];
        snprintf(text, sizeof(text), "Wed, 31 Dec 1969 %02d:%02d:%02d GMT", s / 3600, s / 60 % 60,
                 s % 60);
        char out[GUST_HTTPDATE_LEN];
        assert_int_equal(gust_httpdate_format(out, s - 86400), 0);
        assert_memory_equal(out, text, sizeof(out));
    }
}

static void expect(const char *text, int64_t now, int64_t seconds)
{
    int64_t out = 4711;
    assert_int_equal(gust_httpdate_parse_at(gust_str_from(text), now, &out), 0);
    assert_true(out == seconds);
}

static void test_parse__the_three_forms(void **state)
{
    (void)state;
    expect("Sun, 06 Nov 1994 08:49:37 GMT", 0, 784111777);
    expect("Sunday, 06-Nov-94 08:49:37 GMT", 784111777, 784111777);
    expect("Sun Nov  6 08:49:37 1994", 0, 784111777);
    expect("Sun Nov 16 08:49:37 1994", 0, 784975777);
    expect("Sat Jan  1 00:00:00 0000", 0, -INT64_C(62167219200));
    expect("Wed, 31 Dec 1969 23:59:60 GMT", 0, 0);
    expect("Mon, 06 Nov 1994 08:49:37 GMT", 0, 784111777); /* not its weekday: no matter */
}

/* Now is 2020-06-15 12:00:00: 2070-06-15 12:00:00 is 50 years ahead. */
static void test_parse__two_digits_of_a_year(void **state)
{
    (void)state;
    const int64_t now = 1592222400;
    expect("Monday, 15-Jun-20 12:00:00 GMT", now, now);
    expect("Monday, 15-Jun-21 12:00:00 GMT", now, 1623758400);
    expect("Sunday, 15-Jun-70 12:00:00 GMT", now, INT64_C(3170059200));
    expect("Sunday, 15-Jun-70 12:00:01 GMT", now, 14299201);
    expect("Tuesday, 31-Dec-69 23:59:59 GMT", now, INT64_C(3155759999));
    expect("Friday, 31-Dec-99 23:59:59 GMT", now, 946684799);
    expect("Saturday, 01-Jan-00 00:00:00 GMT", now, 946684800);
    expect("Friday, 01-Jan-60 00:00:00 GMT", INT64_C(-631152000), -315619200); /* now 1950 */
}

static void test_parse__refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 -0100",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xxx 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1900 08:49:37 GMT",
        "Thu, 30 Feb 2000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 19944 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 31-Feb-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  0 08:49:37 1994",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t out = 4711;
        if (gust_httpdate_parse_at(gust_str_from(bad[i]), 0, &out) != -EINVAL || out != 4711) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

/* Cut short at every place, and one byte wrong at every place. */
static void test_parse__no_prefix_and_no_wrong_byte(void **state)
{
    (void)state;
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(good[i]);
        for (size_t n = 0; n < len; n++) {
            char text[32];
            int64_t out;
            assert_int_equal(gust_httpdate_parse(gust_str_make(good[i], n), &out), -EINVAL);
            memcpy(text, good[i], len);
            text[n] = '\0';
            assert_int_equal(gust_httpdate_parse(gust_str_make(text, len), &out), -EINVAL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format__rows_and_back),
        cmocka_unit_test(test_format__refuses_other_years),
        cmocka_unit_test(test_every_day__of_ten_thousand_years),
        cmocka_unit_test(test_every_second__of_a_day),
        cmocka_unit_test(test_parse__the_three_forms),
        cmocka_unit_test(test_parse__two_digits_of_a_year),
        cmocka_unit_test(test_parse__refuses_the_rest),
        cmocka_unit_test(test_parse__no_prefix_and_no_wrong_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
