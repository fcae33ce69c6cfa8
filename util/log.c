/* Loggers, the rate limit, and the standard error sink: log_format.c makes the text.
 *
 * The path of a line that is off is in the header. A line that is on is printed
 * into a buffer of fixed size on the stack and handed to the sink: logging takes
 * no memory, so it works when there is none. */
#include <gust/log.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <gust/errors.h>

#include "util/check_internal.h"
#include "util/log_internal.h"

enum { LOGGERS = 3 };

int gust_log_thresholds[LOGGERS] = {GUST_LOG_NONE, GUST_LOG_NONE, GUST_LOG_NONE};

static enum gust_log_level levels[LOGGERS] = {GUST_LOG_INFO, GUST_LOG_INFO, GUST_LOG_INFO};
static gust_log_sink_fn *sink;
static void *sink_user;

/* Places that ever dropped a line, and how many of them have not told it yet. */
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;
static gust_log_site *sites;
static atomic_uint sites_to_tell;
static _Atomic int64_t told_second;

/* --- the clock ------------------------------------------------------------------------ */

static int64_t system_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t (*wall_clock)(void) = system_clock;

void gust__log_set_clock(int64_t (*fn)(void))
{
    wall_clock = fn != NULL ? fn : system_clock;
}

static int64_t second_of(int64_t unix_ns)
{
    return unix_ns / 1000000000;
}

/* --- switches ------------------------------------------------------------------------- */

static void set_thresholds(void)
{
    for (int i = 0; i < LOGGERS; i++) {
        int threshold = sink != NULL ? (int)levels[i] : (int)GUST_LOG_NONE;
#if defined(__GNUC__)
        __atomic_store_n(&gust_log_thresholds[i], threshold, __ATOMIC_RELAXED);
#else
        gust_log_thresholds[i] = threshold;
#endif
    }
}

void gust_log_set_sink(gust_log_sink_fn *fn, void *user)
{
    sink = fn;
    sink_user = user;
    set_thresholds();
}

void gust_log_set_level(enum gust_logger logger, enum gust_log_level level)
{
    levels[logger] = level;
    set_thresholds();
}

