/* As much of C's library as generated programs use: text goes to the serial line. */
#ifndef STROP_BOARD_STDIO_H
#define STROP_BOARD_STDIO_H

int putchar(int byte);
int getchar(void); /* waits for a byte */
/* Takes %d, %u, %c, %s, %g and %%, without widths. %g takes numbers of float's range. */
int printf(const char *format, ...);

#endif
