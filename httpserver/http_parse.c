/* The machine that reads a request head; see http_parse_internal.h.
 *
 *   START -> METHOD -> TARGET -> VERSION -> LINE -> NAME -> SPACE -> VALUE -> VALUE_LF -+
 *     |        ^                             | ^                                        |
 *     +- CR: START_LF                        | +----------------------------------------+
 *                                            +- CR: BLANK_LF -> DONE      any -> FAILED
 *
 * Each phase is one function. It eats what it can and returns ON; or MORE, after
 * it has noted itself as the phase to go on with; or FAIL. In one call a field
 * falls through its phases in a straight line; the phase is looked at only where
 * a call or a field begins.
 *
 * Invariant: all that a phase knows stands in the parser or in the field that is
 * being read, as offsets; pos is the first byte that no phase has accepted.
 *
 * Every limit is kept by cutting the input there: a phase that runs out of bytes
 * at the cut has met the limit. So a verdict depends on the bytes before it
 * only, and the same bytes get the same verdict however they arrive. */
#include "httpserver/http_parse_internal.h"

#include <string.h>

#include "httpserver/http_rules_internal.h"
#include "httpserver/http_scan_internal.h"
#include "httpserver/httpnames_internal.h"
#include "util/check_internal.h"

enum phase {
    START,
    START_LF,
    METHOD,
    TARGET,
    VERSION,
    LINE,
    NAME,
    SPACE,
    VALUE,
    VALUE_LF,
    BLANK_LF,
    DONE,
    FAILED
};

enum outcome { FAIL = -1, MORE = 0, ON = 1, END = 2 };

/* The bytes at hand: `at` moves from data + pos to `end`, the cut. */
struct input {
    const char *data;
    const char *at;
    const char *end;
};

#ifdef GUST_DEBUG
#define STEPS(p, n) ((p)->steps += (uint64_t)(n))
#else
#define STEPS(p, n) ((void)sizeof(n))
#endif

/* What holds between two calls:
 *   1. no byte beyond the limit was accepted, but for a first CRLF
 *   2. there are no more fields than there is room for
 *   3. an error has a status and a text, and nothing else has
 *   4. the fields lie in order, before pos */
static void check(const struct gust__http_parser *p)
{
    GUST_ASSERT(p->pos <= p->max_header_size || p->pos <= 2);
    GUST_ASSERT(p->count <= p->max_fields);
    GUST_ASSERT((p->phase == FAILED) == (p->status != 0));
    GUST_ASSERT((p->phase == FAILED) == (p->error != NULL));
    for (uint16_t i = 1; i < p->count && p->form == GUST__HTTP_ORIGIN && p->phase == DONE; i++) {
        const struct gust__http_field *f = &p->fields[i];
        GUST_ASSERT(f[-1].value + f[-1].value_len < f->name && f->value < p->pos);
        (void)f;
    }
}

static inline uint32_t offset(const struct input *in, const char *at)
{
    return (uint32_t)(at - in->data);
}

static inline int more(struct gust__http_parser *p, enum phase phase)
{
    p->phase = (uint8_t)phase;
    return MORE;
}

static GUST_NOINLINE int fail(struct gust__http_parser *p, int status, const char *error)
{
    gust__http_fail(p, status, error);
    return FAIL;
}

/* ---- The request line --------------------------------------------------------- */

