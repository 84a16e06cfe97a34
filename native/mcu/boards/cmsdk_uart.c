/* The UART of Arm's Cortex-M System Design Kit, as the MPS2 boards have it. */
#include "board.h"

enum { DATA, STATE, CONTROL, BAUD_DIVIDER = 4 };
#define UART ((volatile uint32_t *)BOARD_UART)

void board_open_serial(void) {
    UART[BAUD_DIVIDER] = 217; /* 115,200 baud of 25 MHz */
    UART[CONTROL] = 3;        /* send and receive */
}

void board_write(uint8_t byte) {
    while (UART[STATE] & 1) continue;
    UART[DATA] = byte;
}

uint8_t board_read(void) {
    while (!(UART[STATE] & 2)) continue;
    return (uint8_t)UART[DATA];
}
