/* What a client may send as a request head or a chunked body, and what a server
 * has to say to it, as data.
 *
 * The rows are those of the parsing rules, under their numbers: P request line,
 * T target, H fields, F framing, O host, K persistence, E expectation, C chunked.
 * They say nothing of how the bytes travel: the parser's test feeds them from
 * memory, a live test can write them to a socket.
 *
 * The input of a row that is refused ends with the byte that makes it wrong, so
 * that a test can also say: not a byte earlier. */
#ifndef GUST_TESTS_HTTP_ROWS_H
#define GUST_TESTS_HTTP_ROWS_H

#include <stddef.h>

/* head, then fills times fill, then tail. */
struct http_input {
    const char *head;
    size_t head_len;
    const char *fill;
    size_t fills;
    const char *tail;
    size_t tail_len;
};

/* status  0: complete and accepted; otherwise the answer
 * want    accepted: "METHOD form path query host name body persistence", where
 *         query is - for none, body none, chunked or a number, persistence keep
 *         or close, followed by upgrade or 100 where that was asked for.
 *         Refused: what the parser's error text contains
 * fields  the fields but for the first Host, as "name=value|name=value", or NULL:
 *         not looked at
 * live    what a server with default limits answers where the head alone is no
 *         reason for it; 0: as status */
struct http_row {
    const char *id;
    struct http_input in;
    int status;
    const char *want;
    const char *fields;
    int live;
};

#define HTTP_BYTES(text) "" text, sizeof(text) - 1
#define HTTP_TEXT(text)                                                                            \
    {                                                                                              \
        HTTP_BYTES(text), "", 0, "", 0                                                             \
    }
#define HTTP_FILLED(head, fill, fills, tail)                                                       \
    {                                                                                              \
        HTTP_BYTES(head), fill, fills, HTTP_BYTES(tail)                                            \
    }

/* Accepted, accepted with these fields, refused. */
#define HTTP_OK(id, text, want)                                                                    \
    {                                                                                              \
        id, HTTP_TEXT(text), 0, want, NULL, 0                                                      \
    }
#define HTTP_HAS(id, text, want, fields)                                                           \
    {                                                                                              \
        id, HTTP_TEXT(text), 0, want, fields, 0                                                    \
    }
#define HTTP_NO(id, text, status, error)                                                           \
    {                                                                                              \
        id, HTTP_TEXT(text), status, error, NULL, 0                                                \
    }

/* Requests with one thing to look at. */
#define LINE(line) line "\r\nHost: a\r\n\r\n"
#define GET(fields) "GET / HTTP/1.1\r\nHost: a\r\n" fields
#define GET_10(fields) "GET / HTTP/1.0\r\nHost: a\r\n" fields
#define POST(fields) "POST / HTTP/1.1\r\nHost: a\r\n" fields
#define HOST(value) "GET / HTTP/1.1\r\nHost: " value "\r\n"
#define PLAIN "GET origin / - a a none keep"

#define HTTP_OK_HOST(id, host, name)                                                               \
    HTTP_OK(id, HOST(host) "\r\n", "GET origin / - " host " " name " none keep")
#define HTTP_NO_HOST(id, host) HTTP_NO(id, HOST(host), 400, "invalid Host")

