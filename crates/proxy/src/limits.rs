//! Every bound of the proxy, by name.

use std::time::Duration;

/// Connections of clients at once where nobody says less; more wait to be taken.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Threads that serve clients, where there are so many processors.
pub const THREADS_MAX: usize = 32;
/// Bytes of a request's or a response's head; a longer request is answered 431. Header fields are 100 at most, which is hyper's own bound:
/// another one would cost every head four allocations.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long a client may take for the head of its next request.
pub const HEAD_WAIT: Duration = Duration::from_secs(65);
/// Requests of one HTTP/2 connection at once.
pub const STREAMS_MAX: u32 = 128;
/// Connections to one app at once, tunnels included; more are answered 503.
pub const CONNECTIONS_PER_APP_MAX: usize = 4_096;
/// Connections to one app that wait for their next request, with each thread.
pub const IDLE_PER_APP_MAX: usize = 32;
/// So long they wait.
pub const IDLE_WAIT: Duration = Duration::from_secs(30);
/// How long an app may take to take a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long an app may think before the head of its answer: long polls take minutes.
pub const ANSWER_WAIT: Duration = Duration::from_secs(15 * 60);
/// Tickets whose signatures are known to be right.
pub const TICKETS_KEPT_MAX: usize = 4_096;
/// Tickets of one request that are tried, in its address and in its cookies.
pub const TICKETS_TRIED_MAX: usize = 4;
/// The most that is on its way in one direction of a tunnel, besides what sockets hold.
pub const TUNNEL_BYTES_MAX: usize = 64 << 10;
/// As much of what is still on its way is read, and thrown away, after the last answer of a connection …
pub const LINGER_BYTES_MAX: u64 = 64 << 20;
/// … for as long.
pub const LINGER_WAIT: Duration = Duration::from_secs(2);
/// Connections that end may take so long when the proxy stops.
pub const STOP_WAIT: Duration = Duration::from_secs(2);
