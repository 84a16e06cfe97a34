/* Every rule of the format: a sound plan with one field changed is refused. */
#include "files.h"
#include "writer.h"

enum { X, WEIGHTS, BIAS, HIDDEN, REAL, MATRIX, LOGITS, PROBABILITIES, FACTOR, SCALED };
enum { TABLE = SCALED + 1, LOOKED_UP, ADDEND, SUM, PRODUCT };
enum { INT8_LAYER, DEQUANTIZE, FLOAT_LAYER, SOFTMAX, MUL, LOOKUP, INT8_ADD, INT8_MUL };
enum { HEADER, TENSOR, STEP, BORDER, DATA };

/* int8 [3] -> layer -> int8 [2] -> float -> layer -> [2] -> softmax -> mul
 *                     int8 [2] -> lookup -> add -> mul */
static void write_sound(plan_writer *to) {
    static const int8_t weights[] = {1, -2, 3, -127, 127, 5};
    static const int32_t bias[] = {100, -100};
    static const int8_t table[256] = {1, 2, 3}, addend = 9;
    static const float scales[] = {0.01f, 0.02f}, matrix[] = {0.5f, -0.5f, 1.0f, 2.0f}, factor = 2;
    memset(to, 0, sizeof *to);
    to->rounding = ROUNDING_FLOAT;
    write_tensor(to, STROP_INT8, 3, 0, 0.1f, -5, NULL);
    write_tensor(to, STROP_INT8, 2, 3, 0, 0, weights);
    write_tensor(to, STROP_INT32, 2, 0, 0, 0, bias);
    write_tensor(to, STROP_INT8, 2, 0, 0.2f, 7, NULL);
    write_tensor(to, STROP_FLOAT32, 2, 0, 0, 0, NULL);
    write_tensor(to, STROP_FLOAT32, 2, 2, 0, 0, matrix);
    write_tensor(to, STROP_FLOAT32, 2, 0, 0, 0, NULL);
    write_tensor(to, STROP_FLOAT32, 2, 0, 0, 0, NULL);
    write_tensor(to, STROP_FLOAT32, 1, 0, 0, 0, &factor);
    write_tensor(to, STROP_FLOAT32, 2, 0, 0, 0, NULL);
    write_tensor(to, STROP_INT8, 256, 0, 0, 0, table);
    write_tensor(to, STROP_INT8, 2, 0, 0.5f, 3, NULL);
    write_tensor(to, STROP_INT8, 1, 0, 0.25f, -9, &addend);
    write_tensor(to, STROP_INT8, 2, 0, 1.0f, 4, NULL);
    write_tensor(to, STROP_INT8, 2, 0, 2.0f, 5, NULL);
    write_scales(to, WEIGHTS, scales, 2);
    write_step(to, OP_FULLY_CONNECTED, X, WEIGHTS, BIAS, HIDDEN, ACTIVATION_RELU, 0);
    write_step(to, OP_DEQUANTIZE, HIDDEN, NONE, NONE, REAL, 0, 0);
    write_step(to, OP_FULLY_CONNECTED, REAL, MATRIX, NONE, LOGITS, 0, 0);
    write_step(to, OP_SOFTMAX, LOGITS, NONE, NONE, PROBABILITIES, 0, 1);
    write_step(to, OP_MUL, PROBABILITIES, FACTOR, NONE, SCALED, 0, 0);
    write_step(to, OP_LOOKUP, HIDDEN, TABLE, NONE, LOOKED_UP, 0, 0);
    write_step(to, OP_ADD, LOOKED_UP, ADDEND, NONE, SUM, ACTIVATION_RELU6, 0);
    write_step(to, OP_MUL, SUM, LOOKED_UP, NONE, PRODUCT, 0, 0);
    write_border(to, 0, X);
    write_border(to, 1, HIDDEN);
    write_border(to, 1, SCALED);
}

typedef struct {
    int section;
    uint32_t index; /* of the record, or the word in the header, borders or data */
    uint32_t at;    /* in the record, in bytes */
    uint32_t value;
} change;

#define FLOAT_ONE 0x3F800000
#define FLOAT_NAN 0x7FC00000
#define FLOAT_INFINITE 0x7F800000
#define FLOAT_DENORMAL 0x007FFFFF

