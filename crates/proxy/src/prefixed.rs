//! A client's stream whose first bytes were read to see what it speaks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};

/// What HTTP/2 begins with where both ends know of it beforehand (RFC 9113 §3.4); no method of HTTP/1 is called `PRI`.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Whoever begins so has to go on so: enough to tell.
const TOLD: usize = PREFACE.len();

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

/// A client's end of a connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    stream: TcpStream,
    first: [u8; TOLD],
    /// Those of `first` that were read and not yet given.
    from: u8,
    to: u8,
    /// It counts for as long as it is open, in a tunnel too.
    _turn: OwnedSemaphorePermit,
}

impl ClientStream {
    /// Waits for enough to see what the client speaks.
    pub async fn listen(mut stream: TcpStream, turn: OwnedSemaphorePermit) -> io::Result<(Self, Speaks)> {
        let mut first = [0; TOLD];
        let mut read = 0;
        while read < TOLD && PREFACE.starts_with(&first[..read]) {
            let more = stream.read(&mut first[read..]).await?;
            if more == 0 {
                break;
            }
            read += more;
        }
        let speaks = if first == PREFACE { Speaks::Http2 } else { Speaks::Http1 };
        // At most TOLD.
        Ok((Self { stream, first, from: 0, to: read as u8, _turn: turn }, speaks))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.from < self.to {
            let (from, to) = (usize::from(self.from), usize::from(self.to));
            let given = (to - from).min(buf.remaining());
            buf.put_slice(&self.first[from..from + given]);
            self.from += given as u8;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
