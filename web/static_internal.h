/* What the files of the static handler share. */
#ifndef GUST_STATIC_INTERNAL_H
#define GUST_STATIC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>
#include <gust/errors.h>
#include <gust/str.h>

struct stat;

/* ---- static_open.c: from a name to a descriptor --------------------------- */

/* May a file of this name be served at all? `name` is relative, decoded, and may
 * end in one '/'. False for an empty segment, one that begins with a dot, NUL
 * and backslash. */
bool gust__static_name_is_fit(gust_str name);

/* Open `name`, which is fit, below the folder `root`, for reading, without
 * leaving it by any link.
 *
 * out_fd    non-blocking, close-on-exec; whatever it is: ask *out_stat
 * Returns 0; -EXDEV or -ELOOP for a way out of root, -ENOENT, -ENOTDIR, -EACCES,
 * -EMFILE, ... */
int gust__static_open(const char *root, gust_str name, bool no_symlinks, gust_arena *arena,
                      int *out_fd, struct stat *out_stat);

/* The same by walking: each segment is opened in the folder before it and may
 * not be a link. For kernels without openat2(2). `name` is changed. */
int gust__static_walk(int root, char *name, int *out_fd);

/* ---- range.c: RFC 9110 14 ---------------------------------------------------- */

enum gust__range {
    GUST__RANGE_WHOLE,        /* none, or none that we understand: 200 */
    GUST__RANGE_PART,         /* 206 */
    GUST__RANGE_UNSATISFIABLE /* 416 */
};

/* What part of `size` bytes does the value of a Range ask for: from *out_start
 * up to *out_end, which it does not hold? Both are set for PART only. */
enum gust__range gust__range_parse(gust_str value, int64_t size, int64_t *out_start,
                                   int64_t *out_end);

#endif
