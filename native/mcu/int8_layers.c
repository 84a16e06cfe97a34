/* Layers of int8: exact sums in 32 bits. */
#include "int8_requantize.h"
#include "window.h"

static int32_t dot(const int8_t *x, const int8_t *weights, int32_t count, int32_t sum) {
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        sum += (int32_t)x[0] * weights[0];
        sum += (int32_t)x[1] * weights[1];
        sum += (int32_t)x[2] * weights[2];
        sum += (int32_t)x[3] * weights[3];
    }
    for (; count > 0; count--) sum += (int32_t)*x++ * *weights++;
    return sum;
}

static int32_t total(const int8_t *weights, int32_t count) {
    int32_t sum = 0;
    while (count-- > 0) sum += *weights++;
    return sum;
}

void strop_fully_connected_int8(const strop_int8_layer *layer, int32_t rows, int32_t inputs,
                                int32_t outputs, const int8_t *x, int8_t *y) {
    for (; rows > 0; rows--, x += inputs) {
        const int8_t *weights = layer->weights;
        for (int32_t o = 0; o < outputs; o++, weights += inputs)
            *y++ = requantized(&layer->requantize, o, dot(x, weights, inputs, layer->bias[o]));
    }
}

/* The sum of one window. Outside x its values are the zero point. */
static int32_t window_sum(const strop_window *window, taps rows, taps columns, int32_t zero_point,
                          const int8_t *x, const int8_t *weights, int32_t sum) {
    const int32_t channels = window->channels, line = window->kernel_width * channels;
    const int32_t left = columns.first * channels, right = columns.end * channels;
    const int32_t across = window->dilation_width * channels;
    const int32_t down = window->dilation_height * window->width * channels;
    int32_t from = (rows.start * window->width + columns.start) * channels;
    for (int32_t row = 0; row < window->kernel_height; row++, weights += line) {
        if (row < rows.first || row >= rows.end) {
            sum += zero_point * total(weights, line);
            continue;
        }
        sum += zero_point * (total(weights, left) + total(weights + right, line - right));
        if (across == channels) /* neighbours: one stretch of memory */
            sum = dot(x + from, weights + left, right - left, sum);
        else
            for (int32_t at = left, tap = from; at < right; at += channels, tap += across)
                sum = dot(x + tap, weights + at, channels, sum);
        from += down;
    }
    return sum;
}

void strop_conv_2d_int8(const strop_int8_layer *layer, const strop_window *window, const int8_t *x,
                        int8_t *y) {
    const int32_t size = window->kernel_height * window->kernel_width * window->channels;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const taps columns = columns_inside(window, column);
            const int8_t *weights = layer->weights;
            for (int32_t o = 0; o < window->out_channels; o++, weights += size) {
                const int32_t sum = window_sum(window, rows, columns, layer->x_zero_point, x,
                                               weights, layer->bias[o]);
                *y++ = requantized(&layer->requantize, o, sum);
            }
        }
    }
}

void strop_depthwise_conv_2d_int8(const strop_int8_layer *layer, const strop_window *window,
                                  const int8_t *x, int8_t *y) {
    const int32_t channels = window->channels, zero_point = layer->x_zero_point;
    const int32_t multiple = window->out_channels / channels;
    const int32_t across = window->dilation_width * channels;
    const int32_t down = window->dilation_height * window->width * channels;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const taps columns = columns_inside(window, column);
            int32_t o = 0, from = (rows.start * window->width + columns.start) * channels;
            const int8_t *weights = layer->weights;
            for (int32_t channel = 0; channel < channels; channel++, from++)
                for (int32_t m = 0; m < multiple; m++, o++) {
                    int32_t sum = layer->bias[o];
                    int32_t line = from;
                    for (int32_t i = rows.first; i < rows.end; i++, line += down) {
                        const int8_t *weight = weights + i * window->kernel_width;
                        int32_t value = line;
                        for (int32_t j = columns.first; j < columns.end; j++, value += across)
                            sum += (x[value] - zero_point) * weight[j];
                    }
                    *y++ = requantized(&layer->requantize, o, sum);
                    weights += window->kernel_height * window->kernel_width;
                }
        }
    }
}
