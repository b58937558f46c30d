//! What an administrator says of the network of sandboxes.

use std::net::{Ipv4Addr, SocketAddr};

use madang_model::network::Ipv4Range;

use crate::{address::Reach, dns::Upstream};

/// See each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Where sandboxes have their addresses from, four for each. Nobody outside this machine sees them.
    pub pool: Ipv4Range,
    /// What may be reached although it is private: a package mirror, say.
    pub opened: Vec<Ipv4Range>,
    /// What may not be reached although it is public.
    pub closed: Vec<Ipv4Range>,
    /// Connections that one sandbox may have at once.
    pub connections_max: u32,
    /// Bytes a second of one sandbox in each direction; without limit where left out.
    pub bytes_per_s_max: Option<u64>,
    /// Whom the forwarder asks; those of this machine (`/etc/resolv.conf`) where there are none.
    pub resolvers: Vec<SocketAddr>,
}

/// For benchmarks of devices (RFC 2544): in use in no network that we could hide.
const POOL: Ipv4Range = Ipv4Range::new(Ipv4Addr::new(198, 18, 0, 0), 15);
const CONNECTIONS_MAX: u32 = 1024;
/// Whom this machine asks.
const RESOLVERS: &str = "/etc/resolv.conf";

impl NetworkConfig {
    pub(crate) fn reach(&self) -> Reach {
        let closed: Vec<_> = self.closed.iter().chain([&self.pool]).copied().collect();
        Reach::new(&closed, &self.opened)
    }

    pub(crate) fn upstream(&self) -> Upstream {
        match self.resolvers.as_slice() {
            [] => Upstream::File(RESOLVERS.into()),
            resolvers => Upstream::These(resolvers.to_vec()),
        }
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            pool: POOL,
            opened: Vec::new(),
            closed: Vec::new(),
            connections_max: CONNECTIONS_MAX,
            bytes_per_s_max: None,
            resolvers: Vec::new(),
        }
    }
}
