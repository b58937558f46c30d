//! The network of sandboxes: what policy lets out gets out, and nothing else.
//!
//! The node calls it when a sandbox that may reach something is claimed, and when it is over. A sandbox is one veth pair, made with its
//! far end in the sandbox's network namespace, and elements of sets in one nftables table of ours. Nothing here starts a program, and
//! nothing here asks who may have which policy: that is control's. Start at [`Networks`]; what is let through stands in `table`.

mod address;
mod config;
mod dns;
mod engine;
mod error;
mod kept;
mod link;
mod look;
mod netlink;
mod networks;
mod nft;
mod sysctl;
mod table;

pub use config::NetworkConfig;
pub use dns::resolver_text;
pub use engine::{Attachment, Found, Place, Wanted};
pub use error::NetworkError;
pub use look::look;
pub use networks::{Networks, Transferred};
