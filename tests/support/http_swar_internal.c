/* The request parser a second time, built without vectors, under other names:
 * what it says must be what the library says. */
#undef GUST_NO_SIMD
#define GUST_NO_SIMD 1

#define gust__char_class swar_char_class
#define gust__http_fail swar_http_fail
#define gust__http_host_is_valid swar_http_host_is_valid
#define gust__http_target_rule swar_http_target_rule
#define gust__http_field_rule swar_http_field_rule
#define gust__http_any_field_rule swar_http_any_field_rule
#define gust__http_trailer_rule swar_http_trailer_rule
#define gust__http_head_rule swar_http_head_rule
#define gust__http_any_head_rule swar_http_any_head_rule
#define gust__http_path swar_http_path
#define gust__http_host swar_http_host
#define gust__http_host_name swar_http_host_name
#define gust__http_body_framing swar_http_body_framing
#define gust__http_parser_init swar_http_parser_init
#define gust__http_parse_request swar_http_parse_request
#define gust__http_trailer_init swar_http_trailer_init
#define gust__http_parse_trailer swar_http_parse_trailer

#include "httpserver/http_rules.c"

#include "httpserver/http_parse.c"

#include "tests/support/http_feed_internal.h"

const struct http_machine http_machine_without_vectors = {gust__http_parser_init,
                                                          gust__http_parse_request, false};
