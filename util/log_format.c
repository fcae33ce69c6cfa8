/* The text of log lines: Tornado's layout, and quoting of what is untrusted.
 *
 * One function decides which characters may stand in a line; every append is
 * checked against the end of the buffer. */
#include <gust/log.h>

#include <stdint.h>
#include <time.h>

#include <gust/utf8.h>

/* Enough for four bytes as \xNN each. */
struct piece {
    char text[16];
    size_t len;
    size_t consumed; /* bytes of the input that it stands for */
};

static struct piece raw_piece(gust_str s, size_t n)
{
    struct piece p = {.len = n, .consumed = n};
    memcpy(p.text, s.ptr, n);
    return p;
}

static struct piece hex_piece(gust_str s, size_t n)
{
    struct piece p = {.len = 4 * n, .consumed = n};
    for (size_t i = 0; i < n; i++) {
        unsigned byte = (unsigned char)s.ptr[i];
        char *at = p.text + 4 * i;
        at[0] = '\\';
        at[1] = 'x';
        at[2] = "0123456789ABCDEF"[byte >> 4];
        at[3] = "0123456789ABCDEF"[byte & 15];
    }
    return p;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* The first character of `s`, made fit; what is no character, byte by byte. */
static struct piece safe_piece(gust_str s, gust_str also_escaped)
{
    uint32_t code;
    size_t n = gust_utf8_decode(s, &code);
    if (n == 0) {
        return hex_piece(s, 1);
    }
    bool is_escaped = n == 1 && gust_str_find_byte(also_escaped, s.ptr[0]) != SIZE_MAX;
    return is_control(code) || is_escaped ? hex_piece(s, n) : raw_piece(s, n);
}

/* --- quoting ---------------------------------------------------------------------------- */

enum { TAIL = 26 }; /* "...(+" 20 digits ")" */

static size_t put_tail(char *out, size_t dropped)
{
    memcpy(out, "...(+", 5);
    size_t n = 5 + gust_u64_to_dec(out + 5, dropped);
    out[n] = ')';
    return n + 1;
}

const char *gust_log_quote(char *out, size_t cap, gust_str text)
{
    if (cap < 32) {
        return "";
    }
    size_t room = (cap < GUST_MAX_LOG_FIELD ? cap : GUST_MAX_LOG_FIELD) - 1;
    size_t len = 0;
    size_t mark = 0; /* of `out`, where the tail still fits, and of `text` */
    size_t mark_at = 0;
    for (size_t at = 0; at < text.len;) {
        struct piece p = safe_piece(gust_str_skip(text, at), GUST_STR("\"\\"));
        if (len + p.len > room) {
            len = mark + put_tail(out + mark, text.len - mark_at);
            break;
        }
        memcpy(out + len, p.text, p.len);
        len += p.len;
        at += p.consumed;
        if (len + TAIL <= room) {
            mark = len;
            mark_at = at;
        }
    }
    out[len] = '\0';
    return out;
}

/* --- the line ------------------------------------------------------------------------------- */

struct line {
    char *ptr;
    size_t len;
    size_t cap;
};

/* All or nothing, so that no character is cut. */
static bool put(struct line *l, gust_str s)
{
    if (s.len > l->cap - l->len) {
        return false;
    }
    if (s.len > 0) {
        memcpy(l->ptr + l->len, s.ptr, s.len);
    }
    l->len += s.len;
    return true;
}

static void put_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

static void print_time(char out[15], int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm;
    if (localtime_r(&t, &tm) == NULL) {
        tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    }
    memcpy(out, "yymmdd HH:MM:SS", 15);
    put_two(out, tm.tm_year % 100);
    put_two(out + 2, tm.tm_mon + 1);
    put_two(out + 4, tm.tm_mday);
    put_two(out + 7, tm.tm_hour);
    put_two(out + 10, tm.tm_min);
    put_two(out + 13, tm.tm_sec);
}

/* localtime_r(3) takes a lock and reads the zone: once a second is enough. */
static gust_str time_text(int64_t unix_ns)
{
    static _Thread_local int64_t cached_second = INT64_MIN;
    static _Thread_local char cached[15];
    int64_t second = unix_ns / 1000000000;
    if (second != cached_second) {
        print_time(cached, second);
        cached_second = second;
    }
    return gust_str_make(cached, sizeof(cached));
}

struct look {
    gust_str begin; /* letter with its bracket */
    gust_str colour;
};

static const struct look *look_of(enum gust_log_level level)
{
    static const struct look looks[] = {
        {GUST_STR_INIT("[D "), GUST_STR_INIT("\033[34m")},
        {GUST_STR_INIT("[I "), GUST_STR_INIT("\033[32m")},
        {GUST_STR_INIT("[W "), GUST_STR_INIT("\033[33m")},
        {GUST_STR_INIT("[E "), GUST_STR_INIT("\033[31m")},
        {GUST_STR_INIT("[C "), GUST_STR_INIT("\033[35m")},
    };
    int n = (int)level / 10 - 1;
    return &looks[n < 0 ? 0 : n > 4 ? 4 : n];
}

static void put_head(struct line *l, const gust_log_record *record, bool colour)
{
    char number[20];
    const struct look *look = look_of(record->level);
    gust_str plain = GUST_STR("");
    put(l, colour ? look->colour : plain);
    put(l, look->begin);
    put(l, time_text(record->unix_ns));
    put(l, GUST_STR(" "));
    put(l, gust_str_make(record->module.ptr, record->module.len < 64 ? record->module.len : 64));
    put(l, GUST_STR(":"));
    put(l, gust_str_make(number, gust_u64_to_dec(number, (uint64_t)record->line)));
    put(l, GUST_STR("]"));
    put(l, colour ? GUST_STR("\033[0m") : plain);
    put(l, GUST_STR(" "));
}

/* Printable ASCII in front of `s`, as much of it as fits into the line. */
static size_t plain_run(const struct line *l, gust_str s)
{
    size_t most = l->cap - l->len < s.len ? l->cap - l->len : s.len;
    size_t n = 0;
    while (n < most && s.ptr[n] >= 0x20 && s.ptr[n] < 0x7f) {
        n++;
    }
    return n;
}

static bool put_message_piece(struct line *l, gust_str rest, size_t *consumed)
{
    *consumed = plain_run(l, rest);
    if (*consumed > 0) {
        return put(l, gust_str_make(rest.ptr, *consumed));
    }
    *consumed = 1;
    if (rest.ptr[0] == '\n') {
        return put(l, GUST_STR("\n    "));
    }
    if (rest.ptr[0] == '\t') {
        return put(l, GUST_STR("\t"));
    }
    struct piece p = safe_piece(rest, GUST_STR(""));
    *consumed = p.consumed;
    return put(l, gust_str_make(p.text, p.len));
}

size_t gust_log_format(char *out, size_t cap, const gust_log_record *record, bool colour)
{
    if (cap == 0) {
        return 0;
    }
    struct line l = {.ptr = out, .cap = cap - 1}; /* the line end always fits */
    put_head(&l, record, colour);
    gust_str rest = record->message;
    size_t consumed;
    while (rest.len > 0 && put_message_piece(&l, rest, &consumed)) {
        rest = gust_str_skip(rest, consumed);
    }
    l.ptr[l.len++] = '\n';
    return l.len;
}
