/* The interpreter: all steps over one tile of rows, then the next. */
#include <string.h>

#include "float_mode.h"
#include "model.h"

typedef struct {
    const strop_model *model;
    size_t rows; /* of this tile */
    size_t done; /* rows of earlier tiles */
    const void *const *inputs;
    void *const *outputs;
    uint8_t *patches; /* scratch of one step, of run_bytes */
    uint8_t *scratch; /* for tensors */
} tile;

static void *find(const tile *of, const place *where) {
    const model_border *borders = of->model->borders;
    switch (where->kind) {
        case PLACE_INPUT: /* no step writes there */
            return (uint8_t *)(uintptr_t)of->inputs[where->at] +
                   of->done * borders[where->at].border.row_bytes;
        case PLACE_OUTPUT:
            return (uint8_t *)of->outputs[where->at] +
                   of->done * borders[of->model->inputs + where->at].border.row_bytes;
        default: return of->scratch + where->at * of->rows;
    }
}

/* From int8 to its stored form, q + 128, and back. */
static void flip_signs(size_t count, const uint8_t *x, uint8_t *y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] ^ 0x80;
}

static void look_up(const uint8_t *table, size_t count, const uint8_t *x, uint8_t *y) {
    for (size_t i = 0; i < count; i++) y[i] = table[x[i]];
}

static void run_arithmetic(const tile *of, const model_step *step, const float *x, float *y) {
    const strop_kernels *kernels = of->model->kernels;
    const float *constant = step->of.arithmetic.constant;
    const size_t count = of->rows * step->rows * step->width;
    const float *other = constant ? constant : find(of, &step->other);
    const size_t width = constant ? step->width : count;
    (step->kind == RUN_ADD   ? kernels->add
     : step->kind == RUN_SUB ? kernels->sub
                             : kernels->mul)(count / width, width, x, other, y);
    kernels->clamp(step->of.arithmetic.low, step->of.arithmetic.high, count, y, y);
}

static void run_pair(const tile *of, const model_step *step, const uint8_t *x, uint8_t *y) {
    const uint8_t *constant = step->of.pair.constant;
    const size_t count = of->rows * step->rows * step->width;
    const size_t width = constant ? step->width : count;
    const uint8_t *other = constant ? constant : find(of, &step->other);
    for (size_t done = 0; done < count; done += width)
        pair_run(&step->of.pair.how, width, x + done, other, y + done);
}

static void run_moves(const tile *of, const model_step *step, uint8_t *y) {
    const size_t y_bytes = step->of.moves.y_bytes;
    if (step->of.moves.fills) memset(y, step->of.moves.fill, of->rows * y_bytes);
    for (uint32_t i = 0; i < step->of.moves.count; i++) {
        const move *how = &step->of.moves.moves[i];
        move_run(how, of->rows, y_bytes, how->constant ? how->constant : find(of, &how->x), y);
    }
}

static void run_windows(const tile *of, const model_step *step, const void *x, void *y) {
    const strop_kernels *kernels = of->model->kernels;
    const size_t rows = of->rows;
    void *patches = of->patches;
    switch (step->kind) {
        case RUN_INT8_CONV_2D:
            kernels->int8_conv_2d(&step->of.int8_convolution, rows, x, patches, y);
            break;
        case RUN_FLOAT_CONV_2D:
            kernels->float_conv_2d(&step->of.convolution, rows, x, patches, y);
            break;
        case RUN_INT8_DEPTHWISE_CONV_2D:
            kernels->int8_depthwise_conv_2d(&step->of.int8_depthwise, rows, x, y);
            break;
        case RUN_FLOAT_DEPTHWISE_CONV_2D:
            kernels->float_depthwise_conv_2d(&step->of.depthwise, rows, x, y);
            break;
        case RUN_INT8_MAX_POOL_2D:
            kernels->int8_max_pool_2d(&step->of.int8_pool, rows, x, y);
            break;
        case RUN_FLOAT_MAX_POOL_2D: kernels->float_max_pool_2d(&step->of.pool, rows, x, y); break;
        case RUN_INT8_AVERAGE_POOL_2D:
            kernels->int8_average_pool_2d(&step->of.int8_pool, rows, x, y);
            break;
        default: kernels->float_average_pool_2d(&step->of.pool, rows, x, y);
    }
}

