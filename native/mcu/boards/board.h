/* What firmware asks of a board. QEMU emulates the boards; `-semihosting` lets firmware end it. */
#ifndef STROP_BOARD_H
#define STROP_BOARD_H

#include <stdint.h>

int main(void);

void board_open_serial(void);
void board_write(uint8_t byte);
/* Wait for a byte from the serial line, and return it. */
uint8_t board_read(void);

/* Count instructions under `-icount shift=0`: in steps of `BOARD_TICK`, without the high bits. */
uint32_t board_ticks(void);

/* Call the emulator: Arm's semihosting, of which RISC-V has the same operations. */
enum { SEMIHOSTING_OPEN = 1, SEMIHOSTING_WRITE = 5, SEMIHOSTING_READ = 6, SEMIHOSTING_EXIT = 32 };
int32_t board_semihosting(int32_t operation, const void *arguments);
void board_exit(int32_t status);

#endif