/* clang-format off */
static const change refused[] = {
    {HEADER, 0, 0, 0}, /* the signature */
    {HEADER, 2, 0, 2}, {HEADER, 3, 0, 2}, {HEADER, 4, 0, 0}, {HEADER, 4, 0, 16},
    {HEADER, 4, 0, 1025}, {HEADER, 4, 0, NONE}, {HEADER, 5, 0, 0}, {HEADER, 5, 0, 9},
    {HEADER, 5, 0, NONE}, {HEADER, 6, 0, 0}, {HEADER, 6, 0, NONE}, {HEADER, 7, 0, 0},
    {HEADER, 8, 0, 0}, {HEADER, 9, 0, 0}, {HEADER, 10, 0, 0}, {HEADER, 11, 0, 0},
    {HEADER, 12, 0, 0}, {HEADER, 12, 0, NONE}, {HEADER, 13, 0, 1}, {HEADER, 15, 0, 1},
    {TENSOR, X, 0, 4},                             /* type */
    {TENSOR, X, 0, STROP_FLOAT32},                 /* float32 with a scale */
    {TENSOR, X, 0, STROP_UINT8},                   /* a zero point below 0 */
    {TENSOR, X, 4, 7},                             /* rank */
    {TENSOR, X, 4, 0},                             /* a size beyond the dimensions */
    {TENSOR, X, 8, 0}, {TENSOR, X, 8, 4}, {TENSOR, X, 8, NONE}, {TENSOR, X, 8, 1 << 25},
    {TENSOR, X, 12, 1},                            /* a size beyond the dimensions */
    {TENSOR, X, 32, 0},                            /* a zero point without a scale */
    {TENSOR, X, 32, FLOAT_NAN}, {TENSOR, X, 32, FLOAT_INFINITE}, {TENSOR, X, 32, FLOAT_DENORMAL},
    {TENSOR, X, 32, FLOAT_ONE | 0x80000000}, {TENSOR, X, 32, 0x42C80000}, /* a factor above 1 */
    {TENSOR, X, 36, 128}, {TENSOR, X, 36, (uint32_t)-129},
    {TENSOR, X, 40, 0},                            /* an input with values */
    {TENSOR, X, 44, 0},                            /* scales without weights */
    {TENSOR, X, 48, NONE},                         /* an input without a name */
    {TENSOR, X, 48, NONE - 1}, {TENSOR, X, 52, 1},
    {TENSOR, WEIGHTS, 0, STROP_UINT8}, {TENSOR, WEIGHTS, 8, 3}, {TENSOR, WEIGHTS, 12, 4},
    {TENSOR, WEIGHTS, 36, 1},                      /* a zero point */
    {TENSOR, WEIGHTS, 40, NONE}, {TENSOR, WEIGHTS, 40, 1}, {TENSOR, WEIGHTS, 40, 1 << 30},
    {TENSOR, WEIGHTS, 44, NONE},                   /* no scale */
    {TENSOR, WEIGHTS, 44, 4}, {TENSOR, WEIGHTS, 44, 1 << 30}, {TENSOR, WEIGHTS, 48, 256},
    {TENSOR, BIAS, 0, STROP_FLOAT32}, {TENSOR, BIAS, 8, 1}, {TENSOR, BIAS, 40, NONE},
    {TENSOR, HIDDEN, 0, STROP_FLOAT32}, {TENSOR, HIDDEN, 8, 1}, {TENSOR, HIDDEN, 32, 0x38000000},
    {TENSOR, HIDDEN, 40, 0},                       /* computed, and has values */
    {TENSOR, REAL, 0, STROP_INT32}, {TENSOR, REAL, 8, 3}, {TENSOR, REAL, 32, FLOAT_ONE},
    {TENSOR, MATRIX, 0, STROP_INT32}, {TENSOR, MATRIX, 4, 1}, {TENSOR, FACTOR, 0, STROP_INT32},
    {TENSOR, FACTOR, 8, 3}, {TENSOR, FACTOR, 40, NONE}, {TENSOR, SCALED, 48, NONE},
    {STEP, INT8_LAYER, 0, 0}, {STEP, INT8_LAYER, 0, 14}, {STEP, INT8_LAYER, 0, OP_RELU},
    {STEP, INT8_LAYER, 4, 10}, {STEP, INT8_LAYER, 4, NONE},
    {STEP, INT8_LAYER, 4, HIDDEN}, {STEP, INT8_LAYER, 4, WEIGHTS}, {STEP, INT8_LAYER, 8, NONE},
    {STEP, INT8_LAYER, 8, X},
    {STEP, INT8_LAYER, 12, X}, {STEP, INT8_LAYER, 16, X}, {STEP, INT8_LAYER, 16, WEIGHTS},
    {STEP, INT8_LAYER, 16, REAL},
    {STEP, INT8_LAYER, 16, NONE}, {STEP, INT8_LAYER, 20, 3}, {STEP, INT8_LAYER, 24, FLOAT_ONE},
    {STEP, INT8_LAYER, 28, 1},
    {STEP, DEQUANTIZE, 0, OP_QUANTIZE}, {STEP, DEQUANTIZE, 0, OP_RESHAPE},
    {STEP, DEQUANTIZE, 0, OP_TANH}, {STEP, DEQUANTIZE, 8, BIAS}, {STEP, DEQUANTIZE, 20, 1},
    {STEP, FLOAT_LAYER, 4, HIDDEN}, {STEP, FLOAT_LAYER, 8, WEIGHTS}, {STEP, FLOAT_LAYER, 12, BIAS},
    {STEP, SOFTMAX, 4, FACTOR}, {STEP, SOFTMAX, 24, FLOAT_NAN}, {STEP, SOFTMAX, 24, FLOAT_INFINITE},
    {STEP, MUL, 4, SCALED}, {STEP, MUL, 8, BIAS}, {STEP, MUL, 8, NONE}, {STEP, MUL, 12, FACTOR},
    {STEP, MUL, 16, PROBABILITIES},
    {TENSOR, TABLE, 0, STROP_UINT8}, {TENSOR, TABLE, 8, 255}, {TENSOR, TABLE, 32, FLOAT_ONE},
    {TENSOR, TABLE, 44, 0},                        /* scales of a table */
    {TENSOR, TABLE, 40, NONE}, {TENSOR, LOOKED_UP, 32, 0}, {TENSOR, LOOKED_UP, 8, 3},
    {TENSOR, ADDEND, 8, 3}, {TENSOR, ADDEND, 32, 0}, {TENSOR, ADDEND, 44, 0},
    {TENSOR, ADDEND, 32, 0x3A000000},              /* a scale 2^11 times finer than the sum's */
    {TENSOR, ADDEND, 32, 0x42800000},              /* 64 times coarser */
    {TENSOR, ADDEND, 0, STROP_FLOAT32}, {TENSOR, SUM, 8, 1}, {TENSOR, SUM, 0, STROP_FLOAT32},
    {TENSOR, PRODUCT, 32, 0x3F000000},             /* a factor of 1 */
    {TENSOR, PRODUCT, 32, 0x47800000},             /* a factor below 2^-16 */
    {STEP, LOOKUP, 4, REAL}, {STEP, LOOKUP, 8, NONE}, {STEP, LOOKUP, 8, ADDEND},
    {STEP, LOOKUP, 8, HIDDEN}, {STEP, LOOKUP, 12, TABLE}, {STEP, LOOKUP, 20, 1},
    {STEP, LOOKUP, 0, OP_RELU}, {STEP, INT8_ADD, 4, REAL}, {STEP, INT8_ADD, 8, TABLE},
    {STEP, INT8_ADD, 8, FACTOR}, {STEP, INT8_ADD, 8, NONE}, {STEP, INT8_ADD, 12, ADDEND},
    {STEP, INT8_ADD, 20, 3}, {STEP, INT8_MUL, 8, X}, {STEP, INT8_MUL, 8, REAL},
    {BORDER, 0, 0, WEIGHTS}, {BORDER, 0, 0, REAL}, {BORDER, 0, 0, NONE}, {BORDER, 1, 0, X},
    {BORDER, 1, 0, SCALED}, {BORDER, 1, 0, FACTOR}, {BORDER, 2, 0, 15},
    {DATA, 0, 0, 0x80808080},                      /* weights of -128 */
    {DATA, 16, 0, 0x7FFFFFFF},                     /* a bias that overflows */
    {DATA, 144, 0, FLOAT_NAN},                     /* a scale of the weights */
};
/* clang-format on */

