/* Timers: a 4-ary heap of (deadline, timer) in one array.
 *
 * The deadline lies in the array, so sifting compares without touching the
 * timers; only equal deadlines look at their sequence. Four children share a
 * cache line of 64 bytes, and the tree is half as high as a binary one.
 *
 * Due timers are popped to the end of the same array before any user code runs
 * and looked at again before each call: a timer may disarm or move another one
 * that is due with it, and one that is armed for the past meanwhile waits for
 * the next iteration, so it can't starve the descriptors. */
#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

static bool is_earlier(const struct gust__timer_slot *a, const struct gust__timer_slot *b)
{
    if (a->deadline != b->deadline) {
        return a->deadline < b->deadline;
    }
    return (int32_t)(a->timer->sequence - b->timer->sequence) < 0;
}

static uint32_t parent_of(uint32_t at)
{
    return (at - 1) / 4;
}

/* The invariants at one place of the heap; all of it would cost too much. */
static void check(const struct gust__timers *timers, uint32_t at)
{
    GUST_ASSERT((uint64_t)timers->armed + timers->due <= timers->capacity);
    GUST_ASSERT(at >= timers->armed || timers->slots[at].timer->place == at + 1);
    GUST_ASSERT(at >= timers->armed || at == 0 ||
                !is_earlier(&timers->slots[at], &timers->slots[parent_of(at)]));
    (void)timers;
    (void)at;
}

static void put(struct gust__timers *timers, uint32_t at, struct gust__timer_slot slot)
{
    timers->slots[at] = slot;
    slot.timer->place = at + 1;
}

/* Let `slot`, which belongs to the hole `at`, rise to its place. */
static void sift_up(struct gust__timers *timers, uint32_t at, struct gust__timer_slot slot)
{
    while (at > 0 && is_earlier(&slot, &timers->slots[parent_of(at)])) {
        put(timers, at, timers->slots[parent_of(at)]);
        at = parent_of(at);
    }
    put(timers, at, slot);
    check(timers, at);
}

static uint32_t earliest_child(const struct gust__timers *timers, uint32_t first)
{
    uint32_t best = first;
    uint32_t end = timers->armed - first < 4 ? timers->armed : first + 4;
    for (uint32_t child = first + 1; child < end; child++) {
        if (is_earlier(&timers->slots[child], &timers->slots[best])) {
            best = child;
        }
    }
    return best;
}

/* Let `slot`, which belongs to the hole `at`, sink to its place. */
static void sift_down(struct gust__timers *timers, uint32_t at, struct gust__timer_slot slot)
{
    while (4 * (uint64_t)at + 1 < timers->armed) {
        uint32_t child = earliest_child(timers, 4 * at + 1);
        if (!is_earlier(&timers->slots[child], &slot)) {
            break;
        }
        put(timers, at, timers->slots[child]);
        at = child;
    }
    put(timers, at, slot);
    check(timers, at);
}

/* Put `slot` into the hole `at`, whichever way it has to go. */
static void settle(struct gust__timers *timers, uint32_t at, struct gust__timer_slot slot)
{
    if (at > 0 && is_earlier(&slot, &timers->slots[parent_of(at)])) {
        sift_up(timers, at, slot);
    } else {
        sift_down(timers, at, slot);
    }
}

/* Take the entry `at` out of the heap; the last one fills its hole. */
static void heap_remove(struct gust__timers *timers, uint32_t at)
{
    struct gust__timer_slot last = timers->slots[--timers->armed];
    if (at != timers->armed) {
        settle(timers, at, last);
    }
}

/* The slot of a popped timer: places count from the end, which moves. */
static struct gust__timer_slot *due_slot(const struct gust__timers *timers, uint32_t place)
{
    return &timers->slots[timers->capacity - (place & ~GUST__DUE)];
}

static int heap_grow(struct gust__timers *timers)
{
    void *array = timers->slots;
    size_t capacity = timers->capacity;
    GUST_CHECK(capacity < GUST__DUE / 2, -ENOMEM);
    GUST_TRY(gust__grow(&array, &capacity, capacity + 1, sizeof(*timers->slots)));
    timers->slots = array;
    uint32_t old_end = timers->capacity;
    timers->capacity = (uint32_t)capacity;
    for (uint32_t i = 1; i <= timers->due; i++) {
        timers->slots[capacity - i] = timers->slots[old_end - i];
    }
    return 0;
}

