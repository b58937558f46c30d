//! Interfaces, addresses and routes: the few messages of rtnetlink(7) that a sandbox's network takes.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::netlink::{self, Attributes, CREATE, DUMP, EXCLUSIVE, Message, Socket, native_u32};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_NEWQDISC: u16 = 36;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_GATEWAY: u16 = 5;
const RTA_OIF: u16 = 4;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RT_SCOPE_UNIVERSE: u8 = 0;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
/// `struct ifinfomsg`, `struct rtmsg`.
const LINK_HEAD_BYTES: usize = 16;
const ROUTE_HEAD_BYTES: usize = 12;

/// A hardware address.
pub type Mac = [u8; 6];

/// A veth pair to be made: one end here, the other in another namespace from its first moment.
#[derive(Debug)]
pub struct Pair<'a> {
    pub name: &'a str,
    pub mac: Mac,
    pub peer_name: &'a str,
    pub peer_mac: Mac,
    pub namespace: BorrowedFd<'a>,
    pub mtu: Option<u32>,
}

impl Pair<'_> {
    pub fn make(&self) -> Message {
        let mut peer = Attributes::new().text(IFLA_IFNAME, self.peer_name).put(IFLA_ADDRESS, &self.peer_mac);
        let mut ours = Attributes::new().text(IFLA_IFNAME, self.name).put(IFLA_ADDRESS, &self.mac);
        if let Some(mtu) = self.mtu {
            (peer, ours) = (peer.number(IFLA_MTU, mtu), ours.number(IFLA_MTU, mtu));
        }
        let peer = peer.number(IFLA_NET_NS_FD, self.namespace.as_raw_fd() as u32);
        // The peer's own header stands before its attributes, without one of an attribute.
        let data = Attributes::new().put(VETH_INFO_PEER, &after(&link_head(0, 0), &peer));
        let info = Attributes::new().text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, &data);
        let all = ours.nest(IFLA_LINKINFO, &info);
        Message::new(RTM_NEWLINK, CREATE | EXCLUSIVE, &link_head(0, 0), &all).acknowledged()
    }
}

fn after(head: &[u8], attributes: &Attributes) -> Vec<u8> {
    [head, attributes.bytes()].concat()
}

fn link_head(index: u32, flags: u32) -> [u8; LINK_HEAD_BYTES] {
    let mut head = [0; LINK_HEAD_BYTES];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..16].copy_from_slice(&flags.to_ne_bytes());
    head
}

/// Switches an interface on.
pub fn raise(index: u32) -> Message {
    Message::new(RTM_NEWLINK, 0, &link_head(index, IFF_UP), &Attributes::new()).acknowledged()
}

/// The interface goes, and the other end with it.
pub fn remove(name: &str) -> Message {
    let name = Attributes::new().text(IFLA_IFNAME, name);
    Message::new(RTM_DELLINK, 0, &link_head(0, 0), &name).acknowledged()
}