static const struct http_row http_rows[] = {
    /* ---- 2.1 request line */
    HTTP_OK("P1 one CRLF first", "\r\n" LINE("GET / HTTP/1.1"), PLAIN),
    HTTP_NO("P1 lone CR first", "\rG", 400, "before the request"),
    HTTP_NO("P1 lone LF first", "\n", 400, "method"),
    HTTP_NO("P2 two CRLF first", "\r\n\r", 400, "method"),
    HTTP_NO("P3 leading SP", " ", 400, "method"),
    HTTP_NO("P3 SP behind CRLF", "\r\n ", 400, "method"),
    HTTP_NO("P4 two SP before target", "GET  ", 400, "target"),
    HTTP_NO("P4 two SP before version", "GET /  ", 400, "version"),
    HTTP_NO("P4 TAB before target", "GET\t", 400, "method"),
    HTTP_NO("P4 TAB before version", "GET /\t", 400, "target"),
    HTTP_NO("P4 TAB behind SP", "GET / \t", 400, "version"),
    HTTP_NO("P5 trailing SP", "GET / HTTP/1.1 ", 400, "no CRLF"),
    HTTP_NO("P5 trailing TAB", "GET / HTTP/1.1\t", 400, "no CRLF"),
    HTTP_NO("P6 two CR", "GET / HTTP/1.1\r\r", 400, "no CRLF"),
    HTTP_OK("P7 lower case", LINE("get / HTTP/1.1"), "get origin / - a a none keep"),
    HTTP_OK("P7 unknown", LINE("BREW / HTTP/1.1"), "BREW origin / - a a none keep"),
    HTTP_OK("P7 one letter", LINE("G / HTTP/1.1"), "G origin / - a a none keep"),
    HTTP_OK("P7 all kinds of bytes", LINE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1"),
            "!#$%&'*+-.^_`|~09azAZ origin / - a a none keep"),
    HTTP_OK("P7 HEAD", LINE("HEAD / HTTP/1.1"), "HEAD origin / - a a none keep"),
    HTTP_OK("P7 PUT", LINE("PUT / HTTP/1.1"), "PUT origin / - a a none keep"),
    HTTP_OK("P7 DELETE", LINE("DELETE / HTTP/1.1"), "DELETE origin / - a a none keep"),
    HTTP_OK("P7 PATCH", LINE("PATCH / HTTP/1.1"), "PATCH origin / - a a none keep"),
    HTTP_OK("P7 TRACE", LINE("TRACE / HTTP/1.1"), "TRACE origin / - a a none keep"),
    HTTP_OK("P7 32 bytes", LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ-12345 / HTTP/1.1"),
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ-12345 origin / - a a none keep"),
    HTTP_NO("P7 33 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZ-123456", 400, "method too long"),
    HTTP_NO("P7 bad byte", "GE@", 400, "method"),
    HTTP_NO("P7 NUL", "GE\0", 400, "method"),
    HTTP_NO("P7 high byte", "GE\xc3", 400, "method"),
    HTTP_NO("P7 TLS hello", "\x16", 400, "method"),
    HTTP_NO("P7 colon", "Host:", 400, "method"),
    HTTP_OK("P8 all kinds of bytes", LINE("GET /!\"$%&'()*+,-./09:;<=>@AZ[\\]^_`az{|}~ HTTP/1.1"),
            "GET origin /!\"$%&'()*+,-./09:;<=>@AZ[\\]^_`az{|}~ - a a none keep"),
    HTTP_OK("P8 high bytes", LINE("GET /\x80\xc3\xbc\xff HTTP/1.1"),
            "GET origin /\x80\xc3\xbc\xff - a a none keep"),
    HTTP_NO("P8 NUL", "GET /\0", 400, "target"),
    HTTP_NO("P8 control", "GET /a\x1f", 400, "target"),
    HTTP_NO("P8 DEL", "GET /a\x7f", 400, "target"),
    HTTP_NO("P8 control in query", "GET /a?b\x01", 400, "target"),
    {"P8 line of 8192", HTTP_FILLED("GET /?", "a", 8177, " HTTP/1.0\r\n\r\n"), 0, NULL, NULL, 0},
    {"P8 line of 8193", HTTP_FILLED("GET /?", "a", 8178, " HTTP/1.0\r"), 414, "too long", NULL, 0},
    {"P8 target without end", HTTP_FILLED("GET /", "a", 8189, ""), 414, "too long", NULL, 0},
    {"P8 line of 8192 behind CRLF", HTTP_FILLED("\r\nGET /?", "a", 8177, " HTTP/1.0\r\n\r\n"), 0,
     NULL, NULL, 0},
    {"P8 line of 8193 behind CRLF", HTTP_FILLED("\r\nGET /?", "a", 8178, " HTTP/1.0\r"), 414,
     "too long", NULL, 0},
    HTTP_NO("P9 fragment", "GET /a#", 400, "fragment"),
    HTTP_NO("P9 fragment in query", "GET /a?b#", 400, "fragment"),
    HTTP_OK("P10 bad escapes", LINE("GET /%zz%4% HTTP/1.1"), "GET origin /%zz%4% - a a none keep"),
    HTTP_NO("P11 HTTP/0.9", "GET /\r", 400, "target"),
    HTTP_NO("P11 SP and nothing", "GET / \r", 400, "version"),
    HTTP_NO("P12 lower case", "GET / h", 400, "version"),
    HTTP_NO("P12 1.10", "GET / HTTP/1.10", 400, "no CRLF"),
    HTTP_NO("P12 01.1", "GET / HTTP/01", 400, "version"),
    HTTP_NO("P12 no minor", "GET / HTTP/1\r", 400, "version"),
    HTTP_NO("P12 empty minor", "GET / HTTP/1.\r", 400, "version"),
    HTTP_NO("P12 comma", "GET / HTTP/1,", 400, "version"),
    HTTP_NO("P12 other protocol", "GET / HTTPS", 400, "version"),
    HTTP_NO("P12 letter", "GET / HTTP/x", 400, "version"),
    HTTP_OK("P13 1.2", LINE("GET / HTTP/1.2"), PLAIN),
    HTTP_OK("P13 1.9", LINE("GET / HTTP/1.9"), PLAIN),
    HTTP_NO("P14 2.0", "GET / HTTP/2.0", 505, "major"),
    HTTP_NO("P14 preface of HTTP/2", "PRI * HTTP/2.0", 505, "major"),
    HTTP_NO("P14 0.9", "GET / HTTP/0.9", 505, "major"),
    HTTP_NO("P14 before bad target", "GET foo HTTP/3.0", 505, "major"),
    HTTP_NO("P15 bare LF", "GET / HTTP/1.1\n", 400, "no CRLF"),

    /* ---- 2.2 target forms */
    HTTP_OK("T1 path", LINE("GET /a/b;c HTTP/1.1"), "GET origin /a/b;c - a a none keep"),
    HTTP_OK("T1 first ?", LINE("GET /a?b?c=d HTTP/1.1"), "GET origin /a b?c=d a a none keep"),
    HTTP_OK("T1 empty query", LINE("GET /a? HTTP/1.1"), "GET origin /a  a a none keep"),
    HTTP_OK("T1 two slashes", LINE("GET //x/y HTTP/1.1"), "GET origin //x/y - a a none keep"),
    HTTP_OK("T1 dots stay", LINE("GET /../a/./b HTTP/1.1"), "GET origin /../a/./b - a a none keep"),
    HTTP_OK("T1 URL in path", LINE("GET /http://b/ HTTP/1.1"),
            "GET origin /http://b/ - a a none keep"),
    HTTP_NO("T2 no slash", "GET foo HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T2 query only", "GET ?a=b HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T2 backslash", "GET \\ HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T2 high byte", "GET \xff HTTP/1.1\r\n", 400, "neither"),
    HTTP_HAS("T3 absolute", LINE("GET http://b/x?y HTTP/1.1"), "GET absolute /x y b b none keep",
             "Host=b"),
    HTTP_OK("T3 any case, port", LINE("GET HTTPS://B.c:8443/ HTTP/1.1"),
            "GET absolute / - B.c:8443 B.c none keep"),
    HTTP_OK("T3 no path", LINE("GET http://b HTTP/1.1"), "GET absolute / - b b none keep"),
    HTTP_OK("T3 query, no path", LINE("GET http://b?q/r HTTP/1.1"),
            "GET absolute / q/r b b none keep"),
    HTTP_OK("T3 OPTIONS, no path", LINE("OPTIONS http://b:1 HTTP/1.1"),
            "OPTIONS absolute * - b:1 b none keep"),
    HTTP_OK("T3 OPTIONS, path", LINE("OPTIONS http://b/ HTTP/1.1"),
            "OPTIONS absolute / - b b none keep"),
    HTTP_OK("T3 OPTIONS, query", LINE("OPTIONS http://b?q HTTP/1.1"),
            "OPTIONS absolute / q b b none keep"),
    HTTP_OK("T3 IPv6", LINE("GET http://[::1]:9/x HTTP/1.1"),
            "GET absolute /x - [::1]:9 [::1] none keep"),
    HTTP_OK("T3 HTTP/1.0 without Host", "GET http://b/x HTTP/1.0\r\n\r\n",
            "GET absolute /x - b b none close"),
    HTTP_OK("T3 HTTP/1.0 with empty Host", "GET http://b/x HTTP/1.0\r\nHost:\r\n\r\n",
            "GET absolute /x - b b none close"),
    HTTP_NO("T3 other scheme", "GET ftp://b/ HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T3 one slash", "GET http:/b HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T3 scheme only", "GET http: HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T3 no host", "GET http:///x HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 nothing behind //", "GET http:// HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 user", "GET http://u@b/ HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 user, password", "GET http://u:p@b/ HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 bad port", "GET http://b:x/ HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 comma", "GET http://b,c/ HTTP/1.1\r\n", 400, "host in request target"),
    HTTP_NO("T3 bad Host all the same", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n", 400,
            "invalid Host"),
    HTTP_OK("T4 OPTIONS *", LINE("OPTIONS * HTTP/1.1"), "OPTIONS asterisk * - a a none keep"),
    HTTP_NO("T4 GET *", "GET * HTTP/1.1\r\n", 400, "without OPTIONS"),
    HTTP_NO("T4 *x", "OPTIONS *x HTTP/1.1\r\n", 400, "neither"),
    HTTP_OK("T5 CONNECT", LINE("CONNECT b:443 HTTP/1.1"), "CONNECT authority  - b:443 b none keep"),
    HTTP_OK("T5 IPv6", LINE("CONNECT [::1]:1 HTTP/1.1"),
            "CONNECT authority  - [::1]:1 [::1] none keep"),
    HTTP_NO("T5 no port", "CONNECT b HTTP/1.1\r\n", 400, "CONNECT"),
    HTTP_NO("T5 empty port", "CONNECT b: HTTP/1.1\r\n", 400, "CONNECT"),
    HTTP_NO("T5 path", "CONNECT /x HTTP/1.1\r\n", 400, "CONNECT"),
    HTTP_NO("T5 URL", "CONNECT http://b:1/ HTTP/1.1\r\n", 400, "CONNECT"),
    HTTP_NO("T5 query", "CONNECT b:1?x HTTP/1.1\r\n", 400, "CONNECT"),
    HTTP_NO("T5 authority with GET", "GET b:443 HTTP/1.1\r\n", 400, "neither"),
    HTTP_NO("T5 length", LINE("CONNECT b:1 HTTP/1.1\r\nContent-Length: 0"), 400, "CONNECT"),
    HTTP_NO("T5 chunked", LINE("CONNECT b:1 HTTP/1.1\r\nTransfer-Encoding: chunked"), 400,
            "CONNECT"),

    /* ---- 2.3 fields */
    HTTP_NO("H1 bare LF", GET("A: b\n"), 400, "LF without CR"),
    HTTP_NO("H1 bare LF ends head", GET("A: b\r\n\n"), 400, "no colon"),
    HTTP_NO("H2 CR in value", GET("A: b\rc"), 400, "CR without LF"),
    HTTP_NO("H2 two CR", GET("A: b\r\r"), 400, "CR without LF"),
    HTTP_NO("H2 CR in name", GET("A\r"), 400, "no colon"),
    HTTP_NO("H3 SP before colon", GET("A "), 400, "white space in header name"),
    HTTP_NO("H3 TAB before colon", GET("A\t"), 400, "white space in header name"),
    HTTP_NO("H3 SP in known name", GET("Content-Length "), 400, "white space in header name"),
    HTTP_NO("H4 empty name", GET(":"), 400, "empty header name"),
    HTTP_NO("H4 no colon", GET("Abc\r"), 400, "no colon"),
    HTTP_NO("H4 no colon, LF", GET("Abc\n"), 400, "no colon"),
    HTTP_HAS("H5 all kinds of bytes", GET("!#$%&'*+-.^_`|~09AZaz: b\r\n\r\n"), PLAIN,
             "!#$%&'*+-.^_`|~09AZaz=b"),
    HTTP_NO("H5 parenthesis", GET("A("), 400, "header name"),
    HTTP_NO("H5 NUL", GET("A\0"), 400, "header name"),
    HTTP_NO("H5 high byte", GET("A\xe9"), 400, "header name"),
    HTTP_NO("H5 DEL", GET("\x7f"), 400, "header name"),
    HTTP_NO("H5 slash behind long name", GET("abcdefghijklmnopqrst/"), 400, "header name"),
    HTTP_NO("H5 CR where - belongs", GET("Content\r"), 400, "no colon"),
    HTTP_HAS("H6 all kinds of bytes", GET("A: b\t ~!\"#,:\x80\xff@\r\n\r\n"), PLAIN,
             "A=b\t ~!\"#,:\x80\xff@"),
    HTTP_NO("H6 NUL", GET("A: b\0"), 400, "header value"),
    HTTP_NO("H6 control", GET("A: b\x1f"), 400, "header value"),
    HTTP_NO("H6 control first", GET("A: \x01"), 400, "header value"),
    HTTP_NO("H6 VT", GET("A:\v"), 400, "header value"),
    HTTP_NO("H6 DEL", GET("A: bcdefghijklmnopqrstuvwxyz\x7f"), 400, "header value"),
    HTTP_HAS("H7 trimmed", GET("A: \t b\tc \t \r\nB:d\r\nC:  e\r\n\r\n"), PLAIN, "A=b\tc|B=d|C=e"),
    HTTP_HAS("H7 only SP and HTAB", GET("A: \x85q\xa0\r\n\r\n"), PLAIN, "A=\x85q\xa0"),
    HTTP_HAS("H8 empty", GET("A:\r\nB: \r\nC: \t \r\nD: x\r\n\r\n"), PLAIN, "A=|B=|C=|D=x"),
    HTTP_NO("H9 fold with SP", GET("A: b\r\n "), 400, "begins with white space"),
    HTTP_NO("H9 fold with TAB", GET("A: b\r\n\t"), 400, "begins with white space"),
    HTTP_NO("H10 SP behind request line", "GET / HTTP/1.1\r\n ", 400, "begins with white space"),
    HTTP_NO("H10 TAB behind request line", "GET / HTTP/1.1\r\n\t", 400, "begins with white space"),
    {"H11 100 fields", HTTP_FILLED(GET(""), "A: b\r\n", 99, "\r\n"), 0, PLAIN, NULL, 0},
    {"H11 101 fields", HTTP_FILLED(GET(""), "A: b\r\n", 99, "A"), 431, "too many", NULL, 0},
    {"H12 head of 65536", HTTP_FILLED(GET("A: "), "b", 65536 - 25 - 3 - 4, "\r\n\r\n"), 0, PLAIN,
     NULL, 0},
    {"H12 head of 65537", HTTP_FILLED(GET("A: "), "b", 65536 - 25 - 3 - 3, "\r\n\r"), 431,
     "too large", NULL, 0},
    {"H12 name without end", HTTP_FILLED(GET(""), "b", 65536 - 25, ""), 431, "too large", NULL, 0},
    {"H12 spaces without end", HTTP_FILLED(GET("A:"), " ", 65536 - 25 - 2, ""), 431, "too large",
     NULL, 0},
    {"H12 spaces behind value", HTTP_FILLED(GET("A: b"), " \t", 30000, "\r\n\r\n"), 0, PLAIN, "A=b",
     0},
    HTTP_NO("H13 CR and other byte end the head", GET("\rX"), 400, "after the header"),
    HTTP_NO("H13 CR CR ends the head", GET("A: b\r\n\r\r"), 400, "after the header"),
    HTTP_HAS("H14 underscore", GET("A_B: 1\r\nA-B: 2\r\nContent_Length: 3\r\n\r\n"), PLAIN,
             "A_B=1|A-B=2|Content_Length=3"),
    HTTP_HAS("H15 repeated", GET("A: 1\r\nCookie: b\r\na: 2\r\nCookie: c\r\n\r\n"), PLAIN,
             "A=1|Cookie=b|a=2|Cookie=c"),
    HTTP_NO("H15 Content-Type twice", GET("Content-Type: a\r\ncontent-type: a\r\n"), 400,
            "more than one Content-Type"),
    HTTP_NO("H15 Authorization twice", GET("Authorization: a\r\nAUTHORIZATION: b\r\n"), 400,
            "more than one Authorization"),

    /* ---- 2.4 framing */
    HTTP_NO("F1 equal lengths", POST("Content-Length: 2\r\nContent-Length: 2\r\n"), 400,
            "more than one Content-Length"),
    HTTP_NO("F1 equal lengths in one", POST("Content-Length: 2, 2\r\n\r\n"), 400,
            "invalid Content-Length"),
    HTTP_NO("F2 different lengths", POST("Content-Length: 2\r\nContent-Length: 02\r\n"), 400,
            "more than one Content-Length"),
    HTTP_NO("F3 plus", POST("Content-Length: +2\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 minus", POST("Content-Length: -2\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 underscore", POST("Content-Length: 1_0\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 hexadecimal", POST("Content-Length: 0x2\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 two numbers", POST("Content-Length: 2 2\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 word", POST("Content-Length: foo\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 fraction", POST("Content-Length: 2.0\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 quoted", POST("Content-Length: \"2\"\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 empty", POST("Content-Length:\r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_NO("F3 empty after SP", POST("Content-Length:  \r\n\r\n"), 400, "invalid Content-Length"),
    HTTP_OK("F4 zeros", POST("Content-Length: 0000000000000000005\r\n\r\n"),
            "POST origin / - a a 5 keep"),
    HTTP_NO("F4 20 digits", POST("Content-Length: 00000000000000000005\r\n\r\n"), 400,
            "invalid Content-Length"),
    {"F5 largest", HTTP_TEXT(POST("Content-Length: 9223372036854775807\r\n\r\n")), 0,
     "POST origin / - a a 9223372036854775807 keep", NULL, 413},
    HTTP_NO("F5 larger", POST("Content-Length: 9223372036854775808\r\n\r\n"), 400,
            "invalid Content-Length"),
    HTTP_NO("F5 all nines", POST("Content-Length: 9999999999999999999\r\n\r\n"), 400,
            "invalid Content-Length"),
    HTTP_NO("F5 wraps to 1", POST("Content-Length: 18446744073709551617\r\n\r\n"), 400,
            "invalid Content-Length"),
    HTTP_NO("F6 length and chunked",
            POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, "together"),
    HTTP_NO("F6 chunked and length",
            POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400, "together"),
    HTTP_OK("F7 chunked", POST("Transfer-Encoding: chunked\r\n\r\n"),
            "POST origin / - a a chunked keep"),
    HTTP_OK("F7 any case", POST("transfer-encoding: ChunKED\r\n\r\n"),
            "POST origin / - a a chunked keep"),
    HTTP_NO("F8 identity", POST("Transfer-Encoding: identity\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F8 list", POST("Transfer-Encoding: gzip, chunked\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F8 comma", POST("Transfer-Encoding: ,chunked\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F8 comma behind", POST("Transfer-Encoding: chunked,\r\n\r\n"), 400,
            "other than chunked"),
    HTTP_NO("F8 empty", POST("Transfer-Encoding:\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F8 parameter", POST("Transfer-Encoding: chunked;a=b\r\n\r\n"), 400,
            "other than chunked"),
    HTTP_NO("F8 xchunked", POST("Transfer-Encoding: xchunked\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F8 quoted", POST("Transfer-Encoding: \"chunked\"\r\n\r\n"), 400, "other than chunked"),
    HTTP_NO("F9 twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
            "more than one Transfer-Encoding"),
    HTTP_NO("F9 chunked, chunked", POST("Transfer-Encoding: chunked, chunked\r\n\r\n"), 400,
            "other than chunked"),
    HTTP_NO("F10 HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
            "in HTTP/1.0"),
    HTTP_OK("F11 neither", POST("\r\n"), "POST origin / - a a none keep"),
    HTTP_OK("F12 GET with length", GET("Content-Length: 3\r\n\r\n"), "GET origin / - a a 3 keep"),
    HTTP_OK("F12 DELETE chunked", LINE("DELETE / HTTP/1.1\r\nTransfer-Encoding: chunked"),
            "DELETE origin / - a a chunked keep"),
    HTTP_OK("F12 length 0", POST("Content-Length: 0\r\n\r\n"), "POST origin / - a a 0 keep"),
    {"F14 over the limit", HTTP_TEXT(POST("Content-Length: 10485761\r\n\r\n")), 0,
     "POST origin / - a a 10485761 keep", NULL, 413},

    /* ---- 2.6 Host */
    HTTP_NO("O1 missing", "GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
    HTTP_NO("O1 missing with absolute target", "GET http://b/ HTTP/1.1\r\n\r\n", 400, "no Host"),
    HTTP_OK("O2 missing in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n",
            "GET origin / - 127.0.0.1 127.0.0.1 none close"),
    HTTP_NO("O3 two", GET("Host: a\r\n"), 400, "more than one Host"),
    HTTP_NO("O3 two in HTTP/1.0", GET_10("host: b\r\n"), 400, "more than one Host"),
    HTTP_NO_HOST("O3 list", "a, b"),
    HTTP_NO("O3 list in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a,b\r\n", 400, "invalid Host"),
    HTTP_NO("O4 empty", "GET / HTTP/1.1\r\nHost:\r\n", 400, "invalid Host"),
    HTTP_NO("O4 only spaces", "GET / HTTP/1.1\r\nHost:  \r\n", 400, "invalid Host"),
    HTTP_OK("O4 empty in HTTP/1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n",
            "GET origin / - 127.0.0.1 127.0.0.1 none close"),
    HTTP_NO_HOST("O5 SP", "a b"),
    HTTP_NO_HOST("O5 slash", "a/b"),
    HTTP_NO_HOST("O5 @", "a@b"),
    HTTP_NO_HOST("O5 ?", "a?b"),
    HTTP_NO_HOST("O5 #", "a#b"),
    HTTP_NO_HOST("O5 backslash", "a\\b"),
    HTTP_NO_HOST("O5 quote", "\"a\""),
    HTTP_NO_HOST("O5 <", "a<b"),
    HTTP_NO_HOST("O5 high byte", "a\xc3\xbc"),
    HTTP_NO_HOST("O5 TAB", "a\tb"),
    HTTP_OK_HOST("O6 name and port", "Www.Example.com:8080", "Www.Example.com"),
    HTTP_OK_HOST("O6 all kinds of bytes", "a-._~!$&'()*+;=Z0", "a-._~!$&'()*+;=Z0"),
    HTTP_OK_HOST("O6 escape", "a%41%fFb", "a%41%fFb"),
    HTTP_OK_HOST("O6 empty port", "a:", "a"),
    HTTP_OK_HOST("O6 port 0", "a:0", "a"),
    HTTP_OK_HOST("O6 largest port", "a:65535", "a"),
    HTTP_OK_HOST("O6 port with zeros", "a:00080", "a"),
    HTTP_OK_HOST("O6 IPv4", "127.0.0.1:80", "127.0.0.1"),
    HTTP_OK_HOST("O6 IPv6 unspecified", "[::]", "[::]"),
    HTTP_OK_HOST("O6 IPv6 with port", "[::1]:80", "[::1]"),
    HTTP_OK_HOST("O6 IPv6 empty port", "[1::]:", "[1::]"),
    HTTP_OK_HOST("O6 IPv6 full", "[1:22:333:4444:5:6:7:fFfF]", "[1:22:333:4444:5:6:7:fFfF]"),
    HTTP_OK_HOST("O6 IPv6 one word left out", "[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]"),
    HTTP_OK_HOST("O6 IPv6 first word left out", "[::2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]"),
    HTTP_OK_HOST("O6 IPv6 middle left out", "[1:2::7:8]", "[1:2::7:8]"),
    HTTP_OK_HOST("O6 IPv4 in IPv6", "[::ffff:1.22.255.0]", "[::ffff:1.22.255.0]"),
    HTTP_OK_HOST("O6 IPv4 behind six words", "[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]"),
    HTTP_NO_HOST("O6 port 65536", "a:65536"),
    HTTP_NO_HOST("O6 port 99999", "a:99999"),
    HTTP_NO_HOST("O6 six digits", "a:000080"),
    HTTP_NO_HOST("O6 port word", "a:b"),
    HTTP_NO_HOST("O6 port sign", "a:+1"),
    HTTP_NO_HOST("O6 port only", ":80"),
    HTTP_NO_HOST("O6 two ports", "a:1:2"),
    HTTP_NO_HOST("O6 bare IPv6", "::1"),
    HTTP_NO_HOST("O6 cut escape", "a%4"),
    HTTP_NO_HOST("O6 bad escape", "a%4g"),
    HTTP_NO_HOST("O6 [", "["),
    HTTP_NO_HOST("O6 []", "[]"),
    HTTP_NO_HOST("O6 no ]", "[::1"),
    HTTP_NO_HOST("O6 ] only", "::1]"),
    HTTP_NO_HOST("O6 [ inside", "a[::1]"),
    HTTP_NO_HOST("O6 three colons", "[:::1]"),
    HTTP_NO_HOST("O6 two gaps", "[1::2::3]"),
    HTTP_NO_HOST("O6 five digits", "[12345::]"),
    HTTP_NO_HOST("O6 seven words", "[1:2:3:4:5:6:7]"),
    HTTP_NO_HOST("O6 nine words", "[1:2:3:4:5:6:7:8:9]"),
    HTTP_NO_HOST("O6 gap of none", "[1:2:3:4::5:6:7:8]"),
    HTTP_NO_HOST("O6 colon first", "[:1:2:3:4:5:6:7]"),
    HTTP_NO_HOST("O6 colon last", "[1:2:3:4:5:6:7:]"),
    HTTP_NO_HOST("O6 short IPv4", "[::1.2.3]"),
    HTTP_NO_HOST("O6 IPv4 too large", "[::1.2.3.256]"),
    HTTP_NO_HOST("O6 IPv4 with zero", "[::01.2.3.4]"),
    HTTP_NO_HOST("O6 IPv4 first", "[1.2.3.4::]"),
    HTTP_NO_HOST("O6 IPv4 behind seven words", "[1:2:3:4:5:6:7:1.2.3.4]"),
    HTTP_NO_HOST("O6 IPvFuture", "[v1.a]"),
    HTTP_NO_HOST("O6 zone", "[fe80::1%25eth0]"),
    HTTP_NO_HOST("O6 byte behind ]", "[::1]a"),
    HTTP_NO_HOST("O6 bad port behind ]", "[::1]:x"),

    /* ---- 2.7 persistence, Connection, Upgrade */
    HTTP_OK("K1 close", GET("Connection: close\r\n\r\n"), "GET origin / - a a none close"),
    HTTP_OK("K1 Close in a list", GET("Connection: foo , CLOSE,bar\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K1 close first", GET("Connection: close, foo\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K1 close in second field", GET("Connection: foo\r\nConnection:\tclose\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K1 close beats keep-alive", GET("Connection: keep-alive, close\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K1 part of a word", GET("Connection: closed, xclose\r\n\r\n"), PLAIN),
    HTTP_OK("K1 empty elements", GET("Connection: ,, ,\r\n\r\n"), PLAIN),
    HTTP_OK("K1 keep-alive", GET("Connection: keep-alive\r\n\r\n"), PLAIN),
    HTTP_OK("K2 HTTP/1.0", GET_10("\r\n"), "GET origin / - a a none close"),
    HTTP_OK("K2 keep-alive", GET_10("Connection: Keep-Alive\r\n\r\n"), PLAIN),
    HTTP_OK("K2 keep-alive in a list", GET_10("Connection: x, keep-alive\r\n\r\n"), PLAIN),
    HTTP_OK("K2 keep-alive and close", GET_10("Connection: close, keep-alive\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K2 with length",
            "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n",
            "POST origin / - 127.0.0.1 127.0.0.1 2 keep"),
    HTTP_OK("K3 Proxy-Connection", GET("Proxy-Connection: close\r\n\r\n"), PLAIN),
    HTTP_OK("K3 Proxy-Connection in 1.0", GET_10("Proxy-Connection: keep-alive\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K5 upgrade", GET("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            PLAIN " upgrade"),
    HTTP_OK("K5 upgrade in lists",
            GET("Upgrade: h2c, foo\r\nConnection: keep-alive, upgrade\r\n\r\n"), PLAIN " upgrade"),
    HTTP_OK("K5 no Connection", GET("Upgrade: websocket\r\n\r\n"), PLAIN),
    HTTP_OK("K5 no Upgrade", GET("Connection: upgrade\r\n\r\n"), PLAIN),
    HTTP_OK("K5 empty Upgrade", GET("Connection: upgrade\r\nUpgrade:\r\n\r\n"), PLAIN),
    HTTP_OK("K5 HTTP/1.0", GET_10("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            "GET origin / - a a none close"),
    HTTP_OK("K5 with a body",
            POST("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n"),
            "POST origin / - a a 1 keep"),
    HTTP_OK("K5 with length 0",
            GET("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"),
            "GET origin / - a a 0 keep"),
    HTTP_OK("K5 chunked",
            GET("Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "GET origin / - a a chunked keep"),
    HTTP_OK("K5 h2c", GET("Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), PLAIN),
    HTTP_HAS("K6 named in Connection", GET("Connection: Cookie\r\nCookie: a=b\r\n\r\n"), PLAIN,
             "Connection=Cookie|Cookie=a=b"),

    /* ---- 2.8 Expect */
    HTTP_OK("E1 length", POST("Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            "POST origin / - a a 5 keep 100"),
    HTTP_OK("E1 chunked, any case",
            POST("Transfer-Encoding: chunked\r\nexpect: 100-CONTINUE\r\n\r\n"),
            "POST origin / - a a chunked keep 100"),
    HTTP_OK("E2 no body", POST("Expect: 100-continue\r\n\r\n"), "POST origin / - a a none keep"),
    HTTP_OK("E2 length 0", POST("Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
            "POST origin / - a a 0 keep"),
    HTTP_OK("E2 HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            "POST origin / - 127.0.0.1 127.0.0.1 5 close"),
    HTTP_NO("E3 other", POST("Expect: 200-ok\r\n"), 417, "expectation"),
    HTTP_NO("E3 list", POST("Expect: 100-continue, x\r\n"), 417, "expectation"),
    HTTP_NO("E3 empty", POST("Expect:\r\n"), 417, "expectation"),
};

/* A chunked body.
 *
 * status  0: complete and accepted; otherwise the answer
 * want    accepted: the payload, NULL: not looked at. Refused: what the error
 *         text contains
 * fields  the trailer, as "name=value|name=value" */
struct http_chunked_row {
    const char *id;
    struct http_input in;
    int status;
    const char *want;
    const char *fields;
};

/* What stands before them on a connection, and the limit they are made for. */
#define HTTP_CHUNKED_HEAD "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HTTP_CHUNKED_MAX_BODY 10485760

#define CHUNKED_OK(id, text, want)                                                                 \
    {                                                                                              \
        id, HTTP_TEXT(text), 0, want, ""                                                           \
    }
#define CHUNKED_HAS(id, text, want, fields)                                                        \
    {                                                                                              \
        id, HTTP_TEXT(text), 0, want, fields                                                       \
    }
#define CHUNKED_NO(id, text, status, error)                                                        \
    {                                                                                              \
        id, HTTP_TEXT(text), status, error, NULL                                                   \
    }

static const struct http_chunked_row http_chunked_rows[] = {
    CHUNKED_OK("C1 empty", "0\r\n\r\n", ""),
    CHUNKED_OK("C1 one", "5\r\nhello\r\n0\r\n\r\n", "hello"),
    CHUNKED_OK("C1 some", "1\r\na\r\n2\r\nbc\r\n00003\r\ndef\r\n0\r\n\r\n", "abcdef"),
    CHUNKED_OK("C1 any case", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
               "01234567890123456789a"),
    CHUNKED_OK("C1 16 digits", "0000000000000002\r\nab\r\n0000000000000000\r\n\r\n", "ab"),
    CHUNKED_OK("C1 payload that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
               "\r\n0\r\n\r\n"),
    CHUNKED_NO("C1 17 digits", "00000000000000002", 400, "size too large"),
    CHUNKED_NO("C1 above INT64_MAX", "8000000000000000", 400, "size too large"),
    CHUNKED_NO("C1 all f", "ffffffffffffffff", 400, "size too large"),
    CHUNKED_NO("C2 0x", "0x", 400, "chunk size"),
    CHUNKED_NO("C2 plus", "+", 400, "chunk size"),
    CHUNKED_NO("C2 minus", "-", 400, "chunk size"),
    CHUNKED_NO("C2 underscore", "5_", 400, "chunk size"),
    CHUNKED_NO("C2 SP first", " ", 400, "chunk size"),
    CHUNKED_NO("C2 empty size", "\r", 400, "chunk size"),
    CHUNKED_NO("C2 extension only", ";", 400, "chunk size"),
    CHUNKED_NO("C2 g", "g", 400, "chunk size"),
    CHUNKED_NO("C2 colon", "3:", 400, "chunk size"),
    CHUNKED_NO("C2 NUL", "3\0", 400, "chunk size"),
    CHUNKED_NO("C2 empty size later", "1\r\na\r\n\r", 400, "chunk size"),
    CHUNKED_NO("C3 SP", "2 ", 400, "chunk size"),
    CHUNKED_NO("C3 TAB", "2\t", 400, "chunk size"),
    CHUNKED_NO("C3 SP before extension", "2 ", 400, "chunk size"),
    CHUNKED_OK("C4 token", "2;a\r\nbc\r\n0;x\r\n\r\n", "bc"),
    CHUNKED_OK("C4 value", "2;a=b;c=d\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_OK("C4 long words", "2;abc=def;ghi;jkl=mno\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_OK("C4 quoted", "2;a=\"x;y\"\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_OK("C4 quoted, empty", "2;a=\"\";b\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_OK("C4 quoted pairs", "2;a=\"\\\"\\\\\\a\"\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_OK("C4 quoted, any byte", "2;a=\"\t ~\x80\xff\\\xff\"\r\nbc\r\n0\r\n\r\n", "bc"),
    CHUNKED_NO("C4 no name", "2;\r", 400, "extension"),
    CHUNKED_NO("C4 no name, value", "2;=", 400, "extension"),
    CHUNKED_NO("C4 no value", "2;a=\r", 400, "extension"),
    CHUNKED_NO("C4 no value, next", "2;a=;", 400, "extension"),
    CHUNKED_NO("C4 two semicolons", "2;;", 400, "extension"),
    CHUNKED_NO("C4 SP before name", "2; ", 400, "extension"),
    CHUNKED_NO("C4 SP behind name", "2;a ", 400, "extension"),
    CHUNKED_NO("C4 SP before value", "2;a= ", 400, "extension"),
    CHUNKED_NO("C4 SP behind quotes", "2;a=\"b\" ", 400, "extension"),
    CHUNKED_NO("C4 word behind quotes", "2;a=\"b\"c", 400, "extension"),
    CHUNKED_NO("C4 = behind value", "2;a=b=", 400, "extension"),
    CHUNKED_NO("C4 quote in token", "2;a=b\"", 400, "extension"),
    CHUNKED_NO("C4 CR in quotes", "2;a=\"b\r", 400, "extension"),
    CHUNKED_NO("C4 NUL in quotes", "2;a=\"\0", 400, "extension"),
    CHUNKED_NO("C4 DEL in quotes", "2;a=\"\x7f", 400, "extension"),
    CHUNKED_NO("C4 control in pair", "2;a=\"\\\x01", 400, "extension"),
    CHUNKED_NO("C4 CR in pair", "2;a=\"\\\r", 400, "extension"),
    {"C4 256 bytes", HTTP_FILLED("2;", "a", 255, "\r\nbc\r\n0\r\n\r\n"), 0, "bc", ""},
    {"C4 257 bytes", HTTP_FILLED("2;", "a", 256, ""), 400, "too long", NULL},
    {"C4 257 bytes, quoted", HTTP_FILLED("2;a=\"", "b", 253, ""), 400, "too long", NULL},
    {"C4 8192 bytes in all", HTTP_FILLED("", "4;aaaaaaa\r\nbcde\r\n", 1024, "0\r\n\r\n"), 0, NULL,
     ""},
    {"C4 8193 bytes in all", HTTP_FILLED("", "4;aaaaaaa\r\nbcde\r\n", 1024, "4;"), 400, "too long",
     NULL},
    CHUNKED_NO("C5 bare LF", "2\n", 400, "chunk size"),
    CHUNKED_NO("C5 lone CR", "2\rb", 400, "CR without LF"),
    CHUNKED_NO("C5 two CR", "2\r\r", 400, "CR without LF"),
    CHUNKED_NO("C5 bare LF at the end", "0\n", 400, "chunk size"),
    CHUNKED_NO("C5 bare LF in extension", "2;a\n", 400, "extension"),
    CHUNKED_NO("C5 lone CR in extension", "2;a\rb", 400, "CR without LF"),
    CHUNKED_NO("C6 longer than its size", "2\r\nbcd", 400, "no CRLF"),
    CHUNKED_NO("C6 bare LF", "2\r\nbc\n", 400, "no CRLF"),
    CHUNKED_NO("C6 lone CR", "2\r\nbc\r0", 400, "no CRLF"),
    CHUNKED_HAS("C7 trailer", "2\r\nbc\r\n0\r\nA: b\r\nC:d\t\r\nA: e\r\n\r\n", "bc", "A=b|C=d|A=e"),
    CHUNKED_HAS("C7 dropped",
                "0\r\nTrailer: a\r\nContent-Encoding: a\r\nB: c\r\nContent-Type: a\r\n"
                "content-type: a\r\nContent-Range: a\r\nAuthorization: a\r\n"
                "Authorization: a\r\nSet-Cookie: a\r\nCache-Control: a\r\nD: e\r\n\r\n",
                "", "B=c|D=e"),
    CHUNKED_HAS("C7 no meaning in a trailer", "0\r\nConnection: close\r\nExpect: x\r\n\r\n", "",
                "Connection=close|Expect=x"),
    CHUNKED_NO("C7 Content-Length", "0\r\nContent-Length: 1\r\n", 400, "framing field"),
    CHUNKED_NO("C7 Transfer-Encoding", "0\r\nA: b\r\ntransfer-encoding: chunked\r\n", 400,
               "framing field"),
    CHUNKED_NO("C7 Host", "0\r\nHost: a\r\n", 400, "framing field"),
    CHUNKED_NO("C7 SP before colon", "0\r\nA ", 400, "white space in header name"),
    CHUNKED_NO("C7 fold", "0\r\nA: b\r\n ", 400, "begins with white space"),
    CHUNKED_NO("C7 no colon", "0\r\nA\r", 400, "no colon"),
    CHUNKED_NO("C7 NUL", "0\r\nA: \0", 400, "header value"),
    CHUNKED_NO("C7 bare LF", "0\r\nA: b\n", 400, "LF without CR"),
    CHUNKED_NO("C7 bare LF at the end", "0\r\n\n", 400, "no colon"),
    CHUNKED_NO("C7 other byte behind CR", "0\r\n\rX", 400, "after the header"),
    {"C7 98 fields", HTTP_FILLED("0\r\n", "A: b\r\n", 98, "\r\n"), 0, "", NULL},
    {"C7 99 fields", HTTP_FILLED("0\r\n", "A: b\r\n", 98, "A"), 431, "too many", NULL},
    {"C7 99 dropped fields", HTTP_FILLED("0\r\n", "Trailer: b\r\n", 98, "T"), 431, "too many",
     NULL},
    {"C7 largest", HTTP_FILLED("0\r\nA: ", "b", 65536 - 56 - 3 - 4, "\r\n\r\n"), 0, "", NULL},
    {"C7 larger", HTTP_FILLED("0\r\nA: ", "b", 65536 - 56 - 3 - 3, "\r\n\r"), 431, "too large",
     NULL},
    CHUNKED_NO("C8 one above the limit", "a00001\r\n", 413, "too large"),
    CHUNKED_NO("C8 sum above the limit", "5\r\nhello\r\n9ffffc\r\n", 413, "too large"),
    CHUNKED_NO("C8 INT64_MAX", "7fffffffffffffff\r\n", 413, "too large"),
    CHUNKED_NO("C8 sum that wraps", "2\r\nbc\r\n7fffffffffffffff\r\n", 413, "too large"),
    {"C9 just not enough overhead", HTTP_FILLED("", "1\r\nb\r\n", 20479, "0\r\n\r\n"), 0, NULL, ""},
    {"C9 mostly overhead", HTTP_FILLED("", "1\r\nb\r\n", 20480, "1\r\n"), 400, "overhead", NULL},
    {"C9 mostly payload", HTTP_FILLED("", "2\r\nbc\r\n", 30000, "0\r\n\r\n"), 0, NULL, ""},
};

#undef LINE
#undef GET
#undef GET_10
#undef POST
#undef HOST
#undef PLAIN
#undef HTTP_NO_HOST
#undef HTTP_OK_HOST
#undef CHUNKED_OK
#undef CHUNKED_HAS
#undef CHUNKED_NO

enum {
    HTTP_ROWS = sizeof http_rows / sizeof http_rows[0],
    HTTP_CHUNKED_ROWS = sizeof http_chunked_rows / sizeof http_chunked_rows[0]
};

#endif
