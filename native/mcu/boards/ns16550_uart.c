/* The 16550 UART, as QEMU's RISC-V board `virt` has it. */
#include "board.h"

enum { DATA, LINE_STATUS = 5 };
#define UART ((volatile uint8_t *)BOARD_UART)

void board_open_serial(void) {}

void board_write(uint8_t byte) {
    while (!(UART[LINE_STATUS] & 0x20)) continue;
    UART[DATA] = byte;
}

uint8_t board_read(void) {
    while (!(UART[LINE_STATUS] & 1)) continue;
    return UART[DATA];
}
