//! The driver's line protocol, read incrementally and distrustfully.
//!
//! A header is `verb length argument…\n`, then `length` bytes. See `docs/design/0002-driver-protocol.md`.

use crate::{DriverStatus, Stream};

/// Longest header line, newline included.
pub const HEADER_BYTES_MAX: usize = 256;

/// A request as the bytes a driver reads.
pub fn request(verb: &str, arguments: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{verb} {}", payload.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!(" {argument}").as_bytes());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(payload);
    bytes
}

/// What a driver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Ready,
    Output { stream: Stream, bytes: Vec<u8> },
    Media { mime: String, bytes: Vec<u8> },
    Log { text: String },
    Input { prompt: String, echo: bool },
    Completions { start: u32, items: Vec<String> },
    Done { status: DriverStatus },
}

/// Why a driver's bytes are no event. The driver is not to be spoken to again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("a header line is over {HEADER_BYTES_MAX} bytes")]
    HeaderTooLong,
    #[error("not a header: `{0}`")]
    Header(String),
    #[error("a payload of {bytes} bytes is over the limit of {max}")]
    TooLong { bytes: u64, max: u64 },
}

/// Collects bytes until they make an event.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// How much of `buffer` was handed out already.
    taken: usize,
}

impl Reader {
    /// More bytes from the driver.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, if it is here; payloads over `payload_max` bytes are refused before they arrive.
    pub fn next(&mut self, payload_max: u64) -> Result<Option<Event>, EventError> {
        let rest = &self.buffer[self.taken..];
        let Some(end) = rest.iter().take(HEADER_BYTES_MAX).position(|&byte| byte == b'\n') else {
            return if rest.len() >= HEADER_BYTES_MAX { Err(EventError::HeaderTooLong) } else { Ok(None) };
        };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let header = Header::parse(&line).ok_or(EventError::Header(line.clone()))?;
        if header.length > payload_max {
            return Err(EventError::TooLong { bytes: header.length, max: payload_max });
        }
        let body = &rest[end + 1..];
        let length = header.length as usize;
        if body.len() < length {
            return Ok(None);
        }
        let event = header.event(&body[..length]).ok_or(EventError::Header(line.clone()))?;
        self.taken += end + 1 + length;
        self.compact();
        Ok(Some(event))
    }

    fn compact(&mut self) {
        if self.taken > 64 << 10 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }
}

struct Header<'a> {
    verb: &'a str,
    length: u64,
    argument: Option<&'a str>,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let verb = words.next()?;
        let length = words.next()?.parse().ok()?;
        let argument = words.next();
        words.next().is_none().then_some(Self { verb, length, argument })
    }

    fn event(&self, payload: &[u8]) -> Option<Event> {
        let text = || String::from_utf8_lossy(payload).into_owned();
        Some(match (self.verb, self.argument) {
            ("ready", None) => Event::Ready,
            ("out", None) => Event::Output { stream: Stream::Stdout, bytes: payload.to_vec() },
            ("err", None) => Event::Output { stream: Stream::Stderr, bytes: payload.to_vec() },
            ("media", Some(mime)) => Event::Media { mime: mime.to_owned(), bytes: payload.to_vec() },
            ("log", None) => Event::Log { text: text() },
            ("input", Some("echo")) => Event::Input { prompt: text(), echo: true },
            ("input", Some("noecho")) => Event::Input { prompt: text(), echo: false },
            ("completions", Some(start)) => {
                Event::Completions { start: start.parse().ok()?, items: text().lines().map(str::to_owned).collect() }
            }
            ("done", Some("ok")) => Event::Done { status: DriverStatus::Ok },
            ("done", Some("error")) => Event::Done { status: DriverStatus::Error },
            ("done", Some("interrupted")) => Event::Done { status: DriverStatus::Interrupted },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_arrive_in_pieces() {
        let bytes = b"ready 0\nout 3\na\nbmedia 2 image/png\nxydone 0 ok\n";
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for byte in bytes {
            reader.push(&[*byte]);
            while let Some(event) = reader.next(100).unwrap() {
                events.push(event);
            }
        }
        assert_eq!(events.len(), 4);
        assert_eq!(events[1], Event::Output { stream: Stream::Stdout, bytes: b"a\nb".to_vec() });
        assert_eq!(events[2], Event::Media { mime: "image/png".into(), bytes: b"xy".to_vec() });
    }

    #[test]
    fn nonsense_is_refused_before_it_is_stored() {
        let next = |bytes: &[u8]| {
            let mut reader = Reader::default();
            reader.push(bytes);
            reader.next(10)
        };
        assert_eq!(next(b"out 11\n"), Err(EventError::TooLong { bytes: 11, max: 10 }));
        assert_eq!(next(&[b'x'; 256]), Err(EventError::HeaderTooLong));
        assert!(matches!(next(b"out -1\n"), Err(EventError::Header(_))));
        assert!(matches!(next(b"done 0 great\n"), Err(EventError::Header(_))));
        assert!(matches!(next(b"out 1 2 3\nx"), Err(EventError::Header(_))));
        assert!(matches!(next(b"\n"), Err(EventError::Header(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_events_or_errors(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut reader = Reader::default();
            'all: for chunk in &chunks {
                reader.push(chunk);
                loop {
                    match reader.next(1000) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'all,
                    }
                }
            }
        }

        #[test]
        fn payloads_survive_any_cut(payload in proptest::collection::vec(any::<u8>(), 0..500), cut in 0usize..500) {
            let bytes = request("out", &[], &payload);
            let cut = cut.min(bytes.len());
            let mut reader = Reader::default();
            reader.push(&bytes[..cut]);
            let early = reader.next(1000).unwrap();
            reader.push(&bytes[cut..]);
            let event = early.or_else(|| reader.next(1000).unwrap());
            prop_assert_eq!(event, Some(Event::Output { stream: Stream::Stdout, bytes: payload }));
        }
    }
}
