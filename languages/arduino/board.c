/* An Arduino Uno without a browser: runs a .hex, Serial being standard output and input.
 *
 *   board FILE.hex SECONDS
 *
 * Time is the board's own, so the same sketch does the same each time. It ends when the sketch sleeps for good or when its
 * seconds are over; then it says which pins have changed. */
#include <poll.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HZ 16000000ULL
#define PINS 20
#define SECONDS_MAX 3600
#define IHEX_CHUNKS_MAX 64

struct pin {
    int number;
    int high;
    int rises;
    avr_cycle_count_t since, lit;
    avr_t *avr;
};

static struct pin pins[PINS];
static int can_read;

static void hear(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)param;
    putchar((int)value);
    if (value == '\n') fflush(stdout);
}

static void turn(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    struct pin *pin = param;
    int high = value & 1;
    if (high == pin->high) return;
    if (high) pin->rises++, pin->since = pin->avr->cycle;
    else pin->lit += pin->avr->cycle - pin->since;
    pin->high = high;
}

static void open_ear(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)value, (void)param;
    can_read = 1;
}

static void close_ear(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)value, (void)param;
    can_read = 0;
}

/* Nobody waits for a sleeping board: its clock goes on at once. */
static void sleep_not(avr_t *avr, avr_cycle_count_t cycles) { (void)avr, (void)cycles; }

/* Errors of the simulated chip are for those who simulate. */
static void say_nothing(avr_t *avr, const int level, const char *format, va_list arguments) {
    (void)avr, (void)level, (void)format, (void)arguments;
}

static void load(avr_t *avr, const char *path) {
    ihex_chunk_p chunks = NULL;
    int count = read_ihex_chunks(path, &chunks);
    if (count <= 0 || count > IHEX_CHUNKS_MAX) {
        fprintf(stderr, "no program in %s: was it built?\n", path);
        exit(1);
    }
    for (int at = 0; at < count; at++) {
        if (chunks[at].baseaddr + (uint64_t)chunks[at].size > avr->flashend + 1ULL) {
            fprintf(stderr, "%s is too large for an Arduino Uno\n", path);
            exit(1);
        }
        memcpy(avr->flash + chunks[at].baseaddr, chunks[at].data, chunks[at].size);
    }
    avr->pc = avr->reset_pc;
    avr->codeend = avr->flashend;
}

static void wire_serial(avr_t *avr) {
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), hear, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), open_ear, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), close_ear, NULL);
}

static void wire_pins(avr_t *avr) {
    static const struct { char port; int bit, pin, count; } rows[] = { { 'D', 0, 0, 8 }, { 'B', 0, 8, 6 }, { 'C', 0, 14, 6 } };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (int at = 0; at < rows[row].count; at++) {
            struct pin *pin = &pins[rows[row].pin + at];
            pin->number = rows[row].pin + at;
            pin->avr = avr;
            avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(rows[row].port), rows[row].bit + at), turn, pin);
        }
}

/* A byte of standard input, where there is one now. */
static int typed(void) {
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    unsigned char byte;
    if (poll(&input, 1, 0) <= 0 || read(STDIN_FILENO, &byte, 1) != 1) return -1;
    return byte;
}

static void tell_pins(avr_t *avr) {
    fflush(stdout);
    /* Pins 0 and 1 are those of Serial. */
    for (struct pin *pin = pins + 2; pin < pins + PINS; pin++) {
        if (pin->high) pin->lit += avr->cycle - pin->since;
        if (pin->rises == 0) continue;
        const char *letter = pin->number < 14 ? "" : "A";
        int number = pin->number < 14 ? pin->number : pin->number - 14;
        fprintf(stderr, "pin %s%d: switched on %d times, on for %.3f s of %.3f s\n", letter, number, pin->rises,
                (double)pin->lit / HZ, (double)avr->cycle / HZ);
    }
}

int main(int count, char **words) {
    double seconds = count > 2 ? atof(words[2]) : 0;
    if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
        fprintf(stderr, "usage: FILE.hex SECONDS, %d at most\n", SECONDS_MAX);
        return 2;
    }
    avr_global_logger_set(say_nothing);
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    if (!avr || avr_init(avr) != 0) return 1;
    avr->frequency = HZ;
    avr->sleep = sleep_not;
    load(avr, words[1]);
    wire_serial(avr);
    wire_pins(avr);
    avr_cycle_count_t end = (avr_cycle_count_t)(seconds * HZ), look = 0;
    int state = cpu_Running;
    while (avr->cycle < end && state != cpu_Done && state != cpu_Crashed) {
        state = avr_run(avr);
        /* A byte each millisecond, as at 9600 baud. */
        if (avr->cycle < look) continue;
        look = avr->cycle + HZ / 1000;
        int byte = can_read ? typed() : -1;
        if (byte >= 0) avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), (uint32_t)byte);
        else fflush(stdout);
    }
    tell_pins(avr);
    if (state == cpu_Crashed) fprintf(stderr, "the program has jumped to where none is\n");
    return state == cpu_Crashed;
}