enum { MAP, MAP_PADDED, MAP_TURNED, PART, WIDE, MEAN, REALS, REALS_TURNED };
enum { PAD, TRANSPOSE, CONCATENATE, AVERAGE, TURN_REALS };

/* int8 [2, 3] -> pad -> [4, 3] -> transpose -> [3, 4] -> with a part [3, 1] -> [3, 5] -> mean ->
 * [5] float [2, 3] -> transpose -> [3, 2] */
static void write_sound_moves(plan_writer *to) {
    static const int8_t part[] = {1, 2, 3};
    const uint32_t map[] = {2, 3}, padded[] = {4, 3}, turned[] = {3, 4}, wide[] = {3, 5};
    memset(to, 0, sizeof *to);
    write_shaped(to, STROP_INT8, 2, map, 0.5f, 7, NULL);
    write_shaped(to, STROP_INT8, 2, padded, 0.5f, 7, NULL);
    write_shaped(to, STROP_INT8, 2, turned, 0.5f, 7, NULL);
    write_tensor(to, STROP_INT8, 3, 1, 0.5f, 7, part);
    write_shaped(to, STROP_INT8, 2, wide, 0.5f, 7, NULL);
    write_tensor(to, STROP_INT8, 5, 0, 0.5f, -9, NULL);
    write_shaped(to, STROP_FLOAT32, 2, map, 0, 0, NULL);
    write_tensor(to, STROP_FLOAT32, 3, 2, 0, 0, NULL);
    write_step(to, OP_PAD, MAP, NONE, NONE, MAP_PADDED, 0, 0);
    write_parameter(to, 0, 1);
    write_step(to, OP_TRANSPOSE, MAP_PADDED, NONE, NONE, MAP_TURNED, 0, 0);
    write_parameter(to, 0, 1);
    write_step(to, OP_CONCATENATE, MAP_TURNED, PART, NONE, WIDE, 0, 0);
    write_parameter(to, 0, 1);
    write_step(to, OP_MEAN, WIDE, NONE, NONE, MEAN, 0, 0);
    write_parameter(to, 1, 1);
    write_step(to, OP_TRANSPOSE, REALS, NONE, NONE, REALS_TURNED, 0, 0);
    write_parameter(to, 0, 1);
    write_border(to, 0, MAP);
    write_border(to, 0, REALS);
    write_border(to, 1, MEAN);
    write_border(to, 1, REALS_TURNED);
}

