/* The rows of the parsing rules over a live connection: whole, byte by byte and
 * in two pieces. What is accepted reaches the delegate as it was meant and the
 * next request of the connection is served; what is refused gets exactly the
 * bytes of its status, then the end, and no later request is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/http_rows.h"
#include "tests/support/http_input.h"
#include "tests/support/http_peer.h"

#define NEXT "GET /next HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static struct http_site site;
static char seen[65536 * 2]; /* what the delegate saw of the newest request but /next */

static const char *error_bytes(int status)
{
    static char text[128];
    const char *phrase = status == 413   ? "Content Too Large"
                         : status == 414 ? "URI Too Long"
                         : status == 417 ? "Expectation Failed"
                         : status == 431 ? "Request Header Fields Too Large"
                         : status == 505 ? "HTTP Version Not Supported"
                                         : "Bad Request";
    snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
             status, phrase);
    return text;
}

/* ---- the delegate ------------------------------------------------------------ */

/* "METHOD path query host name body", as in a row but for form and persistence. */
static void describe(gust_request *req)
{
    char length[24] = "chunked";
    if (gust_request_content_length(req) >= 0) {
        snprintf(length, sizeof(length), "%lld", (long long)gust_request_content_length(req));
    } else if (!gust_request_has_body(req)) {
        strcpy(length, "none");
    }
    gust_str query = gust_request_query(req);
    bool has_query = memchr(gust_request_uri(req).ptr, '?', gust_request_uri(req).len) != NULL;
    snprintf(seen, sizeof(seen), "%.*s %.*s %.*s %.*s %.*s %s",
             GUST_FMT(gust_request_method_text(req)), GUST_FMT(gust_request_path(req)),
             GUST_FMT(has_query ? query : GUST_STR("-")), GUST_FMT(gust_request_host(req)),
             GUST_FMT(gust_request_host_name(req)), length);
}

static size_t add_field(char *out, size_t at, gust_str name, gust_str value)
{
    int n = snprintf(out + at, sizeof(seen) - at, "%s%.*s=%.*s", at > 0 ? "|" : "", GUST_FMT(name),
                     GUST_FMT(value));
    return at + (size_t)n;
}

static char fields[65536 * 2]; /* all fields, as "name=value|..." */
static char trailers[65536 * 2];
static char body[65536 * 2];
static size_t body_len;

static void on_finish(struct http_site *s, gust_request *req)
{
    gust_str name, value;
    if (!gust_str_eq(gust_request_path(req), GUST_STR("/next"))) {
        describe(req);
        size_t len = 0;
        fields[0] = trailers[0] = '\0';
        for (size_t i = 0; gust_request_header_at(req, i, &name, &value); i++) {
            len = add_field(fields, len, name, value);
        }
        len = 0;
        for (size_t i = 0; gust_request_trailer_at(req, i, &name, &value); i++) {
            len = add_field(trailers, len, name, value);
        }
        body_len = gust_request_body(req).len;
        assert_true(body_len < sizeof(body));
        memcpy(body, gust_request_body(req).ptr != NULL ? gust_request_body(req).ptr : "",
               body_len);
        body[body_len] = '\0';
    }
    http_site_hello(s, req);
}

/* ---- one row in one cut ------------------------------------------------------ */

struct cut {
    const char *id;
    size_t first;
    size_t step;
};

static void fail_cut(const struct cut *cut, const struct http_peer *peer, const char *what)
{
    fail_msg("%s, cut %zu %zu: %s; the answer was: %.300s", cut->id, cut->first, cut->step, what,
             peer->text);
}

/* Send a row's bytes in their cut, the second request together with their end. */
static void send_cut(struct http_peer *peer, const struct cut *cut, const char *data, size_t len)
{
    size_t all = len + strlen(NEXT);
    char *bytes = malloc(all + 1);
    assert_non_null(bytes);
    memcpy(bytes, data, len);
    strcpy(bytes + len, NEXT);
    size_t stepped = cut->step == 0 ? 0 : (len - 1) / cut->step * cut->step;
    size_t first = cut->step == 0 && cut->first < len ? cut->first : all - stepped;
    assert_int_equal(http_peer_feed(peer, bytes, stepped, cut->first, cut->step), 0);
    assert_int_equal(http_peer_feed(peer, bytes + stepped, all - stepped, first, 0), 0);
    free(bytes);
}

