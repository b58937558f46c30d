//! This machine's resolvers, asked from a fresh port each time.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::message::{DATAGRAM_BYTES, Wanted, Whole, fits};

const PORT: u16 = 53;
/// A resolver that has not answered by then is asked once more, after the others.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// Resolvers that are asked (resolv.conf(5)).
const RESOLVERS_MAX: usize = 3;

/// Whom to ask.
#[derive(Debug, Clone)]
pub enum Upstream {
    These(Vec<SocketAddr>),
    /// Those that this file names now, as resolv.conf(5) says.
    File(PathBuf),
}

impl Upstream {
    /// The first whole answer of any of them.
    pub async fn ask(&self, wanted: &Wanted) -> Option<Vec<u8>> {
        let resolvers = match self {
            Self::These(resolvers) => resolvers.clone(),
            Self::File(path) => named_in(&fs::read_to_string(path).unwrap_or_default()),
        };
        for _ in 0..ROUNDS {
            for resolver in &resolvers {
                if let Ok(Ok(answer)) = timeout(ANSWER_WAIT, ask_one(*resolver, wanted)).await {
                    return Some(answer);
                }
            }
        }
        None
    }
}

async fn ask_one(resolver: SocketAddr, wanted: &Wanted) -> io::Result<Vec<u8>> {
    let (id, broken) = (number()?, || io::Error::from(io::ErrorKind::InvalidData));
    let query = wanted.ask(id).ok_or_else(broken)?;
    let any: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(&query).await?;
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        let count = socket.recv(&mut buffer).await?;
        match fits(&buffer[..count], id) {
            Some(Whole::Yes) => return Ok(buffer[..count].to_vec()),
            Some(Whole::No) => return ask_by_stream(resolver, &query, id).await,
            // Somebody guesses.
            None => {}
        }
    }
}

async fn ask_by_stream(resolver: SocketAddr, query: &[u8], id: u16) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_u16(query.len() as u16).await?;
    stream.write_all(query).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    fits(&answer, id).map(|_| answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// One that nobody can guess.
fn number() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u16::from_ne_bytes(bytes))
}

fn named_in(text: &str) -> Vec<SocketAddr> {
    let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let address = |line: &str| match words(line).as_slice() {
        [keyword, address, ..] if keyword == "nameserver" => address.parse::<IpAddr>().ok(),
        _ => None,
    };
    text.lines().filter_map(address).take(RESOLVERS_MAX).map(|address| SocketAddr::new(address, PORT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_the_c_library_does() {
        let text =
            "# nameserver 9.9.9.9\nsearch lan\nnameserver 127.0.0.53\n nameserver\t::1 \nnameserver fe80::1%eth0\n";
        let found: Vec<_> = named_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.53:53", "[::1]:53"]);
    }
}