/* Parameters are at 24 in the record of a step, from its lowest byte on. */
/* clang-format off */
static const change refused_moves[] = {
    {STEP, PAD, 24, 3},       /* values before and of x are more than those of y */
    {STEP, PAD, 24, 0x0100},  /* along the other axis */
    {STEP, PAD, 24, 0x10001}, /* more parameters than axes */
    {STEP, PAD, 28, 1},
    {STEP, PAD, 8, PART},
    {STEP, PAD, 20, 1},
    {STEP, PAD, 0, OP_TRANSPOSE},
    {STEP, PAD, 0, OP_RESHAPE},
    {TENSOR, MAP, 36, 8},  /* a zero point that is not y's */
    {TENSOR, MAP, 32, FLOAT_ONE},
    {TENSOR, MAP, 8, 5},
    {TENSOR, MAP, 4, 1}, /* a rank of 1, with a size beyond it */
    {TENSOR, MAP_PADDED, 0, STROP_UINT8},
    {TENSOR, MAP_PADDED, 8, 2},
    {STEP, TRANSPOSE, 24, 0},      /* the first axis twice */
    {STEP, TRANSPOSE, 24, 0x0101}, /* the second */
    {STEP, TRANSPOSE, 24, 0x0100}, /* sizes that y does not have */
    {STEP, TRANSPOSE, 24, 2},      /* no such axis */
    {STEP, TRANSPOSE, 24, 0xFF},
    {STEP, TRANSPOSE, 24, 0x20001},
    {STEP, TRANSPOSE, 8, PART},
    {STEP, TRANSPOSE, 20, 1},
    {STEP, TRANSPOSE, 4, MAP},
    {STEP, CONCATENATE, 24, 0}, /* sizes differ along the other axis */
    {STEP, CONCATENATE, 24, 2}, /* no such axis */
    {STEP, CONCATENATE, 24, 0xFF},
    {STEP, CONCATENATE, 24, 0x0101}, /* more parameters than one */
    {STEP, CONCATENATE, 8, NONE},
    {STEP, CONCATENATE, 12, PART}, /* more values than y has */
    {STEP, CONCATENATE, 12, REALS},
    {STEP, CONCATENATE, 8, REALS_TURNED}, /* it is written later */
    {STEP, CONCATENATE, 8, MAP},
    {STEP, CONCATENATE, 4, PART}, /* the first is a constant */
    {STEP, CONCATENATE, 20, 1},
    {TENSOR, PART, 0, STROP_UINT8},
    {TENSOR, PART, 32, 0x3F000001}, /* a scale that is a little larger */
    {TENSOR, PART, 36, 6},
    {TENSOR, PART, 44, 0}, /* scales */
    {TENSOR, PART, 8, 2},
    {TENSOR, PART, 40, NONE},
    {TENSOR, WIDE, 12, 6},
    {TENSOR, WIDE, 36, 6},
    {STEP, AVERAGE, 24, 0},      /* no axis */
    {STEP, AVERAGE, 24, 0x0300}, /* more axes than there are */
    {STEP, AVERAGE, 24, 0xFF01},
    {STEP, AVERAGE, 24, 0x0101}, /* y has the other axis */
    {STEP, AVERAGE, 24, 0x0200}, /* y has an axis that is averaged */
    {STEP, AVERAGE, 24, 0x10100},
    {STEP, AVERAGE, 8, PART},
    {STEP, AVERAGE, 20, 1},
    {STEP, AVERAGE, 16, REALS_TURNED},
    {TENSOR, MEAN, 8, 6},
    {TENSOR, MEAN, 32, 0x3E800000}, /* a factor that is above 1: steps finer than the sums' */
    {TENSOR, MEAN, 32, 0x44010000}, /* steps more than 2^10 times coarser */
    {TENSOR, MEAN, 32, 0},
    {STEP, TURN_REALS, 4, MAP},
    {STEP, TURN_REALS, 0, OP_PAD},
    {TENSOR, REALS, 0, STROP_INT32},
    {TENSOR, REALS_TURNED, 0, STROP_INT32},
    {TENSOR, REALS_TURNED, 8, 2},
};
/* clang-format on */