int gust_ioloop_arm(gust_ioloop *loop, gust_timer *timer, gust_time when, gust_timer_fn *fn)
{
    struct gust__timers *timers = &loop->timers;
    GUST_CHECK(fn != NULL, -EINVAL);
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(!loop->closed, GUST_ECLOSED);
    struct gust__timer_slot slot = {when, timer};
    uint32_t place = timer->place;
    if (place == 0 || (place & GUST__DUE) != 0) {
        if (timers->armed + timers->due == timers->capacity) {
            GUST_TRY(heap_grow(timers));
        }
        if (place != 0) {
            due_slot(timers, place)->timer = NULL;
        }
        timer->sequence = timers->sequence++;
        sift_up(timers, timers->armed++, slot);
    } else {
        timer->sequence = timers->sequence++;
        settle(timers, place - 1, slot);
    }
    timer->fn = fn;
    return 0;
}

void gust_ioloop_disarm(gust_ioloop *loop, gust_timer *timer)
{
    struct gust__timers *timers = &loop->timers;
    GUST_ASSERT(!gust__is_foreign(loop));
    if (timer->place == 0) {
        return;
    }
    if ((timer->place & GUST__DUE) != 0) {
        due_slot(timers, timer->place)->timer = NULL;
    } else {
        heap_remove(timers, timer->place - 1);
    }
    timer->place = 0;
}

gust_time gust_ioloop_armed_for(const gust_ioloop *loop, const gust_timer *timer)
{
    if (timer->place == 0) {
        return GUST_NEVER;
    }
    if ((timer->place & GUST__DUE) != 0) {
        return due_slot(&loop->timers, timer->place)->deadline;
    }
    return loop->timers.slots[timer->place - 1].deadline;
}

gust_time gust__timers_next(const gust_ioloop *loop)
{
    return loop->timers.armed == 0 ? GUST_NEVER : loop->timers.slots[0].deadline;
}

/* Popping puts the earliest at the very end; turned round, the earliest lies
 * beside the free slots, and each timer that has run leaves one to them: a timer
 * that arms itself again never needs memory. */
static void turn_due(struct gust__timers *timers)
{
    struct gust__timer_slot *low = timers->slots + (timers->capacity - timers->due);
    struct gust__timer_slot *high = timers->slots + timers->capacity;
    while (low + 1 < high) {
        struct gust__timer_slot slot = *low;
        *low++ = *--high;
        *high = slot;
    }
    for (uint32_t i = 1; i <= timers->due; i++) {
        timers->slots[timers->capacity - i].timer->place = GUST__DUE | i;
    }
}

void gust__timers_pop(gust_ioloop *loop)
{
    struct gust__timers *timers = &loop->timers;
    GUST_ASSERT(timers->due == 0);
    if (gust__timers_next(loop) > loop->now || timers->armed == 0) {
        return;
    }
    while (timers->armed > 0 && timers->slots[0].deadline <= loop->now) {
        struct gust__timer_slot first = timers->slots[0];
        heap_remove(timers, 0);
        timers->due++;
        timers->slots[timers->capacity - timers->due] = first;
    }
    turn_due(timers);
}

void gust__timers_run(gust_ioloop *loop)
{
    struct gust__timers *timers = &loop->timers;
    while (timers->due > 0) {
        gust_timer *timer = timers->slots[timers->capacity - timers->due].timer;
        timers->due--;
        if (timer != NULL) {
            timer->place = 0;
            timer->fn(loop, timer);
        }
    }
}

void gust__timers_close(gust_ioloop *loop)
{
    struct gust__timers *timers = &loop->timers;
    for (uint32_t i = 0; i < timers->armed; i++) {
        timers->slots[i].timer->place = 0;
    }
    gust__calls_close(loop);
    gust__free(timers->slots);
    *timers = (struct gust__timers){0};
}
