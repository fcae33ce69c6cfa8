/* Tables of routes.
 *
 * A path without arguments is one look-up in a hash table. Patterns with
 * arguments make a trie of segments, which is walked in depth; a literal and a
 * `:name` may both fit, so both are tried, and the pattern that came first in
 * the table wins. Each node is visited at most once, since a node stands for
 * one way to cut the path, and branches whose patterns all come later than the
 * best one so far are left out. Nothing is allocated while matching.
 *
 * The hash has no key: what is stored is the program's, a client can only look
 * for it.
 *
 * Source: tornado.routing; patterns as in Express and Sinatra. */
#include "web/web_internal.h"

#include <string.h>

#include <gust/escape.h>
#include <gust/log.h>

/* ---- the table of edges ------------------------------------------------------- */

/* No function is called on the way to a literal path, so its look-up saves no
 * registers. */

static inline uint64_t load8(const char *ptr)
{
    uint64_t word;
    memcpy(&word, ptr, 8);
    return word;
}

/* The first eight bytes of a key. Two shorter ones of one length never share a word. */
static inline uint64_t load_word(const char *ptr, size_t n)
{
    if (n >= 8) {
        return load8(ptr);
    }
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, ptr, 4);
        memcpy(&high, ptr + n - 4, 4);
        return low | (uint64_t)high << 32;
    }
    if (n == 0) {
        return 0;
    }
    return (unsigned char)ptr[0] | (uint64_t)(unsigned char)ptr[n / 2] << 8 |
           (uint64_t)(unsigned char)ptr[n - 1] << 16;
}

/* First and last eight bytes, and every eighth word between. `word` is the key's
 * load_word(). The best bits of a product are the high ones. */
static inline size_t edge_hash(const struct gust__router *router, uint32_t from, gust_str key,
                               uint64_t word)
{
    const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = word ^ (from + key.len) << 24;
    if (key.len > 8) {
        hash = hash * prime ^ load8(key.ptr + key.len - 8);
        for (size_t i = 8; i + 8 < key.len; i += 8) {
            hash = hash * prime ^ load8(key.ptr + i);
        }
    }
    return (size_t)(hash * prime >> router->shift);
}

/* Of more than eight bytes, are those behind the first eight the same? */
static inline bool same_rest(const char *a, const char *b, size_t len)
{
    for (size_t i = 8; i + 8 < len; i += 8) {
        if (load8(a + i) != load8(b + i)) {
            return false;
        }
    }
    return load8(a + len - 8) == load8(b + len - 8);
}

static inline bool edge_is(const struct gust__edge *edge, uint32_t from, gust_str key,
                           uint64_t word)
{
    return edge->word == word && edge->key.len == key.len && edge->from == from &&
           (key.len <= 8 || same_rest(edge->key.ptr, key.ptr, key.len));
}

uint32_t gust__router_find(const struct gust__router *router, uint32_t from, gust_str key)
{
    uint64_t word = load_word(key.ptr, key.len);
    size_t i = edge_hash(router, from, key, word);
    for (;; i = (i + 1) & router->mask) {
        const struct gust__edge *edge = &router->edges[i];
        if (edge_is(edge, from, key, word)) {
            return edge->to;
        }
        if (edge->key.ptr == NULL) {
            return GUST__NONE;
        }
    }
}

/* There is none of (from, key) yet. */
static void edge_add(struct gust__router *router, uint32_t from, gust_str key, uint32_t to)
{
    uint64_t word = load_word(key.ptr, key.len);
    size_t i = edge_hash(router, from, key, word);
    while (router->edges[i].key.ptr != NULL) {
        i = (i + 1) & router->mask;
    }
    router->edges[i] = (struct gust__edge){key, word, from, to};
}

/* ---- patterns ----------------------------------------------------------------- */

/* Cut the next segment off a path that begins with '/'. The rest again begins
 * with '/', or is empty after the last one. */
static gust_str next_segment(gust_str *path)
{
    const char *start = path->ptr + 1;
    size_t len = path->len - 1;
    const char *slash = len > 0 ? memchr(start, '/', len) : NULL;
    if (slash != NULL) {
        len = (size_t)(slash - start);
    }
    *path = gust_str_make(start + len, path->len - 1 - len);
    return gust_str_make(start, len);
}

static bool is_argument(gust_str segment)
{
    return segment.len > 0 && (segment.ptr[0] == ':' || segment.ptr[0] == '*');
}