enum { IMAGE, KERNELS, KERNEL_BIAS, MAPS, TAPS, FILTERED, SMALL, MEANS, PICTURE, PICTURE_KERNELS };
enum { PICTURE_MAPS = PICTURE_KERNELS + 1 };
enum { CONV, DEPTHWISE, MAX_POOL, AVERAGE_POOL, FLOAT_CONV };

/* int8 [5, 4, 3] -> conv 3x2 -> [3, 4, 2] -> depthwise 2x2 -> [3, 4, 4] -> max pool -> [2, 2, 4]
 * -> average pool -> [2, 2, 4]; float [3, 3, 1] -> conv 2x2 -> [2, 2, 1] */
static void write_sound_windows(plan_writer *to) {
    static const int8_t kernels[2 * 3 * 2 * 3] = {1, 2, -127}, taps[4 * 2 * 2] = {9, -9};
    static const int32_t bias[2] = {5, -5};
    static const float floats[4] = {0.5f, 1.5f};
    const uint32_t image[] = {5, 4, 3}, kernel[] = {2, 3, 2, 3}, maps[] = {3, 4, 2};
    const uint32_t tap[] = {4, 2, 2}, filtered[] = {3, 4, 4}, small[] = {2, 2, 4};
    const uint32_t picture[] = {3, 3, 1}, picture_kernel[] = {1, 2, 2, 1},
                   picture_maps[] = {2, 2, 1};
    memset(to, 0, sizeof *to);
    write_shaped(to, STROP_INT8, 3, image, 0.5f, 7, NULL);
    write_shaped(to, STROP_INT8, 4, kernel, 0.01f, 0, kernels);
    write_tensor(to, STROP_INT32, 2, 0, 0, 0, bias);
    write_shaped(to, STROP_INT8, 3, maps, 0.5f, -3, NULL);
    write_shaped(to, STROP_INT8, 3, tap, 0.01f, 0, taps);
    write_shaped(to, STROP_INT8, 3, filtered, 0.25f, 3, NULL);
    write_shaped(to, STROP_INT8, 3, small, 0.25f, 3, NULL);
    write_shaped(to, STROP_INT8, 3, small, 0.25f, 3, NULL);
    write_shaped(to, STROP_FLOAT32, 3, picture, 0, 0, NULL);
    write_shaped(to, STROP_FLOAT32, 4, picture_kernel, 0, 0, floats);
    write_shaped(to, STROP_FLOAT32, 3, picture_maps, 0, 0, NULL);
    write_step(to, OP_CONV_2D, IMAGE, KERNELS, KERNEL_BIAS, MAPS, ACTIVATION_RELU6, 0);
    put_u32(to->step[CONV] + 24, 0x01010102); /* strides 2, 1; dilations 1, 1 */
    put_u32(to->step[CONV] + 28, 0x00000001); /* padding 1, 0 */
    write_step(to, OP_DEPTHWISE_CONV_2D, MAPS, TAPS, NONE, FILTERED, 0, 0);
    put_u32(to->step[DEPTHWISE] + 24, 0x01020101); /* strides 1, 1; dilations 2, 1 */
    write_step(to, OP_MAX_POOL_2D, FILTERED, NONE, NONE, SMALL, ACTIVATION_RELU, 0);
    put_u32(to->step[MAX_POOL] + 24, 0x00000202); /* strides 2, 2 */
    put_u32(to->step[MAX_POOL] + 28, 0x02020100); /* padding 0, 1; windows of 2, 2 */
    write_step(to, OP_AVERAGE_POOL_2D, SMALL, NONE, NONE, MEANS, 0, 0);
    put_u32(to->step[AVERAGE_POOL] + 24, 0x00000101);
    put_u32(to->step[AVERAGE_POOL] + 28, 0x01020000); /* windows of 2, 1 */
    write_step(to, OP_CONV_2D, PICTURE, PICTURE_KERNELS, NONE, PICTURE_MAPS, 0, 0);
    put_u32(to->step[FLOAT_CONV] + 24, 0x01010101);
    write_border(to, 0, IMAGE);
    write_border(to, 0, PICTURE);
    write_border(to, 1, MEANS);
    write_border(to, 1, PICTURE_MAPS);
}