/* Send the bytes and a second request, and wait for the end. */
static void exchange(struct http_peer *peer, const struct cut *cut, const char *data, size_t len)
{
    seen[0] = body[0] = '\0';
    site.heads = site.finishes = site.gones = site.closes = 0;
    site.log_len = 0;
    site.log[0] = '\0';
    assert_int_equal(http_peer_open(peer, &site), 0);
    send_cut(peer, cut, data, len);
    if (http_peer_wait(peer) != 0) {
        fail_cut(cut, peer, "no end");
    }
}

static void leave(struct http_peer *peer, const struct cut *cut)
{
    http_peer_close(peer);
    http_site_turn(&site, 4);
    if (gust_httpserver_connections(site.server) != 0 || site.closes != 1 ||
        site.heads != site.finishes + site.gones) {
        fail_msg("%s, cut %zu %zu: %zu connections, %d closed, %d heads, %d finished, %d gone",
                 cut->id, cut->first, cut->step, gust_httpserver_connections(site.server),
                 site.closes, site.heads, site.finishes, site.gones);
    }
}

static void check_refused(const struct cut *cut, const char *data, size_t len, int status)
{
    struct http_peer peer;
    exchange(&peer, cut, data, len);
    const char *text = peer.text;
    if (strncmp(text, CONTINUE, strlen(CONTINUE)) == 0) {
        text += strlen(CONTINUE);
    }
    if (strcmp(text, error_bytes(status)) != 0) {
        fail_cut(cut, &peer, "not the bytes of its status");
    }
    if (site.finishes != 0) {
        fail_cut(cut, &peer, "a request was served");
    }
    if (strstr(site.log, "[I] Malformed HTTP message from 0.0.0.0: ") != site.log ||
        strchr(site.log, '\n')[1] != '\0') {
        fail_msg("%s: log \"%s\"", cut->id, site.log);
    }
    leave(&peer, cut);
}

/* The n-th word of text, where words may be empty. */
static gust_str word(const char *text, int n)
{
    while (n-- > 0) {
        text = strchr(text, ' ') + 1;
    }
    return gust_str_make(text, strcspn(text, " "));
}

/* The row has the host's name as it was sent, a request has it in lower case. */
static void check_seen(const struct cut *cut, const char *want)
{
    static const int places[] = {0, 2, 3, 4, 5, 6};
    char text[20000] = "";
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        gust_str w = word(want, places[i]);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", i > 0 ? " " : "",
                 GUST_FMT(w));
        for (char *c = text + strlen(text) - w.len; places[i] == 5 && *c != '\0'; c++) {
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
        }
    }
    if (strcmp(seen, text) != 0) {
        fail_msg("%s, cut %zu %zu: the delegate saw %s, not %s", cut->id, cut->first, cut->step,
                 seen, text);
    }
}

/* keep: the second request is answered as well. */
static void check_served(const struct cut *cut, const char *data, size_t len, bool is_head,
                         bool keep)
{
    struct http_peer peer;
    struct http_answer a;
    exchange(&peer, cut, data, len);
    const char *at = peer.text;
    if (strncmp(at, CONTINUE, strlen(CONTINUE)) == 0) {
        at += strlen(CONTINUE);
    }
    if (!http_answer_read(at, is_head, &a) || a.status != 200) {
        fail_cut(cut, &peer, "not served");
    }
    at = a.end;
    if (keep && (!http_answer_read(at, false, &a) || a.status != 200)) {
        fail_cut(cut, &peer, "the next request was not served");
    }
    if (*(keep ? a.end : at) != '\0') {
        fail_cut(cut, &peer, "too many answers");
    }
    if (site.finishes != 1 + keep || site.gones != 0 || site.log_len != 0) {
        fail_cut(cut, &peer, "not told as it should be");
    }
    leave(&peer, cut);
}

/* ---- heads ------------------------------------------------------------------- */

/* What completes the row's request. */
static const char *rest_of(const struct http_row *row)
{
    if (row->want == NULL || row->status != 0 || row->live != 0) {
        return "";
    }
    gust_str kind = word(row->want, 6);
    if (gust_str_eq(kind, GUST_STR("chunked"))) {
        return "0\r\n\r\n";
    }
    return &"hellohello"[10 - (kind.ptr[0] >= '0' && kind.ptr[0] <= '9' ? atoi(kind.ptr) : 0)];
}

