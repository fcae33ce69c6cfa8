/* Looking into a JSON tree. */
#include "util/json_internal.h"

#include <gust/hash.h>

uint32_t *gust__json_find_slot(uint32_t *index, const gust_json_member *members, gust_str name,
                               const uint8_t key[16])
{
    uint32_t mask = index[0];
    uint32_t at = (uint32_t)gust_siphash(key, name) & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t *slot = &index[1 + at];
        if (*slot == 0 || gust_str_eq(members[*slot - 1].name, name)) {
            return slot;
        }
    }
}

/* The key was drawn when the index was made: this can't fail. */
static const gust_json *get_indexed(const gust_json *object, gust_str name)
{
    uint8_t key[16];
    if (gust_hash_key(key) != 0) {
        return NULL;
    }
    const gust_json_member *members = object->as.object.members;
    uint32_t slot = *gust__json_find_slot(object->as.object.index, members, name, key);
    return slot == 0 ? NULL : &members[slot - 1].value;
}

const gust_json *gust_json_get_str(const gust_json *object, gust_str name)
{
    if (!gust_json_is(object, GUST_JSON_OBJECT)) {
        return NULL;
    }
    if (object->as.object.index != NULL) {
        return get_indexed(object, name);
    }
    for (uint32_t i = 0; i < object->count; i++) {
        const gust_json_member *member = &object->as.object.members[i];
        if (gust_str_eq(member->name, name)) {
            return &member->value;
        }
    }
    return NULL;
}

const gust_json *gust_json_get(const gust_json *object, const char *name)
{
    return gust_json_get_str(object, gust_str_from(name));
}

const gust_json *gust_json_at(const gust_json *array, size_t n)
{
    bool is_there = gust_json_is(array, GUST_JSON_ARRAY) && n < array->count;
    return is_there ? &array->as.array.items[n] : NULL;
}

gust_str gust_json_as_str(const gust_json *value, gust_str otherwise)
{
    return gust_json_is(value, GUST_JSON_STRING) ? value->as.string : otherwise;
}

int64_t gust_json_as_int(const gust_json *value, int64_t otherwise)
{
    return gust_json_is(value, GUST_JSON_INT) ? value->as.integer : otherwise;
}

double gust_json_as_double(const gust_json *value, double otherwise)
{
    if (gust_json_is(value, GUST_JSON_INT)) {
        return (double)value->as.integer;
    }
    return gust_json_is(value, GUST_JSON_DOUBLE) ? value->as.number : otherwise;
}

bool gust_json_as_bool(const gust_json *value, bool otherwise)
{
    return gust_json_is(value, GUST_JSON_BOOL) ? value->as.boolean : otherwise;
}
