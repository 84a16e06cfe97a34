/* Requantization of a row of a panel for instruction sets without masks. */
#ifndef STROP_REQUANTIZE_ROW_H
#define STROP_REQUANTIZE_ROW_H

#include <string.h>

#include "requantize.h"

/* Write the `used` bytes of a row of a panel. */
static void requantize_row(const requantization *how, size_t first, size_t used, size_t width,
                           const int32_t *accumulators, uint8_t *y) {
    uint8_t bytes[PANEL_OUTPUTS];
    uint8_t *to = width > used ? bytes : y; /* with padding */
    requantize(how, first, width, accumulators, to);
    if (width > used)
        memcpy(y, bytes, used);
    else if (width < used)
        requantize(how, first + width, used - width, accumulators + width, y + width);
}

#endif
