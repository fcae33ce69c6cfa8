/* The static file handler.
 *
 * get():  name -> descriptor -> head -> 304, 416, or a part of the file.
 * A part of at most one piece is read and sent in one go; a larger one goes
 * piece by piece, each when the kernel has taken the one before, so a slow
 * client costs one piece of memory.
 *
 * Source: tornado/web.py: StaticFileHandler. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gust/escape.h>
#include <gust/httpdate.h>
#include <gust/log.h>
#include <gust/static.h>

#include "web/static_internal.h"
#include "web/web_internal.h"

#define PIECE ((int64_t)65536)
#define TEN_YEARS INT64_C(315360000)

static gust_static_file_instance *instance(gust_handler *h)
{
    return (gust_static_file_instance *)(void *)h;
}

static int initialize(gust_handler *h, const void *arg)
{
    instance(h)->options = arg;
    return arg != NULL ? 0 : -EINVAL;
}

static void on_finish(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    if (file->is_open) {
        file->is_open = false;
        close(file->fd);
    }
}

/* ---- finding the file --------------------------------------------------------- */

/* The file's name, relative to root, decoded once. */
static int requested_name(gust_handler *h, gust_str *out_name)
{
    if (h->rule->arg_count > 0) {
        *out_name = h->path_args[h->rule->arg_count - 1];
        return 0;
    }
    gust_str path = gust_str_skip(gust_request_path(h->request), 1);
    return gust_url_unescape_arena(gust_handler_arena(h), path, false, out_name);
}

/* The status for a file that can't be opened. */
static int open_failed(gust_handler *h, int code)
{
    switch (code) {
    case -EXDEV:
    case -ELOOP: return gust_handler_error(h, 403, "a link leads out of the static directory");
    case -EACCES: return gust_handler_error(h, 403, "no permission to read the file");
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -EISDIR: return 404;
    case -ENXIO: /* a socket */
    case -ENODEV: /* a device that isn't there */ return gust_handler_error(h, 403, "not a file");
    default: return code;
    }
}

static int open_name(gust_handler *h, gust_str name, struct stat *out_stat)
{
    gust_static_file_instance *file = instance(h);
    int fd = -1;
    on_finish(h); /* the folder, where this is the file in it */
    int status = gust__static_open(file->options->root, name, file->options->no_symlinks,
                                   gust_handler_arena(h), &fd, out_stat);
    if (status != 0) {
        return open_failed(h, status);
    }
    file->fd = fd;
    file->is_open = true;
    return 0;
}

/* To the folder's URL with a slash behind it, so that its links work. */
static int redirect_to_folder(gust_handler *h)
{
    gust_str path = gust_request_path(h->request), query = gust_request_query(h->request);
    gust_str suffix = GUST_STR("/");
    if (query.len > 0) {
        suffix = gust_arena_printf(gust_handler_arena(h), "/?%.*s", GUST_FMT(query));
    }
    gust_str url = gust__local_redirect(gust_handler_arena(h), path, suffix);
    GUST_CHECK(url.ptr != NULL && suffix.ptr != NULL, -ENOMEM);
    return gust_handler_redirect(h, url, 301);
}

/* `name` is a folder: the file in it that answers for it, or a redirect. */
static int open_default(gust_handler *h, gust_str *name, struct stat *out_stat)
{
    const char *filename = instance(h)->options->default_filename;
    gust_str path = gust_request_path(h->request);
    if (filename == NULL) {
        return gust_handler_error(h, 403, "not a file");
    }
    if (!gust_str_ends_with(path, GUST_STR("/"))) {
        return redirect_to_folder(h);
    }
    gust_str whole = gust_arena_printf(
        gust_handler_arena(h), "%.*s%s%s", GUST_FMT(*name),
        name->len > 0 && !gust_str_ends_with(*name, GUST_STR("/")) ? "/" : "", filename);
    GUST_CHECK(whole.ptr != NULL, -ENOMEM);
    *name = whole;
    return open_name(h, whole, out_stat);
}