/* clang-format off */
static const change refused_windows[] = {
    {STEP, CONV, 24, 0x01010100}, {STEP, CONV, 24, 0x01010002},  /* a stride of 0 */
    {STEP, CONV, 24, 0x01000102}, {STEP, CONV, 24, 0x00010102},  /* a dilation of 0 */
    {STEP, CONV, 28, 0x00010001}, {STEP, CONV, 28, 0x01000001},  /* more parameters than 6 */
    {STEP, CONV, 20, 3}, {STEP, CONV, 8, NONE}, {STEP, CONV, 8, TAPS}, {STEP, CONV, 8, IMAGE},
    {STEP, CONV, 12, KERNELS}, {STEP, CONV, 12, IMAGE}, {STEP, CONV, 4, KERNELS},
    {STEP, CONV, 4, PICTURE}, {STEP, CONV, 16, PICTURE_MAPS}, {STEP, CONV, 16, SMALL},
    {STEP, CONV, 0, OP_DEPTHWISE_CONV_2D}, {STEP, CONV, 0, OP_FULLY_CONNECTED},
    {STEP, CONV, 0, OP_MAX_POOL_2D},
    {TENSOR, IMAGE, 16, 2}, {TENSOR, IMAGE, 4, 2}, {TENSOR, IMAGE, 0, STROP_UINT8},
    {TENSOR, IMAGE, 32, 0x42C80000},                             /* a factor of 1 */
    {TENSOR, KERNELS, 4, 3}, {TENSOR, KERNELS, 8, 3}, {TENSOR, KERNELS, 20, 4},
    {TENSOR, KERNELS, 20, 1},                                    /* channels that x does not have */
    {TENSOR, KERNELS, 36, 1}, {TENSOR, KERNELS, 32, 0}, {TENSOR, KERNELS, 40, NONE},
    {TENSOR, KERNELS, 0, STROP_UINT8}, {TENSOR, KERNEL_BIAS, 8, 1},
    {TENSOR, KERNEL_BIAS, 0, STROP_FLOAT32}, {TENSOR, KERNEL_BIAS, 40, NONE},
    {TENSOR, MAPS, 16, 3}, {TENSOR, MAPS, 4, 2}, {TENSOR, MAPS, 0, STROP_UINT8},
    {STEP, DEPTHWISE, 24, 0x01020100}, {STEP, DEPTHWISE, 24, 0x01020001},
    {STEP, DEPTHWISE, 24, 0x00020101}, {STEP, DEPTHWISE, 24, 0x01000101},
    {STEP, DEPTHWISE, 28, 0x00010000}, {STEP, DEPTHWISE, 8, KERNELS}, {STEP, DEPTHWISE, 8, NONE},
    {STEP, DEPTHWISE, 12, KERNEL_BIAS}, {STEP, DEPTHWISE, 0, OP_CONV_2D},
    {STEP, DEPTHWISE, 16, MEANS}, {STEP, DEPTHWISE, 20, 3},
    {TENSOR, TAPS, 8, 3},                                        /* no multiple of x's channels */
    {TENSOR, TAPS, 8, 2}, {TENSOR, TAPS, 4, 2}, {TENSOR, TAPS, 40, NONE},
    {TENSOR, FILTERED, 16, 2}, {TENSOR, FILTERED, 32, 0},
    {STEP, MAX_POOL, 24, 0x00000002}, {STEP, MAX_POOL, 24, 0x00000200},
    {STEP, MAX_POOL, 24, 0x00010202}, {STEP, MAX_POOL, 24, 0x01000202}, /* a dilation */
    {STEP, MAX_POOL, 24, 0x00000203},                            /* the last row is outside */
    {STEP, MAX_POOL, 24, 0x00000502},                            /* the last column is */
    {STEP, MAX_POOL, 28, 0x02020002},                            /* the first row is */
    {STEP, MAX_POOL, 28, 0x02020200},                            /* the first column is */
    {STEP, MAX_POOL, 28, 0x02000000}, {STEP, MAX_POOL, 28, 0x00020000}, /* an empty window */
    {STEP, MAX_POOL, 20, 3}, {STEP, MAX_POOL, 8, TAPS}, {STEP, MAX_POOL, 4, PICTURE},
    {STEP, MAX_POOL, 4, MAPS}, {STEP, MAX_POOL, 0, OP_CONV_2D},
    {TENSOR, SMALL, 36, 4}, {TENSOR, SMALL, 32, 0x3F000000}, {TENSOR, SMALL, 16, 3},
    {TENSOR, SMALL, 0, STROP_FLOAT32}, {TENSOR, SMALL, 4, 2},
    {STEP, AVERAGE_POOL, 24, 0x00000100}, {STEP, AVERAGE_POOL, 28, 0x01020002},
    {STEP, AVERAGE_POOL, 28, 0}, {STEP, AVERAGE_POOL, 20, 3}, {STEP, AVERAGE_POOL, 12, TAPS},
    {TENSOR, MEANS, 36, 4}, {TENSOR, MEANS, 8, 3}, {TENSOR, MEANS, 16, 3},
    {STEP, FLOAT_CONV, 8, KERNELS}, {STEP, FLOAT_CONV, 12, KERNEL_BIAS},
    {STEP, FLOAT_CONV, 4, IMAGE}, {STEP, FLOAT_CONV, 24, 0x01010001},
    {TENSOR, PICTURE, 0, STROP_INT32}, {TENSOR, PICTURE_KERNELS, 0, STROP_INT32},
    {TENSOR, PICTURE_MAPS, 0, STROP_INT32},
    {DATA, 0, 0, 0x80},                                          /* a weight of -128 */
    {DATA, 16, 0, 0x7FFFFFFF},                                   /* a bias that overflows */
    {DATA, 32, 0, 0x80},
};
/* clang-format on */

