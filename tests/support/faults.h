/* A fault injector: a gust_sys that fails calls on demand, or from a seed, in
 * front of one that really acts.
 *
 * Calling sequence
 *     struct faults faults;
 *     faults_init(&faults, NULL);                       NULL: the real kernel
 *     gust_ioloop_new(&(gust_ioloop_options){.sys = &faults.sys}, &loop);
 *     faults_fail(&faults, FAULTS_RECV, 3, -ECONNRESET, FAULTS_ONCE);
 *     ... the third recv fails ...
 *
 * Or a sweep, which runs a scenario once for each fault that could strike it:
 * each function, each of its plausible errors, each call.
 *     faults_sweep(scenario, user);
 *
 * A call that fails has not acted, but for close, which always closes: the
 * kernel takes the descriptor even when it reports an error.
 *
 * Thread: one at a time. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include <gust/sys.h>

enum faults_call {
    FAULTS_READ,
    FAULTS_WRITE,
    FAULTS_WRITEV,
    FAULTS_RECV,
    FAULTS_SEND,
    FAULTS_SENDV,
    FAULTS_SENDFILE,
    FAULTS_SOCKET,
    FAULTS_ACCEPT,
    FAULTS_CONNECT,
    FAULTS_SHUTDOWN,
    FAULTS_CLOSE,
    FAULTS_SOCKET_ERROR,
    FAULTS_WAIT,
    FAULTS_RANDOM,
    FAULTS_CALLS /* their number */
};

enum faults_span {
    FAULTS_ONCE,        /* only the n-th call */
    FAULTS_FROM_THEN_ON /* the n-th and all later ones */
};

/* In place of an error: act, but on one byte (one event, for wait) only. */
#define FAULTS_SHORT 1

/* One planned fault. nth counts the calls of that function from 1; 0: none. */
struct faults_plan {
    enum faults_call call;
    unsigned long nth;
    int code; /* -errno or FAULTS_SHORT */
    enum faults_span span;
};

#define FAULTS_PLANS 8

struct faults {
    gust_sys sys; /* first: the double */
    const gust_sys *under;
    struct faults_plan plans[FAULTS_PLANS];
    unsigned plan_count;
    uint64_t seed;                     /* state of the random faults */
    unsigned per_mille;                /* of the calls that have a transient fault; 0: none */
    unsigned long calls[FAULTS_CALLS]; /* made so far */
    unsigned long injected;            /* faults so far */
};

/* under  what really acts: NULL is the real kernel, or another double */
void faults_init(struct faults *faults, const gust_sys *under);

/* Plan a fault; up to FAULTS_PLANS at a time. */
void faults_fail(struct faults *faults, enum faults_call call, unsigned long nth, int code,
                 enum faults_span span);

/* So many of 1000 calls, chosen by the seed, fail with EINTR or EAGAIN or are
 * short: what a program must survive unharmed at any time. */
void faults_randomly(struct faults *faults, uint64_t seed, unsigned per_mille);

/* Nothing fails any more; what was counted stays. */
void faults_clear(struct faults *faults);

/* The index-th fault that is plausible for `call`, 0 after the last. */
int faults_plausible(enum faults_call call, unsigned index);

/* Is it one after which the same call is simply made again later? */
bool faults_is_transient(int code);

const char *faults_call_name(enum faults_call call);

/* One run of a scenario. It must end by itself whatever the plan does, check
 * that it has left nothing behind, and use faults->sys. */
typedef void faults_scenario_fn(struct faults *faults, void *user);

/* Run `scenario` without a fault, then once for each plausible fault of each call
 * that it made, and, but for the transient errors, from the first and from the
 * middle call on. More than 24 calls of a function are swept in strides. While a
 * run is under way faults_current() tells its plan. Returns the runs. */
unsigned long faults_sweep(faults_scenario_fn *scenario, void *user);

/* The plan of the run that is under way, in words; static. */
const char *faults_current(void);

#endif
