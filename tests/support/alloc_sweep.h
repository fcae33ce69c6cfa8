/* Tests of what happens when memory runs out.
 *
 * alloc_sweep() runs a scenario once to count its allocations, n. Then it runs
 * it again with the first one failing, with the second, ... with the n-th; and
 * all that once more with every allocation failing from that one on. Each time
 * the scenario has to come back, and to leave no block behind.
 *
 * The allocator that counts also looks for mistakes: there are red zones around
 * every block, fresh memory is filled with A5 and freed memory with DD, and a
 * block that grows always moves.
 *
 * Whatever the scenario frees it must have allocated itself, and the other way
 * round. Any thread may allocate. */
#ifndef GUST_TESTS_ALLOC_SWEEP_H
#define GUST_TESTS_ALLOC_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

/* Build, use and take down what is tested. Returns 0 when all went well, else
 * a code of the library. Without a failure it must be 0. */
typedef int alloc_sweep_fn(void *user);

/* The sweep. A run with a failure must return 0 (it did without) or -ENOMEM. */
void alloc_sweep(alloc_sweep_fn *scenario, void *user);

/* The sweep for longer scenarios: at most `max_points` of the allocations,
 * spread evenly, and any status is allowed where a failure took place. */
void alloc_sweep_sampled(alloc_sweep_fn *scenario, void *user, size_t max_points);

/* In a scenario: no allocation fails from here on. After it a server must serve
 * the next client, whatever went wrong before. */
void alloc_sweep_heal(void);

/* In a scenario: has an allocation failed in this run? */
bool alloc_sweep_has_failed(void);

/* The same allocator by itself, for tests that count: from begin to end, how
 * many calls of malloc and realloc there were and how many blocks are alive.
 * alloc_count_end() fails the test if a block is left, and sets libc's allocator. */
void alloc_count_begin(void);
size_t alloc_count_calls(void);
size_t alloc_count_live(void);
size_t alloc_count_live_bytes(void);
void alloc_count_end(void);

/* Between begin and end: let the n-th allocation from now fail (1: the next),
 * and all after it if `from_then_on`. 0: none. */
void alloc_count_fail_at(size_t n, bool from_then_on);

#endif