/* What is wrong with the pattern? NULL where nothing is. */
static const char *pattern_fault(gust_str pattern, gust_str *names, size_t *out_args)
{
    size_t count = 0;
    if (pattern.len == 0 || pattern.ptr[0] != '/') {
        return "it does not begin with '/'";
    }
    while (pattern.len > 0) {
        gust_str segment = next_segment(&pattern);
        if (!is_argument(segment)) {
            continue;
        }
        if (segment.len == 1) {
            return "an argument has no name";
        }
        if (segment.ptr[0] == '*' && pattern.len > 0) {
            return "something follows the rest of the path";
        }
        if (count == GUST_MAX_PATH_ARGS) {
            return "it has too many arguments";
        }
        names[count] = gust_str_skip(segment, 1);
        for (size_t i = 0; i < count; i++) {
            if (gust_str_eq(names[i], names[count])) {
                return "two arguments have one name";
            }
        }
        count++;
    }
    *out_args = count;
    return NULL;
}

/* ---- compiling ---------------------------------------------------------------- */

static int rule_compile(struct gust__rule *rule, const gust_route *route, gust_arena *arena)
{
    gust_str names[GUST_MAX_PATH_ARGS];
    size_t count = 0;
    rule->pattern = gust_str_from(route->pattern);
    const char *fault = pattern_fault(rule->pattern, names, &count);
    if (fault == NULL && route->handler == NULL) {
        fault = "it has no handler";
    }
    if (fault != NULL) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "route \"%s\": %s", route->pattern, fault);
        return -EINVAL;
    }
    if (count > 0) {
        rule->arg_names = gust_arena_alloc(arena, count * sizeof(gust_str));
        GUST_CHECK(rule->arg_names != NULL, -ENOMEM);
        memcpy(rule->arg_names, names, count * sizeof(gust_str));
    }
    rule->arg_count = (uint32_t)count;
    rule->arg = route->arg;
    rule->name = route->name;
    return gust__rule_init(rule, route->handler, arena);
}

static void lower(uint32_t *order, uint32_t other)
{
    if (other < *order) {
        *order = other;
    }
}

static uint32_t node_new(struct gust__router *router)
{
    struct gust__node *node = &router->nodes[router->node_count];
    node->param = node->end = node->rest = node->first = GUST__NONE;
    return router->node_count++;
}

/* The node that `segment` leads to, made where there is none. */
static uint32_t node_below(struct gust__router *router, uint32_t from, gust_str segment)
{
    if (is_argument(segment)) {
        if (router->nodes[from].param == GUST__NONE) {
            uint32_t node = node_new(router);
            router->nodes[from].param = node;
        }
        return router->nodes[from].param;
    }
    uint32_t node = gust__router_find(router, from, segment);
    if (node == GUST__NONE) {
        node = node_new(router);
        edge_add(router, from, segment, node);
    }
    return node;
}

static void trie_add(struct gust__router *router, const struct gust__rule *rule)
{
    if (router->node_count == 0) {
        node_new(router);
    }
    uint32_t at = 0;
    gust_str path = rule->pattern;
    lower(&router->nodes[at].first, rule->order);
    while (path.len > 0) {
        gust_str segment = next_segment(&path);
        if (segment.len > 0 && segment.ptr[0] == '*') {
            lower(&router->nodes[at].rest, rule->order);
            return;
        }
        at = node_below(router, at, segment);
        lower(&router->nodes[at].first, rule->order);
    }
    lower(&router->nodes[at].end, rule->order);
}

static void rule_add(struct gust__router *router, const struct gust__rule *rule)
{
    if (rule->arg_count > 0) {
        trie_add(router, rule);
        return;
    }
    if (gust__router_find(router, GUST__LITERAL, rule->pattern) == GUST__NONE) {
        edge_add(router, GUST__LITERAL, rule->pattern, rule->order);
    }
}

/* A segment makes at most one node and one edge, a literal path one edge. */
static size_t segments_of(const gust_route *routes, size_t *out_count)
{
    size_t segments = 0, count = 0;
    for (; routes != NULL && routes[count].pattern != NULL; count++) {
        for (const char *at = routes[count].pattern; *at != '\0'; at++) {
            segments += *at == '/';
        }
    }
    *out_count = count;
    return segments;
}

/* A table that is at most half full. */
static struct gust__edge *edges_new(struct gust__router *router, size_t count, gust_arena *arena)
{
    unsigned bits = 1;
    while (count > (size_t)1 << (bits - 1)) {
        bits++;
    }
    size_t slots = (size_t)1 << bits;
    struct gust__edge *edges = gust_arena_alloc(arena, slots * sizeof(*edges));
    for (size_t i = 0; edges != NULL && i < slots; i++) {
        edges[i] = (struct gust__edge){.key.len = SIZE_MAX}; /* no key has it */
    }
    router->mask = slots - 1;
    router->shift = 64 - bits;
    return edges;
}

