#include "tests/support/http_twin.h"

#include <arpa/inet.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- patterns --- */

#define TOKEN "[!#$%&'*+.^_`|~0-9A-Za-z-]"
#define HEX "[0-9A-Fa-f]"

enum pattern { REQUEST_LINE, FIELD, ORIGIN, ABSOLUTE, HOST, LENGTH, PATTERNS };

/* NUL is sorted out before: regexec(3) ends there. */
static const char *const sources[PATTERNS] = {
    [REQUEST_LINE] = "^(" TOKEN "{1,32}) ([^\001-\040\177#]+) HTTP/1\\.([0-9])$",
    [FIELD] = "^(" TOKEN "+):[ \t]*([^\001-\010\012-\037\177]*)$",
    [ORIGIN] = "^(/[^?]*)(\\?(.*))?$",
    [ABSOLUTE] = "^[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)(/[^?]*)?(\\?(.*))?$",
    [HOST] = "^(\\[([0-9A-Fa-f:.]+)\\]|([0-9A-Za-z._~!$&'()*+;=-]|%" HEX HEX ")+)(:([0-9]{0,5}))?$",
    [LENGTH] = "^[0-9]{1,19}$",
};

enum { GROUPS = 6, MAX_FIELDS = 100 };

static bool match(enum pattern pattern, const char *text, regmatch_t groups[GROUPS])
{
    static regex_t compiled[PATTERNS];
    static bool is_compiled[PATTERNS];
    if (!is_compiled[pattern]) {
        if (regcomp(&compiled[pattern], sources[pattern], REG_EXTENDED) != 0) {
            abort();
        }
        is_compiled[pattern] = true;
    }
    return regexec(&compiled[pattern], text, GROUPS, groups, 0) == 0;
}

/* --- strings of this judgement; all freed at its end --- */

struct twin {
    char *strings[64 + 8 * MAX_FIELDS];
    size_t string_count;
    const char *method, *target, *path, *query, *host, *host_name;
    const char *form;
    int minor;
    const char *names[MAX_FIELDS], *values[MAX_FIELDS];
    size_t count;
    char length[24];
    bool chunked, has_length;
};

static char *keep(struct twin *t, const char *from, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL || t->string_count == sizeof t->strings / sizeof t->strings[0]) {
        abort();
    }
    memcpy(copy, from, len);
    copy[len] = '\0';
    t->strings[t->string_count++] = copy;
    return copy;
}

static const char *group(struct twin *t, const char *text, regmatch_t g)
{
    return g.rm_so < 0 ? NULL : keep(t, text + g.rm_so, (size_t)(g.rm_eo - g.rm_so));
}

static void forget(struct twin *t)
{
    while (t->string_count > 0) {
        free(t->strings[--t->string_count]);
    }
}

/* --- lines --- */

static bool host_is_right(struct twin *t, const char *host, const char **out_name,
                          const char **out_port)
{
    regmatch_t g[GROUPS];
    unsigned char address[16];
    if (!match(HOST, host, g)) {
        return false;
    }
    const char *v6 = group(t, host, g[2]);
    *out_name = group(t, host, g[1]);
    *out_port = group(t, host, g[5]);
    return (v6 == NULL || inet_pton(AF_INET6, v6, address) == 1) &&
           (*out_port == NULL || strtol(*out_port, NULL, 10) <= 65535);
}

static bool absolute_target(struct twin *t)
{
    regmatch_t g[GROUPS];
    const char *port;
    if (!match(ABSOLUTE, t->target, g)) {
        return false;
    }
    t->form = "absolute";
    t->host = group(t, t->target, g[1]);
    t->path = group(t, t->target, g[2]);
    t->query = group(t, t->target, g[4]);
    if (t->path == NULL) {
        t->path = strcmp(t->method, "OPTIONS") == 0 && t->query == NULL ? "*" : "/";
    }
    return host_is_right(t, t->host, &t->host_name, &port);
}

