//! A client that spends little: one connection, requests whose answers have a length.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::BenchError;

/// What is read or written at once.
const CHUNK_BYTES: usize = 256 << 10;

/// How the upstream is reached.
#[derive(Debug, Clone)]
pub struct Way {
    pub name: &'static str,
    pub address: SocketAddr,
    /// What stands before the upstream's own names, with a slash at its end.
    pub path: String,
    /// Lines of every request's head.
    pub lines: String,
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(way: &Way) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(way.address).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(BenchError::io(format!("connecting to {}", way.name)))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Bytes of the answer's body.
    pub async fn get(&mut self, way: &Way, name: &str) -> Result<u64, BenchError> {
        let head = format!("GET {}{name} HTTP/1.1\r\nhost: {}\r\n{}\r\n", way.path, way.address, way.lines);
        self.stream.write_all(head.as_bytes()).await.map_err(lost(way))?;
        self.answer(way).await
    }

    /// Sends so many bytes and waits until they are counted.
    pub async fn put(&mut self, way: &Way, bytes: u64) -> Result<(), BenchError> {
        let head = format!(
            "PUT {}sink HTTP/1.1\r\nhost: {}\r\ncontent-length: {bytes}\r\n{}\r\n",
            way.path, way.address, way.lines
        );
        self.stream.write_all(head.as_bytes()).await.map_err(lost(way))?;
        let chunk = vec![b'u'; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let part = left.min(CHUNK_BYTES as u64) as usize;
            self.stream.write_all(&chunk[..part]).await.map_err(lost(way))?;
            left -= part as u64;
        }
        self.answer(way).await.map(drop)
    }

    /// Becomes a WebSocket, as far as the head says so.
    pub async fn upgrade(&mut self, way: &Way) -> Result<(), BenchError> {
        let head = format!(
            "GET {}socket HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n",
            way.path, way.address, way.lines
        );
        self.stream.write_all(head.as_bytes()).await.map_err(lost(way))?;
        let (status, end) = self.head(way).await?;
        self.buffer.drain(..end);
        // Many of these are open at once: what they hold here is nobody's.
        self.buffer.shrink_to_fit();
        if status == 101 {
            Ok(())
        } else {
            Err(BenchError::Wrong(format!("{} answered {status} to an upgrade", way.name)))
        }
    }

    /// Says something on an upgraded connection and hears it again.
    pub async fn echo(&mut self) -> Result<(), BenchError> {
        let mut heard = [0; 4];
        let round = async {
            self.stream.write_all(b"ping").await?;
            self.stream.read_exact(&mut heard).await
        };
        round.await.map_err(BenchError::io("asking an upgraded connection"))?;
        if &heard == b"ping" {
            Ok(())
        } else {
            Err(BenchError::Wrong("an upgraded connection says something else".to_owned()))
        }
    }

    async fn answer(&mut self, way: &Way) -> Result<u64, BenchError> {
        let (status, end) = self.head(way).await?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<u64>().ok());
        let (200, Some(length)) = (status, length) else {
            return Err(BenchError::Wrong(format!("{} answered {head:?}", way.name)));
        };
        let early = (self.buffer.len() - end) as u64;
        self.buffer.clear();
        let mut left = length.saturating_sub(early);
        self.buffer.reserve(left.min(CHUNK_BYTES as u64) as usize);
        while left > 0 {
            let read = self.stream.read_buf(&mut self.buffer).await.map_err(lost(way))?;
            if read == 0 {
                return Err(BenchError::Wrong(format!("{} broke off {left} bytes before the end", way.name)));
            }
            left = left.saturating_sub(read as u64);
            self.buffer.clear();
        }
        Ok(length)
    }

    /// Reads a head: its status and where in the buffer it ends.
    async fn head(&mut self, way: &Way) -> Result<(u16, usize), BenchError> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let status = self.buffer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
                let status = status.ok_or_else(|| BenchError::Wrong(format!("{} does not speak HTTP", way.name)))?;
                return Ok((status, at + 4));
            }
            self.buffer.reserve(4 << 10);
            if self.stream.read_buf(&mut self.buffer).await.map_err(lost(way))? == 0 {
                return Err(BenchError::Wrong(format!("{} broke off", way.name)));
            }
        }
    }
}

fn lost(way: &Way) -> impl FnOnce(std::io::Error) -> BenchError {
    BenchError::io(format!("asking {}", way.name))
}