int gust__router_init(struct gust__router *router, const gust_route *routes, gust_arena *arena)
{
    size_t segments = segments_of(routes, &router->count);
    GUST_CHECK(router->count < GUST__NONE && segments < GUST__NONE - 1, -EINVAL);
    router->edges = edges_new(router, segments + router->count, arena);
    router->nodes = gust_arena_alloc(arena, (segments + 1) * sizeof(*router->nodes));
    router->rules = gust_arena_calloc(arena, (router->count + 1) * sizeof(*router->rules));
    if (router->edges == NULL || router->nodes == NULL || router->rules == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < router->count; i++) {
        struct gust__rule *rule = &router->rules[i];
        rule->order = (uint32_t)i;
        GUST_TRY(rule_compile(rule, &routes[i], arena));
        rule_add(router, rule);
    }
    router->first = router->node_count > 0 ? router->nodes[0].first : GUST__NONE;
    return 0;
}

/* ---- matching ----------------------------------------------------------------- */

struct search {
    const struct gust__router *router;
    uint32_t best;                     /* order of the best rule so far */
    gust_str args[GUST_MAX_PATH_ARGS]; /* on the way to the node we are at */
    gust_str *found;                   /* those of the best rule */
};

static void search_found(struct search *s, uint32_t order, size_t count)
{
    s->best = order;
    memcpy(s->found, s->args, count * sizeof(*s->args));
}

/* `path` is what is left behind node `at`, `count` arguments were cut off. The
 * depth is that of the trie. */
static void search_walk(struct search *s, uint32_t at, gust_str path, size_t count)
{
    const struct gust__node *node = &s->router->nodes[at];
    if (node->first >= s->best) {
        return;
    }
    if (path.len == 0) {
        if (node->end < s->best) {
            search_found(s, node->end, count);
        }
        return;
    }
    if (node->rest < s->best) {
        s->args[count] = gust_str_skip(path, 1);
        search_found(s, node->rest, count + 1);
    }
    gust_str segment = next_segment(&path);
    uint32_t literal = gust__router_find(s->router, at, segment);
    if (literal != GUST__NONE) {
        search_walk(s, literal, path, count);
    }
    if (segment.len > 0 && node->param != GUST__NONE) {
        s->args[count] = segment;
        search_walk(s, node->param, path, count + 1);
    }
}

const struct gust__rule *gust__router_match(const struct gust__router *router, gust_str path,
                                            gust_str *args)
{
    uint32_t best = gust__router_find(router, GUST__LITERAL, path);
    if (router->first < best && path.len > 0 && path.ptr[0] == '/') {
        struct search s;
        s.router = router;
        s.best = best;
        s.found = args;
        search_walk(&s, 0, path, 0);
        best = s.best;
    }
    return best != GUST__NONE ? &router->rules[best] : NULL;
}

/* ---- the way back ------------------------------------------------------------- */

const struct gust__rule *gust__router_named(const struct gust__router *router, const char *name)
{
    for (size_t i = 0; i < router->count; i++) {
        if (router->rules[i].name != NULL && strcmp(router->rules[i].name, name) == 0) {
            return &router->rules[i];
        }
    }
    return NULL;
}

/* One segment: here a '/' is data. */
static int append_segment(gust_buf *out, gust_str arg)
{
    gust_str piece;
    bool first = true;
    while (gust_str_split(&arg, '/', &piece)) {
        if (!first) {
            GUST_TRY(gust_buf_append(out, GUST_STR("%2F")));
        }
        first = false;
        GUST_TRY(gust_url_escape(out, piece, false));
    }
    return 0;
}

int gust__rule_reverse(const struct gust__rule *rule, const gust_str *args, size_t count,
                       gust_buf *out)
{
    gust_str path = rule->pattern;
    GUST_CHECK(count == rule->arg_count, -EINVAL);
    while (path.len > 0) {
        gust_str segment = next_segment(&path);
        GUST_TRY(gust_buf_append_byte(out, '/'));
        if (!is_argument(segment)) {
            GUST_TRY(gust_buf_append(out, segment));
            continue;
        }
        if (segment.ptr[0] == '*') {
            GUST_TRY(gust_url_escape(out, *args, false));
        } else {
            GUST_CHECK(args->len > 0, -EINVAL);
            GUST_TRY(append_segment(out, *args));
        }
        args++;
    }
    return 0;
}
