/* The index of a large object, made by the reader and used by look-ups.
 *
 * index[0] is the number of slots minus one, a power of two minus one; the
 * slots follow, each 0 or the number of a member plus one. Collisions go to the
 * next slot; at least half of the slots are empty. The hash is keyed: a peer
 * chooses the names. */
#ifndef GUST_JSON_INTERNAL_H
#define GUST_JSON_INTERNAL_H

#include <gust/json.h>

/* Objects of more members than this have an index. */
enum { GUST__JSON_SMALL_OBJECT = 8 };

/* The slot that holds the member `name`, or the empty one where it belongs. */
uint32_t *gust__json_find_slot(uint32_t *index, const gust_json_member *members, gust_str name,
                               const uint8_t key[16]);

#endif