/* Open what was asked for. Afterwards the response may be finished. */
static int open_file(gust_handler *h, gust_str *out_name, struct stat *out_stat)
{
    GUST_TRY(requested_name(h, out_name));
    if (!gust__static_name_is_fit(*out_name)) {
        return gust_handler_error(h, 403, "a name that is not served");
    }
    GUST_TRY(open_name(h, *out_name, out_stat));
    if (S_ISDIR(out_stat->st_mode)) {
        GUST_TRY(open_default(h, out_name, out_stat));
    } else if (gust_str_ends_with(*out_name, GUST_STR("/"))) {
        return 404;
    }
    if (!gust_handler_is_finished(h) && !S_ISREG(out_stat->st_mode)) {
        return gust_handler_error(h, 403, "not a file");
    }
    return 0;
}

/* ---- the head ----------------------------------------------------------------- */

static int set_date(gust_handler *h, const char *name, int64_t seconds)
{
    char date[GUST_HTTPDATE_LEN];
    if (gust_httpdate_format(date, seconds) != 0) {
        return 0; /* no date is better than a wrong one */
    }
    return gust_handler_set_header(h, name, gust_str_make(date, sizeof(date)));
}

/* From time and size: cheap for files of any length, and new with each change. */
static int set_etag(gust_handler *h, const struct stat *st)
{
#if defined(__APPLE__)
    const struct timespec *mtime = &st->st_mtimespec;
#else
    const struct timespec *mtime = &st->st_mtim;
#endif
    gust_str etag = gust_arena_printf(gust_handler_arena(h), "\"%" PRIx64 "-%lx-%" PRIx64 "\"",
                                      (uint64_t)mtime->tv_sec, (unsigned long)mtime->tv_nsec,
                                      (uint64_t)st->st_size);
    GUST_CHECK(etag.ptr != NULL, -ENOMEM);
    return gust_handler_set_header(h, "Etag", etag);
}

static int set_caching(gust_handler *h)
{
    int64_t age = instance(h)->options->max_age;
    gust_str version = {NULL, 0};
    if (age == 0) {
        GUST_TRY(gust_handler_get_query_argument_or(h, "v", version, &version));
        age = version.ptr != NULL ? TEN_YEARS : 0;
    }
    if (age <= 0) {
        return 0;
    }
    gust_str control = gust_arena_printf(gust_handler_arena(h), "max-age=%" PRId64, age);
    GUST_CHECK(control.ptr != NULL, -ENOMEM);
    GUST_TRY(gust_handler_set_header(h, "Cache-Control", control));
    gust_time wall = gust_ioloop_wall_time(gust_handler_loop(h));
    return set_date(h, "Expires", wall / 1000000000 + age);
}

static int set_head(gust_handler *h, gust_str name, const struct stat *st)
{
    GUST_TRY(gust_handler_set_header(h, "Accept-Ranges", GUST_STR("bytes")));
    GUST_TRY(set_etag(h, st));
    GUST_TRY(set_date(h, "Last-Modified", instance(h)->mtime));
    GUST_TRY(gust_handler_set_header(h, "Content-Type", gust_static_content_type(name)));
    return set_caching(h);
}

/* ---- conditions --------------------------------------------------------------- */

static bool is_not_modified(gust_handler *h)
{
    int64_t since;
    if (gust_request_header(h->request, GUST_HTTP_IF_NONE_MATCH).ptr != NULL) {
        return gust_handler_check_etag_header(h);
    }
    gust_str text = gust_request_header(h->request, GUST_HTTP_IF_MODIFIED_SINCE);
    return text.ptr != NULL && gust_httpdate_parse(text, &since) == 0 &&
           since >= instance(h)->mtime;
}

/* If-Range: is the part still one of the file that the client knows? Only an
 * exact match will do (RFC 9110 13.1.5). */
static bool range_applies(gust_handler *h)
{
    int64_t date;
    gust_str text = gust_request_header(h->request, GUST_HTTP_IF_RANGE);
    if (text.ptr == NULL || gust_str_eq(text, gust_handler_header(h, "Etag"))) {
        return true;
    }
    return gust_httpdate_parse(text, &date) == 0 && date == instance(h)->mtime;
}

/* ---- sending ------------------------------------------------------------------ */

