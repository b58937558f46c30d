#include "Servo.h"

#include <avr/interrupt.h>

// Pulses come one after another, then there is a rest: 20 ms from one round to the next. Timer 1 counts half microseconds.
static const uint16_t ROUND_TICKS = 40000;

struct Pulse {
    uint8_t pin;
    bool is_attached;
    volatile uint16_t us;
};

static Pulse pulses[MAX_SERVOS];
static uint8_t servos = 0;
// Which servo's pulse is under way; as many as there are while they rest.
static volatile uint8_t turn = MAX_SERVOS;

ISR(TIMER1_COMPA_vect) {
    if (turn >= servos) {
        TCNT1 = 0;
        turn = 0;
    } else {
        if (pulses[turn].is_attached) digitalWrite(pulses[turn].pin, LOW);
        turn++;
    }
    if (turn < servos) {
        if (pulses[turn].is_attached) digitalWrite(pulses[turn].pin, HIGH);
        OCR1A = TCNT1 + pulses[turn].us * 2;
    } else {
        uint16_t soon = TCNT1 + 8;
        OCR1A = soon < ROUND_TICKS ? ROUND_TICKS : soon;
    }
}

static void begin() {
    TCCR1A = 0;
    TCCR1B = _BV(CS11);
    TCNT1 = 0;
    OCR1A = 8;
    TIFR1 = _BV(OCF1A);
    TIMSK1 |= _BV(OCIE1A);
}

Servo::Servo() : number(INVALID_SERVO), shortest_us(MIN_PULSE_WIDTH), longest_us(MAX_PULSE_WIDTH) {
    if (servos >= MAX_SERVOS) return;
    number = servos++;
    pulses[number].us = 1500;
}

uint8_t Servo::attach(int pin) { return attach(pin, MIN_PULSE_WIDTH, MAX_PULSE_WIDTH); }

uint8_t Servo::attach(int pin, int shortest, int longest) {
    if (number == INVALID_SERVO) return number;
    shortest_us = shortest;
    longest_us = longest;
    pinMode(pin, OUTPUT);
    pulses[number].pin = pin;
    pulses[number].is_attached = true;
    if (!(TIMSK1 & _BV(OCIE1A))) begin();
    return number;
}

void Servo::detach() {
    if (number != INVALID_SERVO) pulses[number].is_attached = false;
}

void Servo::write(int value) {
    if (value < MIN_PULSE_WIDTH) value = map(constrain(value, 0, 180), 0, 180, shortest_us, longest_us);
    writeMicroseconds(value);
}

void Servo::writeMicroseconds(int us) {
    if (number == INVALID_SERVO) return;
    uint16_t within = constrain(us, shortest_us, longest_us);
    uint8_t before = SREG;
    cli();
    pulses[number].us = within;
    SREG = before;
}

int Servo::read() { return map(readMicroseconds() + 1, shortest_us, longest_us, 0, 180); }

int Servo::readMicroseconds() { return number == INVALID_SERVO ? 0 : pulses[number].us; }

bool Servo::attached() { return number != INVALID_SERVO && pulses[number].is_attached; }
