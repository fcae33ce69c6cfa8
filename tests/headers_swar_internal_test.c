/* The tests of fields over the path without vector instructions. */
#define GUST_NO_SIMD

#include "httpserver/headers.c"

#include "tests/headers_test.c"
