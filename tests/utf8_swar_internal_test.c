/* The UTF-8 tests over the path without vector instructions: the validator is
 * compiled here once more, as a machine that has none would compile it. */
#undef __SSE2__
#undef __ARM_NEON

#include "util/utf8.c"

#include "tests/utf8_test.c"
