#include "selfcheck.h"

#include <stddef.h>

#define REQUEST "strop check"

enum {
    REQUEST_BYTES = sizeof REQUEST - 1,
    MOST_BYTES = 64, /* read in one call: a line that never falls silent must not keep the board */
    UNWRITTEN =
        0xA5 /* what the arena holds before a run: no output may be left of an earlier one */
};

typedef struct {
    void (*write_byte)(uint8_t byte);
    uint32_t crc; /* of what was written */
} answer;

/* CRC-32 as zlib's (IEEE 802.3, reflected), continued by one byte; without a table, which would
 * take 1 KiB of flash. */
static uint32_t crc32(uint32_t crc, uint8_t byte) {
    crc = ~crc ^ byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0 - (crc & 1)));
    return ~crc;
}

static void put(answer *to, char letter) {
    to->crc = crc32(to->crc, (uint8_t)letter);
    to->write_byte((uint8_t)letter);
}

static void put_text(answer *to, const char *text) {
    while (*text) put(to, *text++);
}

static void put_decimal(answer *to, uint32_t number) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count) put(to, digits[--count]);
}

static void put_crc(answer *to, uint32_t crc) {
    for (int shift = 28; shift >= 0; shift -= 4) put(to, "0123456789abcdef"[(crc >> shift) & 15]);
    put(to, '\n');
}

static void run_sample(const strop_golden *golden, uint8_t *arena, uint32_t sample) {
    const strop_model *model = golden->model;
    for (uint32_t i = 0; i < model->arena_bytes; i++) arena[i] = UNWRITTEN;
    for (uint32_t k = 0; k < model->inputs; k++) {
        const strop_array *input = &model->arrays[k];
        const uint8_t *values = golden->inputs[k] + (size_t)sample * input->bytes;
        for (uint32_t i = 0; i < input->bytes; i++) arena[input->offset + i] = values[i];
    }
    model->run(arena);
}

static void put_sample(answer *to, const strop_golden *golden, const uint8_t *arena,
                       uint32_t sample) {
    const strop_model *model = golden->model;
    uint32_t differing = 0;
    uint32_t crc = 0;
    for (uint32_t k = 0; k < model->outputs; k++) {
        const strop_array *output = &model->arrays[model->inputs + k];
        const uint8_t *proven = golden->outputs[k] + (size_t)sample * output->bytes;
        for (uint32_t i = 0; i < output->bytes; i++) {
            const uint8_t byte = arena[output->offset + i];
            differing += byte != proven[i];
            crc = crc32(crc, byte);
        }
    }
    put_text(to, "sample ");
    put_decimal(to, sample);
    put(to, ' ');
    put_decimal(to, differing);
    put(to, ' ');
    put_crc(to, crc);
}

static void answer_all(const strop_selfcheck *check) {
    const strop_golden *golden = check->golden;
    answer to = {check->write_byte, 0};
    check->write_byte('\n'); /* whatever was printed before, the answer begins a line */
    put_text(&to, "strop-check 1 ");
    put_text(&to, golden->model->name);
    put(&to, ' ');
    put_text(&to, golden->model->plan_sha256);
    put(&to, ' ');
    put_decimal(&to, golden->samples);
    put(&to, '\n');
    for (uint32_t sample = 0; sample < golden->samples; sample++) {
        run_sample(golden, check->arena, sample);
        put_sample(&to, golden, check->arena, sample);
    }
    const uint32_t crc = to.crc;
    put_text(&to, "end ");
    put_crc(&to, crc);
}

int strop_selfcheck_poll(strop_selfcheck *check) {
    for (int taken = 0; taken < MOST_BYTES; taken++) {
        const int byte = check->read_byte();
        if (byte < 0) return 0;
        /* Only its first letter is an s: what does not go on may just begin. */
        if (byte == REQUEST[check->matched])
            check->matched++;
        else
            check->matched = byte == 's';
        if (check->matched == REQUEST_BYTES) {
            check->matched = 0;
            answer_all(check);
            return 1;
        }
    }
    return 0;
}
