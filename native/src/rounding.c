/* Factors and ranges of quantized tensors. */
#include "rounding.h"

#include <string.h>

#include "kernels/bits.h"

float float_factor(const plan_tensor *x, const plan_tensor *weights, uint32_t output,
                   float scale_out) {
    const float scale = weights->scales ? plan_float_at(weights->scales, output) : weights->scale;
    return x->scale * scale / scale_out;
}

/* TensorFlow Lite multiplies the scales in float32 where there is one for all outputs, and in
 * float64 where each output has one. */
static double real_factor(const plan_tensor *x, const plan_tensor *weights, uint32_t output,
                          float scale_out) {
    const double product = weights->scales
                               ? (double)x->scale * (double)plan_float_at(weights->scales, output)
                               : (double)(x->scale * weights->scale);
    return product / (double)scale_out;
}

/* frexp of a normal positive number, without libm: a fraction in [0.5, 1) and a power of 2. */
static double fraction_of(double value, int32_t *power) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *power = (int32_t)(bits >> 52) - 1022;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1022) << 52;
    memcpy(&value, &bits, sizeof value);
    return value;
}

fixed_point fixed_point_of(double factor) {
    int32_t power;
    const double fraction = fraction_of(factor, &power);
    int64_t multiplier = (int64_t)(fraction * 2147483648.0 + 0.5);
    if (multiplier == INT64_C(1) << 31) {
        multiplier /= 2;
        power++;
    }
    if (power < -31) multiplier = power = 0;
    return (fixed_point){(int32_t)multiplier, -power};
}

fixed_point reference_factor(const plan_tensor *x, const plan_tensor *weights, uint32_t output,
                             float scale_out) {
    return fixed_point_of(real_factor(x, weights, output, scale_out));
}

int factors_are_sound(const plan_file *plan, const plan_tensor *x, const plan_tensor *weights,
                      float scale_out) {
    for (uint32_t i = 0; i < weights->dims[0]; i++) {
        if (plan->rounding == ROUNDING_FLOAT) {
            const float factor = float_factor(x, weights, i, scale_out);
            if (!(factor > 0.0f && factor < 1.0f)) return 0;
        } else {
            const double factor = real_factor(x, weights, i, scale_out);
            if (!(factor > 0.0 && factor < 1.0)) return 0;
            if (reference_factor(x, weights, i, scale_out).shift < 0) return 0;
        }
    }
    return 1;
}

void activation_range(uint32_t rounding, uint32_t activation, const plan_tensor *tensor,
                      int32_t *low, int32_t *high) {
    const int32_t zero_point = tensor->zero_point + 128;
    *low = activation == ACTIVATION_NONE ? 0 : zero_point;
    *high = 255;
    if (activation != ACTIVATION_RELU6) return;
    float six = 6.0f / tensor->scale;
    if (!(six < 256.0f)) return; /* beyond every int8 */
    if (rounding == ROUNDING_REFERENCE) {
        const int32_t stored = zero_point + nearest_away(six);
        if (stored < 255) *high = stored;
    } else {
        const int32_t stored = nearest_even(six + (float)tensor->zero_point) + 128;
        if (stored < 255) *high = stored;
    }
}

void float_range(uint32_t activation, float *low, float *high) {
    *low = activation == ACTIVATION_NONE ? -__builtin_inff() : 0.0f;
    *high = activation == ACTIVATION_RELU6 ? 6.0f : __builtin_inff();
}
