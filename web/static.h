/* Files of a folder as responses.
 *
 *     static const gust_static_options files = {.root = "static",
 *                                               .default_filename = "index.html"};
 *     { "/static/" "*path", .handler = &gust_static_file_handler, .arg = &files },
 *     { "/robots.txt", .handler = &gust_static_file_handler, .arg = &files },
 *
 * The file's name is the route's last argument, or, where the route has none,
 * the whole path of the request. GET and HEAD; ETag and Last-Modified from the
 * file's time and size, 304, one Range, If-Range. Files are sent in pieces, as
 * fast as the client takes them: a large one costs no more memory than a small
 * one.
 *
 * What is never served: anything outside of root, by whatever name or link; a
 * name with an empty segment, "..", NUL or a backslash; names that begin with a
 * dot; what is no regular file. What a file is, is asked of the descriptor that
 * is read from, so nothing changes in between.
 *
 * A class may extend gust_static_file_handler with .base; its instance begins
 * with a gust_static_file_instance. An initialize or on_finish of its own calls
 * the base's: the first knows the options, the second closes the file.
 *
 * Thread: the loop's; opening and reading wait for the disk.
 * Source: tornado.web.StaticFileHandler. */
#ifndef GUST_STATIC_H
#define GUST_STATIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a route's `arg` points to; must live as long as the application.
 *
 * root              the folder, absolute or from the current one; opened anew for
 *                   each request
 * default_filename  the file that answers for a folder, as "index.html"; NULL:
 *                   folders are 403. A folder without its last '/' is redirected
 * no_symlinks       refuse links also within root; where the system has no
 *                   openat2(2) they always are
 * max_age           seconds, for Cache-Control and Expires; 0: neither, except
 *                   for requests with an argument `v`: ten years */
typedef struct gust_static_options {
    const char *root;
    const char *default_filename;
    bool no_symlinks;
    int64_t max_age;
} gust_static_options;

extern const gust_handler_class gust_static_file_handler;

/* An instance of the class; the members are the library's. */
typedef struct gust_static_file_instance {
    gust_handler handler;
    const gust_static_options *options;
    bool is_open; /* is fd ours? */
    int fd;
    int64_t size;  /* of the file */
    int64_t mtime; /* seconds since 1970 */
    int64_t at;    /* the next byte to read */
    int64_t end;   /* behind the last one */
} gust_static_file_instance;

/* The Content-Type that goes with a file's name, by its extension:
 * "application/octet-stream" for unknown ones. Static. */
gust_str gust_static_content_type(gust_str filename);

#ifdef __cplusplus
}
#endif

#endif