static void run_step(const tile *of, const model_step *step) {
    const strop_kernels *kernels = of->model->kernels;
    const size_t rows = of->rows * step->rows;
    const size_t count = rows * step->width;
    const void *x = find(of, &step->x);
    void *y = find(of, &step->y);
    switch (step->kind) {
        case RUN_LOOKUP: look_up(step->of.table, count, x, y); break;
        case RUN_QUANTIZE: kernels->quantize(&step->of.quantize, count, x, y); break;
        case RUN_DEQUANTIZE:
            kernels->dequantize(step->of.dequantize.scale, step->of.dequantize.zero_point, count, x,
                                y);
            break;
        case RUN_INT8_LAYER: kernels->int8_fully_connected(&step->of.int8, rows, x, y); break;
        case RUN_FLOAT_LAYER: kernels->float_fully_connected(&step->of.layer, rows, x, y); break;
        case RUN_INT8_CONV_2D:
        case RUN_FLOAT_CONV_2D:
        case RUN_INT8_DEPTHWISE_CONV_2D:
        case RUN_FLOAT_DEPTHWISE_CONV_2D:
        case RUN_INT8_MAX_POOL_2D:
        case RUN_FLOAT_MAX_POOL_2D:
        case RUN_INT8_AVERAGE_POOL_2D:
        case RUN_FLOAT_AVERAGE_POOL_2D: run_windows(of, step, x, y); break;
        case RUN_CLAMP:
            kernels->clamp(step->of.arithmetic.low, step->of.arithmetic.high, count, x, y);
            break;
        case RUN_SIGMOID: kernels->sigmoid(count, x, y); break;
        case RUN_TANH: kernels->tanh(count, x, y); break;
        case RUN_SOFTMAX: kernels->softmax(step->of.beta, rows, step->width, x, y); break;
        case RUN_PAIR: run_pair(of, step, x, y); break;
        case RUN_MEAN: mean_run(&step->of.mean, of->rows, x, y); break;
        case RUN_MOVES: run_moves(of, step, y); break;
        default: run_arithmetic(of, step, x, y);
    }
}

static void take_int8_inputs(const tile *of) {
    for (uint32_t i = 0; i < of->model->inputs; i++) {
        const model_border *input = &of->model->borders[i];
        if (input->border.dtype != STROP_INT8) continue;
        const size_t bytes = input->border.row_bytes;
        flip_signs(of->rows * bytes, (const uint8_t *)of->inputs[i] + of->done * bytes,
                   find(of, &input->where));
    }
}

/* Copy what was not computed in place: int8 outputs, and other names of inputs. */
static void give_outputs(const tile *of) {
    for (uint32_t i = 0; i < of->model->outputs; i++) {
        const model_border *output = &of->model->borders[of->model->inputs + i];
        if (output->where.kind == PLACE_OUTPUT && output->where.at == i) continue;
        const size_t bytes = output->border.row_bytes;
        const void *from = find(of, &output->where);
        uint8_t *to = (uint8_t *)of->outputs[i] + of->done * bytes;
        if (output->border.dtype == STROP_INT8)
            flip_signs(of->rows * bytes, from, to);
        else
            memcpy(to, from, of->rows * bytes);
    }
}

const char *strop_run(const strop_model *model, size_t rows, const void *const *inputs,
                      void *const *outputs, void *scratch, size_t scratch_bytes) {
    const size_t run_bytes = model->run_bytes, row_bytes = model->row_bytes;
    if (scratch_bytes < run_bytes + row_bytes) return "the scratch is too small for one row";
    size_t most = row_bytes ? (scratch_bytes - run_bytes) / row_bytes : STROP_TILE_ROWS;
    if (most > STROP_TILE_ROWS) most = STROP_TILE_ROWS;
    const uint64_t mode = float_mode_enter();
    uint8_t *patches = scratch;
    tile of = {model, 0, 0, inputs, outputs, patches, run_bytes ? patches + run_bytes : patches};
    while (of.done < rows) {
        of.rows = rows - of.done < most ? rows - of.done : most;
        take_int8_inputs(&of);
        for (uint32_t i = 0; i < model->steps; i++) run_step(&of, &model->step[i]);
        give_outputs(&of);
        of.done += of.rows;
    }
    float_mode_restore(mode);
    return NULL;
}
