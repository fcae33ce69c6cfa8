/* MAP_ANONYMOUS is in no POSIX. */
#define _DEFAULT_SOURCE 1

#include "tests/support/http_feed_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct http_machine http_machine = {gust__http_parser_init, gust__http_parse_request, false};
const struct http_machine http_machine_with_memory = {gust__http_parser_init,
                                                      gust__http_parse_request, true};

/* --- a place whose end is the end of what may be read --- */

enum { PLACE_SIZE = 1 << 20 };

static char *place_end(void)
{
    static char *end;
    if (end == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *base = mmap(NULL, PLACE_SIZE + page, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED || mprotect(base + PLACE_SIZE, page, PROT_NONE) != 0) {
            abort();
        }
        end = base + PLACE_SIZE;
    }
    return end;
}

static const char *lay(const char *data, size_t len)
{
    static const char junk[GUST__HTTP_PADDING + 1] = "\r\n\r\nHTTP/1.1\r\nHost: a\r\n:? 0\r\n\r\n.";
    char *end = place_end();
    if (len > PLACE_SIZE - GUST__HTTP_PADDING) {
        abort();
    }
    memcpy(end - GUST__HTTP_PADDING, junk, GUST__HTTP_PADDING);
    char *start = end - GUST__HTTP_PADDING - len;
    if (len > 0) {
        memcpy(start, data, len);
    }
    return start;
}

/* --- heads --- */

static size_t next_len(size_t seen, size_t len, size_t first, size_t step)
{
    size_t more = seen == 0 ? first : step == 0 ? len : step;
    return more > len - seen ? len : seen + more;
}

void http_feed_head(const struct http_machine *m, const char *data, size_t len, size_t first,
                    size_t step, struct http_head *out)
{
    static struct gust__http_known_host last_host;
    memset(out, 0xa5, sizeof *out);
    m->init(&out->p, out->fields, HTTP_FEED_FIELDS, 65536, 8192);
    out->p.known_host = m->remembers ? &last_host : NULL;
    out->verdict = 0;
    out->fed = 0;
    while (out->verdict == 0 && out->fed < len) {
        out->fed = next_len(out->fed, len, first, step);
        out->verdict = m->parse(&out->p, lay(data, out->fed), out->fed);
    }
}

static bool same_slice(struct gust__http_slice a, struct gust__http_slice b)
{
    return a.at == b.at && a.len == b.len;
}

static bool same_slices(const struct gust__http_parser *a, const struct gust__http_parser *b)
{
    return same_slice(a->method, b->method) && same_slice(a->target, b->target) &&
           same_slice(a->path, b->path) && same_slice(a->query, b->query) &&
           same_slice(a->host, b->host) && same_slice(a->host_name, b->host_name);
}

static bool same_values(const struct gust__http_parser *a, const struct gust__http_parser *b)
{
    return a->method_id == b->method_id && a->minor == b->minor && a->form == b->form &&
           a->https == b->https && a->has_query == b->has_query && a->chunked == b->chunked &&
           a->keep_alive == b->keep_alive && a->upgrade == b->upgrade &&
           a->expect_continue == b->expect_continue && a->count == b->count &&
           a->host_field == b->host_field && a->host_port == b->host_port &&
           a->content_length == b->content_length;
}

bool http_head_same(const struct http_head *a, const struct http_head *b)
{
    if (a->verdict != b->verdict) {
        return false;
    }
    if (a->verdict < 0) {
        return strcmp(a->p.error, b->p.error) == 0;
    }
    return a->verdict == 0 || (same_slices(&a->p, &b->p) && same_values(&a->p, &b->p) &&
                               memcmp(a->fields, b->fields, a->p.count * sizeof a->fields[0]) == 0);
}

/* --- text --- */

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static char *append(char *to, const char *from, size_t len)
{
    memcpy(to, from, len);
    return to + len;
}

char *http_fields_text(const char *data, const struct gust__http_field *fields, size_t from,
                       size_t count)
{
    size_t size = 1;
    for (size_t i = from; i < count; i++) {
        size += fields[i].name_len + (size_t)fields[i].value_len + 2;
    }
    char *text = must(malloc(size));
    char *at = text;
    for (size_t i = from; i < count; i++) {
        at = append(at, "|", i > from);
        at = append(at, data + fields[i].name, fields[i].name_len);
        at = append(at, "=", 1);
        at = append(at, data + fields[i].value, fields[i].value_len);
    }
    *at = '\0';
    return text;
}

