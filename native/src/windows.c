/* The rules and the geometry of convolutions and pools. */
#include "windows.h"

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
