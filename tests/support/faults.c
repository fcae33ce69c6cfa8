/* The fault injector. */
#include "tests/support/faults.h"

#include <errno.h>
#include <stdio.h>

#include <gust/errors.h>

static const char *const names[FAULTS_CALLS] = {
    "read",   "write",   "writev",   "recv",  "send",         "sendv", "sendfile", "socket",
    "accept", "connect", "shutdown", "close", "socket_error", "wait",  "random"};

#define READING -EINTR, -EAGAIN, FAULTS_SHORT, -ECONNRESET, -ETIMEDOUT, -EIO
#define WRITING -EINTR, -EAGAIN, FAULTS_SHORT, -ECONNRESET, -EPIPE, -ENOBUFS, -ENOMEM

/* What each call may plausibly do, beside what it is asked. */
static const int plausible[FAULTS_CALLS][10] = {
    [FAULTS_READ] = {-EINTR, -EAGAIN, FAULTS_SHORT, -EIO},
    [FAULTS_WRITE] = {-EINTR, -EAGAIN, FAULTS_SHORT, -EPIPE, -EIO},
    [FAULTS_WRITEV] = {-EINTR, -EAGAIN, FAULTS_SHORT, -EPIPE, -EIO},
    [FAULTS_RECV] = {READING},
    [FAULTS_SEND] = {WRITING},
    [FAULTS_SENDV] = {WRITING},
    [FAULTS_SENDFILE] = {-EINTR, -EAGAIN, FAULTS_SHORT, -ECONNRESET, -EPIPE, -EIO, -ENOMEM},
    [FAULTS_SOCKET] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EAFNOSUPPORT},
    [FAULTS_ACCEPT] = {-EINTR, -EAGAIN, -ECONNABORTED, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM,
                       -EPROTO},
    [FAULTS_CONNECT] = {-ECONNREFUSED, -ENETUNREACH, -ETIMEDOUT, -EADDRNOTAVAIL, -ENOBUFS},
    [FAULTS_SHUTDOWN] = {-ENOTCONN},
    [FAULTS_CLOSE] = {-EIO, -EINTR},
    [FAULTS_SOCKET_ERROR] = {-ECONNREFUSED, -ECONNRESET, -ENOBUFS},
    [FAULTS_WAIT] = {-EINTR, FAULTS_SHORT},
    [FAULTS_RANDOM] = {-ENOSYS},
};

int faults_plausible(enum faults_call call, unsigned index)
{
    return index < 10 ? plausible[call][index] : 0;
}

bool faults_is_transient(int code)
{
    return code == -EINTR || code == -EAGAIN;
}

const char *faults_call_name(enum faults_call call)
{
    return names[call];
}

/* ---- Decisions -------------------------------------------------------- */

/* splitmix64: any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool plan_strikes(const struct faults_plan *plan, enum faults_call call, unsigned long nth)
{
    if (plan->call != call || plan->nth == 0) {
        return false;
    }
    return plan->span == FAULTS_ONCE ? nth == plan->nth : nth >= plan->nth;
}

/* One of the harmless faults of `call`, or 0. */
static int random_fault(struct faults *faults, enum faults_call call)
{
    uint64_t random = next_random(&faults->seed);
    if (random % 1000 >= faults->per_mille) {
        return 0;
    }
    int harmless[10];
    unsigned count = 0;
    for (unsigned i = 0; plausible[call][i] != 0; i++) {
        int code = plausible[call][i];
        if (code == FAULTS_SHORT || (faults_is_transient(code) && call != FAULTS_CLOSE)) {
            harmless[count++] = code;
        }
    }
    return count == 0 ? 0 : harmless[(random >> 32) % count];
}