/* P1: one CRLF may stand before the request. */
static int start(struct gust__http_parser *p, const char *data, size_t len)
{
    if (p->phase == START) {
        if (len == 0) {
            return MORE;
        }
        if (data[0] != '\r') {
            p->phase = METHOD;
            return ON;
        }
        p->phase = START_LF;
        p->pos = 1;
        p->method.at = 1;
    }
    if (len < 2) {
        return MORE;
    }
    if (data[1] != '\n') {
        return fail(p, 400, "CR without LF before the request");
    }
    p->phase = METHOD;
    p->pos = 2;
    p->method.at = 2;
    return ON;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The first byte that is no tchar, or end. */
static const char *token_end(const char *at, const char *end)
{
    while (at < end) {
        at = gust__scan_plain(at, end);
        if (at >= end || !gust__char_is(*at, GUST__CHAR_TOKEN)) {
            break;
        }
        at++;
    }
    return at < end ? at : end;
}

/* The same for values and targets; '?' counts as the end of a target. */
static const char *value_end(const char *at, const char *end)
{
    while (at < end) {
        at = gust__scan_value(at, end);
        if (at >= end || !gust__char_is(*at, GUST__CHAR_VALUE)) {
            break;
        }
        at++;
    }
    return at < end ? at : end;
}

static const char *target_end(const char *at, const char *end)
{
    const char *stop = at < end ? gust__scan_target(at, end) : end;
    return stop < end ? stop : end;
}

/* P3, P7. */
static int method(struct gust__http_parser *p, struct input *in)
{
    const char *from = in->at;
    const char *first = in->data + p->method.at;
    bool cut = in->end - first > GUST__HTTP_MAX_METHOD;
    const char *limit = cut ? first + GUST__HTTP_MAX_METHOD + 1 : in->end;
    in->at = token_end(in->at, limit);
    STEPS(p, 1 + (in->at - from));
    if (in->at == limit) {
        return cut ? fail(p, 400, "method too long") : more(p, METHOD);
    }
    if (*in->at != ' ' || in->at == first) {
        return fail(p, 400, "invalid byte in method");
    }
    p->method.len = (uint32_t)(in->at - first);
    p->method_id = (uint8_t)gust_http_method_lookup(gust_str_make(first, p->method.len));
    in->at++;
    p->target.at = offset(in, in->at);
    return ON;
}

static void end_target(struct gust__http_parser *p, uint32_t end)
{
    uint32_t path_end = end;
    if (p->has_query) {
        path_end = p->query.at - 1;
        p->query.len = end - p->query.at;
    }
    p->target.len = end - p->target.at;
    p->path.at = p->target.at;
    p->path.len = path_end - p->target.at;
}

/* P4, P8, P9, P11. */
static int target(struct gust__http_parser *p, struct input *in)
{
    for (;;) {
        const char *from = in->at;
        in->at = target_end(from, in->end);
        STEPS(p, 1 + (in->at - from));
        if (in->at == in->end) {
            return more(p, TARGET);
        }
        char c = *in->at;
        if (c == ' ' && offset(in, in->at) > p->target.at) {
            end_target(p, offset(in, in->at));
            in->at++;
            return ON;
        }
        if (c != '?') {
            return fail(p, 400,
                        c == '#' ? "fragment in request target" : "invalid byte in request target");
        }
        in->at++;
        if (!p->has_query) {
            p->has_query = true;
            p->query.at = offset(in, in->at);
        }
    }
}

/* Compare with the form of a version, byte by byte from where it stood. P5, P6,
 * P12-P15. */
static int version(struct gust__http_parser *p, struct input *in)
{
    static const char form[] = "HTTP/d.d\r\n";
    const char *first = in->data + p->target.at + p->target.len + 1;
    for (; in->at < in->end; in->at++) {
        size_t i = (size_t)(in->at - first);
        char c = *in->at;
        STEPS(p, 1);
        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i]) {
            return fail(p, 400, i < 8 ? "invalid HTTP version" : "no CRLF after HTTP version");
        }
        if (i == 7 && first[5] != '1') {
            return fail(p, 505, "HTTP major version is not 1");
        }
        if (i == 9) {
            p->minor = first[7] != '0';
            in->at++;
            return ON;
        }
    }
    return more(p, VERSION);
}

static int request_line_phases(struct gust__http_parser *p, struct input *in)
{
    int r = ON;
    switch (p->phase) {
    case METHOD:
        r = method(p, in);
        if (r != ON) {
            break;
        }
        /* fallthrough */
    case TARGET:
        r = target(p, in);
        if (r != ON) {
            break;
        }
        /* fallthrough */
    default: r = version(p, in);
    }
    if (r == ON) {
        p->phase = LINE;
        r = gust__http_target_rule(p, in->data) ? ON : FAIL;
    }
    return r;
}

static GUST_NOINLINE int request_line(struct gust__http_parser *p, const char *data, size_t len)
{
    int r = p->phase <= START_LF ? start(p, data, len) : ON;
    if (r != ON) {
        return r;
    }
    size_t limit = (size_t)p->method.at + p->max_request_line + 2;
    int status = 414;
    if (limit > p->max_header_size) {
        limit = p->max_header_size;
        status = 431;
    }
    limit = limit < p->pos ? p->pos : limit; /* a silly limit, behind a first CRLF */
    struct input in = {data, data + p->pos, data + (len < limit ? len : limit)};
    r = request_line_phases(p, &in);
    p->pos = offset(&in, in.at);
    if (r == MORE && len >= limit) {
        return fail(p, status, "request line too long");
    }
    return r;
}

/* ---- Header fields -------------------------------------------------------------- */

static inline struct gust__http_field *field(struct gust__http_parser *p)
{
    return &p->fields[p->count];
}

