/* Convolutions: the layer of the set over gathered patches. */
#ifndef STROP_CONVOLUTION_H
#define STROP_CONVOLUTION_H

#include "float_layer.h"
#include "int8_layer.h"
#include "patches.h"

static void int8_conv_2d(const int8_convolution *how, size_t samples, const uint8_t *x,
                         uint8_t *patches, uint8_t *y) {
    const window *of = &how->window;
    const size_t outputs = (size_t)of->y_height * of->y_width;
    const size_t x_values = (size_t)of->height * of->width * of->channels;
    for (size_t sample = 0; sample < samples; sample++, x += x_values)
        for (size_t first = 0, count; first < outputs; first += count) {
            count = outputs - first < how->pixels ? outputs - first : how->pixels;
            gather(of, how->outside, sizeof *x, x, first, count, patches);
            int8_fully_connected(&how->layer, count, patches, y);
            y += count * how->layer.outputs;
        }
}

static void float_conv_2d(const float_convolution *how, size_t samples, const float *x,
                          float *patches, float *y) {
    const window *of = &how->window;
    const size_t outputs = (size_t)of->y_height * of->y_width;
    const size_t x_values = (size_t)of->height * of->width * of->channels;
    for (size_t sample = 0; sample < samples; sample++, x += x_values)
        for (size_t first = 0, count; first < outputs; first += count) {
            count = outputs - first < how->pixels ? outputs - first : how->pixels;
            gather(of, 0, sizeof *x, (const uint8_t *)x, first, count, (uint8_t *)patches);
            float_fully_connected(&how->layer, count, patches, y);
            y += count * how->layer.outputs;
        }
}

#endif
