//! A held program on its way over the link: its streams as frames in one connection, as [`crate::pipe`] carries it.
//!
//! Frames are never waited with: of what a side sends, no more is under way than the other has room for ([`WINDOW_BYTES`], given back as
//! it is taken). So a program that does not read, or a client that does not, holds up neither signals nor the other direction.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use madang_model::TerminalSize;
use madang_node_api::{AppConnection, ExecControl, ExecEnd, ExecEvent, ExecHandle, ExecInput};
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use crate::wire::{ExecFrame, Size, exec_frame::Body};

/// Bytes of one direction that are under way and not taken; one message may go beyond it.
const WINDOW_BYTES: i64 = 256 << 10;
/// One frame's bytes of a stream, and a whole frame.
const PIECE_BYTES: usize = 32 << 10;
const FRAME_BYTES_MAX: usize = PIECE_BYTES + 64;
/// What control believes that a node sends beyond its window.
const BEYOND_BYTES_MAX: i64 = 1 << 20;
/// Frames that wait to be written, before more is taken in to be sent.
const DUE_MAX: usize = 32;
/// Messages between a program's handle and its wire.
const BETWEEN_MAX: usize = 16;
/// Of one program; more are lost.
const CONTROLS_MAX: usize = 64;

/// Whoever hears this has hung up, or cannot be understood.
struct Broken;

/// One end of the connection.
struct Wire {
    come: mpsc::Receiver<Body>,
    out: mpsc::Sender<Body>,
    due: VecDeque<Body>,
    /// What the other side has room for; below zero by the last message.
    room: i64,
    _reader: AbortOnDropHandle<()>,
    /// Ends by itself once all that was given to it is written.
    _writer: tokio::task::JoinHandle<()>,
}

impl Wire {
    fn over(connection: AppConnection) -> Self {
        let (from, to) = tokio::io::split(connection);
        let (found, come) = mpsc::channel(1);
        let (out, given) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            // Whatever is wrong with it, the connection is over.
            let _ = read(from, found).await;
        });
        let writer = tokio::spawn(async move { drop(write(to, given).await) });
        let (due, _reader) = (VecDeque::new(), AbortOnDropHandle::new(reader));
        Self { come, out, due, room: WINDOW_BYTES, _reader, _writer: writer }
    }

    fn may_send(&self) -> bool {
        self.room > 0 && self.due.len() < DUE_MAX
    }

    fn send(&mut self, bytes: Vec<u8>, wrap: fn(Bytes) -> Body) {
        let mut bytes = Bytes::from(bytes);
        self.room -= bytes.len() as i64;
        while !bytes.is_empty() {
            self.due.push_back(wrap(bytes.split_to(bytes.len().min(PIECE_BYTES))));
        }
    }

    fn took(&mut self, bytes: usize) {
        if bytes > 0 {
            self.due.push_back(Body::Taken(bytes as u32));
        }
    }

    fn room_came(&mut self, bytes: u32) -> Result<(), Broken> {
        self.room += i64::from(bytes);
        if self.room > WINDOW_BYTES { Err(Broken) } else { Ok(()) }
    }

    /// Writes the next frame that is due; waits for ever where none is.
    async fn write_due(out: &mpsc::Sender<Body>, due: &mut VecDeque<Body>) -> Result<(), Broken> {
        if due.is_empty() {
            return std::future::pending().await;
        }
        let room = out.reserve().await.map_err(|_| Broken)?;
        if let Some(body) = due.pop_front() {
            room.send(body);
        }
        Ok(())
    }
}

async fn read(mut from: impl AsyncRead + Unpin, found: mpsc::Sender<Body>) -> io::Result<()> {
    loop {
        let length = from.read_u32().await? as usize;
        if length > FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; length];
        from.read_exact(&mut frame).await?;
        let body = ExecFrame::decode(Bytes::from(frame)).map_err(io::Error::other)?.body;
        let body = body.ok_or(io::ErrorKind::InvalidData)?;
        found.send(body).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, mut given: mpsc::Receiver<Body>) -> io::Result<()> {
    while let Some(body) = given.recv().await {
        let frame = ExecFrame { body: Some(body) }.encode_to_vec();
        to.write_u32(frame.len() as u32).await?;
        to.write_all(&frame).await?;
        to.flush().await?;
    }
    to.shutdown().await
}

/// Control's side: the program as if it were here.
pub(crate) fn hold(connection: AppConnection) -> ExecHandle {
    let (heard, events) = mpsc::channel(BETWEEN_MAX);
    let (input, inputs) = mpsc::channel(BETWEEN_MAX);
    let (control, controls) = mpsc::channel(BETWEEN_MAX);
    let holder = Holder { wire: Wire::over(connection), heard, waiting: VecDeque::new(), waiting_bytes: 0 };
    tokio::spawn(holder.run(inputs, controls));
    ExecHandle { events, input, control }
}

struct Holder {
    wire: Wire,
    heard: mpsc::Sender<ExecEvent>,
    /// Said by the program, and not read yet.
    waiting: VecDeque<ExecEvent>,
    waiting_bytes: i64,
}