/* Count a call and decide: 0 act, FAULTS_SHORT, or the error. */
static int decide(const gust_sys *sys, enum faults_call call)
{
    struct faults *faults = (struct faults *)(uintptr_t)sys; /* it is its first member */
    unsigned long nth = ++faults->calls[call];
    int code = 0;
    for (unsigned i = 0; i < faults->plan_count && code == 0; i++) {
        if (plan_strikes(&faults->plans[i], call, nth)) {
            code = faults->plans[i].code;
        }
    }
    if (code == 0 && faults->per_mille != 0) {
        code = random_fault(faults, call);
    }
    faults->injected += code != 0;
    return code;
}

static const gust_sys *under_of(const gust_sys *sys)
{
    return ((const struct faults *)(const void *)sys)->under;
}

static size_t at_most_one(int fault, size_t n)
{
    return fault == FAULTS_SHORT && n > 1 ? 1 : n;
}

/* The first byte of a vector, as a vector of one. */
static struct iovec first_byte(const struct iovec *iov, int n)
{
    struct iovec one = {NULL, 0};
    for (int i = 0; i < n && one.iov_len == 0; i++) {
        if (iov[i].iov_len > 0) {
            one = (struct iovec){iov[i].iov_base, 1};
        }
    }
    return one;
}

/* ---- The functions ---------------------------------------------------- */

static ssize_t faults_read(const gust_sys *sys, int fd, void *buf, size_t n)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_READ);
    return fault < 0 ? fault : under->read(under, fd, buf, at_most_one(fault, n));
}

static ssize_t faults_write(const gust_sys *sys, int fd, const void *buf, size_t n)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_WRITE);
    return fault < 0 ? fault : under->write(under, fd, buf, at_most_one(fault, n));
}

static ssize_t faults_writev(const gust_sys *sys, int fd, const struct iovec *iov, int n)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_WRITEV);
    struct iovec one = first_byte(iov, n);
    if (fault < 0) {
        return fault;
    }
    return under->writev(under, fd, fault == FAULTS_SHORT ? &one : iov,
                         fault == FAULTS_SHORT ? 1 : n);
}

static ssize_t faults_recv(const gust_sys *sys, int fd, void *buf, size_t n, int flags)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_RECV);
    return fault < 0 ? fault : under->recv(under, fd, buf, at_most_one(fault, n), flags);
}

static ssize_t faults_send(const gust_sys *sys, int fd, const void *buf, size_t n, int flags)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SEND);
    return fault < 0 ? fault : under->send(under, fd, buf, at_most_one(fault, n), flags);
}

static ssize_t faults_sendv(const gust_sys *sys, int fd, const struct iovec *iov, int n, int flags)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SENDV);
    struct iovec one = first_byte(iov, n);
    if (fault < 0) {
        return fault;
    }
    return under->sendv(under, fd, fault == FAULTS_SHORT ? &one : iov,
                        fault == FAULTS_SHORT ? 1 : n, flags);
}

static ssize_t faults_sendfile(const gust_sys *sys, int fd, int file, off_t *offset, size_t n)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SENDFILE);
    return fault < 0 ? fault : under->sendfile(under, fd, file, offset, at_most_one(fault, n));
}

static int faults_socket(const gust_sys *sys, int family, int type, int protocol)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SOCKET);
    return fault < 0 ? fault : under->socket(under, family, type, protocol);
}

static int faults_accept(const gust_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_ACCEPT);
    return fault < 0 ? fault : under->accept(under, fd, addr, len);
}

static int faults_connect(const gust_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_CONNECT);
    return fault < 0 ? fault : under->connect(under, fd, addr, len);
}

static int faults_shutdown(const gust_sys *sys, int fd, int how)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SHUTDOWN);
    return fault < 0 ? fault : under->shutdown(under, fd, how);
}

static int faults_close(const gust_sys *sys, int fd)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_CLOSE);
    int code = under->close(under, fd);
    return fault < 0 ? fault : code;
}

static int faults_socket_error(const gust_sys *sys, int fd)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_SOCKET_ERROR);
    return fault < 0 ? fault : under->socket_error(under, fd);
}

static int faults_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                       struct gust_poll_event *events, int max)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_WAIT);
    if (fault < 0) {
        return fault;
    }
    return under->wait(under, poller, timeout, events, fault == FAULTS_SHORT ? 1 : max);
}

