/* Activations of float32: the native engine's own code. */
#include "exact.h"

#include "activations.h"
#include "kernels.h"

void strop_clamp(float low, float high, int32_t count, const float *x, float *y) {
    clamp(low, high, (size_t)count, x, y);
}

void strop_sigmoid(int32_t count, const float *x, float *y) { sigmoid((size_t)count, x, y); }

void strop_tanh(int32_t count, const float *x, float *y) {
    hyperbolic_tangent((size_t)count, x, y);
}

void strop_softmax(float beta, int32_t rows, int32_t width, const float *x, float *y) {
    softmax(beta, (size_t)rows, (size_t)width, x, y);
}
