/* The shortest decimal of a double: the Schubfach method (R. Giulietti, "The
 * Schubfach way to render doubles", 2021).
 *
 * Of the numbers that read back as the same double it takes one with fewest
 * digits, and of those the nearest. One power of ten from the table is enough:
 * its error, and what the products lose, are kept as a sticky last bit. */
#include "util/decimal_internal.h"

#include "util/mul128_internal.h"

enum { FRACTION_BITS = 52, EXPONENT_BIAS = 1075 };

struct decimal {
    uint64_t digits;
    int exponent; /* value = digits * 10^exponent */
};

/* The high word of g * c, its last bit set if anything lay below. */
static uint64_t scale(const uint64_t g[2], uint64_t c)
{
    uint64_t carry_in;
    uint64_t high;
    (void)gust__mul128(g[1], c, &carry_in);
    uint64_t low = gust__mul128(g[0], c, &high) + carry_in;
    high += low < carry_in;
    return high | (low > 1);
}

/* The bounds of what reads back as the double, and the double: four times the
 * value in units of the last digit, sticky. */
struct interval {
    uint64_t lower, value, upper;
};

/* Of s and s + 1, in units of 4 * `unit`: the one inside the interval, or 0
 * where neither or both are. */
static uint64_t only_one_inside(const struct interval *in, uint64_t s, uint64_t unit)
{
    bool down = in->lower <= 4 * unit * s;
    bool up = 4 * unit * (s + 1) <= in->upper;
    return down == up ? 0 : s + up;
}

static struct decimal choose(const struct interval *in, int k)
{
    uint64_t s = in->value / 4;
    if (s >= 10) {
        uint64_t shorter = only_one_inside(in, s / 10, 10);
        if (shorter != 0) {
            return (struct decimal){shorter, k + 1};
        }
    }
    uint64_t one = only_one_inside(in, s, 1);
    if (one != 0) {
        return (struct decimal){one, k};
    }
    uint64_t middle = 4 * s + 2;
    bool up = in->value > middle || (in->value == middle && (s & 1) != 0);
    return (struct decimal){s + up, k};
}

/* c * 2^q, c > 0. Below a power of two the next double is half as far away. */
static struct decimal shortest(uint64_t c, int q, bool is_power_of_two)
{
    int k = (int)((q * INT64_C(1262611) - (is_power_of_two ? 524031 : 0)) >> 22);
    int h = q + gust__log2_pow10(-k) + 1;
    const uint64_t *g = gust__pow10[-k - GUST__POW10_MIN];
    uint64_t odd = c & 1; /* an even double also owns its bounds */
    struct interval in = {
        .lower = scale(g, (4 * c - 2 + is_power_of_two) << h) + odd,
        .value = scale(g, (4 * c) << h),
        .upper = scale(g, (4 * c + 2) << h) - odd,
    };
    return choose(&in, k);
}

static struct decimal to_decimal(uint64_t bits)
{
    uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    int exponent = (int)(bits >> FRACTION_BITS & 0x7ff);
    if (exponent == 0) {
        return shortest(fraction, 1 - EXPONENT_BIAS, false);
    }
    uint64_t c = fraction | UINT64_C(1) << FRACTION_BITS;
    int q = exponent - EXPONENT_BIAS;
    bool is_integer = q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0;
    if (is_integer) {
        return (struct decimal){c >> -q, 0};
    }
    return shortest(c, q, fraction == 0 && exponent > 1);
}

/* --- layout ----------------------------------------------------------------------- */

static size_t put(char *out, const char *text, size_t n)
{
    memcpy(out, text, n);
    return n;
}

static size_t put_zeros(char *out, int n)
{
    memset(out, '0', (size_t)n);
    return (size_t)n;
}

/* d.ddde+XX with at least two digits of exponent. */
static size_t put_exponent_form(char *out, const char *digits, size_t n, int exponent)
{
    size_t at = put(out, digits, 1);
    if (n > 1) {
        out[at++] = '.';
        at += put(out + at, digits + 1, n - 1);
    }
    out[at++] = 'e';
    out[at++] = exponent < 0 ? '-' : '+';
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (size < 10) {
        out[at++] = '0';
    }
    return at + gust_u64_to_dec(out + at, size);
}

/* `point` digits stand before the point; it may lie outside of them. */
static size_t put_point_form(char *out, const char *digits, size_t n, int point)
{
    if (point <= 0) {
        size_t at = put(out, "0.", 2);
        at += put_zeros(out + at, -point);
        return at + put(out + at, digits, n);
    }
    size_t before = (size_t)point;
    if (before >= n) {
        size_t at = put(out, digits, n);
        at += put_zeros(out + at, (int)(before - n));
        return at + put(out + at, ".0", 2);
    }
    size_t at = put(out, digits, before);
    out[at++] = '.';
    return at + put(out + at, digits + before, n - before);
}

static size_t put_decimal(char *out, struct decimal d)
{
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    char digits[20];
    size_t n = gust_u64_to_dec(digits, d.digits);
    int point = (int)n + d.exponent;
    return point < -3 || point > 16 ? put_exponent_form(out, digits, n, point - 1)
                                    : put_point_form(out, digits, n, point);
}

size_t gust__double_to_text(char out[GUST__DOUBLE_TEXT_MAX], double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    size_t at = 0;
    if (bits >> 63 != 0) {
        out[at++] = '-';
        bits &= UINT64_MAX >> 1;
    }
    return at + (bits == 0 ? put(out + at, "0.0", 3) : put_decimal(out + at, to_decimal(bits)));
}
