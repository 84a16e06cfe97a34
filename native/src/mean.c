/* Means along axes that follow each other. */
#include "mean.h"

#include "kernels/requantize.h"

enum { MOST_VALUES = 1 << 16 }; /* of int8 that are averaged: their sum stays in 32 bits */

/* Each averaged axis is left out of y, or is 1 there; the others stay. */
static int has_shape_of_mean(const operands *of, uint32_t first, uint32_t count) {
    const uint32_t last = of->x.rank - first - count; /* axes behind the averaged ones */
    if (of->y.rank < first + last || of->y.rank > of->x.rank) return 0;
    for (uint32_t i = 0; i < of->y.rank; i++) {
        const uint32_t from_end = of->y.rank - i;
        const uint32_t size = i < first          ? of->x.dims[i]
                              : from_end <= last ? of->x.dims[of->x.rank - from_end]
                                                 : 1;
        if (of->y.dims[i] != size) return 0;
    }
    return 1;
}

static uint32_t product(const uint32_t *sizes, uint32_t count) {
    uint32_t values = 1;
    for (uint32_t i = 0; i < count; i++) values *= sizes[i];
    return values;
}

/* TensorFlow Lite's factor of a sum: that of the scales, with t = floor(log2(count)) more bits,
 * divided by the count. */
static fixed_point reference_factor_of(const operands *of, uint32_t count) {
    fixed_point factor = fixed_point_of((double)of->x.scale / (double)of->y.scale);
    int32_t more = 0;
    while (count >> more > 1) more++;
    factor.multiplier = (int32_t)(((int64_t)factor.multiplier << more) / count);
    factor.shift += more;
    return factor;
}

static int has_sound_scales(uint32_t rounding, const operands *of, uint32_t count) {
    const float ratio = of->x.scale / of->y.scale;
    if (!(ratio >= 1.0f / 1024.0f && ratio < 65536.0f)) return 0;
    return rounding == ROUNDING_FLOAT || reference_factor_of(of, count).shift >= 0;
}

const char *check_mean(const plan_file *plan, const plan_step *step, const operands *of) {
    const uint32_t first = step->parameters[0], count = step->parameters[1];
    if (!count || first + count > of->x.rank) return "mean has no such axes";
    if (!has_shape_of_mean(of, first, count)) return "the output of mean does not fit its input";
    if (is_float(&of->x) && is_float(&of->y)) return NULL;
    if (!is_int8(&of->x) || !is_int8(&of->y)) return "mean is float32, or int8 with scales";
    const uint32_t values = product(of->x.dims + first, count);
    if (values > MOST_VALUES) return "mean averages more than 2^16 values of int8";
    return has_sound_scales(plan->rounding, of, values) ? NULL
                                                        : "the scales of mean are too far apart";
}

void mean_prepare(const plan_file *plan, const plan_step *step, const operands *of, mean *to) {
    const uint32_t first = step->parameters[0], last = first + step->parameters[1];
    to->outer = product(of->x.dims, first);
    to->count = product(of->x.dims + first, last - first);
    to->inner = product(of->x.dims + last, of->x.rank - last);
    to->is_float = is_float(&of->x);
    if (to->is_float) return;
    to->x_zero_point = of->x.zero_point;
    to->y_zero_point = of->y.zero_point;
    to->rounds_float = plan->rounding == ROUNDING_FLOAT;
    if (!to->rounds_float) {
        to->factor = reference_factor_of(of, to->count);
        return;
    }
    const float count = (float)to->count;
    to->scale = 1.0f / count * (of->x.scale / of->y.scale);
    to->offset = (float)of->y.zero_point - count * (float)of->x.zero_point * to->scale;
}

/* From the sum of some q, at most 2^23, to a mean as stored. */
static uint8_t int8_mean_of(const mean *how, int32_t sum) {
    int32_t value;
    if (how->rounds_float) {
        float real = (float)sum * how->scale + how->offset;
        real = real < -128.0f ? -128.0f : real;
        value = nearest_even(real > 127.0f ? 127.0f : real);
    } else {
        value = multiply_reference(sum - (int32_t)how->count * how->x_zero_point,
                                   how->factor.multiplier, how->factor.shift);
        value += how->y_zero_point;
        value = value < -128 ? -128 : value;
        value = value > 127 ? 127 : value;
    }
    return (uint8_t)(value + 128);
}

static void mean_of_int8(const mean *how, size_t width, const uint8_t *x, uint8_t *y) {
    int32_t sums[MEAN_BLOCK];
    for (size_t i = 0; i < width; i++) sums[i] = -128 * (int32_t)how->count;
    for (size_t k = 0; k < how->count; k++, x += how->inner)
        for (size_t i = 0; i < width; i++) sums[i] += x[i];
    for (size_t i = 0; i < width; i++) y[i] = int8_mean_of(how, sums[i]);
}

static void mean_of_floats(const mean *how, size_t width, const float *x, float *y) {
    float sums[MEAN_BLOCK] = {0};
    for (size_t k = 0; k < how->count; k++, x += how->inner)
        for (size_t i = 0; i < width; i++) sums[i] += x[i];
    for (size_t i = 0; i < width; i++) y[i] = sums[i] / (float)how->count;
}

void mean_run(const mean *how, size_t rows, const void *x, void *y) {
    const size_t inner = how->inner, count = how->count;
    for (size_t row = 0; row < rows * how->outer; row++) {
        for (size_t first = 0; first < inner; first += MEAN_BLOCK) {
            const size_t width = inner - first < MEAN_BLOCK ? inner - first : MEAN_BLOCK;
            const size_t from = row * count * inner + first, to = row * inner + first;
            if (how->is_float)
                mean_of_floats(how, width, (const float *)x + from, (float *)y + to);
            else
                mean_of_int8(how, width, (const uint8_t *)x + from, (uint8_t *)y + to);
        }
    }
}