static int blank_lf(struct gust__http_parser *p, struct input *in)
{
    if (in->at == in->end) {
        return more(p, BLANK_LF);
    }
    if (*in->at != '\n') {
        return fail(p, 400, "CR without LF after the header");
    }
    in->at++;
    if (!p->in_trailer && !gust__http_head_rule(p, in->data)) {
        return FAIL;
    }
    p->phase = DONE;
    return END;
}

/* The first byte of a line: of the blank one, or of a field. H11. */
static int line(struct gust__http_parser *p, struct input *in)
{
    if (in->at == in->end) {
        return more(p, LINE);
    }
    if (*in->at == '\r') {
        in->at++;
        return blank_lf(p, in);
    }
    if (p->count == p->max_fields) {
        return fail(p, 431, "too many header fields");
    }
    field(p)->name = offset(in, in->at);
    return ON;
}

static GUST_NOINLINE int bad_name(struct gust__http_parser *p, char c, bool at_start)
{
    if (c == ' ' || c == '\t') {
        return fail(p, 400,
                    at_start ? "header line begins with white space"
                             : "white space in header name");
    }
    if (c == ':') {
        return fail(p, 400, "empty header name");
    }
    return fail(p, 400,
                c == '\r' || c == '\n' ? "no colon in header line" : "invalid byte in header name");
}

/* H3-H5, H9, H10, H14. */
static int name(struct gust__http_parser *p, struct input *in)
{
    struct gust__http_field *f = field(p);
    const char *from = in->at;
    const char *first = in->data + f->name;
    in->at = token_end(in->at, in->end);
    STEPS(p, 1 + (in->at - from));
    if (in->at - first > UINT16_MAX) {
        return fail(p, 431, "header name too long");
    }
    if (in->at == in->end) {
        return more(p, NAME);
    }
    if (*in->at != ':' || in->at == first) {
        return bad_name(p, *in->at, in->at == first);
    }
    f->name_len = (uint16_t)(in->at - first);
    f->id = f->name_len <= GUST__NAME_MAX ? gust__name_id(first, f->name_len)
                                          : GUST_HTTP_OTHER_NAME;
    f->flags = 0;
    in->at++;
    return ON;
}

static int space(struct gust__http_parser *p, struct input *in)
{
    while (in->at < in->end && is_space(*in->at)) {
        in->at++;
        STEPS(p, 1);
    }
    if (in->at == in->end) {
        return more(p, SPACE);
    }
    field(p)->value = offset(in, in->at);
    return ON;
}

/* H1, H6. */
static int value(struct gust__http_parser *p, struct input *in)
{
    const char *from = in->at;
    in->at = value_end(from, in->end);
    STEPS(p, 1 + (in->at - from));
    if (in->at == in->end) {
        return more(p, VALUE);
    }
    if (*in->at != '\r') {
        return fail(p, 400,
                    *in->at == '\n' ? "LF without CR in header" : "invalid byte in header value");
    }
    field(p)->value_len = offset(in, in->at) - field(p)->value;
    in->at++;
    return ON;
}

/* H7: SP and HTAB, and no other byte that somebody calls a space. */
static void trim_value(struct gust__http_parser *p, const char *data)
{
    struct gust__http_field *f = field(p);
    while (f->value_len > 0 && is_space(data[f->value + f->value_len - 1])) {
        f->value_len--;
        STEPS(p, 1);
    }
}

/* H2; then the field is complete. */
static int value_lf(struct gust__http_parser *p, struct input *in)
{
    if (in->at == in->end) {
        return more(p, VALUE_LF);
    }
    if (*in->at != '\n') {
        return fail(p, 400, "CR without LF in header");
    }
    in->at++;
    trim_value(p, in->data);
    p->phase = LINE;
    struct gust__http_field *f = field(p);
    p->count++;
    if (p->in_trailer) {
        return gust__http_trailer_rule(p, f->id) ? ON : FAIL;
    }
    if (f->id - 1u < GUST__HTTP_LAST_RULED) {
        return gust__http_field_rule(p, in->data, f) ? ON : FAIL;
    }
    return ON;
}

/* From the phase noted to the end of that line. */
static int field_phases(struct gust__http_parser *p, struct input *in)
{
    int r = ON;
    switch (p->phase) {
    case LINE:
        r = line(p, in);
        if (r != ON) {
            return r;
        }
        /* fallthrough */
    case NAME:
        r = name(p, in);
        if (r != ON) {
            return r;
        }
        /* fallthrough */
    case SPACE:
        r = space(p, in);
        if (r != ON) {
            return r;
        }
        /* fallthrough */
    case VALUE:
        r = value(p, in);
        if (r != ON) {
            return r;
        }
        /* fallthrough */
    case VALUE_LF: return value_lf(p, in);
    default: return blank_lf(p, in);
    }
}

