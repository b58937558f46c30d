//! Where everything that is served over TCP is listened for.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be taken; the system may say fewer.
const WAITING_MAX: u32 = 4_096;

/// As [`TcpListener::bind`], which lets no more than 128 wait on some systems: a whole class that comes at once, or strangers who
/// say nothing, would keep everybody after them outside.
///
/// # Errors
/// Those of the system: the address is taken, or is not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // An address on which old connections linger is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpStream, time::Duration};

    use super::*;

    /// More than those 128, and few enough for the descriptors of a test.
    const MANY: u32 = 400;
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_class_that_comes_at_once_waits_inside() {
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody takes any of them.
        let waiting: Vec<_> =
            (0..MANY.min(allowed)).map(|_| TcpStream::connect_timeout(&address, PATIENCE).unwrap()).collect();
        assert_eq!(waiting.len() as u32, MANY.min(allowed));
    }
}
