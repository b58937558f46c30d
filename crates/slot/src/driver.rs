//! The interpreter that waits: its requests, its events, the run it serves now.

use std::{io, os::fd::OwnedFd};

use madang_slot_api::{
    FromSlot, RunNumber, StartDriver, Verb,
    driver::{Event, EventError, Reader, request},
};

use crate::{
    guest::Guest,
    outlet::{Budget, Drained, drain},
    program::Program,
    stdin::Inlet,
    walls::Walls,
};

/// Completions and prompts are short; media counts against the run's output. This is for events outside of any run.
const IDLE_PAYLOAD_BYTES_MAX: u64 = 64 << 10;
/// Above what is left of the output, so that headers and notes always fit.
const PAYLOAD_BYTES_SPARE: u64 = 64 << 10;

/// The request being served.
pub struct Serving {
    pub run: RunNumber,
    pub verb: Verb,
    pub budget: Budget,
    /// All of its standard input was sent along: when the program asks for more there is none.
    pub stdin_whole: bool,
}

/// What an event costs of the output at least, so that a million empty ones are not free.
const EVENT_BYTES_MIN: u64 = 16;

/// What an event costs of the run's output beyond the bytes that are output anyhow.
pub fn cost(event: &Event) -> u64 {
    let (output, other) = match event {
        Event::Output { bytes, .. } | Event::Media { bytes, .. } => (bytes.len(), 0),
        Event::Log { text } => (0, text.len()),
        Event::Input { prompt, .. } => (0, prompt.len()),
        Event::Completions { items, .. } => (0, items.iter().map(String::len).sum()),
        // Each ends something; there is one for each request.
        Event::Ready | Event::Done { .. } => return 0,
    };
    (other as u64).max(EVENT_BYTES_MIN.saturating_sub(output as u64))
}

/// A started interpreter.
pub struct Driver {
    pub guest: Guest,
    pub requests: Inlet,
    /// Closed by a program that runs as a script and wants nothing of us.
    pub events: Option<OwnedFd>,
    reader: Reader,
    pub ready: bool,
    pub serving: Option<Serving>,
}

impl Driver {
    pub fn start(argv: &[String], env: &[String], walls: &Walls) -> io::Result<Self> {
        let program = Program::new(argv, env)?;
        let (guest, requests, events) = Guest::start_driver(&program, walls)?;
        Ok(Self { guest, requests, events: Some(events), reader: Reader::default(), ready: false, serving: None })
    }

    pub fn ask(&mut self, ask: StartDriver, serving: Serving) {
        if !ask.env.is_empty() {
            let block: Vec<u8> = ask.env.iter().flat_map(|entry| [entry.as_bytes(), b"\0"].concat()).collect();
            self.requests.push(&request("env", &[], &block));
        }
        let bytes = match ask.verb {
            Verb::Exec => request("exec", &[], &ask.payload),
            Verb::Script => request("script", &[], &ask.payload),
            Verb::Complete { cursor } => request("complete", &[cursor], &ask.payload),
        };
        self.requests.push(&bytes);
        self.serving = Some(serving);
    }

    /// Reads what the driver has written, at most `reads` pieces: who writes without end must not keep us from the deadline; each whole event goes to `act`.
    pub fn read_events(&mut self, reads: usize) -> Result<Vec<Event>, EventError> {
        let mut events = Vec::new();
        for _ in 0..reads {
            let Some(pipe) = &self.events else { break };
            match drain(pipe) {
                Drained::Bytes(bytes) => self.reader.push(&bytes),
                Drained::NothingNow => break,
                Drained::Closed => self.events = None,
            }
            let left = self.serving.as_ref().map(|serving| serving.budget.output_left + PAYLOAD_BYTES_SPARE);
            while let Some(event) = self.reader.next(left.unwrap_or(IDLE_PAYLOAD_BYTES_MAX))? {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The program asks for a line of input that was all sent before: it gets end of file.
    pub fn input_asked(&mut self) {
        if self.serving.as_ref().is_some_and(|serving| serving.stdin_whole) && self.guest.stdin.is_empty() {
            self.guest.stdin.close();
        }
    }
}

/// A piece of media, in packets.
pub fn media_messages(run: RunNumber, mime: &str, bytes: &[u8]) -> Vec<FromSlot> {
    const PIECE_BYTES: usize = 32 << 10;
    let pieces = bytes.len().div_ceil(PIECE_BYTES).max(1);
    let piece = |index: usize| FromSlot::Media {
        run,
        mime: mime.chars().take(100).collect(),
        bytes: bytes[index * PIECE_BYTES..bytes.len().min((index + 1) * PIECE_BYTES)].to_vec(),
        last: index + 1 == pieces,
    };
    (0..pieces).map(piece).collect()
}
