/* Entity tags (RFC 9110 8.8.3 and 13.1.2).
 *
 * The automatic one is strong: a fast 128-bit hash of the whole body. Nobody
 * gains from a collision but who made both bodies, so it need not be
 * cryptographic.
 *
 * Source: tornado/web.py: compute_etag, check_etag_header. */
#include <string.h>

#include <gust/hash.h>

#include "web/web_internal.h"

#define ETAG_LEN 34

int gust__etag_text(gust_handler *h)
{
    gust_response *response = &h->response;
    if (response->etag_hash == NULL) {
        return 0;
    }
    char *text = gust_arena_alloc(gust_handler_arena(h), ETAG_LEN);
    GUST_CHECK(text != NULL, -ENOMEM);
    text[0] = text[ETAG_LEN - 1] = '"';
    gust_hash128_hex(text + 1, *response->etag_hash);
    response->etag = gust_str_make(text, ETAG_LEN);
    response->etag_hash = NULL;
    return 0;
}

/* The default stays a hash: its text is printed into the response's head. */
int gust_handler_set_etag_header(gust_handler *h)
{
    gust_str body = gust_buf_peek(&h->body);
    int (*compute)(gust_handler *, gust_str, gust_str *) = h->rule->cls.compute_etag;
    if (compute == NULL) {
        h->etag_hash = gust_hash128(body);
        h->response.etag_hash = &h->etag_hash;
        h->response.etag = gust_str_make(NULL, 0);
        return 0;
    }
    gust_str etag = {NULL, 0};
    GUST_TRY(compute(h, body, &etag));
    return etag.len > 0 ? gust__copy_value(h, etag, &h->response.etag) : 0;
}

static gust_str without_weak(gust_str tag)
{
    return gust_str_starts_with(tag, GUST_STR("W/")) ? gust_str_skip(tag, 2) : tag;
}

/* Tags are found wherever a quoted string stands; what is no tag is passed over. */
bool gust__etag_list_has(gust_str list, gust_str etag)
{
    etag = without_weak(etag);
    if (gust_str_eq(gust_str_trim(list), GUST_STR("*"))) {
        return true;
    }
    size_t start, len;
    while ((start = gust_str_find_byte(list, '"')) != SIZE_MAX) {
        list = gust_str_skip(list, start);
        len = gust_str_find_byte(gust_str_skip(list, 1), '"');
        if (len == SIZE_MAX) {
            return false;
        }
        if (gust_str_eq(gust_str_make(list.ptr, len + 2), etag)) {
            return true;
        }
        list = gust_str_skip(list, len + 2);
    }
    return false;
}

bool gust_handler_check_etag_header(const gust_handler *h)
{
    gust_request *req = h->request;
    if (gust_request_header(req, GUST_HTTP_IF_NONE_MATCH).ptr == NULL ||
        gust__etag_text((gust_handler *)(uintptr_t)h) != 0) {
        return false;
    }
    gust_str etag = h->response.etag;
    gust_str list = gust_request_header_joined(req, GUST_HTTP_IF_NONE_MATCH);
    return etag.len > 0 && list.ptr != NULL && gust__etag_list_has(list, etag);
}
