/* The rules and the geometry of convolutions and pools. */
#ifndef STROP_WINDOWS_H
#define STROP_WINDOWS_H

#include "kernels.h"
#include "operands.h"

/* Check the shapes, types and parameters of a step. */
const char *check_convolution(const plan_file *plan, const plan_step *step, const operands *of);
const char *check_pool(const plan_step *step, const operands *of);

/* Read the windows of a sound step. */
void read_windows(const plan_step *step, const operands *of, window *to);

/* Tell whether each window is one pixel of x, and that of its output: then the layer can run over x
 * as it is. */
int windows_are_pixels(const window *of);

#endif
