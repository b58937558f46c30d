//! One sandbox's name server: sockets at its gateway, and a bounded number of questions at once.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{
    message::{Asked, Rules, Transport},
    peer,
    upstream::Upstream,
};
use crate::{engine::Attachment, networks::Networks};

const PORT: u16 = 53;
/// Questions of one sandbox that wait for an answer; more by datagram are dropped, as a network does.
const QUESTIONS_MAX: usize = 64;
/// Its connections; further ones wait.
const STREAMS_MAX: usize = 8;
/// A connection over which nothing is asked for so long ends.
const STREAM_WAIT: Duration = Duration::from_secs(10);
const QUERY_BYTES_MAX: usize = 1500;

/// Ends the server when it is dropped.
#[derive(Debug)]
pub struct Served(AbortHandle);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Server {
    attachment: Attachment,
    rules: Rules,
    upstream: Upstream,
    networks: Networks,
    questions: Semaphore,
}

/// Starts the name server of a sandbox, at its gateway.
pub async fn serve(attachment: Attachment, rules: Rules, upstream: Upstream, networks: Networks) -> io::Result<Served> {
    let place = (attachment.gateway, PORT);
    let (datagrams, streams) = (UdpSocket::bind(place).await?, TcpListener::bind(place).await?);
    let questions = Semaphore::new(QUESTIONS_MAX);
    let server = Arc::new(Server { attachment, rules, upstream, networks, questions });
    let task = tokio::spawn(async move {
        tokio::join!(Arc::clone(&server).serve_datagrams(datagrams), server.serve_streams(streams));
    });
    Ok(Served(task.abort_handle()))
}

impl Server {
    async fn serve_datagrams(self: Arc<Self>, socket: UdpSocket) {
        let (socket, mut answering, mut buffer) = (Arc::new(socket), JoinSet::new(), [0; QUERY_BYTES_MAX]);
        loop {
            tokio::select! {
                Some(_) = answering.join_next() => {}
                received = socket.recv_from(&mut buffer) => {
                    // An error is about a datagram that was sent before, which is lost.
                    let Ok((count, from)) = received else { continue };
                    if from.ip() != self.attachment.address || self.questions.available_permits() == 0 {
                        continue;
                    }
                    let (server, socket, query) = (Arc::clone(&self), Arc::clone(&socket), buffer[..count].to_vec());
                    answering.spawn(async move {
                        if let Some(answer) = server.answer(&query, Transport::Datagram).await {
                            // Whoever asked may be gone.
                            let _ = socket.send_to(&answer, from).await;
                        }
                    });
                }
            }
        }
    }

    async fn serve_streams(self: Arc<Self>, listener: TcpListener) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                accepted = listener.accept(), if open.len() < STREAMS_MAX => {
                    let Ok((stream, from)) = accepted else { continue };
                    if from.ip() == self.attachment.address {
                        let server = Arc::clone(&self);
                        // How it ends is the sandbox's matter.
                        open.spawn(async move { drop(server.converse(stream).await) });
                    }
                }
            }
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = usize::from(timeout(STREAM_WAIT, stream.read_u16()).await??);
            if length > QUERY_BYTES_MAX {
                return Ok(());
            }
            let mut query = vec![0; length];
            timeout(STREAM_WAIT, stream.read_exact(&mut query)).await??;
            let Some(answer) = self.answer(&query, Transport::Stream).await else { return Ok(()) };
            timeout(STREAM_WAIT, async {
                stream.write_u16(answer.len() as u16).await?;
                stream.write_all(&answer).await
            })
            .await??;
        }
    }

    /// What the sandbox is told; addresses in it are open by then.
    async fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        if let Some(asked) = peer::read(query)
            && let Some(address) = self.networks.peer(&self.attachment, &asked.name)
        {
            return asked.answer(address);
        }
        let wanted = match self.rules.read(query) {
            Asked::Noise => return None,
            Asked::Answered(answer) => return Some(answer),
            Asked::Wanted(wanted) => wanted,
        };
        let _permit = self.questions.acquire().await.ok()?;
        let Some(answer) = self.upstream.ask(&wanted).await else { return wanted.failed() };
        let Some(told) = self.rules.judge(&wanted, &answer, transport) else { return wanted.failed() };
        if !told.pins.is_empty()
            && let Err(error) = self.networks.pin(self.attachment.index, told.pins).await
        {
            tracing::warn!(interface = self.attachment.interface, %error, "addresses of an allowed name stay closed");
            return wanted.failed();
        }
        Some(told.bytes)
    }
}

/// Our name server as a sandbox's `/etc/resolv.conf` names it.
pub fn resolver_text(gateway: Ipv4Addr) -> String {
    format!("nameserver {gateway}\noptions timeout:5 attempts:2\n")
}
