// Servos on any pins of an Uno, with the names that sketches know from Arduino's library, which Debian packages only with its whole editor.
#ifndef MADANG_SERVO_H
#define MADANG_SERVO_H

#include <Arduino.h>

#define MIN_PULSE_WIDTH 544
#define MAX_PULSE_WIDTH 2400
#define MAX_SERVOS 12
#define INVALID_SERVO 255

class Servo {
public:
    Servo();
    // The number of the servo, INVALID_SERVO where there are too many. Timer 1 is the servos' from here on: no PWM on 9 and 10.
    uint8_t attach(int pin);
    uint8_t attach(int pin, int shortest_us, int longest_us);
    void detach();
    // Degrees; what is no angle is taken as microseconds.
    void write(int value);
    void writeMicroseconds(int us);
    int read();
    int readMicroseconds();
    bool attached();

private:
    uint8_t number;
    int shortest_us, longest_us;
};

#endif
