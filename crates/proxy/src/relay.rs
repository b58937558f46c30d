//! Bytes both ways, as fast as both ends take them; two ends that are silent hold no buffer.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::TUNNEL_BYTES_MAX;

thread_local! {
    /// What is read lies here until it is written; only what the other end does not take at once is kept.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; TUNNEL_BYTES_MAX].into());
}

/// Copies until both ends have said that they are done, or one of them breaks off. Each gets its first bytes before what the other says.
pub async fn relay<A, B>(mut one: A, to_one: Bytes, mut other: B, to_other: Bytes) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Way::new(to_other), Way::new(to_one));
    std::future::poll_fn(|cx| {
        let there = there.poll(cx, Pin::new(&mut one), Pin::new(&mut other))?;
        let back = back.poll(cx, Pin::new(&mut other), Pin::new(&mut one))?;
        if there.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// One direction.
struct Way {
    /// Read and not yet written.
    kept: Bytes,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Written, and perhaps still in the writer's own buffer.
    Unflushed,
    /// Nothing more will be read.
    Ended,
    /// The other end knows.
    Shut,
}

impl Way {
    fn new(first: Bytes) -> Self {
        Self { kept: first, state: State::Open }
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, mut from: Pin<&mut R>, mut to: Pin<&mut W>) -> Poll<io::Result<()>>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        loop {
            while !self.kept.is_empty() {
                let written = ready!(to.as_mut().poll_write(cx, &self.kept))?;
                self.wrote(written)?;
                let rest = self.kept.split_off(written);
                // An empty rest would hold on to the memory.
                self.kept = if rest.is_empty() { Bytes::new() } else { rest };
            }
            match self.state {
                State::Shut => return Poll::Ready(Ok(())),
                State::Ended => {
                    ready!(to.as_mut().poll_shutdown(cx))?;
                    self.state = State::Shut;
                }
                State::Open | State::Unflushed => {
                    if self.carry(cx, from.as_mut(), to.as_mut())?.is_pending() {
                        if self.state == State::Unflushed && to.as_mut().poll_flush(cx)?.is_ready() {
                            self.state = State::Open;
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Reads once, and writes as much of it as the other end takes at once.
    fn carry<R, W>(&mut self, cx: &mut Context<'_>, from: Pin<&mut R>, mut to: Pin<&mut W>) -> io::Result<Poll<()>>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            if from.poll_read(cx, &mut buffer)?.is_pending() {
                return Ok(Poll::Pending);
            }
            let mut rest = buffer.filled();
            if rest.is_empty() {
                self.state = State::Ended;
            }
            while !rest.is_empty() {
                let Poll::Ready(written) = to.as_mut().poll_write(cx, rest)? else { break };
                self.wrote(written)?;
                rest = &rest[written..];
            }
            self.kept = Bytes::copy_from_slice(rest);
            Ok(Poll::Ready(()))
        })
    }

    fn wrote(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if self.state == State::Open {
            self.state = State::Unflushed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn both_ways_with_first_bytes_and_half_an_end() {
        let (mut client, one) = duplex(7);
        let (mut app, other) = duplex(5);
        let relaying = tokio::spawn(relay(one, Bytes::from_static(b"early "), other, Bytes::from_static(b"first ")));
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let (to_app, ours) = (sent.clone(), sent.clone());
        let client = tokio::spawn(async move {
            client.write_all(&to_app).await.unwrap();
            client.shutdown().await.unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        });
        let mut got = Vec::new();
        app.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, [&b"first "[..], &sent].concat(), "the app hears the end and may still answer");
        app.write_all(&ours).await.unwrap();
        app.shutdown().await.unwrap();
        assert_eq!(client.await.unwrap(), [&b"early "[..], &sent].concat());
        relaying.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_end_that_breaks_off_ends_the_other() {
        let (client, one) = duplex(64);
        let (mut app, other) = duplex(64);
        let relaying = tokio::spawn(relay(one, Bytes::new(), other, Bytes::new()));
        drop(client);
        assert_eq!(app.read(&mut [0; 1]).await.unwrap(), 0);
        // Nobody reads it.
        let _ = app.write_all(&[0; 256]).await;
        drop(app);
        let _ = relaying.await.unwrap();
    }
}
