/* Layers of int8: exact sums in 32 bits. */
#include "int8_requantize.h"
#include "window.h"

/* Sums have the same bits in any order. Newer compilers have the names of Arm's instructions. */
#if defined(__ARM_FEATURE_SIMD32) && (defined(__clang__) || __GNUC__ >= 10)
#include <arm_acle.h>

static int32_t add_fours(const int8_t *x, const int8_t *weights, int32_t count, int32_t sum) {
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        int32_t values, factors;
        __builtin_memcpy(&values, x, sizeof values);
        __builtin_memcpy(&factors, weights, sizeof factors);
        sum = __smlad(__sxtb16(values), __sxtb16(factors), sum);
        sum = __smlad(__sxtb16((int32_t)__ror((uint32_t)values, 8)),
                      __sxtb16((int32_t)__ror((uint32_t)factors, 8)), sum);
    }
    return sum;
}
#else
static int32_t add_fours(const int8_t *x, const int8_t *weights, int32_t count, int32_t sum) {
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        sum += (int32_t)x[0] * weights[0];
        sum += (int32_t)x[1] * weights[1];
        sum += (int32_t)x[2] * weights[2];
        sum += (int32_t)x[3] * weights[3];
    }
    return sum;
}
#endif

static int32_t dot(const int8_t *x, const int8_t *weights, int32_t count, int32_t sum) {
    sum = add_fours(x, weights, count, sum);
    for (int32_t i = count & ~INT32_C(3); i < count; i++) sum += (int32_t)x[i] * weights[i];
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

/* The part of a window that is inside x, in values. */
typedef struct {
    int32_t line;               /* the weights of a row of the window */
    int32_t above, below;       /* the weights of rows above and up to the end of those inside */
    int32_t left, right;        /* in a row: the weights left and up to the end of those inside */
    int32_t from, down, across; /* in x: the first inside, and to the next row and column */
    int32_t stretch;            /* values that lie side by side in x and in the weights */
} covered;

static covered cover(const strop_window *window, taps rows, taps columns) {
    const int32_t channels = window->channels, line = window->kernel_width * channels;
    const int is_whole = window->dilation_width == 1;
    covered part = {
        .line = line,
        .above = rows.first * line,
        .below = rows.end * line,
        .left = columns.first * channels,
        .right = columns.end * channels,
        .from = (rows.start * window->width + columns.start) * channels,
        .down = window->dilation_height * window->width * channels,
        .across = window->dilation_width * channels,
        .stretch = channels,
    };
    if (is_whole && columns.end > columns.first) part.stretch = part.right - part.left;
    return part;
}

/* The sum of one window, of `size` weights. Outside x its values are the zero point. */
static int32_t window_sum(const covered *part, int32_t size, int32_t zero_point, const int8_t *x,
                          const int8_t *weights, int32_t sum) {
    int32_t from = part->from, outside = 0;
    if (part->above) outside += total(weights, part->above);
    if (part->below < size) outside += total(weights + part->below, size - part->below);
    for (int32_t at = part->above; at < part->below; at += part->line, from += part->down) {
        const int8_t *row = weights + at;
        if (part->left) outside += total(row, part->left);
        if (part->right < part->line) outside += total(row + part->right, part->line - part->right);
        for (int32_t i = part->left, tap = from; i < part->right;
             i += part->stretch, tap += part->across)
            sum = dot(x + tap, row + i, part->stretch, sum);
    }
    return sum + zero_point * outside;
}

/* The sum of a window that is all inside x: `line` values side by side in each row. */
static int32_t inner_sum(int32_t rows, int32_t line, int32_t down, const int8_t *x,
                         const int8_t *weights, int32_t sum) {
    for (int32_t from = 0; rows > 0; rows--, from += down, weights += line)
        sum = dot(x + from, weights, line, sum);
    return sum;
}

void strop_conv_2d_int8(const strop_int8_layer *layer, const strop_window *window, const int8_t *x,
                        int8_t *y) {
    const int32_t size = window->kernel_height * window->kernel_width * window->channels;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const covered part = cover(window, rows, columns_inside(window, column));
            const int is_inner = rows.end - rows.first == window->kernel_height &&
                                 part.right - part.left == part.line && part.stretch == part.line;
            const int8_t *weights = layer->weights;
            for (int32_t o = 0; o < window->out_channels; o++, weights += size) {
                const int32_t bias = layer->bias[o];
                const int32_t sum =
                    is_inner ? inner_sum(window->kernel_height, part.line, part.down, x + part.from,
                                         weights, bias)
                             : window_sum(&part, size, layer->x_zero_point, x, weights, bias);
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
    const int32_t line = window->kernel_width, size = window->kernel_height * line;
    for (int32_t row = 0; row < window->out_height; row++) {
        const taps rows = rows_inside(window, row);
        for (int32_t column = 0; column < window->out_width; column++) {
            const taps columns = columns_inside(window, column);
            const int32_t count = columns.end - columns.first;
            const int8_t *from = x + (rows.start * window->width + columns.start) * channels;
            const int32_t first = rows.first * line + columns.first;
            const int8_t *weights = layer->weights;
            int32_t o = 0;
            for (int32_t channel = 0; channel < channels; channel++, from++)
                for (int32_t m = 0; m < multiple; m++, o++, weights += size) {
                    int32_t sum = layer->bias[o];
                    for (int32_t i = 0; i < rows.end - rows.first; i++)
                        for (int32_t j = 0; j < count; j++)
                            sum += (from[i * down + j * across] - zero_point) *
                                   weights[first + i * line + j];
                    *y++ = requantized(&layer->requantize, o, sum);
                }
        }
    }
}