static bool target(struct twin *t)
{
    regmatch_t g[GROUPS];
    if (strcmp(t->method, "CONNECT") == 0) {
        const char *port;
        t->form = "authority";
        t->path = "";
        t->host = t->target;
        return host_is_right(t, t->host, &t->host_name, &port) && port != NULL && *port != '\0';
    }
    if (strcmp(t->target, "*") == 0) {
        t->form = "asterisk";
        t->path = "*";
        return strcmp(t->method, "OPTIONS") == 0;
    }
    if (match(ORIGIN, t->target, g)) {
        t->form = "origin";
        t->path = group(t, t->target, g[1]);
        t->query = group(t, t->target, g[3]);
        return true;
    }
    return absolute_target(t);
}

static bool request_line(struct twin *t, const char *line)
{
    regmatch_t g[GROUPS];
    if (strlen(line) > 8192 || !match(REQUEST_LINE, line, g)) {
        return false;
    }
    t->method = group(t, line, g[1]);
    t->target = group(t, line, g[2]);
    t->minor = line[g[3].rm_so] != '0';
    return target(t);
}

static bool field(struct twin *t, const char *line)
{
    regmatch_t g[GROUPS];
    if (t->count == MAX_FIELDS || !match(FIELD, line, g)) {
        return false;
    }
    while (g[2].rm_eo > g[2].rm_so && strchr(" \t", line[g[2].rm_eo - 1]) != NULL) {
        g[2].rm_eo--;
    }
    t->names[t->count] = group(t, line, g[1]);
    t->values[t->count++] = group(t, line, g[2]);
    return true;
}

/* --- the whole --- */

/* The first value of that name from field `from` on, or NULL. */
static const char *value_of(const struct twin *t, const char *name, size_t from)
{
    for (size_t i = from; i < t->count; i++) {
        if (strcasecmp(t->names[i], name) == 0) {
            return t->values[i];
        }
    }
    return NULL;
}

static bool is_single(const struct twin *t, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++) {
        n += strcasecmp(t->names[i], name) == 0;
    }
    return n <= 1;
}

static bool singles(const struct twin *t)
{
    return is_single(t, "Host") && is_single(t, "Content-Length") &&
           is_single(t, "Transfer-Encoding") && is_single(t, "Content-Type") &&
           is_single(t, "Authorization");
}

static bool host(struct twin *t)
{
    const char *name, *port;
    const char *value = value_of(t, "Host", 0);
    if (value == NULL || (*value == '\0' && t->minor == 0)) {
        return t->minor == 0;
    }
    if (!host_is_right(t, value, &name, &port)) {
        return false;
    }
    if (t->host == NULL) {
        t->host = value;
        t->host_name = name;
        return true;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (strcasecmp(t->names[i], "Host") == 0) {
            t->values[i] = t->host;
        }
    }
    return true;
}

static bool framing(struct twin *t)
{
    regmatch_t g[GROUPS];
    const char *length = value_of(t, "Content-Length", 0);
    const char *coding = value_of(t, "Transfer-Encoding", 0);
    t->chunked = coding != NULL;
    t->has_length = length != NULL;
    if ((coding != NULL || length != NULL) && strcmp(t->method, "CONNECT") == 0) {
        return false;
    }
    if (coding != NULL) {
        return length == NULL && t->minor > 0 && strcasecmp(coding, "chunked") == 0;
    }
    if (length != NULL) {
        if (!match(LENGTH, length, g) || strtoull(length, NULL, 10) > INT64_MAX) {
            return false;
        }
        snprintf(t->length, sizeof t->length, "%llu", strtoull(length, NULL, 10));
    }
    return true;
}

static bool expectation(const struct twin *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcasecmp(t->names[i], "Expect") == 0 &&
            strcasecmp(t->values[i], "100-continue") != 0) {
            return false;
        }
    }
    return true;
}