static uint32_t find(const uint8_t *plan, const change *of) {
    static const uint32_t record_bytes[] = {4, 56, 32, 4, 4};
    uint32_t start = 0;
    if (of->section != HEADER) memcpy(&start, plan + 28 + 4 * of->section, 4);
    return start + of->index * record_bytes[of->section] + of->at;
}

/* Count what is wrong: a layer whose work is the most that there may be is accepted, and refused
 * with one more step. */
static int check_work(plan_writer *to) {
    enum { ROWS = 1 << 16, SIZE = 1 << 8 };
    static const float zeros[SIZE * SIZE];
    int wrong = 0;
    memset(to, 0, sizeof *to);
    const uint32_t x = write_tensor(to, STROP_FLOAT32, ROWS, SIZE, 0, 0, NULL);
    const uint32_t weights = write_tensor(to, STROP_FLOAT32, SIZE, SIZE, 0, 0, zeros);
    const uint32_t y = write_tensor(to, STROP_FLOAT32, ROWS, SIZE, 0, 0, NULL);
    write_border(to, 0, x);
    write_border(to, 1, y);
    write_step(to, OP_FULLY_CONNECTED, x, weights, NONE, y, 0, 0);
    for (int steps = 1; steps <= 2; steps++) {
        size_t count;
        strop_needs needs;
        uint8_t *plan = write_plan(to, &count);
        wrong += !strop_check(plan, count, &needs) != (steps == 1);
        free(plan);
        const uint32_t one = write_tensor(to, STROP_FLOAT32, ROWS, SIZE, 0, 0, NULL);
        write_step(to, OP_RELU, y, NONE, NONE, one, 0, 0);
    }
    return wrong;
}

