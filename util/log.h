/* Logging: Tornado's three loggers, and where their lines go.
 *
 * The library never prints. Until a program sets a sink all loggers are off,
 * and a line that is off costs one load and one compare; its arguments are not
 * evaluated. gust_log_enable_pretty() is Tornado's enable_pretty_logging().
 *
 *   [I 241120 18:43:20 chat:57] message
 *
 * What came from a peer goes into a line only through gust_log_quote(). Formats
 * are literals. From warning up (the access log excepted) one place in the code
 * writes at most 10 lines a second; what was dropped is told in one line later.
 *
 * Thread: gust_log_set_sink and gust_log_enable_pretty before other threads
 * log; all else any. A sink may be called on several threads at once. */
#ifndef GUST_LOG_H
#define GUST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/limits.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gust_logger {
    GUST_LOG_ACCESS,      /* one line a request */
    GUST_LOG_APPLICATION, /* what a handler did wrong */
    GUST_LOG_GENERAL      /* all else, the library's own included */
};

enum gust_log_level {
    GUST_LOG_DEBUG = 10,
    GUST_LOG_INFO = 20,
    GUST_LOG_WARNING = 30,
    GUST_LOG_ERROR = 40,
    GUST_LOG_CRITICAL = 50,
    GUST_LOG_NONE = 60 /* as a logger's level: nothing is on */
};

/* One line, lent to the sink. */
typedef struct gust_log_record {
    enum gust_logger logger;
    enum gust_log_level level;
    gust_str module;  /* source file without folder and ".c" */
    int line;         /* of that file */
    int64_t unix_ns;  /* wall clock, nanoseconds since 1970 */
    gust_str message; /* without a line end */
} gust_log_record;

typedef void gust_log_sink_fn(const gust_log_record *record, void *user);

/* Send the lines of all loggers to fn; NULL: nowhere, which is the beginning.
 * The loggers' levels stay (info, until they are set). */
void gust_log_set_sink(gust_log_sink_fn *fn, void *user);

/* Lines of `logger` below `level` are dropped. */
void gust_log_set_level(enum gust_logger logger, enum gust_log_level level);

/* Lines of all loggers go to standard error from `level` up, in colours if it is
 * a terminal. One write(2) a line. */
void gust_log_enable_pretty(enum gust_log_level level);

/* A level from its word: debug, info, warning, error, critical, none, in any
 * case. Returns 0, or -EINVAL with *out_level untouched. */
int gust_log_level_parse(gust_str word, enum gust_log_level *out_level);

/* What the pretty sink writes for `record`, line end included, for sinks of
 * your own. Further lines of a message are indented by four spaces; control
 * characters and bytes that are not UTF-8 become \xNN.
 *
 * out, cap  the text is cut to cap bytes; no NUL is added; cap at least 128
 * colour    with the terminal's escape sequences
 * Returns the number of bytes written. */
size_t gust_log_format(char *out, size_t cap, const gust_log_record *record, bool colour);

/* Untrusted text made fit for a line: controls (00-1F, 7F, C1), bytes that are
 * not UTF-8, " and \ become \xNN; other characters stay. Where it would not fit
 * into `cap` it ends in "...(+N)", N being the bytes of `text` left out.
 *
 *   char quoted[GUST_MAX_LOG_FIELD];
 *   GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_WARNING, "bad host \"%s\"",
 *            gust_log_quote(quoted, sizeof(quoted), host));
 *
 * cap  at least 32, the NUL included; more than GUST_MAX_LOG_FIELD counts as that
 * Returns `out`, NUL-terminated. */
const char *gust_log_quote(char *out, size_t cap, gust_str text);

/* Write the lines that tell what was dropped, for all places in the code. The
 * library does it at the next line that is written in a later second. */
void gust_log_flush(void);

/* A place in the code that logs: GUST_LOG makes a static one. The members are
 * the library's. */
typedef struct gust_log_site {
    const char *file;
    int line;
    enum gust_logger logger;
    enum gust_log_level level; /* of the newest line */
    int64_t second;            /* in which `written` lines left */
    uint32_t written;
    uint32_t dropped;           /* and not told yet */
    int listed;                 /* is `next` in use? */
    struct gust_log_site *next; /* next one that ever dropped a line */
} gust_log_site;

/* From this level on a logger is on; GUST_LOG_NONE where there is no sink. */
extern int gust_log_thresholds[3];

/* Is a line of this level wanted? */
static inline bool gust_log_is_on(enum gust_logger logger, enum gust_log_level level)
{
#if defined(__GNUC__)
    return (int)level >= __atomic_load_n(&gust_log_thresholds[logger], __ATOMIC_RELAXED);
#else
    return (int)level >= gust_log_thresholds[logger];
#endif
}

/* GUST_LOG's function. */
void gust_log_write(gust_log_site *site, enum gust_logger logger, enum gust_log_level level,
                    const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/* Log a line: GUST_LOG(logger, level, format, ...), the format as printf(3)'s.
 * Nothing is evaluated where it is off. */
#define GUST_LOG(log, lvl, ...)                                                                    \
    do {                                                                                           \
        if (gust_log_is_on((log), (lvl))) {                                                        \
            static gust_log_site gust_site_ = {                                                    \
                __FILE__, __LINE__, GUST_LOG_GENERAL, GUST_LOG_NONE, 0, 0, 0, 0, 0};               \
            gust_log_write(&gust_site_, (log), (lvl), __VA_ARGS__);                                \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
