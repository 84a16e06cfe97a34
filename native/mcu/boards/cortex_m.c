/* Start-up of Cortex-M boards, and semihosting. */
#include "board.h"

extern uint32_t board_data_from[], board_data[], board_data_end[], board_bss[], board_bss_end[];
extern uint32_t board_stack_end[];

#define SYSTICK ((volatile uint32_t *)0xE000E010) /* control, reload, current */
#define CPACR (*(volatile uint32_t *)0xE000ED88)

void board_reset(void);

__attribute__((used)) void board_fault(void) { board_exit(2); }

/* The stack may be what overflowed. */
__attribute__((naked)) static void fault(void) {
    __asm volatile(
        "ldr r0, =board_stack_end\n"
        "mov sp, r0\n"
        "bl board_fault");
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))board_stack_end,
    board_reset,
    fault, /* NMI */
    fault, /* HardFault; the others are not enabled */
};

__attribute__((used)) void board_reset(void) {
#ifdef __ARM_FP
    CPACR |= 0xFu << 20;
    __asm volatile("dsb\nisb");
#endif
    const uint32_t *from = board_data_from;
    for (uint32_t *to = board_data; to < board_data_end;) *to++ = *from++;
    for (uint32_t *to = board_bss; to < board_bss_end;) *to++ = 0;
    SYSTICK[1] = BOARD_TICKS;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, by the CPU's clock */
    board_open_serial();
    board_exit(main());
}

uint32_t board_ticks(void) { return BOARD_TICKS - SYSTICK[2]; /* it counts down */ }

int32_t board_semihosting(int32_t operation, const void *arguments) {
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_exit(int32_t status) {
    const uint32_t arguments[2] = {0x20026, (uint32_t)status}; /* the application ended */
    for (;;) board_semihosting(SEMIHOSTING_EXIT, arguments);
}
