import {
  adcConfig, AVRADC, AVREEPROM, AVRIOPort, avrInstruction, AVRSPI, AVRTimer, AVRTWI, AVRUSART, CPU, EEPROMMemoryBackend,
  PinState, portBConfig, portCConfig, portDConfig, spiConfig, timer0Config, timer1Config, timer2Config, twiConfig, usart0Config,
} from 'avr8js';

export const HZ = 16_000_000;
/** 0 to 13, then A0 to A5. */
export const PINS = 20;
export const FIRST_ANALOG = 14;

const SRAM_BYTES = 0x800;
const EEPROM_BYTES = 1024;
const SLEEP = 0x9588;
const VOLTS = 5;
/** Serial's own buffer has 64; whoever types faster waits. */
const TYPED_MAX = 4096;
/** What is written between two looks: far more than 2 Mbaud can bring. */
const WRITTEN_MAX = 65_536;

/** What is seen of a pin since the last look. */
export type PinSeen = {
  /** The part of the time in which the sketch held it high, from 0 to 1. */
  duty: number;
  /** How long its last pulse was; none where it has had none lately. */
  pulseUs: number | null;
};

/** What an outsider does to a pin: nothing, or hold it somewhere. */
export type Level = 'open' | 'low' | 'high';

type Pin = { port: AVRIOPort; bit: number; isHigh: boolean; since: number; high: number; pulse: number | null; level: Level };

/** An Arduino Uno: its chip, what it does to its pins and what is done to them. Time goes on only in `run`. */
export class Uno {
  private readonly cpu: CPU;
  private readonly adc: AVRADC;
  private readonly usart: AVRUSART;
  private readonly pins: Pin[];
  private typed: number[] = [];
  private written: number[] = [];
  private lookedAt = 0;
  /** The sketch has put the chip to sleep for good. */
  isOver = false;

  constructor(flash: Uint8Array, eeprom = new EEPROMMemoryBackend(EEPROM_BYTES)) {
    const program = new Uint16Array(flash.length / 2);
    new Uint8Array(program.buffer).set(flash);
    this.cpu = new CPU(program, SRAM_BYTES);
    const [b, c, d] = [portBConfig, portCConfig, portDConfig].map((config) => new AVRIOPort(this.cpu, config)) as [AVRIOPort, AVRIOPort, AVRIOPort];
    this.pins = Array.from({ length: PINS }, (_, pin) => ({ port: pin < 8 ? d : pin < FIRST_ANALOG ? b : c, bit: pin < 8 ? pin : pin < FIRST_ANALOG ? pin - 8 : pin - FIRST_ANALOG, isHigh: false, since: 0, high: 0, pulse: null, level: 'open' }));
    for (const port of [b, c, d]) port.addListener(() => { this.turned(port); });
    for (const config of [timer0Config, timer1Config, timer2Config]) new AVRTimer(this.cpu, config);
    this.adc = new AVRADC(this.cpu, adcConfig);
    this.usart = new AVRUSART(this.cpu, usart0Config, HZ);
    this.usart.onByteTransmit = (byte) => { if (this.written.length < WRITTEN_MAX) this.written.push(byte); };
    this.usart.onRxComplete = () => { this.cpu.addClockEvent(() => { this.feed(); }, HZ / 50_000); };
    new AVREEPROM(this.cpu, eeprom);
    new AVRSPI(this.cpu, spiConfig, HZ);
    new AVRTWI(this.cpu, twiConfig, HZ);
  }

  get cycles(): number {
    return this.cpu.cycles;
  }

  /** Goes on until its clock is there. */
  run(until: number): void {
    const { cpu } = this;
    const { progMem } = cpu;
    while (cpu.cycles < until && !this.isOver) {
      // What runs on beyond the end begins anew, as the address has no more bits.
      if (cpu.pc >= progMem.length) cpu.pc = 0;
      if (progMem[cpu.pc] === SLEEP && !cpu.interruptsEnabled) {
        this.isOver = true;
        return;
      }
      avrInstruction(cpu);
      cpu.tick();
    }
  }

  /** What became of the pins since this was last asked. */
  look(): PinSeen[] {
    const passed = Math.max(1, this.cpu.cycles - this.lookedAt);
    const seen = this.pins.map((pin) => {
      const high = pin.high + (pin.isHigh ? this.cpu.cycles - Math.max(pin.since, this.lookedAt) : 0);
      const { pulse } = pin;
      pin.high = 0;
      pin.pulse = null;
      return { duty: Math.min(1, high / passed), pulseUs: pulse === null ? null : (pulse * 1_000_000) / HZ };
    });
    this.lookedAt = this.cpu.cycles;
    return seen;
  }

  /** What was written to Serial since this was last asked. */
  take(): Uint8Array {
    const taken = Uint8Array.from(this.written);
    this.written = [];
    return taken;
  }

  /** Types into Serial. */
  type(bytes: Uint8Array): void {
    for (const byte of bytes) if (this.typed.length < TYPED_MAX) this.typed.push(byte);
    this.feed();
  }

  private feed(): void {
    const [next] = this.typed;
    if (next === undefined || this.usart.rxBusy || !this.usart.rxEnable) {
      // The sketch may begin to listen later.
      if (next !== undefined && !this.usart.rxEnable) this.cpu.addClockEvent(() => { this.feed(); }, HZ / 1_000);
      return;
    }
    if (this.usart.writeByte(next) !== false) this.typed.shift();
  }

  /** Holds a pin, or lets go of it. */
  hold(number: number, level: Level): void {
    const pin = this.pins[number];
    if (!pin) return;
    pin.level = level;
    this.settle(pin);
  }

  /** Puts a voltage on an analog pin, from 0 to 1 of what the board runs on. */
  bias(number: number, part: number): void {
    if (number >= FIRST_ANALOG && number < PINS) this.adc.channelValues[number - FIRST_ANALOG] = Math.min(1, Math.max(0, part)) * VOLTS;
  }

  private turned(port: AVRIOPort): void {
    for (const pin of this.pins) {
      if (pin.port !== port) continue;
      const isHigh = port.pinState(pin.bit) === PinState.High;
      if (isHigh && !pin.isHigh) pin.since = this.cpu.cycles;
      if (!isHigh && pin.isHigh) {
        pin.high += this.cpu.cycles - Math.max(pin.since, this.lookedAt);
        pin.pulse = this.cpu.cycles - pin.since;
      }
      pin.isHigh = isHigh;
      this.settle(pin);
    }
  }

  /** What a pin reads: who holds it, or else its pull-up. What nobody holds is low, though a real one would waver. */
  private settle(pin: Pin): void {
    const state = pin.port.pinState(pin.bit);
    if (state === PinState.Low || state === PinState.High) return;
    pin.port.setPin(pin.bit, pin.level === 'high' || (pin.level === 'open' && state === PinState.InputPullUp));
  }
}