/* One line, or what is left of it. */
static GUST_NOINLINE int field_line(struct gust__http_parser *p, const char *data, size_t len)
{
    size_t limit = p->max_header_size;
    struct input in = {data, data + p->pos, data + (len < limit ? len : limit)};
    int r = field_phases(p, &in);
    p->pos = offset(&in, in.at);
    return r == MORE && len >= limit ? fail(p, 431, "header too large") : r;
}

/* ---- The short way ----------------------------------------------------------------
 *
 * Nearly all lines are plain, and whole when they are first seen. These two eat
 * such lines at once and touch nothing else: whatever is unusual, wrong or cut
 * off is left where it stands for the phases above, which alone refuse. */

static inline bool is_crlf(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

/* Bytes of the method, its number in p; 0 where it isn't plain. */
static GUST_NOINLINE uint32_t plain_method(struct gust__http_parser *p, const char *data)
{
    uint32_t len = (uint32_t)(gust__scan_plain(data, data + 1) - data);
    p->method_id = (uint8_t)gust_http_method_lookup(gust_str_make(data, len));
    bool plain = p->method_id != GUST_HTTP_OTHER_METHOD && p->method_id != GUST_HTTP_CONNECT;
    return plain && data[len] == ' ' ? len : 0;
}

static GUST_NOINLINE const char *plain_query(struct gust__http_parser *p, const char *data,
                                             const char *query, const char *end)
{
    const char *stop = target_end(query, end);
    while (stop < end && *stop == '?') {
        stop = target_end(stop + 1, end);
    }
    p->has_query = true;
    p->query = (struct gust__http_slice){(uint32_t)(query - data), (uint32_t)(stop - query)};
    return stop;
}

/* "METHOD /path HTTP/1.1" or "METHOD /path?query HTTP/1.1". */
static inline void plain_request_line(struct gust__http_parser *p, const char *data, size_t len)
{
    const char *end = data + (len < p->line_limit ? len : p->line_limit);
    uint32_t at = 4;
    if (GUST_LIKELY(memcmp(data, "GET /", 5) == 0)) {
        p->method_id = GUST_HTTP_GET;
    } else {
        at = plain_method(p, data) + 1;
    }
    const char *first = data + at;
    if (GUST_UNLIKELY(*first != '/' || at == 1 || first >= end)) {
        return;
    }
    const char *stop = gust__scan_target(first, end);
    const char *path_end = stop;
    if (*stop == '?' && stop < end) {
        stop = plain_query(p, data, stop + 1, end);
    }
    STEPS(p, stop - data);
    if (end - stop < 11 || memcmp(stop, " HTTP/1.1\r\n", 11) != 0) {
        return;
    }
    p->phase = LINE;
    p->form = GUST__HTTP_ORIGIN;
    p->minor = 1;
    p->method.len = at - 1;
    p->target.at = at;
    p->target.len = (uint32_t)(stop - first);
    p->path.at = at;
    p->path.len = (uint32_t)(path_end - first);
    p->pos = (uint32_t)(stop + 11 - data);
}

/* Is it a token, and not too long? A known name needs no look at each byte. */
static GUST_NOINLINE bool is_unknown_name(const char *first, const char *colon, const char *end)
{
    return colon > first && colon - first <= UINT16_MAX && token_end(first, end) == colon;
}

/* "Name: value"; returns what is behind its CRLF, or NULL where it isn't plain.
 * Bytes behind the end are looked at, but only what ends before it is taken. */
static inline const char *plain_field(const char *data, const char *first, const char *end,
                                      struct gust__http_field *f)
{
    const char *colon = gust__scan_colon(first, end);
    const char *from = colon + 2;
    if (GUST_UNLIKELY(from >= end || colon[1] != ' ')) {
        return NULL;
    }
    const char *stop = gust__scan_value(from, end);
    if (GUST_UNLIKELY(end - stop < 2 || !is_crlf(stop) || *from <= ' ' || stop[-1] <= ' ')) {
        return NULL;
    }
    size_t len = (size_t)(colon - first);
    uint8_t id = len - 1 < GUST__NAME_MAX ? gust__name_id(first, len) : GUST_HTTP_OTHER_NAME;
    if (GUST_UNLIKELY(id == GUST_HTTP_OTHER_NAME) && !is_unknown_name(first, colon, end)) {
        return NULL;
    }
    f->name = (uint32_t)(first - data);
    f->value = (uint32_t)(from - data);
    f->value_len = (uint32_t)(stop - from);
    f->name_len = (uint16_t)len;
    f->id = id;
    f->flags = 0;
    return stop + 2;
}

/* All fields up to the first that isn't plain. True when the head is done; false
 * when the phases must go on, or have failed. */
static inline bool plain_fields(struct gust__http_parser *p, const char *data, size_t len)
{
    const char *end = data + (len < p->max_header_size ? len : p->max_header_size);
    const char *at = data + p->pos;
    struct gust__http_field *f = p->fields + p->count;
    struct gust__http_field *full = p->fields + p->max_fields;
    bool done = false;
    while (GUST_LIKELY(end - at >= 2)) {
        if (is_crlf(at)) {
            done = gust__http_head_rule(p, data);
            break;
        }
        const char *next = f < full ? plain_field(data, at, end, f) : NULL;
        if (GUST_UNLIKELY(next == NULL)) {
            break;
        }
        STEPS(p, next - at);
        at = next;
        f++;
        if (f[-1].id - 1u < GUST__HTTP_LAST_RULED && !gust__http_field_rule(p, data, f - 1)) {
            p->phase = FAILED;
            return false;
        }
    }
    p->count = (uint16_t)(f - p->fields);
    p->pos = (uint32_t)(at - data);
    if (GUST_LIKELY(done)) {
        p->phase = DONE;
        p->pos += 2;
    }
    return done;
}

/* ---- Calls --------------------------------------------------------------------- */

static ptrdiff_t verdict(struct gust__http_parser *p, int r)
{
    if (r == FAIL && p->phase != DONE) {
        p->phase = FAILED;
    }
    check(p);
    if (p->phase == DONE) {
        return (ptrdiff_t)p->pos;
    }
    return r == MORE ? 0 : -p->status;
}

/* Sums of offsets must fit. */
static inline uint32_t bounded(size_t limit)
{
    return limit < UINT32_MAX / 4 ? (uint32_t)limit : UINT32_MAX / 4;
}

void gust__http_parser_init(struct gust__http_parser *p, struct gust__http_field *fields,
                            uint16_t max_fields, size_t max_header_size, size_t max_request_line)
{
    uint32_t head = bounded(max_header_size);
    uint32_t line = bounded(max_request_line);
    /* No memset: it costs more than all the rest. What is not set here is set
     * before it is read. */
    p->pos = 0;
    p->line_limit = line + 2 < head ? line + 2 : head;
    p->max_header_size = head;
    p->max_request_line = line;
    p->max_fields = max_fields;
    p->seen = 0;
    p->phase = START;
    p->tokens = 0;
    p->in_trailer = false;
    p->https = false;
    p->has_query = false;
    p->chunked = false;
    p->count = 0;
    p->host_field = UINT16_MAX;
    p->host_port = -1;
    p->content_length = -1;
    p->method.at = 0;
    p->query = p->host = p->host_name = (struct gust__http_slice){0, 0};
    p->fields = fields;
    p->known_host = NULL;
    p->status = 0;
    p->error = NULL;
#ifdef GUST_DEBUG
    p->steps = 0;
#endif
}

/* Whatever is not plain, or comes in pieces: up to the end of a line. */
static GUST_NOINLINE int any_line(struct gust__http_parser *p, const char *data, size_t len)
{
    if (p->phase >= DONE) {
        return FAIL;
    }
    return p->phase < LINE ? request_line(p, data, len) : field_line(p, data, len);
}

ptrdiff_t gust__http_parse_request(struct gust__http_parser *p, const char *data, size_t len)
{
    int r = ON;
    if (GUST_LIKELY(p->phase == START)) {
        plain_request_line(p, data, len);
    }
    while (r == ON) {
        if (GUST_LIKELY(p->phase == LINE) && plain_fields(p, data, len)) {
            check(p);
            return (ptrdiff_t)p->pos;
        }
        r = any_line(p, data, len);
    }
    return verdict(p, r);
}

void gust__http_trailer_init(struct gust__http_parser *p, struct gust__http_field *fields,
                             uint16_t max_fields, size_t max_size)
{
    /* The blank line always fits. */
    gust__http_parser_init(p, fields, max_fields, max_size < 2 ? 2 : max_size, 0);
    p->phase = LINE;
    p->in_trailer = true;
}

ptrdiff_t gust__http_parse_trailer(struct gust__http_parser *p, const char *data, size_t len)
{
    int r = ON;
    while (r == ON && p->phase < DONE) {
        r = field_line(p, data, len);
    }
    return verdict(p, r);
}
