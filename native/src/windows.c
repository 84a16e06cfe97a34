/* The rules and the geometry of convolutions and pools. */
#include "windows.h"

#include <string.h>

#include "model.h"
#include "rounding.h"

void read_windows(const plan_step *step, const operands *of, window *to) {
    const uint8_t *parameters = step->parameters;
    const int pools = is_pool(step->op);
    to->height = of->x.dims[0];
    to->width = of->x.dims[1];
    to->channels = of->x.dims[2];
    to->y_height = of->y.dims[0];
    to->y_width = of->y.dims[1];
    to->y_channels = of->y.dims[2];
    to->rows = pools ? parameters[6] : of->second.dims[1];
    to->columns = pools ? parameters[7] : of->second.dims[2];
    to->stride_h = parameters[0];
    to->stride_w = parameters[1];
    to->dilation_h = pools ? 1 : parameters[2];
    to->dilation_w = pools ? 1 : parameters[3];
    to->top = parameters[4];
    to->left = parameters[5];
}

int windows_are_pixels(const window *of) {
    return of->rows == 1 && of->columns == 1 && of->stride_h == 1 && of->stride_w == 1 &&
           of->top == 0 && of->left == 0 && of->height == of->y_height && of->width == of->y_width;
}

static const char *check_shapes(const plan_step *step, const operands *of) {
    if (of->x.rank != 3 || of->y.rank != 3)
        return "convolutions and pools read and write (height, width, channels)";
    if (!step->parameters[0] || !step->parameters[1]) return "a window has a stride of 0";
    return NULL;
}

const char *check_convolution(const plan_file *plan, const plan_step *step, const operands *of) {
    const int is_depthwise = step->op == OP_DEPTHWISE_CONV_2D;
    const plan_tensor *weights = &of->second;
    const char *reason = check_shapes(step, of);
    if (reason || (reason = check_layer(plan, step, of, is_depthwise ? 3 : 4))) return reason;
    if (!step->parameters[2] || !step->parameters[3]) return "a window has a dilation of 0";
    if (weights->dims[0] != of->y.dims[2])
        return "the output of a convolution does not fit its weights";
    if (is_depthwise ? weights->dims[0] % of->x.dims[2] != 0 : weights->dims[3] != of->x.dims[2])
        return "the input of a convolution does not fit its weights";
    return NULL;
}

/* Tell whether each window along an axis covers a position from 0 to size - 1: the first and the
 * last are the farthest out. */
static int all_are_inside(uint32_t size, uint32_t windows, uint32_t stride, uint32_t padding,
                          uint32_t window_size) {
    return window_size > padding && (int64_t)(windows - 1) * stride - padding < size;
}

const char *check_pool(const plan_step *step, const operands *of) {
    const uint8_t *parameters = step->parameters;
    const char *reason = check_shapes(step, of);
    if (reason) return reason;
    if (!(is_int8(&of->x) || is_float(&of->x)) || !are_alike(&of->x, &of->y))
        return "a pool is float32, or int8 with one scale and zero point";
    if (of->x.dims[2] != of->y.dims[2]) return "a pool changes the number of channels";
    if (parameters[2] || parameters[3]) return "a pool has a dilation";
    if (!all_are_inside(of->x.dims[0], of->y.dims[0], parameters[0], parameters[4],
                        parameters[6]) ||
        !all_are_inside(of->x.dims[1], of->y.dims[1], parameters[1], parameters[5], parameters[7]))
        return "a window of a pool is outside its input";
    return NULL;
}

/* Choose how many patches a convolution gathers together: as many as leave room in a cache of level
 * 1, whole blocks of rows. */
static uint32_t choose_pixels(size_t patch_bytes) {
    enum { PATCHES_BYTES = 1 << 14, MOST_PIXELS = 64 };
    const size_t pixels = PATCHES_BYTES / patch_bytes / BLOCK_ROWS * BLOCK_ROWS;
    return pixels < BLOCK_ROWS ? BLOCK_ROWS : pixels > MOST_PIXELS ? MOST_PIXELS : (uint32_t)pixels;
}

static size_t prepare_convolution(const plan_file *plan, const plan_step *from,
                                  const operands *tensors, const window *windows,
                                  const strop_kernels *kernels, arena *memory, model_step *to) {
    const size_t values = (size_t)windows->rows * windows->columns * windows->channels;
    const size_t patch_bytes = values * plan_value_bytes(tensors->x.dtype);
    const uint32_t pixels = choose_pixels(patch_bytes);
    if (tensors->x.dtype == STROP_INT8) {
        int8_convolution *how = &to->of.int8_convolution;
        to->kind = RUN_INT8_CONV_2D;
        how->window = *windows;
        how->pixels = pixels;
        how->outside = (uint8_t)stored_zero_point(&tensors->x);
        pack_int8_layer(plan, from, kernels->input_offset, memory, &how->layer);
    } else {
        float_convolution *how = &to->of.convolution;
        to->kind = RUN_FLOAT_CONV_2D;
        how->window = *windows;
        how->pixels = pixels;
        pack_float_layer(plan, from, kernels->float_quads, memory, &how->layer);
        float_range(from->activation, &how->layer.low, &how->layer.high);
    }
    return round_up(pixels * patch_bytes + COPY_BYTES, ROW_ALIGNMENT);
}

static void prepare_depthwise(const plan_file *plan, const plan_step *from, const operands *tensors,
                              const window *windows, arena *memory, model_step *to) {
    const size_t channels = windows->channels;
    if (tensors->x.dtype == STROP_INT8) {
        int8_depthwise *how = &to->of.int8_depthwise;
        uint8_t *outside = arena_take(memory, channels);
        to->kind = RUN_INT8_DEPTHWISE_CONV_2D;
        how->window = *windows;
        if (outside) how->outside = memset(outside, stored_zero_point(&tensors->x), channels);
        pack_int8_taps(plan, from, memory, &how->layer);
    } else {
        float_depthwise *how = &to->of.depthwise;
        to->kind = RUN_FLOAT_DEPTHWISE_CONV_2D;
        how->window = *windows;
        how->outside = arena_take(memory, channels * sizeof(float)); /* zeros */
        pack_float_taps(plan, from, memory, &how->layer);
        float_range(from->activation, &how->layer.low, &how->layer.high);
    }
}

static void prepare_pool(const plan_file *plan, const plan_step *from, const operands *tensors,
                         const window *windows, model_step *to) {
    const int is_max = from->op == OP_MAX_POOL_2D;
    if (tensors->x.dtype == STROP_INT8) {
        int8_pool *how = &to->of.int8_pool;
        to->kind = is_max ? RUN_INT8_MAX_POOL_2D : RUN_INT8_AVERAGE_POOL_2D;
        how->window = *windows;
        activation_range(plan->rounding, from->activation, &tensors->y, &how->low, &how->high);
    } else {
        float_pool *how = &to->of.pool;
        to->kind = is_max ? RUN_FLOAT_MAX_POOL_2D : RUN_FLOAT_AVERAGE_POOL_2D;
        how->window = *windows;
        float_range(from->activation, &how->low, &how->high);
    }
}

size_t windows_prepare(const plan_file *plan, const plan_step *from, const operands *tensors,
                       const window *windows, const strop_kernels *kernels, arena *memory,
                       model_step *to) {
    if (from->op == OP_CONV_2D)
        return prepare_convolution(plan, from, tensors, windows, kernels, memory, to);
    if (from->op == OP_DEPTHWISE_CONV_2D)
        prepare_depthwise(plan, from, tensors, windows, memory, to);
    else
        prepare_pool(plan, from, tensors, windows, to);
    return 0;
}