/* Is `word` an element of that list, or, with NULL, any element but h2c? */
static bool list_has(struct twin *t, const char *name, const char *word)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcasecmp(t->names[i], name) != 0) {
            continue;
        }
        char *rest = keep(t, t->values[i], strlen(t->values[i]));
        for (char *part = strtok(rest, ","); part != NULL; part = strtok(NULL, ",")) {
            part += strspn(part, " \t");
            for (size_t n = strlen(part); n > 0 && strchr(" \t", part[n - 1]) != NULL; n--) {
                part[n - 1] = '\0';
            }
            if (word != NULL ? strcasecmp(part, word) == 0
                             : *part != '\0' && strcasecmp(part, "h2c") != 0) {
                return true;
            }
        }
    }
    return false;
}

static const char *ending(struct twin *t)
{
    bool keep_alive = t->minor > 0 || list_has(t, "Connection", "keep-alive");
    bool framed = t->chunked || t->has_length;
    bool upgrade = t->minor > 0 && !framed && list_has(t, "Connection", "upgrade") &&
                   list_has(t, "Upgrade", NULL);
    bool body = t->chunked || (t->has_length && strcmp(t->length, "0") != 0);
    bool waits = t->minor > 0 && body && value_of(t, "Expect", 0) != NULL;
    if (list_has(t, "Connection", "close")) {
        keep_alive = false;
    }
    char text[32];
    snprintf(text, sizeof text, "%s%s%s", keep_alive ? "keep" : "close", upgrade ? " upgrade" : "",
             waits ? " 100" : "");
    return keep(t, text, strlen(text));
}

static char *describe(struct twin *t)
{
    size_t size = 256;
    const char *tail = ending(t);
    const char *body = t->chunked ? "chunked" : t->has_length ? t->length : "none";
    const char *host_text = t->host != NULL ? t->host : "127.0.0.1";
    const char *name_text = t->host != NULL ? t->host_name : "127.0.0.1";
    size += 2 * strlen(t->target) + 2 * strlen(host_text);
    for (size_t i = 0; i < t->count; i++) {
        size += strlen(t->names[i]) + strlen(t->values[i]) + 2;
    }
    char *text = malloc(size);
    if (text == NULL) {
        abort();
    }
    size_t at = (size_t)snprintf(text, size, "%s %s %s %s %s %s %s %s\n", t->method, t->form,
                                 t->path, t->query != NULL ? t->query : "-", host_text, name_text,
                                 body, tail);
    for (size_t i = 0; i < t->count; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s=%s\n", t->names[i], t->values[i]);
    }
    return text;
}

static const char *find(const char *at, const char *end, const char *what, size_t len)
{
    for (; end - at >= (ptrdiff_t)len; at++) {
        if (memcmp(at, what, len) == 0) {
            return at;
        }
    }
    return NULL;
}

static bool lines(struct twin *t, const char *at, const char *end)
{
    for (bool first = true; at < end; first = false) {
        const char *stop = find(at, end, "\r\n", 2);
        const char *line = keep(t, at, (size_t)(stop - at));
        if (!(first ? request_line(t, line) : field(t, line))) {
            return false;
        }
        at = stop + 2;
    }
    return true;
}

enum http_twin_verdict http_twin(const char *data, size_t len, char **out_text)
{
    struct twin t = {0};
    const char *end = data + len;
    const char *start = len >= 2 && memcmp(data, "\r\n", 2) == 0 ? data + 2 : data;
    const char *blank = find(start, end, "\r\n\r\n", 4);
    if (blank == NULL) {
        return HTTP_TWIN_INCOMPLETE;
    }
    bool right = blank + 4 - data <= 65536 &&
                 memchr(start, '\0', (size_t)(blank - start)) == NULL &&
                 lines(&t, start, blank + 2) && singles(&t) && host(&t) && framing(&t) &&
                 expectation(&t);
    if (right) {
        *out_text = describe(&t);
    }
    forget(&t);
    return right ? HTTP_TWIN_ACCEPTED : HTTP_TWIN_REFUSED;
}
