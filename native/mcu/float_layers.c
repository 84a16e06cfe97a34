/* Layers of float32, with the order of sums that docs/plan-format.md gives. */
#include "exact.h"

#include "window.h"

/* The four partial sums of an output; `a` is the next to be added to. */
typedef struct {
    float a, b, c, d;
} partial_sums;

static inline partial_sums turned(partial_sums sums) {
    return (partial_sums){sums.b, sums.c, sums.d, sums.a};
}

static partial_sums added(partial_sums sums, const float *x, const float *weights, int32_t count) {
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        sums.a += x[0] * weights[0];
        sums.b += x[1] * weights[1];
        sums.c += x[2] * weights[2];
        sums.d += x[3] * weights[3];
    }
    for (; count > 0; count--, sums = turned(sums)) sums.a += *x++ * *weights++;
    return sums;
}

/* Pass by products with +0: a partial sum is never -0, so they change nothing. */
static partial_sums passed(partial_sums sums, int32_t count) {
    for (count %= 4; count > 0; count--) sums = turned(sums);
    return sums;
}

static float clamped(const strop_float_layer *layer, float value) {
    value = value < layer->low ? layer->low : value;
    return value > layer->high ? layer->high : value;
}

static float joined(const strop_float_layer *layer, int32_t output, partial_sums sums,
                    int32_t count) {
    sums = passed(sums, 4 - count % 4);
    return clamped(layer, ((sums.a + sums.b) + (sums.c + sums.d)) + layer->bias[output]);
}

void strop_fully_connected_float(const strop_float_layer *layer, int32_t rows, int32_t inputs,
                                 int32_t outputs, const float *x, float *y) {
    const partial_sums none = {0.0f, 0.0f, 0.0f, 0.0f};
    for (; rows > 0; rows--, x += inputs) {
        const float *weights = layer->weights;
        for (int32_t o = 0; o < outputs; o++, weights += inputs)
            *y++ = joined(layer, o, added(none, x, weights, inputs), inputs);
    }
}

static partial_sums window_sums(const strop_window *window, taps rows, taps columns, const float *x,
                                const float *weights) {
    partial_sums sums = {0.0f, 0.0f, 0.0f, 0.0f};
    const int32_t channels = window->channels, line = window->kernel_width * channels;
    const int32_t left = columns.first * channels, right = columns.end * channels;
    const int32_t across = window->dilation_width * channels;
    const int32_t down = window->dilation_height * window->width * channels;
    int32_t from = (rows.start * window->width + columns.start) * channels;
    sums = passed(sums, rows.first * line);
    weights += rows.first * line;
    for (int32_t row = rows.first; row < rows.end; row++, weights += line, from += down) {
        int32_t tap = from;
        sums = passed(sums, left);
        for (int32_t at = left; at < right; at += channels, tap += across)
            sums = added(sums, x + tap, weights + at, channels);
        sums = passed(sums, line - right);
    }
    return passed(sums, (window->kernel_height - rows.end) * line);
}

void strop_conv_2d_float(const strop_float_layer *layer, const strop_window *window, const float *x,
                         float *y) {
    const int32_t size = window->kernel_height * window->kernel_width * window->channels;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const taps columns = columns_inside(window, column);
            const float *weights = layer->weights;
            for (int32_t o = 0; o < window->out_channels; o++, weights += size)
                *y++ = joined(layer, o, window_sums(window, rows, columns, x, weights), size);
        }
    }
}

void strop_depthwise_conv_2d_float(const strop_float_layer *layer, const strop_window *window,
                                   const float *x, float *y) {
    const int32_t channels = window->channels, multiple = window->out_channels / channels;
    const int32_t across = window->dilation_width * channels;
    const int32_t down = window->dilation_height * window->width * channels;
    const int32_t line = window->kernel_width, size = window->kernel_height * line;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const taps columns = columns_inside(window, column);
            const int32_t count = columns.end - columns.first;
            const int32_t first = rows.first * line + columns.first;
            const float *from = x + (rows.start * window->width + columns.start) * channels;
            const float *weights = layer->weights;
            int32_t o = 0;
            for (int32_t channel = 0; channel < channels; channel++, from++)
                for (int32_t m = 0; m < multiple; m++, o++, weights += size) {
                    float sum = 0.0f;
                    for (int32_t i = 0; i < rows.end - rows.first; i++)
                        for (int32_t j = 0; j < count; j++)
                            sum += from[i * down + j * across] * weights[first + i * line + j];
                    *y++ = clamped(layer, sum + layer->bias[o]);
                }
        }
    }
}
