//! The connection to the node: packets in, packets out, descriptors beside them.

use std::{
    collections::VecDeque,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use madang_slot_api::{FRAME_BYTES_MAX, FromSlot, RunNumber, ToSlot, decode, encode};
use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        SocketFlags, acceptfrom_with, recvmsg, sendmsg,
    },
};

use crate::journal::Journal;

/// Packets kept for the node while it is away or slow; past this, pipes are no longer read and guests wait.
const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// A listener, at most one connection, and what waits to be sent.
pub struct Link {
    listener: OwnedFd,
    connection: Option<OwnedFd>,
    outbox: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    outbox_bytes: usize,
    /// What must reach a node, this one or the next.
    pub journal: Journal,
}

impl Link {
    pub fn new(listener: OwnedFd) -> Self {
        let journal = Journal::default();
        Self { listener, connection: None, outbox: VecDeque::new(), outbox_bytes: 0, journal }
    }

    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    pub fn connection(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(AsFd::as_fd)
    }

    /// Whether the output of guests whose messages are not kept should wait.
    pub fn is_full(&self) -> bool {
        self.outbox_bytes > OUTBOX_BYTES_MAX
    }

    /// Whether the run's output may be read.
    pub fn has_room(&self, run: RunNumber) -> bool {
        if self.journal.keeps(run) { self.journal.has_room(run) } else { !self.is_full() }
    }

    pub fn wants_to_send(&self) -> bool {
        !self.outbox.is_empty() || self.journal.front().is_some()
    }

    /// Takes the newest connection; the node that came later is the one that lives.
    pub fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        if let Ok((connection, _)) = acceptfrom_with(&self.listener, flags) {
            self.connection = Some(connection);
            // What was meant for another node: answers to its questions.
            self.outbox.clear();
            self.outbox_bytes = 0;
            self.journal.unfollow();
            let hello = FromSlot::Hello { version: madang_slot_api::VERSION };
            if let Ok(bytes) = encode(&hello) {
                self.outbox_bytes += bytes.len();
                self.outbox.push_front((bytes, None));
            }
            self.flush();
        }
    }

    /// The next message with the descriptor that came with it; `None` when there is none now.
    pub fn receive(&mut self) -> Option<(ToSlot, Option<OwnedFd>)> {
        let connection = self.connection.as_ref()?;
        let mut packet = vec![0; FRAME_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(connection, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        match received {
            Ok(message) if message.bytes > 0 => {
                let descriptor = ancillary.drain().find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
                    _ => None,
                });
                match decode(&packet[..message.bytes]) {
                    Ok(message) => Some((message, descriptor)),
                    Err(_) => self.hang_up(),
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            _ => self.hang_up(),
        }
    }

    fn hang_up<T>(&mut self) -> Option<T> {
        self.connection = None;
        None
    }

    pub fn send(&mut self, message: &FromSlot) {
        self.send_with(message, None);
    }

    pub fn send_with(&mut self, message: &FromSlot, descriptor: Option<OwnedFd>) {
        // A message over the packet size would be a bug of ours; dropping it is better than ending the sandbox.
        let Ok(bytes) = encode(message) else { return };
        if let Some((run, last)) = kept_of(message).filter(|(run, _)| self.journal.keeps(*run)) {
            self.journal.push(run, bytes, last);
            return self.flush();
        }
        self.outbox_bytes += bytes.len();
        self.outbox.push_back((bytes, descriptor));
        self.flush();
    }

    /// Sends what the socket takes now.
    pub fn flush(&mut self) {
        while let (Some(connection), Some((bytes, descriptor))) = (&self.connection, self.outbox.front()) {
            match send_packet(connection.as_fd(), bytes, descriptor.as_ref()) {
                Ok(()) => {
                    self.outbox_bytes -= bytes.len();
                    self.outbox.pop_front();
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.connection = None,
            }
        }
        while let (Some(connection), Some((run, packet))) = (&self.connection, self.journal.front()) {
            match send_packet(connection.as_fd(), packet, None) {
                Ok(()) => self.journal.sent(run),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.connection = None,
            }
        }
    }
}

/// The run that a message is about, if it must not be lost, and whether it is its last.
fn kept_of(message: &FromSlot) -> Option<(RunNumber, bool)> {
    match message {
        FromSlot::Started { run }
        | FromSlot::Output { run, .. }
        | FromSlot::Media { run, .. }
        | FromSlot::Log { run, .. }
        | FromSlot::Input { run, .. } => Some((*run, false)),
        FromSlot::Done { run, .. } | FromSlot::Exited { run, .. } | FromSlot::Fault { run: Some(run), .. } => {
            Some((*run, true))
        }
        _ => None,
    }
}

fn send_packet(to: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<&OwnedFd>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(to, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop)
}
