/* The double nearest to a decimal text.
 *
 *  1. Up to 15 digits and a small power of ten are exact doubles: one operation
 *     rounds once, correctly (W. Clinger, 1990).
 *  2. Else the first 19 digits times the table's power give the value within a
 *     few units of its 128th bit. Unless the point half way between two doubles
 *     lies in that interval, the nearest one is known.
 *  3. Else the text, to its last digit, is compared with that point in integers
 *     of as many bits as it takes. */
#include "util/decimal_internal.h"

#include <float.h>
#include <stdbool.h>

#include <gust/errors.h>

#include "util/check_internal.h"
#include "util/mul128_internal.h"

enum { WORD_DIGITS = 19 }; /* fit a uint64_t */

/* A written exponent counts as this much at most: more than all digits of a
 * text can make good. */
#define EXPONENT_CAP INT64_C(1000000000000000)

/* digits * 10^exponent, and more digits than fit where `is_cut`. */
struct number {
    uint64_t digits;
    int64_t exponent;
    int count;
    bool is_cut;
};

static void take_digit(struct number *n, unsigned digit, bool is_fraction)
{
    if (n->count < WORD_DIGITS) {
        n->digits = n->digits * 10 + digit;
        n->count += n->digits != 0; /* leading zeros don't count */
        n->exponent -= is_fraction;
    } else {
        n->is_cut = n->is_cut || digit != 0;
        n->exponent += !is_fraction;
    }
}

static int64_t read_exponent(gust_str s)
{
    bool minus = s.len > 0 && s.ptr[0] == '-';
    int64_t value = 0;
    for (size_t i = s.len > 0 && (minus || s.ptr[0] == '+') ? 1 : 0; i < s.len; i++) {
        value = value < EXPONENT_CAP ? value * 10 + (s.ptr[i] - '0') : value;
    }
    return minus ? -value : value;
}

/* `s` is without its sign. */
static struct number read_number(gust_str s)
{
    struct number n = {0};
    bool is_fraction = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '.') {
            is_fraction = true;
        } else if (c == 'e' || c == 'E') {
            n.exponent += read_exponent(gust_str_skip(s, i + 1));
            break;
        } else {
            take_digit(&n, (unsigned)(c - '0'), is_fraction);
        }
    }
    return n;
}

/* --- 1. one exact operation --------------------------------------------------------- */

static bool try_exact(const struct number *n, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool fits = FLT_EVAL_METHOD == 0 && !n->is_cut && n->digits <= UINT64_C(1) << 53 &&
                n->exponent >= -22 && n->exponent <= 22;
    if (!fits) {
        return false;
    }
    double digits = (double)n->digits;
    *out = n->exponent < 0 ? digits / powers[-n->exponent] : digits * powers[n->exponent];
    return true;
}

/* --- 3. integers of any size ---------------------------------------------------------- */

/* 5,120 bits: 800 digits take 2,658, a power of five 2,700, the alignment of
 * the binary exponents less than 1,100, and never all of them on one side. */
enum { LIMBS = 160, MAX_DIGITS = 800 };

struct big {
    uint32_t limb[LIMBS]; /* lowest first */
    size_t count;         /* the highest one is not 0 */
};

static void big_set(struct big *b, uint64_t value)
{
    b->limb[0] = (uint32_t)value;
    b->limb[1] = (uint32_t)(value >> 32);
    b->count = b->limb[1] != 0 ? 2 : b->limb[0] != 0 ? 1 : 0;
}

static void big_push(struct big *b, uint32_t limb)
{
    GUST_ASSERT(b->count < LIMBS);
    b->limb[b->count++] = limb;
}

static void big_multiply_add(struct big *b, uint32_t factor, uint32_t carry)
{
    for (size_t i = 0; i < b->count; i++) {
        uint64_t product = (uint64_t)b->limb[i] * factor + carry;
        b->limb[i] = (uint32_t)product;
        carry = (uint32_t)(product >> 32);
    }
    if (carry != 0) {
        big_push(b, carry);
    }
}

static void big_multiply_pow5(struct big *b, int64_t n)
{
    for (; n >= 13; n -= 13) {
        big_multiply_add(b, UINT32_C(1220703125), 0);
    }
    for (; n > 0; n--) {
        big_multiply_add(b, 5, 0);
    }
}

