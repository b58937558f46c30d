//! Control and a node on another machine: the link between them.
//!
//! A node joins with a token, gets a certificate, dials control and keeps a link open; control orders over it. On control's side a
//! [`Hub`] serves the links and turns each node into a [`RemoteNode`], which is a `madang_node_api::Node` like any other. On the node's
//! side a [`Member`] carries orders to the agent. Nothing here decides what runs where, and nothing that comes from the other side
//! is believed beyond what [`check`] allows. Start at [`hub`] or at [`member`]; the wire is `proto/link.proto`.

pub mod authority;
pub mod check;
mod event;
mod exec;
pub mod hub;
pub mod member;
pub mod order;
mod pipe;
pub mod tls;
pub mod token;

pub use authority::Authority;
pub use hub::{Hub, HubConfig, RemoteNode};
pub use member::{Member, MemberConfig};
pub use token::JoinToken;

/// What `build.rs` makes of `proto/link.proto`.
#[allow(missing_debug_implementations, clippy::all, clippy::pedantic, reason = "generated")]
pub mod wire {
    tonic::include_proto!("madang.link.v1");
}

/// Grows when the two sides would not understand each other.
pub const PROTOCOL: u32 = 1;
/// One message either way.
pub const MESSAGE_BYTES_MAX: usize = 96 << 20;
/// One piece of a file on its way.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// Where a node's link belongs, in the answer of a control process that it does not belong to.
pub(crate) const ELSEWHERE: &str = "madang-elsewhere";
/// A port for nodes where an address has none.
pub const PORT: u16 = 8687;

/// Unix time, milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// 128 bits nobody can guess, in hexadecimal.
pub(crate) fn random_word() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(hex(&random))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
