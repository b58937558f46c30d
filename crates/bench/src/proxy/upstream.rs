//! What both proxies stand before: a server that answers at once and keeps nothing.

use std::{net::SocketAddr, sync::mpsc, thread};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{LARGE_BYTES, SMALL_BYTES};
use crate::BenchError;

const CHUNK_BYTES: usize = 256 << 10;

/// Starts it in a thread of its own, for as long as this process is there.
pub fn start() -> Result<SocketAddr, BenchError> {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let bound = runtime.and_then(|runtime| {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
            let address = listener.local_addr()?;
            Ok((runtime, listener, address))
        });
        match bound {
            Ok((runtime, listener, address)) => {
                if told.send(Ok(address)).is_ok() {
                    runtime.block_on(serve(listener));
                }
            }
            Err(error) => drop(told.send(Err(error))),
        }
    });
    let started = address.recv().map_err(|_| BenchError::Wrong("the upstream ended".to_owned()))?;
    started.map_err(BenchError::io("starting an upstream"))
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        // Whoever breaks off has what it wanted.
        tokio::spawn(async move { drop(answer(stream).await) });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let chunk = vec![b'd'; CHUNK_BYTES];
    let mut read = Vec::with_capacity(4 << 10);
    loop {
        let end = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end);
        let name = head.split(' ').nth(1).unwrap_or_default();
        match name {
            "/small" => {
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {SMALL_BYTES}\r\n\r\n");
                stream.write_all(&[answer.as_bytes(), &chunk[..SMALL_BYTES]].concat()).await?;
            }
            "/large" => {
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE_BYTES}\r\n\r\n").as_bytes())
                    .await?;
                for _ in 0..LARGE_BYTES / CHUNK_BYTES as u64 {
                    stream.write_all(&chunk).await?;
                }
            }
            "/socket" => {
                drop(chunk);
                stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
                    .await?;
                return say_again(stream).await;
            }
            _ => {
                swallow(&mut stream, &head, &mut read).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            }
        }
    }
}

async fn say_again(mut stream: TcpStream) -> std::io::Result<()> {
    let mut word = [0; 4];
    loop {
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await?;
    }
}

async fn swallow(stream: &mut TcpStream, head: &str, read: &mut Vec<u8>) -> std::io::Result<()> {
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut left = length - read.len().min(length);
    read.clear();
    read.reserve(CHUNK_BYTES);
    while left > 0 {
        let got = stream.read_buf(read).await?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(got);
        read.clear();
    }
    Ok(())
}
