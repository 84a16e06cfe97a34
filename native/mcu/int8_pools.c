/* Pools and means of int8. */
#include "int8_requantize.h"
#include "window.h"

static int8_t clamped(int32_t value, int8_t low, int8_t high) {
    return (int8_t)(value < low ? low : value > high ? high : value);
}

static int32_t largest(const int8_t *x, int32_t rows, int32_t columns, int32_t across,
                       int32_t down) {
    int32_t found = -128;
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) {
            const int32_t value = x[row * down + column * across];
            if (value > found) found = value;
        }
    return found;
}

/* Ties away from zero. */
static int32_t average(const int8_t *x, int32_t rows, int32_t columns, int32_t across,
                       int32_t down) {
    const int32_t count = rows * columns;
    int32_t sum = 0;
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) sum += x[row * down + column * across];
    return (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
}

/* A kernel that calls `of` for each window. */
#define POOL(name, of)                                                                           \
    void name(const strop_window *window, int8_t low, int8_t high, const int8_t *x, int8_t *y) { \
        const int32_t channels = window->channels, down = window->width * channels;              \
        for (int32_t row = 0; row < window->out_height; row++) {                                 \
            const taps rows = rows_inside(window, row);                                          \
            for (int32_t column = 0; column < window->out_width; column++) {                     \
                const taps columns = columns_inside(window, column);                             \
                const int8_t *from = x + rows.start * down + columns.start * channels;           \
                for (int32_t channel = 0; channel < channels; channel++)                         \
                    *y++ = clamped(of(from + channel, rows.end - rows.first,                     \
                                      columns.end - columns.first, channels, down),              \
                                   low, high);                                                   \
            }                                                                                    \
        }                                                                                        \
    }

POOL(strop_max_pool_2d_int8, largest)
POOL(strop_average_pool_2d_int8, average)

void strop_mean_int8(const strop_requantization *how, int32_t offset, int32_t outer, int32_t count,
                     int32_t inner, const int8_t *x, int8_t *y) {
    for (; outer > 0; outer--, x += count * inner)
        for (int32_t i = 0; i < inner; i++) {
            int32_t sum = 0;
            for (int32_t k = 0; k < count; k++) sum += x[k * inner + i];
            *y++ = requantized(how, 0, sum - offset);
        }
}
