/* The UART of Nordic's nRF51, as the micro:bit has it. */
#include "board.h"

enum {
    START_RECEIVING = 0x000 / 4,
    START_SENDING = 0x008 / 4,
    RECEIVED = 0x108 / 4,
    SENT = 0x11C / 4,
    ENABLE = 0x500 / 4,
    RECEIVED_DATA = 0x518 / 4,
    SENT_DATA = 0x51C / 4,
    BAUD_RATE = 0x524 / 4
};
#define UART ((volatile uint32_t *)BOARD_UART)

void board_open_serial(void) {
    UART[BAUD_RATE] = 0x01D7E000; /* 115,200 baud */
    UART[ENABLE] = 4;
    UART[START_RECEIVING] = 1;
    UART[START_SENDING] = 1;
}

void board_write(uint8_t byte) {
    UART[SENT] = 0;
    UART[SENT_DATA] = byte;
    while (!UART[SENT]) continue;
}

uint8_t board_read(void) {
    while (!UART[RECEIVED]) continue;
    UART[RECEIVED] = 0;
    return (uint8_t)UART[RECEIVED_DATA];
}
