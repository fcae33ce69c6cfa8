/* Hello, world: the smallest web application.
 *
 *     build/demos/helloworld --port=8888 --address=127.0.0.1 --logging=info --etag=1 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gust/ioloop.h>
#include <gust/log.h>
#include <gust/web.h>

static int get(gust_handler *h)
{
    return gust_handler_write(h, GUST_STR("Hello, world"));
}

static const gust_handler_class main_handler = {.name = "main", .get = get};
static const gust_route routes[] = {{"/", .handler = &main_handler}, {0}};

/* The value of --name=value, or `otherwise`. */
static const char *option(char **args, const char *name, const char *otherwise)
{
    size_t len = strlen(name);
    for (; *args != NULL; args++) {
        if (strncmp(*args, name, len) == 0 && (*args)[len] == '=') {
            otherwise = *args + len + 1;
        }
    }
    return otherwise;
}

static void on_signal(gust_ioloop *loop, int signo, void *user)
{
    (void)signo, (void)user;
    gust_ioloop_stop(loop);
}

static int run(char **args)
{
    enum gust_log_level level = GUST_LOG_INFO;
    gust_application_options options = {.no_etag = *option(args, "--etag", "1") == '0'};
    gust_application *app = NULL;
    gust_ioloop *loop = NULL;

    gust_log_level_parse(gust_str_from(option(args, "--logging", "info")), &level);
    gust_log_enable_pretty(level);
    int status = gust_ioloop_new(NULL, &loop);
    if (status == 0) {
        status = gust_application_new(routes, &options, &app);
    }
    if (status == 0) {
        status = gust_application_listen(app, loop, atoi(option(args, "--port", "8888")),
                                         option(args, "--address", "127.0.0.1"), NULL, NULL);
    }
    if (status == 0) {
        gust_ioloop_add_signal(loop, SIGINT, on_signal, NULL);
        gust_ioloop_add_signal(loop, SIGTERM, on_signal, NULL);
        status = gust_ioloop_start(loop);
    }
    gust_application_free(app);
    gust_ioloop_free(loop);
    return status;
}

int main(int argc, char **argv)
{
    (void)argc;
    int status = run(argv + 1);
    if (status != 0) {
        fprintf(stderr, "helloworld: %s\n", gust_err_text(status));
    }
    return status != 0;
}
