/* The tables behind header names and methods; see httpnames_internal.h. */
#include <gust/httpnames.h>

#include "httpserver/httpnames_internal.h"

const struct gust__known_name gust__known_names[GUST_HTTP_NAME_COUNT] = {
#define GUST__X(suffix, spelling) [GUST_HTTP_##suffix] = {spelling, sizeof(spelling) - 1},
    GUST_HTTP_NAMES(GUST__X)
#undef GUST__X
};

/* Who adds a name runs httpnames_internal_test: it prints this table, and fails where
 * two names fall into one slot, so that GUST__NAME_FACTOR must be drawn anew. */
const uint8_t gust__name_slots[256] = {
    [3] = GUST_HTTP_CONTENT_LENGTH,
    [6] = GUST_HTTP_IF_NONE_MATCH,
    [9] = GUST_HTTP_IF_MODIFIED_SINCE,
    [14] = GUST_HTTP_TRANSFER_ENCODING,
    [18] = GUST_HTTP_WWW_AUTHENTICATE,
    [29] = GUST_HTTP_X_FORWARDED_PROTO,
    [32] = GUST_HTTP_X_REAL_IP,
    [49] = GUST_HTTP_LAST_MODIFIED,
    [51] = GUST_HTTP_CONTENT_ENCODING,
    [57] = GUST_HTTP_IF_MATCH,
    [66] = GUST_HTTP_HOST,
    [69] = GUST_HTTP_CONTENT_RANGE,
    [77] = GUST_HTTP_USER_AGENT,
    [82] = GUST_HTTP_CONTENT_LANGUAGE,
    [84] = GUST_HTTP_IF_RANGE,
    [86] = GUST_HTTP_X_FORWARDED_FOR,
    [89] = GUST_HTTP_ACCEPT_ENCODING,
    [90] = GUST_HTTP_SEC_WEBSOCKET_KEY,
    [96] = GUST_HTTP_X_XSRFTOKEN,
    [102] = GUST_HTTP_SEC_WEBSOCKET_ACCEPT,
    [108] = GUST_HTTP_CONTENT_DISPOSITION,
    [113] = GUST_HTTP_ETAG,
    [115] = GUST_HTTP_SEC_WEBSOCKET_EXTENSIONS,
    [118] = GUST_HTTP_UPGRADE_INSECURE_REQUESTS,
    [119] = GUST_HTTP_ACCEPT_LANGUAGE,
    [121] = GUST_HTTP_PRAGMA,
    [125] = GUST_HTTP_VIA,
    [126] = GUST_HTTP_X_SCHEME,
    [133] = GUST_HTTP_ACCEPT,
    [142] = GUST_HTTP_ORIGIN,
    [143] = GUST_HTTP_AGE,
    [144] = GUST_HTTP_ALLOW,
    [145] = GUST_HTTP_EXPECT,
    [150] = GUST_HTTP_COOKIE,
    [151] = GUST_HTTP_VARY,
    [153] = GUST_HTTP_AUTHORIZATION,
    [154] = GUST_HTTP_RANGE,
    [158] = GUST_HTTP_CONTENT_LOCATION,
    [165] = GUST_HTTP_RETRY_AFTER,
    [167] = GUST_HTTP_X_REQUESTED_WITH,
    [169] = GUST_HTTP_CONNECTION,
    [179] = GUST_HTTP_EXPIRES,
    [181] = GUST_HTTP_SEC_WEBSOCKET_VERSION,
    [184] = GUST_HTTP_SEC_FETCH_SITE,
    [185] = GUST_HTTP_PROXY_AUTHORIZATION,
    [187] = GUST_HTTP_SEC_FETCH_DEST,
    [191] = GUST_HTTP_IF_UNMODIFIED_SINCE,
    [200] = GUST_HTTP_LOCATION,
    [201] = GUST_HTTP_FORWARDED,
    [202] = GUST_HTTP_PROXY_CONNECTION,
    [205] = GUST_HTTP_SET_COOKIE,
    [213] = GUST_HTTP_CONTENT_TYPE,
    [214] = GUST_HTTP_TE,
    [221] = GUST_HTTP_ACCEPT_RANGES,
    [224] = GUST_HTTP_KEEP_ALIVE,
    [225] = GUST_HTTP_SEC_WEBSOCKET_PROTOCOL,
    [229] = GUST_HTTP_DATE,
    [231] = GUST_HTTP_SERVER,
    [233] = GUST_HTTP_REFERER,
    [234] = GUST_HTTP_SEC_FETCH_MODE,
    [237] = GUST_HTTP_UPGRADE,
    [251] = GUST_HTTP_TRAILER,
    [254] = GUST_HTTP_CACHE_CONTROL,
    [255] = GUST_HTTP_ACCEPT_CHARSET,
};

static const gust_str method_texts[GUST_HTTP_METHOD_COUNT] = {
#define GUST__X(suffix) [GUST_HTTP_##suffix] = GUST_STR_INIT(#suffix),
    GUST_HTTP_METHODS(GUST__X)
#undef GUST__X
};

enum gust_http_name gust_http_name_lookup(gust_str name)
{
    char padded[GUST__NAME_MAX + 2] = {0};
    if (name.len == 0 || name.len > GUST__NAME_MAX) {
        return GUST_HTTP_OTHER_NAME;
    }
    memcpy(padded, name.ptr, name.len);
    return (enum gust_http_name)gust__name_id(padded, name.len);
}

gust_str gust_http_name_text(enum gust_http_name id)
{
    if ((unsigned)id - 1 >= GUST_HTTP_NAME_COUNT - 1) {
        return gust_str_make(NULL, 0);
    }
    return gust_str_make(gust__known_names[id].text, gust__known_names[id].len);
}

enum gust_http_method gust_http_method_lookup(gust_str method)
{
    for (unsigned i = 1; i < GUST_HTTP_METHOD_COUNT; i++) {
        if (gust_str_eq(method, method_texts[i])) {
            return (enum gust_http_method)i;
        }
    }
    return GUST_HTTP_OTHER_METHOD;
}

gust_str gust_http_method_text(enum gust_http_method id)
{
    return (unsigned)id < GUST_HTTP_METHOD_COUNT ? method_texts[id] : gust_str_make(NULL, 0);
}
