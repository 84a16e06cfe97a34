/* Pools and means of float32. */
#include "exact.h"

#include "window.h"

static float largest(const float *x, int32_t rows, int32_t columns, int32_t across, int32_t down) {
    float found = x[0];
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) {
            const float value = x[row * down + column * across];
            if (value > found) found = value;
        }
    return found;
}

static float average(const float *x, int32_t rows, int32_t columns, int32_t across, int32_t down) {
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) sum += x[row * down + column * across];
    return sum / (float)(rows * columns);
}

/* A kernel that calls `of` for each window. */
#define POOL(name, of)                                                                            \
    void name(const strop_window *window, const float *x, float *y) {                             \
        const int32_t channels = window->channels, down = window->width * channels;               \
        for (int32_t row = 0; row < window->out_height; row++) {                                  \
            const taps rows = rows_inside(window, row);                                           \
            for (int32_t column = 0; column < window->out_width; column++) {                      \
                const taps columns = columns_inside(window, column);                              \
                const float *from = x + rows.start * down + columns.start * channels;             \
                for (int32_t channel = 0; channel < channels; channel++)                          \
                    *y++ = of(from + channel, rows.end - rows.first, columns.end - columns.first, \
                              channels, down);                                                    \
            }                                                                                     \
        }                                                                                         \
    }

POOL(strop_max_pool_2d_float, largest)
POOL(strop_average_pool_2d_float, average)

void strop_mean_float(int32_t outer, int32_t count, int32_t inner, const float *x, float *y) {
    for (; outer > 0; outer--, x += count * inner)
        for (int32_t i = 0; i < inner; i++) {
            float sum = 0.0f;
            for (int32_t k = 0; k < count; k++) sum += x[k * inner + i];
            *y++ = sum / (float)count;
        }
}
