/* HTTP dates, by arithmetic.
 *
 * Days are counted in years that begin in March, so that the leap day is the
 * last one; 400 such years have 146,097 days. strftime(3) would follow the
 * locale and timegm(3) is not in POSIX. */
#include <gust/httpdate.h>

#include <string.h>
#include <time.h>

#include <gust/errors.h>

enum {
    DAY_SECONDS = 86400,
    ERA_DAYS = 146097,  /* 400 years */
    EPOCH_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */
};

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
    int64_t year;
    int month; /* 1..12 */
    int day;
    int hour;
    int minute;
    int second;
};

static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

static void civil_from_days(int64_t days, struct date *d)
{
    int64_t since = days + EPOCH_DAYS;
    int64_t era = (since >= 0 ? since : since - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day = since - era * ERA_DAYS;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    d->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    d->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    d->year = year + era * 400 + (d->month <= 2 ? 1 : 0);
}

/* --- writing ---------------------------------------------------------------------- */

static void put2(char *out, int value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

int gust_httpdate_format(char out[GUST_HTTPDATE_LEN], int64_t unix_seconds)
{
    const int64_t first = -INT64_C(62167219200); /* 0000-01-01 00:00:00 */
    const int64_t last = INT64_C(253402300799);  /* 9999-12-31 23:59:59 */
    if (unix_seconds < first || unix_seconds > last) {
        return -ERANGE;
    }
    int64_t days = (unix_seconds - first) / DAY_SECONDS + first / DAY_SECONDS;
    int in_day = (int)((unix_seconds - first) % DAY_SECONDS);
    struct date d;
    civil_from_days(days, &d);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", GUST_HTTPDATE_LEN);
    memcpy(out, day_names[((days + 4) % 7 + 7) % 7], 3);
    put2(out + 5, d.day);
    memcpy(out + 8, month_names[d.month - 1], 3);
    put2(out + 12, (int)(d.year / 100));
    put2(out + 14, (int)(d.year % 100));
    put2(out + 17, in_day / 3600);
    put2(out + 20, in_day / 60 % 60);
    put2(out + 23, in_day % 60);
    return 0;
}

/* --- reading ----------------------------------------------------------------------
 *
 * Each form is a pattern, read from left to right. In it
 *   w  the short name of a weekday      m  the short name of a month
 *   W  the long name of a weekday       d  two digits of the day
 *   D  the same, a space before one     Y  four digits of the year
 *   y  two digits of the year           H M S  two digits each
 * and everything else is itself. */

struct reader {
    gust_str rest;
    struct date date;
    int short_year; /* -1, or the two digits of a year */
};

static bool read_digits(struct reader *r, size_t n, int *out_value)
{
    uint64_t value;
    gust_str digits = gust_str_make(r->rest.ptr, n);
    if (r->rest.len < n || gust_str_to_u64(digits, 9999, &value) != 0) {
        return false;
    }
    *out_value = (int)value;
    r->rest = gust_str_skip(r->rest, n);
    return true;
}

static bool read_literal(struct reader *r, gust_str literal)
{
    if (!gust_str_starts_with(r->rest, literal)) {
        return false;
    }
    r->rest = gust_str_skip(r->rest, literal.len);
    return true;
}

static bool read_month(struct reader *r)
{
    for (int i = 0; i < 12; i++) {
        if (read_literal(r, gust_str_make(month_names[i], 3))) {
            r->date.month = i + 1;
            return true;
        }
    }
    return false;
}

static bool read_short_day(struct reader *r)
{
    for (int i = 0; i < 7; i++) {
        if (read_literal(r, gust_str_make(day_names[i], 3))) {
            return true;
        }
    }
    return false;
}

static bool read_long_day(struct reader *r)
{
    static const gust_str names[7] = {GUST_STR_INIT("Sunday"),   GUST_STR_INIT("Monday"),
                                      GUST_STR_INIT("Tuesday"),  GUST_STR_INIT("Wednesday"),
                                      GUST_STR_INIT("Thursday"), GUST_STR_INIT("Friday"),
                                      GUST_STR_INIT("Saturday")};
    for (int i = 0; i < 7; i++) {
        if (read_literal(r, names[i])) {
            return true;
        }
    }
    return false;
}

static bool read_padded_day(struct reader *r)
{
    if (read_literal(r, GUST_STR(" "))) {
        return read_digits(r, 1, &r->date.day);
    }
    return read_digits(r, 2, &r->date.day);
}

static bool read_year(struct reader *r)
{
    int year;
    if (!read_digits(r, 4, &year)) {
        return false;
    }
    r->date.year = year;
    return true;
}

static bool read_item(struct reader *r, char item)
{
    switch (item) {
    case 'w': return read_short_day(r);
    case 'W': return read_long_day(r);
    case 'm': return read_month(r);
    case 'd': return read_digits(r, 2, &r->date.day);
    case 'D': return read_padded_day(r);
    case 'Y': return read_year(r);
    case 'y': return read_digits(r, 2, &r->short_year);
    case 'H': return read_digits(r, 2, &r->date.hour);
    case 'M': return read_digits(r, 2, &r->date.minute);
    case 'S': return read_digits(r, 2, &r->date.second);
    default: return read_literal(r, gust_str_make(&item, 1));
    }
}

static bool read_form(struct reader *r, gust_str text, gust_str pattern, gust_str end)
{
    *r = (struct reader){.rest = text, .short_year = -1};
    for (size_t i = 0; i < pattern.len; i++) {
        if (!read_item(r, pattern.ptr[i])) {
            return false;
        }
    }
    return gust_str_eq(r->rest, end);
}

static int days_of_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool exists(const struct date *d)
{
    return d->day >= 1 && d->day <= days_of_month(d->year, d->month) && d->hour <= 23 &&
           d->minute <= 59 && d->second <= 60;
}

static int64_t to_unix(const struct date *d)
{
    int64_t days = days_from_civil(d->year, d->month, d->day);
    return days * DAY_SECONDS + d->hour * 3600 + d->minute * 60 + d->second;
}

/* RFC 9110 5.6.7: what appears to be more than 50 years ahead is in the past. */
static void choose_century(struct reader *r, int64_t now)
{
    int64_t days = (now >= 0 ? now : now - (DAY_SECONDS - 1)) / DAY_SECONDS;
    struct date today;
    civil_from_days(days, &today);
    int64_t in_day = now - days * DAY_SECONDS;
    int64_t horizon = days_from_civil(today.year + 50, today.month, today.day);
    r->date.year = today.year - today.year % 100 + 100 + r->short_year;
    while (to_unix(&r->date) > horizon * DAY_SECONDS + in_day) {
        r->date.year -= 100;
    }
}

static int finish(const struct date *d, int64_t *out)
{
    if (!exists(d)) {
        return -EINVAL;
    }
    *out = to_unix(d);
    return 0;
}

int gust_httpdate_parse_at(gust_str text, int64_t now_unix_seconds, int64_t *out_unix_seconds)
{
    struct reader r;
    if (read_form(&r, text, GUST_STR("w, d m Y H:M:S"), GUST_STR(" GMT")) ||
        read_form(&r, text, GUST_STR("w m D H:M:S Y"), GUST_STR(""))) {
        return finish(&r.date, out_unix_seconds);
    }
    if (read_form(&r, text, GUST_STR("W, d-m-y H:M:S"), GUST_STR(" GMT"))) {
        choose_century(&r, now_unix_seconds);
        return finish(&r.date, out_unix_seconds);
    }
    return -EINVAL;
}

int gust_httpdate_parse(gust_str text, int64_t *out_unix_seconds)
{
    return gust_httpdate_parse_at(text, (int64_t)time(NULL), out_unix_seconds);
}