static void big_shift_left(struct big *b, int64_t bits)
{
    if (b->count == 0 || bits == 0) {
        return;
    }
    size_t words = (size_t)bits / 32;
    if (bits % 32 != 0) {
        big_multiply_add(b, UINT32_C(1) << (bits % 32), 0);
    }
    GUST_ASSERT(b->count + words <= LIMBS);
    memmove(b->limb + words, b->limb, b->count * sizeof(b->limb[0]));
    memset(b->limb, 0, words * sizeof(b->limb[0]));
    b->count += words;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (size_t i = a->count; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

/* All digits of the text, as far as they can matter: a point half way between
 * two doubles has fewer than MAX_DIGITS. `exponent` is the one that the digits
 * in the word have; each further digit lowers it. */
static bool big_read_digits(struct big *b, gust_str s, int64_t *exponent)
{
    int count = 0;
    bool is_cut = false;
    big_set(b, 0);
    for (size_t i = 0; i < s.len && s.ptr[i] != 'e' && s.ptr[i] != 'E'; i++) {
        uint32_t digit = (uint32_t)(s.ptr[i] - '0');
        if (s.ptr[i] == '.' || (count == 0 && digit == 0)) {
            continue;
        }
        if (count < MAX_DIGITS) {
            big_multiply_add(b, 10, digit);
            *exponent -= count >= WORD_DIGITS;
            count++;
        } else {
            is_cut = is_cut || digit != 0;
        }
    }
    return is_cut;
}

/* How `s`, whose first digits have `exponent`, compares with half * 2^power. */
static int compare_exactly(gust_str s, int64_t exponent, uint64_t half, int64_t power)
{
    struct big text;
    struct big point;
    bool is_cut = big_read_digits(&text, s, &exponent);
    big_set(&point, half);
    if (exponent >= 0) {
        big_multiply_pow5(&text, exponent);
    } else {
        big_multiply_pow5(&point, -exponent);
    }
    if (exponent > power) {
        big_shift_left(&text, exponent - power);
    } else {
        big_shift_left(&point, power - exponent);
    }
    int order = big_compare(&text, &point);
    return order == 0 && is_cut ? 1 : order;
}

/* --- 2. the interval ------------------------------------------------------------------- */

/* The value lies between low and high, both times 2^(power - 64). */
struct interval {
    uint64_t low[2]; /* high word first */
    uint64_t high[2];
    bool high_overflows;
    int power;
};

static int leading_zeros(uint64_t x)
{
    int n = 0;
    for (; x >> 56 == 0; x <<= 8) {
        n += 8;
    }
    for (; x >> 63 == 0; x <<= 1) {
        n++;
    }
    return n;
}

static void find_interval(const struct number *n, struct interval *in)
{
    int k = (int)n->exponent;
    int shift = leading_zeros(n->digits);
    uint64_t word = n->digits << shift;
    const uint64_t *g = gust__pow10[k - GUST__POW10_MIN];
    uint64_t carry;
    uint64_t top;
    (void)gust__mul128(word, g[1], &carry);
    uint64_t bottom = gust__mul128(word, g[0], &top) + carry;
    top += bottom < carry;
    in->power = gust__log2_pow10(k) - shift + 1;
    in->low[0] = top - (bottom == 0);
    in->low[1] = bottom - 1;
    in->high[1] = bottom + 1;
    uint64_t more = (bottom == UINT64_MAX) + (n->is_cut ? UINT64_C(1) << shift : 0);
    in->high[0] = top + more;
    in->high_overflows = in->high[0] < top;
}

static double make_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Which of the doubles beside the half-way point `half`. */
static uint64_t round_at(gust_str s, int64_t exponent, uint64_t half, int64_t power)
{
    int order = compare_exactly(s, exponent, half, power);
    if (order == 0) {
        bool is_tie = (half & 1) != 0;
        return is_tie ? (half + 1) / 2 & ~UINT64_C(1) : half / 2;
    }
    return order < 0 ? half / 2 : (half + 1) / 2;
}

static int convert(gust_str s, const struct number *n, double *out)
{
    struct interval in;
    find_interval(n, &in);
    uint64_t top = in.low[0] + (in.low[1] == UINT64_MAX); /* of the middle */
    int leading = in.power + 63 - leading_zeros(top);     /* 2^leading <= value */
    if (leading > DBL_MAX_EXP - 1) {
        return GUST_ETOOBIG;
    }
    int last = leading - (DBL_MANT_DIG - 1); /* weight of the last bit */
    bool is_small = leading < DBL_MIN_EXP - 1;
    last = is_small ? DBL_MIN_EXP - DBL_MANT_DIG : last;
    int drop = last - 1 - in.power; /* of the high word, down to half of that bit */
    if (drop > 63) {
        *out = 0;
        return 0;
    }
    uint64_t below = in.low[0] >> drop;
    uint64_t above = in.high_overflows ? (UINT64_MAX >> drop) + 1 : in.high[0] >> drop;
    uint64_t mantissa = below == above ? (below + 1) / 2
                                       : round_at(s, n->exponent, above, last - 1);
    uint64_t exponent_field = is_small ? 0 : (uint64_t)(leading - (DBL_MIN_EXP - 1));
    uint64_t bits = (exponent_field << (DBL_MANT_DIG - 1)) + mantissa;
    if (bits >> (DBL_MANT_DIG - 1) >= 0x7ff) {
        return GUST_ETOOBIG;
    }
    *out = make_double(bits);
    return 0;
}

static int convert_unsigned(gust_str s, double *out)
{
    struct number n = read_number(s);
    if (n.digits == 0 || n.exponent < GUST__POW10_MIN) { /* below 1e-329 */
        *out = 0;
        return 0;
    }
    if (n.exponent > DBL_MAX_10_EXP) {
        return GUST_ETOOBIG;
    }
    return try_exact(&n, out) ? 0 : convert(s, &n, out);
}

int gust__text_to_double(gust_str number, double *out_value)
{
    bool minus = number.len > 0 && number.ptr[0] == '-';
    double value;
    GUST_TRY(convert_unsigned(gust_str_skip(number, minus ? 1 : 0), &value));
    *out_value = minus ? -value : value;
    return 0;
}
