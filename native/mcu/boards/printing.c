/* printf, putchar and getchar on a board's serial line. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "board.h"

int putchar(int byte) {
    board_write((uint8_t)byte);
    return byte;
}

int getchar(void) { return board_read(); }

static int print_text(const char *text) {
    int count = 0;
    while (text[count]) putchar(text[count++]);
    return count;
}

static int print_unsigned(uint32_t number) {
    char digits[11] = "";
    int at = 10;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return print_text(digits + at);
}

static int print_signed(int32_t number) {
    const uint32_t magnitude = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    return (number < 0 ? print_text("-") : 0) + print_unsigned(magnitude);
}

/* Print 6 digits of a number, without zeros at the end; e is its decimal exponent. */
static int print_float(double number) {
    int count = 0, e = 0;
    if (number != number) return print_text("nan");
    if (number < 0) {
        count += print_text("-");
        number = -number;
    }
    if (number > 3.5e38) return count + print_text("inf");
    while (number >= 10) number /= 10, e++;
    while (number > 0 && number < 1) number *= 10, e--;
    uint32_t digits = (uint32_t)(number * 1e5 + 0.5);
    if (digits == 1000000) digits = 100000, e++;
    const int exponent = e < -4 || e > 5 ? e : 0;
    int before = e - exponent; /* how many digits, less 1, are before the point */
    for (int i = before; i < 0; i++) count += print_text(i == before ? "0." : "0");
    for (uint32_t unit = 100000; unit && (before >= 0 || digits); unit /= 10, before--) {
        putchar((int)('0' + digits / unit));
        digits %= unit;
        count++;
        if (before == 0 && digits) count += print_text(".");
    }
    if (exponent) {
        count += print_text(exponent < 0 ? "e-" : "e+");
        if (exponent > -10 && exponent < 10) count += print_text("0");
        count += print_signed(exponent < 0 ? -exponent : exponent);
    }
    return count;
}

int printf(const char *format, ...) {
    int count = 0;
    va_list given;
    va_start(given, format);
    for (; *format; format++) {
        if (*format != '%') {
            putchar(*format);
            count++;
            continue;
        }
        switch (*++format) {
            case 'd': count += print_signed(va_arg(given, int)); break;
            case 'u': count += print_unsigned(va_arg(given, unsigned)); break;
            case 's': count += print_text(va_arg(given, const char *)); break;
            case 'g': count += print_float(va_arg(given, double)); break;
            case 'c':
                putchar(va_arg(given, int));
                count++;
                break;
            case '%':
                putchar('%');
                count++;
                break;
            default: va_end(given); return -1;
        }
    }
    va_end(given);
    return count;
}
