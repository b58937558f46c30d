//! HTTP as thin as it can be: what is measured is the server, and the same on both sides.

use madang_client::Endpoint;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::BenchError;

/// Written and read at once.
const BLOCK_BYTES: usize = 1 << 20;
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A server, and the beginning of every path there.
#[derive(Debug)]
pub struct Wire {
    pub authority: String,
    pub base: String,
    /// What lets us in.
    pub ticket: Option<String>,
}

pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub heads: &'a [(&'a str, String)],
    pub body: Body<'a>,
}

pub enum Body<'a> {
    None,
    Bytes(&'a [u8]),
    /// So many, of no meaning.
    Large(u64),
}

/// What came: the head, and how many bytes behind it.
#[derive(Debug)]
pub struct Answer {
    head: String,
    pub bytes: u64,
}

/// What a PATCH of an upload carries.
pub fn offset_stream() -> (&'static str, String) {
    ("Content-Type", "application/offset+octet-stream".to_owned())
}

impl Answer {
    pub fn expect_success(self) -> Result<Self, BenchError> {
        let status = self.head.split(' ').nth(1).unwrap_or_default();
        match status.starts_with('2') {
            true => Ok(self),
            false => Err(BenchError::Wrong(format!("an answer of {}", self.head.lines().next().unwrap_or_default()))),
        }
    }

    pub fn head(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    }
}

impl Wire {
    pub fn to(endpoint: &Endpoint, url: &str, ticket: &str) -> Result<Self, BenchError> {
        let Endpoint::Tcp { host, port } = endpoint else {
            return Err(BenchError::Wrong("folders are measured over TCP".to_owned()));
        };
        let path = url.split("://").last().unwrap_or(url);
        let base = path.split('?').next().unwrap_or_default();
        let base = base.find('/').map_or("", |at| &base[at..]).trim_end_matches('/').to_owned();
        Ok(Self { authority: format!("{host}:{port}"), base, ticket: Some(ticket.to_owned()) })
    }

    pub async fn send(&self, request: Request<'_>) -> Result<Answer, BenchError> {
        let length = match request.body {
            Body::None => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Large(bytes) => bytes,
        };
        let mut stream = self.begin(&request, length).await?;
        let failed = || BenchError::io(format!("sending to {}", self.authority));
        match request.body {
            Body::None => {}
            // A server may refuse before all is sent; its answer says why.
            Body::Bytes(bytes) => drop(stream.write_all(bytes).await),
            Body::Large(mut left) => {
                let block = vec![0x5A; BLOCK_BYTES];
                while left > 0 {
                    let some = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
                    stream.write_all(&block[..some]).await.map_err(failed())?;
                    left -= some as u64;
                }
            }
        }
        read(stream).await.map_err(BenchError::io(format!("reading from {}", self.authority)))
    }

    /// Sends a part of what it announces, and breaks off.
    pub async fn cut(&self, upload: &str, at: usize, (some, all): (&[u8], usize)) -> Result<(), BenchError> {
        let heads = [("Upload-Offset", at.to_string()), offset_stream()];
        let request = Request { method: "PATCH", target: upload, heads: &heads, body: Body::None };
        let mut stream = self.begin(&request, all as u64).await?;
        stream.write_all(some).await.map_err(BenchError::io("sending a part"))
    }

    async fn begin(&self, request: &Request<'_>, length: u64) -> Result<TcpStream, BenchError> {
        let Request { method, target, heads, .. } = request;
        let mut head =
            format!("{method} {}/{target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.base, self.authority);
        if let Some(ticket) = &self.ticket {
            head.push_str(&format!("Authorization: Bearer {ticket}\r\nTus-Resumable: 1.0.0\r\n"));
        }
        for (name, value) in *heads {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {length}\r\n\r\n"));
        let failed = || BenchError::io(format!("connecting to {}", self.authority));
        let mut stream = TcpStream::connect(&self.authority).await.map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        stream.write_all(head.as_bytes()).await.map_err(failed())?;
        Ok(stream)
    }
}

async fn read(mut stream: TcpStream) -> std::io::Result<Answer> {
    let (mut head, mut block) = (Vec::new(), vec![0; BLOCK_BYTES]);
    let end = loop {
        let read = stream.read(&mut block).await?;
        head.extend_from_slice(&block[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if read == 0 || head.len() > HEAD_BYTES_MAX + BLOCK_BYTES {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut bytes = (head.len() - end - 4) as u64;
    head.truncate(end);
    loop {
        match stream.read(&mut block).await? {
            0 => break,
            read => bytes += read as u64,
        }
    }
    Ok(Answer { head: String::from_utf8_lossy(&head).into_owned(), bytes })
}
