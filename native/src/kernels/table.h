/* The table of a set of kernels, from the functions that a file of arch/ has compiled. */
#define STROP_KERNELS(kernels_name, offset)             \
    {                                                   \
        .name = kernels_name,                           \
        .input_offset = offset,                         \
        .int8_fully_connected = int8_fully_connected,   \
        .float_fully_connected = float_fully_connected, \
        .quantize = quantize,                           \
        .dequantize = dequantize,                       \
        .clamp = clamp,                                 \
        .sigmoid = sigmoid,                             \
        .tanh = hyperbolic_tangent,                     \
        .softmax = softmax,                             \
        .add = add,                                     \
        .sub = sub,                                     \
        .mul = mul,                                     \
    }
