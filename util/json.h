/* JSON (RFC 8259): a writer, and a reader into a tree.
 *
 * The writer appends to a gust_buf as it is called, and builds nothing:
 *
 *   gust_json_writer w;
 *   gust_json_writer_init(&w, &buf, 0);
 *   gust_json_begin_object(&w);
 *   gust_json_key(&w, GUST_STR("id"));
 *   gust_json_int(&w, 7);
 *   gust_json_end_object(&w);
 *   status = gust_json_writer_finish(&w);      the one place to check
 *
 * It writes what Tornado's json_encode writes: ", " and ": ", all but ASCII as
 * \uXXXX, "</" as "<\/" so that no string ends a script element.
 *
 * The reader is strict: nothing beyond the RFC is accepted. Its tree lies in
 * an arena and does not refer to the text.
 *
 * Thread: the owner's. */
#ifndef GUST_JSON_H
#define GUST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>
#include <gust/buf.h>
#include <gust/limits.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- values ------------------------------------------------------------------- */

enum gust_json_type {
    GUST_JSON_NULL,
    GUST_JSON_BOOL,
    GUST_JSON_INT,    /* a number without fraction and exponent that fits an int64_t */
    GUST_JSON_DOUBLE, /* every other number; finite */
    GUST_JSON_STRING,
    GUST_JSON_ARRAY,
    GUST_JSON_OBJECT
};

typedef struct gust_json gust_json;
typedef struct gust_json_member gust_json_member;

/* A value; {0} is null. Read `as` by the member that `type` names. A tree for
 * the writer may be made by hand too. */
struct gust_json {
    enum gust_json_type type;
    uint32_t count; /* items of an array, members of an object */
    union {
        bool boolean;
        int64_t integer;
        double number;
        gust_str string; /* UTF-8, may hold NULs; a NUL follows it */
        struct {
            gust_json *items; /* `count` of them */
        } array;
        struct {
            gust_json_member *members; /* `count` of them, in the order of the text */
            uint32_t *index;           /* the parser's; NULL in small ones and your own */
        } object;
    } as;
};

struct gust_json_member {
    gust_str name;
    gust_json value;
};

/* The member `name` of an object; NULL where there is none, or `object` is no
 * object or NULL, so that look-ups may be nested. O(1) in large objects. */
const gust_json *gust_json_get(const gust_json *object, const char *name);
const gust_json *gust_json_get_str(const gust_json *object, gust_str name);

/* The n-th item of an array, from 0; NULL beyond its end and for what is no
 * array or NULL. */
const gust_json *gust_json_at(const gust_json *array, size_t n);

/* Is there a value, and is it of that type? */
static inline bool gust_json_is(const gust_json *value, enum gust_json_type type)
{
    return value != NULL && value->type == type;
}

/* The value as a C type, or `otherwise` where it is NULL or of another type.
 * An int is also a double; a double is not an int. */
gust_str gust_json_as_str(const gust_json *value, gust_str otherwise);
int64_t gust_json_as_int(const gust_json *value, int64_t otherwise);
double gust_json_as_double(const gust_json *value, double otherwise);
bool gust_json_as_bool(const gust_json *value, bool otherwise);

/* --- reading -------------------------------------------------------------------- */

/* Limits; 0 in a member means its default (limits.h). */
typedef struct gust_json_limits {
    size_t max_bytes;   /* of the text */
    size_t max_depth;   /* containers in containers; 1 allows [] but not [[]] */
    size_t max_members; /* of one object */
    size_t max_values;  /* of the whole text */
} gust_json_limits;

/* Read one value, with white space before and behind it.
 *
 * text       UTF-8 without a byte order mark
 * arena      what the tree is made in; on failure it may have grown
 * limits     NULL: the defaults
 * out_value  the tree, which lives as long as the arena
 * out_at     NULL, or on failure: offset of the byte that can't be, or of what
 *            is too large
 * Of members with one name the last value counts, at the place of the first.
 * Returns 0, or
 *   GUST_ESYNTAX  not JSON
 *   GUST_EUTF8    not UTF-8, or a \u escape of half a surrogate pair
 *   GUST_ETOOBIG  a limit, or a number beyond the range of double
 *   -ENOMEM       also where the arena's maximum is reached
 *   -errno        no random key for the index of a large object */
int gust_json_parse(gust_str text, gust_arena *arena, const gust_json_limits *limits,
                    const gust_json **out_value, size_t *out_at);

/* --- writing --------------------------------------------------------------------- */

/* How it is written; any of them together. */
enum gust_json_flags {
    GUST_JSON_RAW_UTF8 = 1, /* characters beyond ASCII as they are */
    GUST_JSON_COMPACT = 2,  /* "," and ":" without spaces */
    GUST_JSON_PRETTY = 4,   /* a line for each item, indented by 4 */
    GUST_JSON_HTML = 8      /* < > & U+2028 U+2029 as \uXXXX, for a script element */
};

/* The most containers that may be open at once. */
#define GUST_JSON_MAX_OPEN 128

/* A writer. Its members are the library's. It holds no memory: it may be
 * dropped at any time. */
typedef struct gust_json_writer {
    gust_buf *out;
    int status; /* the first failure; all calls do nothing then */
    unsigned flags;
    unsigned depth;                            /* containers open */
    bool has_items;                            /* in the innermost container */
    bool has_key;                              /* a key waits for its value */
    bool is_done;                              /* the outermost value is complete */
    uint8_t is_object[GUST_JSON_MAX_OPEN / 8]; /* a bit for each open container */
} gust_json_writer;

/* Begin one value at the end of `out`; flags from gust_json_flags. */
void gust_json_writer_init(gust_json_writer *w, gust_buf *out, unsigned flags);

/* The end. Returns 0 when the value is complete, else the first failure:
 *   GUST_ESTATE           calls that make no JSON: a value without a key, an end
 *                         without its begin, a second value, too little, too deep
 *   GUST_EUTF8            a string that is not UTF-8
 *   -EDOM                 infinity or not a number
 *   as gust_buf_append()  the buffer's failures
 * The buffer then holds the part that was written; who wants it as before sets
 * its `len` back. */
int gust_json_writer_finish(const gust_json_writer *w);

/* Begin and end an object or an array, where a value may stand. */
void gust_json_begin_object(gust_json_writer *w);
void gust_json_end_object(gust_json_writer *w);
void gust_json_begin_array(gust_json_writer *w);
void gust_json_end_array(gust_json_writer *w);

/* The name of the object's next member; its value is to follow. */
void gust_json_key(gust_json_writer *w, gust_str name);

/* A value that is no text: null, true or false, a whole number. */
void gust_json_null(gust_json_writer *w);
void gust_json_bool(gust_json_writer *w, bool value);
void gust_json_int(gust_json_writer *w, int64_t value);
void gust_json_uint(gust_json_writer *w, uint64_t value);

/* The shortest text that reads back as `value`, as Python prints it: 1.0, 0.1,
 * 1e-05, 1e+16. */
void gust_json_double(gust_json_writer *w, double value);
void gust_json_str(gust_json_writer *w, gust_str value);

/* A whole tree. */
void gust_json_value(gust_json_writer *w, const gust_json *value);

/* Text that is JSON already, unchecked. */
void gust_json_raw(gust_json_writer *w, gust_str json);

/* A key and its value in one call. */
void gust_json_member_str(gust_json_writer *w, const char *name, gust_str value);
void gust_json_member_int(gust_json_writer *w, const char *name, int64_t value);
void gust_json_member_bool(gust_json_writer *w, const char *name, bool value);

#ifdef __cplusplus
}
#endif

#endif