/* Count what is wrong: windows of 2^16 values are accepted, not of more; and work of 2^32, not of
 * more. */
static int check_window_limits(plan_writer *to) {
    static const struct {
        uint32_t size, y_size;
        int is_sound;
    } convolutions[] = {{256, 1, 1}, {257, 1, 0}, {256, 256, 1}, {256, 257, 0}};
    static const float zeros[257 * 256];
    int wrong = 0;
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++) {
        size_t count;
        strop_needs needs;
        const uint32_t image[] = {9, 9, 1}, size = convolutions[i].y_size;
        const uint32_t kernel[] = {1, convolutions[i].size, 256, 1}, y[] = {size, 256, 1};
        memset(to, 0, sizeof *to);
        write_shaped(to, STROP_FLOAT32, 3, image, 0, 0, NULL);
        write_shaped(to, STROP_FLOAT32, 4, kernel, 0, 0, zeros);
        write_shaped(to, STROP_FLOAT32, 3, y, 0, 0, NULL);
        write_step(to, OP_CONV_2D, 0, 1, NONE, 2, 0, 0);
        put_u32(to->step[0] + 24, 0x01010101);
        write_border(to, 0, 0);
        write_border(to, 1, 2);
        uint8_t *plan = write_plan(to, &count);
        wrong += (strop_check(plan, count, &needs) == NULL) != convolutions[i].is_sound;
        free(plan);
    }
    return wrong;
}

/* Count what is wrong: means of 2^16 values of int8 are accepted, not of more; scales that are
 * less than 2^16 apart, not more. */
static int check_mean_limits(plan_writer *to) {
    static const struct {
        uint32_t values;
        float scale;
        int is_sound;
    } means[] = {{1 << 16, 0.5f, 1}, {(1 << 16) + 1, 0.5f, 0}, {1, 65535.0f, 1}, {1, 65536.0f, 0}};
    int wrong = 0;
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) {
        size_t count;
        strop_needs needs;
        memset(to, 0, sizeof *to);
        to->rounding = ROUNDING_FLOAT;
        write_tensor(to, STROP_INT8, means[i].values, 0, means[i].scale, 0, NULL);
        write_tensor(to, STROP_INT8, 1, 0, 1.0f, 0, NULL);
        write_step(to, OP_MEAN, 0, NONE, NONE, 1, 0, 0);
        write_parameter(to, 1, 1);
        write_border(to, 0, 0);
        write_border(to, 1, 1);
        uint8_t *plan = write_plan(to, &count);
        wrong += (strop_check(plan, count, &needs) == NULL) != means[i].is_sound;
        free(plan);
    }
    return wrong;
}

/* Count what is wrong: the sound plan is accepted, each change of it refused. */
static int check_changes(const plan_writer *sound, const change *changes, size_t number) {
    strop_needs needs;
    size_t count;
    int wrong = 0;
    uint8_t *plan = write_plan(sound, &count);
    const char *reason = strop_check(plan, count, &needs);
    if (reason) return printf("the sound plan is refused: %s\n", reason), 1;
    for (size_t i = 0; i < number; i++) {
        uint8_t kept[4];
        const uint32_t at = find(plan, &changes[i]);
        memcpy(kept, plan + at, 4);
        put_u32(plan + at, changes[i].value);
        reason = strop_check(plan, count, &needs);
        if (!reason) {
            printf("accepted: section %d, record %u, byte %u, value %u\n", changes[i].section,
                   changes[i].index, changes[i].at, changes[i].value);
            wrong++;
        }
        memcpy(plan + at, kept, 4);
    }
    for (size_t shorter = 0; shorter < count; shorter++)
        wrong += !strop_check(plan, shorter, &needs);
    wrong += strop_check(plan, count, &needs) != NULL; /* all changes were undone */
    free(plan);
    printf("%zu changes: %d wrong\n", number, wrong);
    return wrong;
}

int main(void) {
    static plan_writer writer;
    int wrong = 0;
    write_sound(&writer);
    wrong += check_changes(&writer, refused, sizeof refused / sizeof *refused);
    write_sound_moves(&writer);
    wrong += check_changes(&writer, refused_moves, sizeof refused_moves / sizeof *refused_moves);
    write_sound_windows(&writer);
    wrong +=
        check_changes(&writer, refused_windows, sizeof refused_windows / sizeof *refused_windows);
    wrong += check_window_limits(&writer);
    wrong += check_work(&writer) + check_mean_limits(&writer);
    return wrong != 0;
}