/* Read up to `want` bytes to the end of the body. Fewer than asked for means that
 * the file was cut off. */
static int read_piece(gust_handler *h, size_t want)
{
    gust_static_file_instance *file = instance(h);
    const gust_sys *sys = gust_ioloop_sys(gust_handler_loop(h));
    GUST_TRY(gust__body_reserve(h, want));
    while (want > 0) {
        ssize_t n = sys->read(sys, file->fd, h->body.ptr + h->body.len, want);
        if (n == -EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? (int)n : GUST_EOF;
        }
        h->body.len += (size_t)n;
        want -= (size_t)n;
        file->at += n;
    }
    return 0;
}

static void on_flushed(gust_handler *h, int status, void *user);

static int send_piece(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    int64_t left = file->end - file->at;
    if (left == 0) {
        return 0;
    }
    GUST_TRY(read_piece(h, (size_t)(left < PIECE ? left : PIECE)));
    GUST_TRY(gust_handler_flush(h, on_flushed, NULL));
    return GUST_PENDING;
}

static void on_flushed(gust_handler *h, int status, void *user)
{
    (void)user;
    int result = status == 0 ? send_piece(h) : 0;
    if (result != GUST_PENDING) {
        gust_handler_complete(h, result);
    }
}

static int set_length(gust_handler *h, int64_t length)
{
    char digits[20];
    size_t len = gust_u64_to_dec(digits, (uint64_t)length);
    return gust_handler_set_header(h, "Content-Length", gust_str_make(digits, len));
}

/* The part from file->at to file->end. */
static int send_part(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    int64_t length = file->end - file->at;
    if (gust_request_method(h->request) == GUST_HTTP_HEAD) {
        return set_length(h, length);
    }
    if (file->at > 0 && lseek(file->fd, (off_t)file->at, SEEK_SET) < 0) {
        return -errno;
    }
    if (length <= PIECE) {
        return read_piece(h, (size_t)length);
    }
    GUST_TRY(set_length(h, length));
    return send_piece(h);
}

/* The part that follows, or, where there is none, the size alone. */
static int set_content_range(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    gust_arena *arena = gust_handler_arena(h);
    gust_str value;
    if (file->at < file->end) {
        value = gust_arena_printf(arena, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, file->at,
                                  file->end - 1, file->size);
    } else {
        value = gust_arena_printf(arena, "bytes */%" PRId64, file->size);
    }
    GUST_CHECK(value.ptr != NULL, -ENOMEM);
    return gust_handler_set_header(h, "Content-Range", value);
}

/* The head's Range -> file->at, file->end and the status. */
static int choose_part(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    gust_str range = gust_request_header_joined(h->request, GUST_HTTP_RANGE);
    file->at = 0;
    file->end = file->size;
    if (range.ptr == NULL || !range_applies(h)) {
        return 0;
    }
    switch (gust__range_parse(range, file->size, &file->at, &file->end)) {
    case GUST__RANGE_WHOLE: return 0;
    case GUST__RANGE_PART:
        GUST_TRY(set_content_range(h));
        return gust_handler_set_status(h, 206, NULL);
    default:
        file->at = file->end;
        GUST_TRY(gust_handler_set_header(h, "Content-Type", GUST_STR("text/plain")));
        GUST_TRY(set_content_range(h));
        return gust_handler_set_status(h, 416, NULL);
    }
}

static int get(gust_handler *h)
{
    gust_static_file_instance *file = instance(h);
    struct stat st;
    gust_str name;
    GUST_TRY(open_file(h, &name, &st));
    if (gust_handler_is_finished(h)) {
        return 0;
    }
    file->size = (int64_t)st.st_size;
    file->mtime = (int64_t)st.st_mtime;
    GUST_TRY(set_head(h, name, &st));
    if (is_not_modified(h)) {
        return gust_handler_set_status(h, 304, NULL);
    }
    GUST_TRY(choose_part(h));
    return send_part(h);
}

const gust_handler_class gust_static_file_handler = {
    .name = "static",
    .instance_size = sizeof(gust_static_file_instance),
    .initialize = initialize,
    .get = get,
    .on_finish = on_finish,
};
