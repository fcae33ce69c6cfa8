/* The tests of the hashes over the path without vector instructions: they are
 * compiled here once more, as a machine that has none would compile them. */
#undef __SSE2__

#include "util/hash.c"

#include "tests/hash_internal_test.c"
