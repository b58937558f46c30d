//! Where a request comes from, as the layers and handlers see it.

use axum::http::{Extensions, HeaderMap};

use super::auth::Peer;
use crate::{
    ControlConfig,
    signin::address::{self, Origin},
};

/// Finds out where a request comes from.
pub(super) fn origin(peer: Option<Peer>, headers: &HeaderMap, config: &ControlConfig) -> Origin {
    let all = |name: &str| {
        let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        lines.collect::<Vec<_>>().join(",")
    };
    match peer {
        Some(Peer::Tcp(peer)) if config.trusted_proxies.is_empty() => address::remote(peer.ip(), &[], "", ""),
        Some(Peer::Tcp(peer)) => {
            address::remote(peer.ip(), &config.trusted_proxies, &all("x-forwarded-for"), &all("x-forwarded-proto"))
        }
        Some(Peer::Unix(uid)) => Origin::Local { uid },
        None => Origin::Local { uid: None },
    }
}

/// What the outermost layer found out.
pub(super) fn origin_of(extensions: &Extensions) -> Origin {
    extensions.get::<Origin>().copied().unwrap_or(Origin::Local { uid: None })
}
