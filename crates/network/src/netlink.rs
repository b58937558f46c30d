//! Netlink: messages with their attributes, and a socket that sends a batch and waits for its answer.
//!
//! The format is that of netlink(7); numbers are in the machine's order unless a family says otherwise.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect,
    netlink::{self, SocketAddrNetlink},
    recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

/// `NLM_F_*`.
pub const REQUEST: u16 = 1;
pub const ACK: u16 = 4;
pub const EXCLUSIVE: u16 = 0x200;
pub const CREATE: u16 = 0x400;
pub const APPEND: u16 = 0x800;
pub const DUMP: u16 = 0x300;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// What the kernel writes at once.
const RECEIVE_BYTES: usize = 64 << 10;
/// The kernel answers before `send` returns; only a broken one lets us wait.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Attributes in a row.
#[derive(Debug, Clone, Default)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn put(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(((value.len() + 4) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        pad(&mut self.0);
        self
    }

    pub fn nest(self, kind: u16, inside: &Self) -> Self {
        self.put(kind | NESTED, &inside.0)
    }

    /// A text with the zero byte that ends it.
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    pub fn number(self, kind: u16, value: u32) -> Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// In network order, as nf_tables has all of its numbers.
    pub fn big(self, kind: u16, value: u32) -> Self {
        self.put(kind, &value.to_be_bytes())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One message; the socket gives it its number.
#[derive(Debug, Clone)]
pub struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// `head` is the family's own header.
    pub fn new(kind: u16, flags: u16, head: &[u8], attributes: &Attributes) -> Self {
        let mut body = head.to_vec();
        pad(&mut body);
        body.extend(&attributes.0);
        Self { kind, flags: flags | REQUEST, body }
    }

    /// Answered even if all is well.
    pub fn acknowledged(mut self) -> Self {
        self.flags |= ACK;
        self
    }

    fn write(&self, into: &mut Vec<u8>, sequence: u32) {
        into.extend(((self.body.len() + HEADER_BYTES) as u32).to_ne_bytes());
        into.extend(self.kind.to_ne_bytes());
        into.extend(self.flags.to_ne_bytes());
        into.extend(sequence.to_ne_bytes());
        into.extend(0u32.to_ne_bytes());
        into.extend(&self.body);
        pad(into);
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A socket in the network namespace of the thread that opened it, whichever thread uses it later.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn route() -> io::Result<Self> {
        // `NETLINK_ROUTE` is 0, which is what no protocol means.
        Self::open(None)
    }

    pub fn netfilter() -> io::Result<Self> {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&descriptor, &SocketAddrNetlink::new(0, 0))?;
        connect(&descriptor, &SocketAddrNetlink::new(0, 0))?;
        set_socket_timeout(&descriptor, Timeout::Recv, Some(ANSWER_WAIT))?;
        Ok(Self { descriptor, sequence: 0, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// Sends all in one packet and waits until the last one that asks for an answer has it. The first error of any is returned.
    pub fn ask(&mut self, messages: &[Message]) -> io::Result<()> {
        let (first, mut packet, mut last) = (self.sequence.wrapping_add(1), Vec::new(), None);
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            message.write(&mut packet, self.sequence);
            if message.flags & ACK != 0 {
                last = Some(self.sequence);
            }
        }
        let Some(last) = last else { return Err(io::Error::other("nothing in a batch asks for an answer")) };
        send(&self.descriptor, &packet, SendFlags::empty())?;
        let count = self.sequence.wrapping_sub(first);
        let mut failed = None;
        loop {
            for answer in self.receive()? {
                // What answers an earlier batch that was given up is nobody's.
                if answer.kind != ERROR || answer.sequence.wrapping_sub(first) > count {
                    continue;
                }
                if let Some(error) = answer.error() {
                    failed.get_or_insert(error);
                }
                if answer.sequence == last {
                    return failed.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// The one message that a question is answered with.
    pub fn question(&mut self, question: &Message) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = Vec::new();
        question.write(&mut packet, self.sequence);
        send(&self.descriptor, &packet, SendFlags::empty())?;
        loop {
            let answer = self.receive()?.into_iter().find(|answer| answer.sequence == self.sequence);
            match answer {
                Some(answer) if answer.kind == ERROR => {
                    return Err(answer.error().unwrap_or_else(|| io::ErrorKind::InvalidData.into()));
                }
                Some(answer) => return Ok(answer.body),
                None => {}
            }
        }
    }

    /// Everything that a question with `DUMP` is answered with: bodies of messages, without their headers.
    pub fn dump(&mut self, question: &Message) -> io::Result<Vec<Vec<u8>>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = Vec::new();
        question.write(&mut packet, self.sequence);
        send(&self.descriptor, &packet, SendFlags::empty())?;
        let mut bodies = Vec::new();
        loop {
            for answer in self.receive()? {
                if answer.sequence != self.sequence {
                    continue;
                }
                match answer.kind {
                    DONE => return Ok(bodies),
                    ERROR => return answer.error().map_or(Ok(std::mem::take(&mut bodies)), Err),
                    _ => bodies.push(answer.body),
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<Vec<Answer>> {
        let (count, _) = recv(&self.descriptor, self.buffer.as_mut_slice(), RecvFlags::empty())?;
        Ok(answers(&self.buffer[..count]))
    }
}

struct Answer {
    kind: u16,
    sequence: u32,
    body: Vec<u8>,
}

impl Answer {
    fn error(&self) -> Option<io::Error> {
        let code = i32::from_ne_bytes(self.body.get(..4)?.try_into().ok()?);
        (code != 0).then(|| io::Error::from_raw_os_error(-code))
    }
}

fn answers(bytes: &[u8]) -> Vec<Answer> {
    let (mut rest, mut all) = (bytes, Vec::new());
    while rest.len() >= HEADER_BYTES {
        let (length, sequence) = (native_u32(&rest[..4]) as usize, native_u32(&rest[8..12]));
        if length < HEADER_BYTES || length > rest.len() {
            break;
        }
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        all.push(Answer { kind, sequence, body: rest[HEADER_BYTES..length].to_vec() });
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    all
}

/// The attributes in `bytes`, by kind; what is cut off is left out.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & !NESTED, value))
    })
}

/// A number of four bytes; 0 of fewer.
pub fn native_u32(bytes: &[u8]) -> u32 {
    bytes.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_read_back_as_they_were_written() {
        let inside = Attributes::new().text(3, "veth").number(4, 7);
        let all = Attributes::new().put(1, &[9]).nest(2, &inside);
        let read: Vec<_> = attributes(&all.0).collect();
        assert_eq!(read[0], (1, &[9][..]));
        assert_eq!(read[1].0, 2);
        let nested: Vec<_> = attributes(read[1].1).collect();
        assert_eq!(nested, [(3, &b"veth\0"[..]), (4, &7u32.to_ne_bytes()[..])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(attributes(&bytes).count() <= 50);
            prop_assert!(answers(&bytes).len() <= 13);
        }
    }
}