static int faults_random(const gust_sys *sys, void *buf, size_t n)
{
    const gust_sys *under = under_of(sys);
    int fault = decide(sys, FAULTS_RANDOM);
    return fault < 0 ? fault : under->random(under, buf, n);
}

static gust_time faults_now(const gust_sys *sys)
{
    return under_of(sys)->now(under_of(sys));
}

static gust_time faults_wall(const gust_sys *sys)
{
    return under_of(sys)->wall(under_of(sys));
}

void faults_init(struct faults *faults, const gust_sys *under)
{
    *faults = (struct faults){
        .sys = {.read = faults_read,
                .write = faults_write,
                .writev = faults_writev,
                .recv = faults_recv,
                .send = faults_send,
                .sendv = faults_sendv,
                .sendfile = faults_sendfile,
                .socket = faults_socket,
                .accept = faults_accept,
                .connect = faults_connect,
                .shutdown = faults_shutdown,
                .close = faults_close,
                .socket_error = faults_socket_error,
                .wait = faults_wait,
                .now = faults_now,
                .wall = faults_wall,
                .random = faults_random},
        .under = under != NULL ? under : gust_sys_real(),
    };
}

/* ---- Plans ------------------------------------------------------------ */

void faults_fail(struct faults *faults, enum faults_call call, unsigned long nth, int code,
                 enum faults_span span)
{
    if (faults->plan_count < FAULTS_PLANS) {
        faults->plans[faults->plan_count++] = (struct faults_plan){call, nth, code, span};
    }
}

void faults_randomly(struct faults *faults, uint64_t seed, unsigned per_mille)
{
    faults->seed = seed;
    faults->per_mille = per_mille;
}

void faults_clear(struct faults *faults)
{
    faults->plan_count = 0;
    faults->per_mille = 0;
}

/* ---- The sweep -------------------------------------------------------- */

static char current[96] = "no fault";

const char *faults_current(void)
{
    return current;
}

static void run_with(faults_scenario_fn *scenario, void *user, struct faults_plan plan)
{
    struct faults faults;
    faults_init(&faults, NULL);
    faults_fail(&faults, plan.call, plan.nth, plan.code, plan.span);
    snprintf(current, sizeof(current), "%s, call %lu%s: %s", names[plan.call], plan.nth,
             plan.span == FAULTS_ONCE ? "" : " and later",
             plan.code == FAULTS_SHORT ? "short" : gust_err_name(plan.code));
    scenario(&faults, user);
}

static unsigned long sweep_call(faults_scenario_fn *scenario, void *user, enum faults_call call,
                                unsigned long made)
{
    unsigned long runs = 0;
    unsigned long stride = made / 24 + 1;
    for (unsigned i = 0; faults_plausible(call, i) != 0; i++) {
        int code = faults_plausible(call, i);
        for (unsigned long nth = 1; nth <= made; nth += stride) {
            run_with(scenario, user, (struct faults_plan){call, nth, code, FAULTS_ONCE});
            runs++;
        }
        if (made > 0 && !faults_is_transient(code)) {
            run_with(scenario, user, (struct faults_plan){call, 1, code, FAULTS_FROM_THEN_ON});
            run_with(scenario, user,
                     (struct faults_plan){call, made / 2 + 1, code, FAULTS_FROM_THEN_ON});
            runs += 2;
        }
    }
    return runs;
}

unsigned long faults_sweep(faults_scenario_fn *scenario, void *user)
{
    struct faults counted;
    faults_init(&counted, NULL);
    snprintf(current, sizeof(current), "no fault");
    scenario(&counted, user);
    unsigned long runs = 1;
    for (int call = 0; call < FAULTS_CALLS; call++) {
        runs += sweep_call(scenario, user, (enum faults_call)call, counted.calls[call]);
    }
    snprintf(current, sizeof(current), "no fault");
    return runs;
}
