/* The table of a set of kernels, and the functions that a file of arch/ compiles for itself. */
#include "activations.h"
#include "convolution.h"
#include "depthwise.h"
#include "elementwise.h"
#include "float_layer.h"
#include "int8_layer.h"
#include "pools.h"
#include "quantize.h"

#define STROP_KERNELS(kernels_name)                         \
    {                                                       \
        .name = kernels_name,                               \
        .input_offset = INPUT_OFFSET,                       \
        .float_quads = MOST_QUADS,                          \
        .int8_fully_connected = int8_fully_connected,       \
        .float_fully_connected = float_fully_connected,     \
        .int8_conv_2d = int8_conv_2d,                       \
        .float_conv_2d = float_conv_2d,                     \
        .int8_depthwise_conv_2d = int8_depthwise_conv_2d,   \
        .float_depthwise_conv_2d = float_depthwise_conv_2d, \
        .int8_max_pool_2d = int8_max_pool_2d,               \
        .float_max_pool_2d = float_max_pool_2d,             \
        .int8_average_pool_2d = int8_average_pool_2d,       \
        .float_average_pool_2d = float_average_pool_2d,     \
        .quantize = quantize,                               \
        .dequantize = dequantize,                           \
        .clamp = clamp,                                     \
        .sigmoid = sigmoid,                                 \
        .tanh = hyperbolic_tangent,                         \
        .softmax = softmax,                                 \
        .add = add,                                         \
        .sub = sub,                                         \
        .mul = mul,                                         \
    }