static char *append_str(char *to, gust_str from)
{
    to = append(to, from.ptr, from.len);
    return append(to, " ", 1);
}

char *http_head_text(const struct http_head *h, const char *data)
{
    static const char *const forms[] = {"origin", "absolute", "asterisk", "authority"};
    const struct gust__http_parser *p = &h->p;
    char *text = must(malloc((size_t)h->verdict * 3 + 300));
    gust_str query = p->has_query ? gust__http_text(data, p->query) : GUST_STR("-");
    char *at = append_str(text, gust__http_text(data, p->method));
    at = append_str(at, gust_str_from(forms[p->form]));
    at = append_str(at, gust__http_path(p, data));
    at = append_str(at, query);
    at = append_str(at, gust__http_host(p, data));
    at = append_str(at, gust__http_host_name(p, data));
    if (p->chunked || p->content_length < 0) {
        at = append_str(at, p->chunked ? GUST_STR("chunked") : GUST_STR("none"));
    } else {
        at += gust_u64_to_dec(at, (uint64_t)p->content_length);
        *at++ = ' ';
    }
    at = append_str(at, p->keep_alive ? GUST_STR("keep") : GUST_STR("close"));
    at = p->upgrade ? append_str(at, GUST_STR("upgrade")) : at;
    at = p->expect_continue ? append_str(at, GUST_STR("100")) : at;
    at[-1] = '\n';
    for (size_t i = 0; i < p->count; i++) {
        char *field = http_fields_text(data, h->fields, i, i + 1);
        at = append_str(at, gust_str_from(field));
        at[-1] = '\n';
        free(field);
    }
    *at = '\0';
    return text;
}

/* --- bodies --- */

static void keep_payload(struct http_body *out, gust_str payload)
{
    if (payload.len > 0) {
        if (out->payload_len + payload.len > out->payload_cap) {
            out->payload_cap = 2 * out->payload_cap + payload.len;
            out->payload = must(realloc(out->payload, out->payload_cap));
        }
        memcpy(out->payload + out->payload_len, payload.ptr, payload.len);
        out->payload_len += payload.len;
    }
}

/* Offer what was not taken of the first out->fed bytes, until it wants more. */
static void offer(struct gust__chunked *c, const char *data, struct http_body *out)
{
    const char *at = lay(data + out->taken, out->fed - out->taken);
    size_t len = out->fed - out->taken;
    do {
        size_t taken;
        gust_str payload;
        out->event = gust__chunked_feed(c, at, len, &taken, &payload);
        keep_payload(out, payload);
        at += taken;
        len -= taken;
        out->taken += taken;
    } while (out->event == GUST__CHUNKED_DATA);
    if (out->event == GUST__CHUNKED_END) {
        out->trailer = http_fields_text(c->trailer_data, c->trailer.fields, 0, c->trailer.count);
    }
}

void http_feed_body(const char *data, size_t len, size_t first, size_t step, int64_t max_body,
                    uint16_t max_fields, size_t max_size, struct http_body *out)
{
    struct gust__chunked c;
    struct gust__http_field fields[HTTP_FEED_FIELDS];
    *out = (struct http_body){.event = GUST__CHUNKED_MORE};
    gust__chunked_init(&c, max_body, fields, max_fields, max_size);
    while (out->event == GUST__CHUNKED_MORE && out->fed < len) {
        out->fed = next_len(out->fed, len, first, step);
        offer(&c, data, out);
    }
    out->error = c.error;
}

bool http_body_same(const struct http_body *a, const struct http_body *b)
{
    if (a->event != b->event || a->payload_len != b->payload_len ||
        (a->payload_len > 0 && memcmp(a->payload, b->payload, a->payload_len) != 0)) {
        return false;
    }
    if (a->event < 0) {
        return strcmp(a->error, b->error) == 0;
    }
    return a->event == GUST__CHUNKED_MORE ||
           (a->taken == b->taken && strcmp(a->trailer, b->trailer) == 0);
}

void http_body_deinit(struct http_body *b)
{
    free(b->payload);
    free(b->trailer);
    *b = (struct http_body){0};
}
