/* The grid of a periodic callback, without a loop: the published rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ioloop/periodic_internal.h"

/* Beats of a period of 10 from 1000 on, when the calls last `durations`. */
static void check_beats(const int64_t *durations, const int64_t *beats, int count)
{
    gust_time now = 1000;
    gust_time next = 1000;
    for (int i = 0; i < count; i++) {
        next = gust__periodic_next(next, now, 10);
        assert_int_equal(next, beats[i]);
        now = next + durations[i];
    }
}

static void test_next__published_rows(void **state)
{
    static const int64_t none[5] = {0};
    static const int64_t plain[] = {1010, 1020, 1030, 1040, 1050};
    static const int64_t slow[] = {9, 9, 10, 11, 20, 20, 35, 35, 0, 0, 0};
    static const int64_t skipped[] = {1010, 1020, 1030, 1050, 1070, 1100,
                                      1130, 1170, 1210, 1220, 1230};
    static const int64_t back[] = {-2, -1, -3, -2, 0};
    static const int64_t jump[] = {-100, 0, 0};
    (void)state;
    check_beats(none, plain, 5);
    check_beats(slow, skipped, 11);
    check_beats(back, plain, 5);
    check_beats(jump, plain, 3);
}

static void test_next__is_later_than_now_and_on_the_grid(void **state)
{
    (void)state;
    for (gust_time now = 0; now < 100; now++) {
        gust_time next = gust__periodic_next(3, now, 7);
        assert_true(next > now || now < 3);
        assert_int_equal((next - 3) % 7, 0);
        assert_true(next - 7 <= now || now < 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next__published_rows),
        cmocka_unit_test(test_next__is_later_than_now_and_on_the_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
