/* Products, sums and differences of int8. */
#include "pairs.h"

#include "kernels/requantize.h"

enum { HEADROOM = 20 }; /* bits below the point of a sum: what TensorFlow Lite and XNNPACK take */

int pair_is_sound(const plan_step *step, const plan_tensor *x, const plan_tensor *w,
                  const plan_tensor *y) {
    if (step->op == OP_MUL) {
        const float factor = x->scale * w->scale / y->scale;
        return factor >= 1.0f / 65536.0f && factor < 1.0f;
    }
    const float x_ratio = x->scale / y->scale, w_ratio = w->scale / y->scale;
    const float lowest = 1.0f / 1024.0f, limit = 64.0f;
    return x_ratio >= lowest && x_ratio < limit && w_ratio >= lowest && w_ratio < limit;
}

/* XNNPACK's factors: the larger has 21 bits, so that no sum of two products overflows. */
static void prepare_float_sum(const plan_tensor *x, const plan_tensor *w, const plan_tensor *y,
                              int8_pair *pair) {
    const float x_ratio = x->scale / y->scale, w_ratio = w->scale / y->scale;
    const float larger = x_ratio > w_ratio ? x_ratio : w_ratio;
    const int32_t power = (int32_t)(bits_of(larger) >> 23) - 127;
    pair->shift = HEADROOM - power;
    const float unit = float_of((uint32_t)(127 + pair->shift) << 23);
    pair->x_factor = nearest_even(x_ratio * unit);
    pair->w_factor = nearest_even(w_ratio * unit);
    if (pair->is_difference) pair->w_factor = -pair->w_factor;
}

/* TensorFlow Lite's: both values at twice the larger scale. Return the factor of their sum. */
static fixed_point prepare_reference_sum(const plan_tensor *x, const plan_tensor *w,
                                         const plan_tensor *y, int8_pair *pair) {
    const double twice = 2.0 * (double)(x->scale > w->scale ? x->scale : w->scale);
    pair->x_scale = fixed_point_of((double)x->scale / twice);
    pair->w_scale = fixed_point_of((double)w->scale / twice);
    return fixed_point_of(twice / ((double)(1 << HEADROOM) * (double)y->scale));
}

void pair_prepare(const plan_file *plan, const plan_step *step, void *factors, int8_pair *pair) {
    plan_tensor x, w, y;
    const int is_float = plan->rounding == ROUNDING_FLOAT;
    float *scales = factors;
    int32_t *multipliers = factors, *shifts = multipliers + PAIR_BLOCK;
    plan_tensor_at(plan, step->inputs[0], &x);
    plan_tensor_at(plan, step->inputs[1], &w);
    plan_tensor_at(plan, step->output, &y);
    pair->x_zero_point = x.zero_point + 128;
    pair->w_zero_point = w.zero_point + 128;
    pair->is_product = step->op == OP_MUL;
    pair->is_difference = step->op == OP_SUB;
    pair->requantize.zero_point = y.zero_point + 128;
    activation_range(plan->rounding, step->activation, &y, &pair->requantize.low,
                     &pair->requantize.high);
    if (is_float && !pair->is_product) {
        prepare_float_sum(&x, &w, &y, pair);
        return;
    }
    const float product = x.scale * w.scale / y.scale;
    if (is_float) {
        for (size_t i = 0; i < PAIR_BLOCK; i++) scales[i] = product;
        pair->requantize.scales = scales;
        return;
    }
    const fixed_point factor = pair->is_product ? fixed_point_of((double)product)
                                                : prepare_reference_sum(&x, &w, &y, pair);
    for (size_t i = 0; i < PAIR_BLOCK; i++) {
        multipliers[i] = factor.multiplier;
        shifts[i] = factor.shift;
    }
    pair->requantize.multipliers = multipliers;
    pair->requantize.shifts = shifts;
}

static void multiply(const int8_pair *pair, size_t count, const uint8_t *x, const uint8_t *w,
                     int32_t *products) {
    for (size_t i = 0; i < count; i++)
        products[i] = (x[i] - pair->x_zero_point) * (w[i] - pair->w_zero_point);
}

static void add_reference(const int8_pair *pair, size_t count, const uint8_t *x, const uint8_t *w,
                          int32_t *sums) {
    for (size_t i = 0; i < count; i++) {
        const int32_t first = multiply_reference((x[i] - pair->x_zero_point) * (1 << HEADROOM),
                                                 pair->x_scale.multiplier, pair->x_scale.shift);
        const int32_t second = multiply_reference((w[i] - pair->w_zero_point) * (1 << HEADROOM),
                                                  pair->w_scale.multiplier, pair->w_scale.shift);
        sums[i] = pair->is_difference ? first - second : first + second;
    }
}

/* Sums in rounding `float` are rounded by a shift: halves go up. */
static void add_float(const int8_pair *pair, size_t count, const uint8_t *x, const uint8_t *w,
                      uint8_t *y) {
    const int32_t zero_point = pair->requantize.zero_point;
    const int32_t low = pair->requantize.low - zero_point;
    const int32_t high = pair->requantize.high - zero_point;
    const int32_t half = 1 << (pair->shift - 1);
    for (size_t i = 0; i < count; i++) {
        int32_t value = ((x[i] - pair->x_zero_point) * pair->x_factor +
                         (w[i] - pair->w_zero_point) * pair->w_factor + half) >>
                        pair->shift;
        value = value < low ? low : value;
        value = value > high ? high : value;
        y[i] = (uint8_t)(value + zero_point);
    }
}

void pair_run(const int8_pair *pair, size_t count, const uint8_t *x, const uint8_t *w, uint8_t *y) {
    const int is_float_sum = pair->shift != 0;
    int32_t accumulators[PAIR_BLOCK];
    if (is_float_sum) {
        add_float(pair, count, x, w, y);
        return;
    }
    for (size_t done = 0; done < count; done += PAIR_BLOCK) {
        const size_t block = count - done < PAIR_BLOCK ? count - done : PAIR_BLOCK;
        (pair->is_product ? multiply : add_reference)(pair, block, x + done, w + done,
                                                      accumulators);
        requantize(&pair->requantize, 0, block, accumulators, y + done);
    }
}