impl Holder {
    async fn run(mut self, inputs: mpsc::Receiver<ExecInput>, controls: mpsc::Receiver<ExecControl>) {
        if let Err(Broken) = self.carry(inputs, controls).await {
            self.waiting.push_back(ExecEvent::Ended(ExecEnd::Lost));
            for event in self.waiting {
                // Nobody may be reading.
                let _ = self.heard.send(event).await;
            }
        }
    }

    /// Returns when the program has ended and was heard to the end, or nobody holds it any more.
    async fn carry(
        &mut self,
        mut inputs: mpsc::Receiver<ExecInput>,
        mut controls: mpsc::Receiver<ExecControl>,
    ) -> Result<(), Broken> {
        let heard = self.heard.clone();
        loop {
            let (may_send, may_tell) = (self.wire.may_send(), self.wire.due.len() < DUE_MAX);
            let Wire { come, out, due, .. } = &mut self.wire;
            tokio::select! {
                body = come.recv() => self.said(body.ok_or(Broken)?)?,
                written = Wire::write_due(out, due) => written?,
                room = heard.reserve(), if !self.waiting.is_empty() => {
                    // Dropped: the program is hung up on.
                    let (Ok(room), Some(event)) = (room, self.waiting.pop_front()) else { return Ok(()) };
                    let (bytes, ended) = (length(&event), matches!(event, ExecEvent::Ended(_)));
                    room.send(event);
                    if ended {
                        return Ok(());
                    }
                    self.waiting_bytes -= bytes as i64;
                    self.wire.took(bytes);
                }
                Some(input) = inputs.recv(), if may_send => match input {
                    ExecInput::Bytes(bytes) => self.wire.send(bytes, Body::Stdin),
                    ExecInput::End => self.wire.due.push_back(Body::StdinEnd(true)),
                },
                Some(control) = controls.recv(), if may_tell => self.wire.due.push_back(body_of(control)),
                () = heard.closed() => return Ok(()),
            }
        }
    }

    fn said(&mut self, body: Body) -> Result<(), Broken> {
        let event = match body {
            Body::Taken(bytes) => return self.wire.room_came(bytes),
            Body::Stdout(bytes) => ExecEvent::Stdout(bytes.into()),
            Body::Stderr(bytes) => ExecEvent::Stderr(bytes.into()),
            Body::Exited(code) => ExecEvent::Ended(ExecEnd::Exited(code)),
            Body::Signaled(number) => ExecEvent::Ended(ExecEnd::Signaled(number)),
            Body::Lost(_) => ExecEvent::Ended(ExecEnd::Lost),
            Body::Stdin(_) | Body::StdinEnd(_) | Body::Resize(_) | Body::Signal(_) => return Err(Broken),
        };
        self.waiting_bytes += length(&event) as i64;
        self.waiting.push_back(event);
        if self.waiting_bytes > WINDOW_BYTES + BEYOND_BYTES_MAX { Err(Broken) } else { Ok(()) }
    }
}

fn body_of(control: ExecControl) -> Body {
    match control {
        ExecControl::Resize(TerminalSize { rows, cols }) => Body::Resize(Size { rows: rows.into(), cols: cols.into() }),
        ExecControl::Signal(number) => Body::Signal(number),
    }
}

fn length(event: &ExecEvent) -> usize {
    match event {
        ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => bytes.len(),
        ExecEvent::Ended(_) => 0,
    }
}

/// The node's side: the program's streams into the connection that control has; where that ends, the program is hung up on.
pub(crate) fn lend(handle: ExecHandle) -> AppConnection {
    let (near, far) = tokio::io::duplex(FRAME_BYTES_MAX);
    let lender = Lender { wire: Wire::over(Box::new(near)), inputs: VecDeque::new(), controls: VecDeque::new() };
    tokio::spawn(async move {
        // How it ends is told by the frames, or by their end.
        let _ = lender.carry(handle).await;
    });
    Box::new(far)
}

struct Lender {
    wire: Wire,
    /// Come from control, and not taken by the program yet.
    inputs: VecDeque<ExecInput>,
    controls: VecDeque<ExecControl>,
}

impl Lender {
    async fn carry(mut self, handle: ExecHandle) -> Result<(), Broken> {
        let ExecHandle { mut events, input, control } = handle;
        let mut ended = false;
        while !(ended && self.wire.due.is_empty()) {
            let may_send = !ended && self.wire.may_send();
            let Wire { come, out, due, .. } = &mut self.wire;
            tokio::select! {
                body = come.recv() => self.told(body.ok_or(Broken)?)?,
                written = Wire::write_due(out, due) => written?,
                room = input.reserve(), if !self.inputs.is_empty() => {
                    let next = self.inputs.pop_front();
                    if let Some(ExecInput::Bytes(bytes)) = &next {
                        // A program that reads no more has taken it all the same: whoever writes is not held up.
                        self.wire.took(bytes.len());
                    }
                    if let (Ok(room), Some(next)) = (room, next) {
                        room.send(next);
                    }
                }
                room = control.reserve(), if !self.controls.is_empty() => {
                    if let (Some(next), Ok(room)) = (self.controls.pop_front(), room) {
                        room.send(next);
                    }
                }
                event = events.recv(), if may_send => {
                    ended = self.says(event.unwrap_or(ExecEvent::Ended(ExecEnd::Lost)));
                }
            }
        }
        // The connection is control's to end: until then what was written may be under way.
        while self.wire.come.recv().await.is_some() {}
        Ok(())
    }