static bool is_kept(const struct http_row *row, const char *data)
{
    if (row->want != NULL) {
        return gust_str_starts_with(word(row->want, 7), GUST_STR("keep"));
    }
    return strstr(data, "HTTP/1.0") == NULL;
}

static void check_row(const struct http_row *row, const struct cut *cut, const char *data,
                      size_t len)
{
    int status = row->live != 0 ? row->live : row->status;
    if (status != 0) {
        check_refused(cut, data, len, status);
        return;
    }
    check_served(cut, data, len, strncmp(data, "HEAD", 4) == 0, is_kept(row, data));
    if (row->want != NULL) {
        check_seen(cut, row->want);
    }
    if (row->fields != NULL && strstr(fields, row->fields) == NULL) {
        fail_msg("%s: fields are %s, not %s", row->id, fields, row->fields);
    }
}

static char *row_bytes(const struct http_row *row, size_t *out_len)
{
    size_t len;
    char *head = http_input_make(&row->in, &len);
    const char *rest = rest_of(row);
    char *data = malloc(len + strlen(rest) + 1);
    assert_non_null(data);
    memcpy(data, head, len);
    strcpy(data + len, rest);
    free(head);
    *out_len = len + strlen(rest);
    return data;
}

/* The steps in which giants are fed instead of byte by byte. */
static size_t step_for(size_t len)
{
    return len < 1000 ? 1 : len / 13;
}

static void check_row_cuts(const struct http_row *row)
{
    size_t len;
    char *data = row_bytes(row, &len);
    check_row(row, &(struct cut){row->id, len, 0}, data, len);
    check_row(row, &(struct cut){row->id, step_for(len), step_for(len)}, data, len);
    for (size_t first = 1; first < len; first += len < 300 ? 1 : len / 7) {
        check_row(row, &(struct cut){row->id, first, 0}, data, len);
    }
    free(data);
}

static int before(void **state)
{
    (void)state;
    http_site_start(&site, NULL);
    site.on_finish = on_finish;
    return 0;
}

static int after(void **state)
{
    (void)state;
    http_site_stop(&site);
    return 0;
}

static void check_rows(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        check_row_cuts(&http_rows[i]);
    }
}

static void test_heads__first_half_in_every_cut(void **state)
{
    (void)state;
    check_rows(0, HTTP_ROWS / 2);
}

static void test_heads__second_half_in_every_cut(void **state)
{
    (void)state;
    check_rows(HTTP_ROWS / 2, HTTP_ROWS);
}

/* ---- chunked bodies ---------------------------------------------------------- */

static void check_chunked(const struct http_chunked_row *row, const struct cut *cut,
                          const char *data, size_t len)
{
    if (row->status != 0) {
        check_refused(cut, data, len, row->status);
        return;
    }
    check_served(cut, data, len, false, true);
    if (row->want != NULL && (body_len != strlen(row->want) || strcmp(body, row->want) != 0)) {
        fail_msg("%s, cut %zu %zu: body of %zu bytes: %s", cut->id, cut->first, cut->step, body_len,
                 body);
    }
    if (row->fields != NULL && strcmp(trailers, row->fields) != 0) {
        fail_msg("%s, cut %zu %zu: trailers are %s", cut->id, cut->first, cut->step, trailers);
    }
}

static void check_chunked_cuts(const struct http_chunked_row *row)
{
    size_t row_len, head_len = strlen(HTTP_CHUNKED_HEAD);
    char *bytes = http_input_make(&row->in, &row_len);
    size_t len = head_len + row_len;
    char *data = malloc(len + 1);
    assert_non_null(data);
    memcpy(data, HTTP_CHUNKED_HEAD, head_len);
    memcpy(data + head_len, bytes, row_len);
    data[len] = '\0';
    check_chunked(row, &(struct cut){row->id, len, 0}, data, len);
    check_chunked(row, &(struct cut){row->id, step_for(len), step_for(len)}, data, len);
    for (size_t first = 1; first < len; first += len < 300 ? 1 : len / 7) {
        check_chunked(row, &(struct cut){row->id, first, 0}, data, len);
    }
    free(data);
    free(bytes);
}

static void test_chunked__in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_CHUNKED_ROWS; i++) {
        check_chunked_cuts(&http_chunked_rows[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_heads__first_half_in_every_cut),
        CASE(test_heads__second_half_in_every_cut),
        CASE(test_chunked__in_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
