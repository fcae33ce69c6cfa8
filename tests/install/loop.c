/* A stranger who only wants a loop: a timer, a callback, done. The test looks at what of
 * the library came along. */
#include <gust/ioloop.h>

#include <stdio.h>

static void done(gust_ioloop *loop, void *user)
{
    *(int *)user += 1;
    gust_ioloop_stop(loop);
}

int main(void)
{
    gust_ioloop *loop;
    int calls = 0;
    if (gust_ioloop_new(NULL, &loop) != 0) {
        return 1;
    }
    if (gust_ioloop_call_later(loop, GUST_MILLIS(1), done, &calls, NULL) != 0) {
        return 1;
    }
    int err = gust_ioloop_start(loop);
    gust_ioloop_free(loop);
    printf("calls %d\n", calls);
    return err == 0 && calls == 1 ? 0 : 1;
}
