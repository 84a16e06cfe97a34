/* What firmware asks of a board. QEMU emulates the boards; `-semihosting` lets firmware end it. */
#ifndef STROP_BOARD_H
#define STROP_BOARD_H

#include <stdint.h>

int main(void);

void board_open_serial(void);
void board_write(uint8_t byte);
/* Wait for a byte from the serial line, and return it. */
uint8_t board_read(void);

/* A counter, of which BOARD_TICKS has the bits. Under QEMU's `-icount shift=0` an instruction takes
 * a nanosecond; native/mcu/build.py has the nanoseconds of a tick. */
#ifdef __riscv
#define BOARD_TICKS 0xFFFFFFFFu
#else
#define BOARD_TICKS 0xFFFFFFu
#endif
uint32_t board_ticks(void);

/* Call the emulator: Arm's semihosting, of which RISC-V has the same operations. */
enum { SEMIHOSTING_OPEN = 1, SEMIHOSTING_WRITE = 5, SEMIHOSTING_READ = 6, SEMIHOSTING_EXIT = 32 };
int32_t board_semihosting(int32_t operation, const void *arguments);
void board_exit(int32_t status);

#endif
