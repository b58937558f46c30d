//! One channel: a program with its standard streams, or a port of the session.

use std::sync::Arc;

use bytes::Bytes;
use madang_node_api::{AppConnection, ExecControl, ExecEnd, ExecEvent, ExecHandle, ExecInput, ExecSpec};
use russh::{
    ChannelId, ChannelOpenFailure, ChannelWriteHalf,
    server::{ChannelOpenHandle, Handle, Msg},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Guest,
    gate::{Gate, Waiting},
    terminal,
};

/// Controls of one program on their way; more are lost.
const CONTROLS_MAX: usize = 16;
/// One read of a port.
const PIECE_BYTES: usize = 32 << 10;
/// Standard error, as the protocol numbers it.
const STDERR: u32 = 1;
/// What `ssh` itself ends with where it is not the program's fault.
const EXIT_OURS: u32 = 255;

/// What a client sends on a channel.
#[derive(Debug)]
pub enum Sent {
    Bytes(Vec<u8>, #[allow(dead_code, reason = "it counts until it is dropped")] Waiting),
    End,
}

/// A channel at work; dropping it hangs up.
#[derive(Debug)]
pub struct Live {
    /// Bounded by the gate of the connection.
    sent: mpsc::UnboundedSender<Sent>,
    controls: mpsc::Sender<ExecControl>,
    work: AbortOnDropHandle<()>,
}

impl Live {
    /// What nobody takes any more is dropped.
    pub fn send(&self, sent: Sent) {
        let _ = self.sent.send(sent);
    }

    pub fn control(&self, control: ExecControl) {
        let _ = self.controls.try_send(control);
    }

    pub fn is_over(&self) -> bool {
        self.work.is_finished()
    }
}

/// What a channel works with.
pub struct Line {
    pub id: ChannelId,
    pub out: ChannelWriteHalf<Msg>,
    pub handle: Handle,
    pub gate: Arc<Gate>,
}

/// Starts a program on a channel, or says why that cannot be.
pub fn program(line: Line, guest: Result<Arc<dyn Guest>, String>, spec: ExecSpec) -> Live {
    let (sent, inputs) = mpsc::unbounded_channel();
    let (controls, orders) = mpsc::channel(CONTROLS_MAX);
    let work = AbortOnDropHandle::new(tokio::spawn(carry_program(line, guest, spec, (inputs, orders))));
    Live { sent, controls, work }
}

/// Connects a channel that is about to be opened with a port of the session.
pub fn port(line: Line, guest: Arc<dyn Guest>, port: u16, reply: ChannelOpenHandle) -> Live {
    let (sent, inputs) = mpsc::unbounded_channel();
    // Nothing can be done to it but closing it.
    let (controls, _) = mpsc::channel(1);
    let work = async move {
        match guest.connect(port).await {
            Ok(stream) => {
                reply.accept().await;
                carry_port(line, guest, stream, inputs).await;
            }
            Err(why) => {
                tracing::debug!(port, why, "a port is not forwarded");
                reply.reject(ChannelOpenFailure::ConnectFailed).await;
            }
        }
    };
    Live { sent, controls, work: AbortOnDropHandle::new(tokio::spawn(work)) }
}

type Orders = (mpsc::UnboundedReceiver<Sent>, mpsc::Receiver<ExecControl>);

async fn carry_program(line: Line, guest: Result<Arc<dyn Guest>, String>, spec: ExecSpec, orders: Orders) {
    let (guest, started) = match guest {
        Ok(guest) => {
            let started = guest.exec(spec).await;
            (Some(guest), started)
        }
        Err(why) => (None, Err(why)),
    };
    let end = match (guest, started) {
        (Some(guest), Ok(handle)) => line.carry(&*guest, handle, orders).await,
        (_, Err(why)) => {
            let _ = line.say(&format!("madang: {why}\r\n")).await;
            Some(ExecEnd::Exited(EXIT_OURS as i32))
        }
        (None, Ok(_)) => None,
    };
    // A client that is gone hears nothing.
    let _ = line.end(end).await;
}

impl Line {
    /// Moves bytes until the program ends; none if the client is gone before.
    async fn carry(&self, guest: &dyn Guest, handle: ExecHandle, (inputs, mut orders): Orders) -> Option<ExecEnd> {
        let ExecHandle { mut events, input, control } = handle;
        // Ends with this function: the program then reads no more.
        let _inputs = AbortOnDropHandle::new(tokio::spawn(feed(inputs, input)));
        loop {
            let event = tokio::select! {
                event = events.recv() => event?,
                Some(order) = orders.recv() => {
                    let _ = control.send(order).await;
                    continue;
                }
            };
            guest.used();
            match event {
                ExecEvent::Stdout(bytes) => self.write(bytes).await.ok()?,
                ExecEvent::Stderr(bytes) => {
                    let writing = self.out.extended_data_bytes(STDERR, Bytes::from(bytes));
                    self.gate.write(writing).await.ok()?;
                }
                ExecEvent::Ended(end) => return Some(end),
            }
        }
    }

