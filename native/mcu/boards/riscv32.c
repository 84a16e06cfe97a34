/* Start-up of RV32 boards, and semihosting. */
#include "board.h"

extern uint32_t board_data_from[], board_data[], board_data_end[], board_bss[], board_bss_end[];

__attribute__((used)) void board_start(void);

static void __attribute__((interrupt)) fault(void) { board_exit(2); }

/* No global pointer is set, as nothing is linked relative to it. */
__attribute__((section(".vectors"), naked, used)) void board_reset(void) {
    __asm volatile(
        "la sp, board_stack_end\n"
        "tail board_start");
}

void board_start(void) {
    __asm volatile("csrw mtvec, %0" ::"r"(fault));
    const uint32_t *from = board_data_from;
    for (uint32_t *to = board_data; to < board_data_end;) *to++ = *from++;
    for (uint32_t *to = board_bss; to < board_bss_end;) *to++ = 0;
    board_open_serial();
    board_exit(main());
}

uint32_t board_ticks(void) {
    uint32_t instructions;
    __asm volatile("csrr %0, minstret" : "=r"(instructions));
    return instructions;
}

/* The three instructions are the mark: none of them compressed, all in one page. */
int32_t board_semihosting(int32_t operation, const void *arguments) {
    register int32_t a0 __asm("a0") = operation;
    register const void *a1 __asm("a1") = arguments;
    __asm volatile(
        ".option push\n"
        ".option norvc\n"
        ".balign 16\n"
        "slli x0, x0, 0x1f\n"
        "ebreak\n"
        "srai x0, x0, 7\n"
        ".option pop"
        : "+r"(a0)
        : "r"(a1)
        : "memory");
    return a0;
}

void board_exit(int32_t status) {
    const uint32_t arguments[2] = {0x20026, (uint32_t)status}; /* the application ended */
    for (;;) board_semihosting(SEMIHOSTING_EXIT, arguments);
}