int gust_log_level_parse(gust_str word, enum gust_log_level *out_level)
{
    static const struct {
        gust_str word;
        enum gust_log_level level;
    } words[] = {
        {GUST_STR_INIT("debug"), GUST_LOG_DEBUG},       {GUST_STR_INIT("info"), GUST_LOG_INFO},
        {GUST_STR_INIT("warning"), GUST_LOG_WARNING},   {GUST_STR_INIT("error"), GUST_LOG_ERROR},
        {GUST_STR_INIT("critical"), GUST_LOG_CRITICAL}, {GUST_STR_INIT("none"), GUST_LOG_NONE},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (gust_str_case_eq(words[i].word, word)) {
            *out_level = words[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

/* --- emitting -------------------------------------------------------------------------- */

/* "tests/x/chat.c" is the module "chat". */
static gust_str module_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    return gust_str_make(name, dot != NULL ? (size_t)(dot - name) : strlen(name));
}

static void emit(const gust_log_site *site, enum gust_logger logger, enum gust_log_level level,
                 int64_t now, gust_str message)
{
    gust_log_record record = {.logger = logger,
                              .level = level,
                              .module = module_of(site->file),
                              .line = site->line,
                              .unix_ns = now,
                              .message = message};
    gust_log_sink_fn *fn = sink;
    if (fn != NULL) {
        fn(&record, sink_user);
    }
}

/* A message that is too long says how much of it is missing. */
static GUST_PRINTF(3, 0) gust_str print(char *out, size_t cap, const char *format, va_list args)
{
    enum { TAIL = 32 };
    int n = vsnprintf(out, cap, format, args);
    if (n < 0) {
        return GUST_STR("(a message that could not be printed)");
    }
    if ((size_t)n < cap) {
        return gust_str_make(out, (size_t)n);
    }
    size_t kept = cap - TAIL;
    int tail = snprintf(out + kept, TAIL, "...(+%zu)", (size_t)n - kept);
    return gust_str_make(out, kept + (size_t)tail);
}

/* --- the rate limit ----------------------------------------------------------------------- */

/* Under the lock: a place that has lines to tell of, from another second than
 * `second`, or any where that is -1. */
static bool take_dropped(int64_t second, gust_log_site *out)
{
    for (gust_log_site *site = sites; site != NULL; site = site->next) {
        if (site->dropped > 0 && site->second != second) {
            *out = *site;
            site->dropped = 0;
            atomic_fetch_sub(&sites_to_tell, 1);
            return true;
        }
    }
    return false;
}

static void tell_dropped(int64_t second, int64_t now)
{
    for (;;) {
        gust_log_site site;
        pthread_mutex_lock(&site_lock);
        bool found = take_dropped(second, &site);
        pthread_mutex_unlock(&site_lock);
        if (!found) {
            return;
        }
        char text[64];
        int n = snprintf(text, sizeof(text), "%u more lines like this were dropped", site.dropped);
        emit(&site, site.logger, site.level, now, gust_str_make(text, (size_t)n));
    }
}

/* Once a second is enough: in a flood every line comes here. */
static void tell_dropped_of_past(int64_t now)
{
    int64_t second = second_of(now);
    if (atomic_load(&sites_to_tell) > 0 && atomic_exchange(&told_second, second) != second) {
        tell_dropped(second, now);
    }
}

void gust_log_flush(void)
{
    tell_dropped(-1, wall_clock());
}

static void drop(gust_log_site *site)
{
    if (!site->listed) {
        site->listed = 1;
        site->next = sites;
        sites = site;
    }
    if (site->dropped++ == 0) {
        atomic_fetch_add(&sites_to_tell, 1);
    }
}

/* May this place write a line now? */
static bool admit(gust_log_site *site, enum gust_logger logger, enum gust_log_level level,
                  int64_t second)
{
    pthread_mutex_lock(&site_lock);
    if (site->second != second) {
        site->second = second;
        site->written = 0;
    }
    site->logger = logger;
    site->level = level;
    bool ok = site->written < GUST_DEFAULT_LOG_RATE;
    if (ok) {
        site->written++;
    } else {
        drop(site);
    }
    pthread_mutex_unlock(&site_lock);
    return ok;
}

void gust_log_write(gust_log_site *site, enum gust_logger logger, enum gust_log_level level,
                    const char *format, ...)
{
    int saved_errno = errno;
    int64_t now = wall_clock();
    bool is_limited = level >= GUST_LOG_WARNING && logger != GUST_LOG_ACCESS;
    tell_dropped_of_past(now);
    if (!is_limited || admit(site, logger, level, second_of(now))) {
        char message[GUST_MAX_LOG_MESSAGE];
        va_list args;
        va_start(args, format);
        emit(site, logger, level, now, print(message, sizeof(message), format, args));
        va_end(args);
    }
    errno = saved_errno;
}

/* --- standard error ----------------------------------------------------------------------- */

static bool stderr_has_colours(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

/* What standard error does not take is lost: there is nobody to tell. */
static void write_stderr(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, n);
        if (written < 0 && errno != EINTR) {
            return;
        }
        if (written > 0) {
            text += written;
            n -= (size_t)written;
        }
    }
}

/* `user` is not NULL for colours. */
static void stderr_sink(const gust_log_record *record, void *user)
{
    char line[2 * GUST_MAX_LOG_MESSAGE];
    write_stderr(line, gust_log_format(line, sizeof(line), record, user != NULL));
}

void gust_log_enable_pretty(enum gust_log_level level)
{
    static int colours;
    for (int i = 0; i < LOGGERS; i++) {
        levels[i] = level;
    }
    gust_log_set_sink(stderr_sink, stderr_has_colours() ? &colours : NULL);
}