/// An address that has exactly one neighbour, and a route to it.
pub fn address(index: u32, ours: Ipv4Addr, theirs: Ipv4Addr) -> Message {
    let mut head = [AF_INET, 32, 0, RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
    head[4..].copy_from_slice(&index.to_ne_bytes());
    let attributes = Attributes::new().put(IFA_LOCAL, &ours.octets()).put(IFA_ADDRESS, &theirs.octets());
    Message::new(RTM_NEWADDR, CREATE | EXCLUSIVE, &head, &attributes).acknowledged()
}

/// Everything goes by way of the neighbour.
pub fn default_route(index: u32, gateway: Ipv4Addr) -> Message {
    let mut head = [0; ROUTE_HEAD_BYTES];
    (head[0], head[4], head[5], head[6], head[7]) =
        (AF_INET, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST);
    let attributes = Attributes::new().put(RTA_GATEWAY, &gateway.octets()).number(RTA_OIF, index);
    Message::new(RTM_NEWROUTE, CREATE | EXCLUSIVE, &head, &attributes).acknowledged()
}

/// Where the neighbour is, for good: whatever anybody says by ARP is not heard.
pub fn neighbour(index: u32, address: Ipv4Addr, mac: Mac) -> Message {
    let mut head = [0; 12];
    head[0] = AF_INET;
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
    let attributes = Attributes::new().put(NDA_DST, &address.octets()).put(NDA_LLADDR, &mac);
    Message::new(RTM_NEWNEIGH, CREATE, &head, &attributes).acknowledged()
}

/// No more than so many bytes a second leave by this interface: a token bucket, tc-tbf(8).
pub fn bound(index: u32, bytes_per_s: u64) -> Message {
    const TCA_KIND: u16 = 1;
    const TCA_OPTIONS: u16 = 2;
    const TCA_TBF_PARMS: u16 = 1;
    const TCA_TBF_RATE64: u16 = 4;
    const TCA_TBF_BURST: u16 = 6;
    const ROOT: u32 = 0xffff_ffff;
    /// `TC_LINKLAYER_ETHERNET`: the kernel needs no table of ours.
    const ETHERNET: u8 = 1;
    /// What may be sent at once, and what waits at most, in milliseconds of the rate.
    const BURST_MS: u64 = 20;
    const QUEUE_MS: u64 = 200;
    const BURST_BYTES_MIN: u64 = 64 << 10;
    let part = |ms: u64| u32::try_from((bytes_per_s * ms / 1000).max(BURST_BYTES_MIN)).unwrap_or(u32::MAX);
    let rate = u32::try_from(bytes_per_s).unwrap_or(u32::MAX);
    let mut head = [0; 20];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[12..16].copy_from_slice(&ROOT.to_ne_bytes());
    // `struct tc_tbf_qopt`: rate, peak rate (none), limit, buffer, mtu.
    let mut options = [0; 36];
    options[1] = ETHERNET;
    options[8..12].copy_from_slice(&rate.to_ne_bytes());
    options[24..28].copy_from_slice(&part(QUEUE_MS).to_ne_bytes());
    let mut inside = Attributes::new().put(TCA_TBF_PARMS, &options);
    if bytes_per_s > u64::from(u32::MAX) {
        inside = inside.put(TCA_TBF_RATE64, &bytes_per_s.to_ne_bytes());
    }
    let inside = inside.number(TCA_TBF_BURST, part(BURST_MS));
    let attributes = Attributes::new().text(TCA_KIND, "tbf").nest(TCA_OPTIONS, &inside);
    Message::new(RTM_NEWQDISC, CREATE | EXCLUSIVE, &head, &attributes).acknowledged()
}

/// An interface as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSeen {
    pub index: u32,
    pub name: String,
    pub mtu: u32,
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

/// Every interface of the socket's namespace.
pub fn list(socket: &mut Socket) -> io::Result<Vec<LinkSeen>> {
    let question = Message::new(RTM_GETLINK, DUMP, &link_head(0, 0), &Attributes::new());
    Ok(socket.dump(&question)?.iter().filter_map(|body| link_seen(body)).collect())
}

/// The one called `name`, if it is there.
pub fn find(socket: &mut Socket, name: &str) -> io::Result<Option<LinkSeen>> {
    let name = Attributes::new().text(IFLA_IFNAME, name);
    let question = Message::new(RTM_GETLINK, 0, &link_head(0, 0), &name);
    match socket.question(&question) {
        Ok(body) => Ok(link_seen(&body)),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn link_seen(body: &[u8]) -> Option<LinkSeen> {
    let head = body.get(..LINK_HEAD_BYTES)?;
    let mut seen =
        LinkSeen { index: native_u32(&head[4..8]), name: String::new(), mtu: 0, received_bytes: 0, sent_bytes: 0 };
    let long = |value: &[u8], at: usize| {
        value.get(at * 8..at * 8 + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    for (kind, value) in netlink::attributes(&body[LINK_HEAD_BYTES..]) {
        match kind {
            IFLA_IFNAME => seen.name = String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned(),
            IFLA_MTU => seen.mtu = native_u32(value),
            // `struct rtnl_link_stats64`: packets both ways, then bytes both ways.
            IFLA_STATS64 => (seen.received_bytes, seen.sent_bytes) = (long(value, 2), long(value, 3)),
            _ => {}
        }
    }
    Some(seen)
}

/// The interfaces by which this machine reaches the rest of the world: those of its default routes.
pub fn uplinks(socket: &mut Socket) -> io::Result<Vec<u32>> {
    let mut head = [0; ROUTE_HEAD_BYTES];
    head[0] = AF_INET;
    let question = Message::new(RTM_GETROUTE, DUMP, &head, &Attributes::new());
    let mut indexes = Vec::new();
    for body in socket.dump(&question)? {
        let Some(head) = body.get(..ROUTE_HEAD_BYTES) else { continue };
        if head[1] != 0 || head[4] != RT_TABLE_MAIN || head[7] != RTN_UNICAST {
            continue;
        }
        let out = netlink::attributes(&body[ROUTE_HEAD_BYTES..]).find(|(kind, _)| *kind == RTA_OIF);
        indexes.extend(out.map(|(_, value)| native_u32(value)));
    }
    indexes.sort_unstable();
    indexes.dedup();
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_no_interface() {
        assert_eq!(link_seen(&[0; 15]), None);
        assert_eq!(link_seen(&[0; 18]).map(|seen| seen.name), Some(String::new()));
    }

    #[test]
    fn loopback_is_found_by_name_and_in_the_list() {
        let mut socket = Socket::route().unwrap();
        let found = find(&mut socket, "lo").unwrap().unwrap();
        assert_eq!(found.index, 1);
        assert!(list(&mut socket).unwrap().iter().any(|link| link.name == "lo"));
        assert_eq!(find(&mut socket, "no-such-link").unwrap(), None);
    }
}