    async fn write(&self, bytes: Vec<u8>) -> Result<(), russh::Error> {
        self.gate.write(self.out.data_bytes(Bytes::from(bytes))).await
    }

    async fn say(&self, text: &str) -> Result<(), russh::Error> {
        let text = Bytes::copy_from_slice(text.as_bytes());
        self.gate.write(self.out.extended_data_bytes(STDERR, text)).await
    }

    async fn end(&self, end: Option<ExecEnd>) -> Result<(), russh::Error> {
        match end {
            Some(ExecEnd::Exited(code)) => {
                self.out.eof().await?;
                self.out.exit_status(u32::try_from(code).unwrap_or(EXIT_OURS)).await?;
            }
            Some(ExecEnd::Signaled(number)) => {
                self.out.eof().await?;
                let (signal, none) = (terminal::name(number), String::new);
                let _ = self.handle.exit_signal_request(self.id, signal, false, none(), none()).await;
            }
            Some(ExecEnd::Lost) => {
                self.say("madang: the session is gone\r\n").await?;
                self.out.eof().await?;
                self.out.exit_status(EXIT_OURS).await?;
            }
            None => {}
        }
        self.out.close().await
    }
}

/// Gives the program its input, as fast as it reads.
async fn feed(mut inputs: mpsc::UnboundedReceiver<Sent>, program: mpsc::Sender<ExecInput>) {
    while let Some(sent) = inputs.recv().await {
        let (input, _waiting) = match sent {
            Sent::Bytes(bytes, waiting) => (ExecInput::Bytes(bytes), Some(waiting)),
            Sent::End => (ExecInput::End, None),
        };
        if program.send(input).await.is_err() {
            return;
        }
    }
}

async fn carry_port(
    line: Line,
    guest: Arc<dyn Guest>,
    stream: AppConnection,
    mut inputs: mpsc::UnboundedReceiver<Sent>,
) {
    let (mut from, mut to) = tokio::io::split(stream);
    let up = async {
        while let Some(sent) = inputs.recv().await {
            match sent {
                Sent::Bytes(bytes, _waiting) => to.write_all(&bytes).await?,
                // Nothing comes after it, and some clients wait for us to close the channel.
                Sent::End => return to.shutdown().await,
            }
        }
        Ok(())
    };
    let down = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                break line.out.eof().await;
            }
            guest.used();
            line.write(piece[..count].to_vec()).await?;
        }
    };
    let up = std::pin::pin!(up);
    let down = std::pin::pin!(down);
    // A port that has said everything may still listen, until the client is done too; one that takes no more has ended.
    match futures_util::future::select(up, down).await {
        futures_util::future::Either::Left((_, down)) => drop(down.await),
        futures_util::future::Either::Right((_, up)) => drop(up.await),
    }
    let _ = line.out.close().await;
}
