//! Whether this machine can give sandboxes networks at all; asks and changes nothing.

use crate::{error::NetworkError, link, netlink::Socket, nft};

/// The interfaces by which sandboxes would reach the world, or why they could not.
pub fn look() -> Result<Vec<String>, NetworkError> {
    let unavailable = |what: &'static str| move |error| NetworkError::Unavailable(format!("{what}: {error}"));
    if !rustix::process::geteuid().is_root() {
        return Err(NetworkError::Unavailable("rootless".to_owned()));
    }
    let mut route = Socket::route().map_err(unavailable("routing netlink"))?;
    let mut netfilter = Socket::netfilter().map_err(unavailable("netfilter netlink"))?;
    nft::ask_whether_there(&mut netfilter).map_err(unavailable("nf_tables"))?;
    let indexes = link::uplinks(&mut route).map_err(unavailable("routes"))?;
    let links = link::list(&mut route).map_err(unavailable("links"))?;
    Ok(links.into_iter().filter(|link| indexes.contains(&link.index)).map(|link| link.name).collect())
}