    /// Whether that was the last.
    fn says(&mut self, event: ExecEvent) -> bool {
        let end = match event {
            ExecEvent::Stdout(bytes) => {
                self.wire.send(bytes, Body::Stdout);
                return false;
            }
            ExecEvent::Stderr(bytes) => {
                self.wire.send(bytes, Body::Stderr);
                return false;
            }
            ExecEvent::Ended(end) => end,
        };
        self.wire.due.push_back(match end {
            ExecEnd::Exited(code) => Body::Exited(code),
            ExecEnd::Signaled(number) => Body::Signaled(number),
            ExecEnd::Lost => Body::Lost(true),
        });
        true
    }

    fn told(&mut self, body: Body) -> Result<(), Broken> {
        match body {
            Body::Taken(bytes) => self.wire.room_came(bytes)?,
            Body::Stdin(bytes) => self.inputs.push_back(ExecInput::Bytes(bytes.into())),
            Body::StdinEnd(_) => self.inputs.push_back(ExecInput::End),
            Body::Resize(Size { rows, cols }) => {
                let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
                self.control(ExecControl::Resize(TerminalSize { rows: small(rows), cols: small(cols) }));
            }
            Body::Signal(number) => self.control(ExecControl::Signal(number)),
            Body::Stdout(_) | Body::Stderr(_) | Body::Exited(_) | Body::Signaled(_) | Body::Lost(_) => {
                return Err(Broken);
            }
        }
        Ok(())
    }

    fn control(&mut self, control: ExecControl) {
        if self.controls.len() < CONTROLS_MAX {
            self.controls.push_back(control);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that somebody else is: what control does with it is seen at the other ends.
    fn program() -> (ExecHandle, mpsc::Sender<ExecEvent>, mpsc::Receiver<ExecInput>, mpsc::Receiver<ExecControl>) {
        let (says, events) = mpsc::channel(1);
        let (input, takes) = mpsc::channel(1);
        let (control, is_told) = mpsc::channel(1);
        (ExecHandle { events, input, control }, says, takes, is_told)
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_signalled_and_heard_all_the_same() {
        let (handle, says, mut takes, mut is_told) = program();
        let mut held = hold(lend(handle));
        let input = held.input.clone();
        let writer = tokio::spawn(async move {
            for _ in 0..100 {
                input.send(ExecInput::Bytes(vec![7; PIECE_BYTES])).await.unwrap();
            }
        });
        held.control.send(ExecControl::Signal(2)).await.unwrap();
        assert_eq!(is_told.recv().await, Some(ExecControl::Signal(2)));
        says.send(ExecEvent::Stderr(b"interrupted".to_vec())).await.unwrap();
        assert_eq!(held.events.recv().await, Some(ExecEvent::Stderr(b"interrupted".to_vec())));
        assert!(!writer.is_finished(), "what nobody reads is bounded");
        let mut taken = 0;
        while taken < 100 * PIECE_BYTES {
            let Some(ExecInput::Bytes(bytes)) = takes.recv().await else { panic!("no end was sent") };
            taken += bytes.len();
        }
        writer.await.unwrap();
        says.send(ExecEvent::Ended(ExecEnd::Signaled(2))).await.unwrap();
        assert_eq!(held.events.recv().await, Some(ExecEvent::Ended(ExecEnd::Signaled(2))));
    }

    #[tokio::test]
    async fn whoever_lets_go_hangs_up_and_a_link_that_breaks_is_a_loss() {
        let (handle, says, ..) = program();
        drop(hold(lend(handle)));
        says.closed().await;
        let (handle, _says, ..) = program();
        let lent = lend(handle);
        let (near, far) = tokio::io::duplex(64);
        let mut held = hold(Box::new(near));
        drop((lent, far));
        assert_eq!(held.events.recv().await, Some(ExecEvent::Ended(ExecEnd::Lost)));
        assert_eq!(held.events.recv().await, None);
    }

    #[tokio::test]
    async fn a_node_that_says_what_no_node_says_is_not_believed() {
        for frame in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02\x0a\0", b"\0\0\0\x03\xff\xff\xff"] {
            let (near, mut far) = tokio::io::duplex(64);
            let mut held = hold(Box::new(near));
            far.write_all(frame).await.unwrap();
            assert_eq!(held.events.recv().await, Some(ExecEvent::Ended(ExecEnd::Lost)), "{frame:?}");
        }
    }
}
