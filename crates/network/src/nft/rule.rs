//! One rule: expressions that read a packet into registers, compare, look up and decide.

use crate::netlink::Attributes;

use super::{LIST_ELEMENT, Set};

/// The first register of four bytes; interface names fill four of them.
const FIRST: u32 = 8;
/// Behind an interface's name.
const FIFTH: u32 = 12;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// Where IPv4 has its addresses.
const SOURCE_AT: u32 = 12;
const DESTINATION_AT: u32 = 16;
const NFPROTO_IPV4: u8 = 2;

/// Bits of a connection's state.
pub const INVALID: u32 = 1;
pub const ESTABLISHED: u32 = 2;
pub const RELATED: u32 = 4;
pub const NEW: u32 = 8;

/// What becomes of a packet that a rule matches.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    Accept,
    Drop,
    Goto(&'static str),
}

/// Expressions in their order; each must match for the next to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Rule(Attributes);

/// An interface that a packet comes in by, or leaves by.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    In,
    Out,
}

/// Which of its addresses.
#[derive(Debug, Clone, Copy)]
pub enum End {
    Source,
    Destination,
}

impl Rule {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn expressions(&self) -> &Attributes {
        &self.0
    }

    fn expression(self, name: &str, inside: &Attributes) -> Self {
        let expression = Attributes::new().text(1, name).nest(2, inside);
        Self(self.0.nest(LIST_ELEMENT, &expression))
    }

    fn meta(self, key: u32, register: u32) -> Self {
        self.expression("meta", &Attributes::new().big(1, register).big(2, key))
    }

    fn compare(self, register: u32, operation: u32, value: &[u8]) -> Self {
        let value = Attributes::new().put(1, value);
        self.expression("cmp", &Attributes::new().big(1, register).big(2, operation).nest(3, &value))
    }

    fn payload(self, register: u32, (base, at, bytes): (u32, u32, u32)) -> Self {
        self.expression("payload", &Attributes::new().big(1, register).big(2, base).big(3, at).big(4, bytes))
    }

    fn look_up(self, register: u32, set: &Set, flags: u32) -> Self {
        self.expression("lookup", &Attributes::new().text(1, set.name).big(2, register).big(5, flags))
    }

    fn interface(self, way: Way, register: u32) -> Self {
        self.meta(if matches!(way, Way::In) { META_IIFNAME } else { META_OIFNAME }, register)
    }

    fn end(self, end: End, register: u32) -> Self {
        let at = if matches!(end, End::Source) { SOURCE_AT } else { DESTINATION_AT };
        self.payload(register, (NETWORK_HEADER, at, 4))
    }

    /// The interface's name begins with `prefix`.
    pub fn by(self, way: Way, prefix: &str) -> Self {
        self.interface(way, FIRST).compare(FIRST, EQUAL, prefix.as_bytes())
    }

    /// It does not.
    pub fn not_by(self, way: Way, prefix: &str) -> Self {
        self.interface(way, FIRST).compare(FIRST, NOT_EQUAL, prefix.as_bytes())
    }

    /// The interface is in the set.
    pub fn by_any(self, way: Way, set: &Set) -> Self {
        self.interface(way, FIRST).look_up(FIRST, set, 0)
    }

    pub fn version_4(self) -> Self {
        self.meta(META_NFPROTO, FIRST).compare(FIRST, EQUAL, &[NFPROTO_IPV4])
    }

    pub fn not_version_4(self) -> Self {
        self.meta(META_NFPROTO, FIRST).compare(FIRST, NOT_EQUAL, &[NFPROTO_IPV4])
    }

    /// The address is in the network of `base` and `mask`.
    pub fn within(self, end: End, base: u32, mask: u32) -> Self {
        let (mask, none) = (Attributes::new().put(1, &mask.to_be_bytes()), Attributes::new().put(1, &[0; 4]));
        let masked = Attributes::new().big(1, FIRST).big(2, FIRST).big(3, 4).nest(4, &mask).nest(5, &none);
        self.end(end, FIRST).expression("bitwise", &masked).compare(FIRST, EQUAL, &base.to_be_bytes())
    }

    /// The address is in the set.
    pub fn among(self, end: End, set: &Set) -> Self {
        self.end(end, FIRST).look_up(FIRST, set, 0)
    }

    pub fn not_among(self, end: End, set: &Set) -> Self {
        const INVERTED: u32 = 1;
        self.end(end, FIRST).look_up(FIRST, set, INVERTED)
    }

    /// The interface it comes in by and this address are in the set together.
    pub fn pair(self, end: End, set: &Set) -> Self {
        self.interface(Way::In, FIRST).end(end, FIFTH).look_up(FIRST, set, 0)
    }

    pub fn no_pair(self, end: End, set: &Set) -> Self {
        const INVERTED: u32 = 1;
        self.interface(Way::In, FIRST).end(end, FIFTH).look_up(FIRST, set, INVERTED)
    }

    /// TCP or UDP, to this port.
    pub fn port(self, protocol: u8, port: u16) -> Self {
        let transport = self.meta(META_L4PROTO, FIRST).compare(FIRST, EQUAL, &[protocol]);
        transport.payload(FIRST, (TRANSPORT_HEADER, 2, 2)).compare(FIRST, EQUAL, &port.to_be_bytes())
    }

    /// The connection is in one of these states.
    pub fn state(self, states: u32) -> Self {
        const CT_STATE: u32 = 0;
        let (mask, none) = (Attributes::new().put(1, &states.to_ne_bytes()), Attributes::new().put(1, &[0; 4]));
        let masked = Attributes::new().big(1, FIRST).big(2, FIRST).big(3, 4).nest(4, &mask).nest(5, &none);
        let read = self.expression("ct", &Attributes::new().big(1, FIRST).big(2, CT_STATE));
        read.expression("bitwise", &masked).compare(FIRST, NOT_EQUAL, &[0; 4])
    }

    /// The interface has more than `most` connections; `set` counts them.
    pub fn connections_over(self, set: &Set, most: u32) -> Self {
        const OVER: u32 = 1;
        let count = Attributes::new().text(1, "connlimit").nest(2, &Attributes::new().big(1, most).big(2, OVER));
        self.limited(set, &count)
    }

    /// More bytes a second come in by the interface than `most`; `set` counts them.
    pub fn bytes_over(self, set: &Set, most: u64) -> Self {
        const PACKET_BYTES: u32 = 1;
        const OVER: u32 = 1;
        const BURST_MS: u64 = 50;
        const BURST_BYTES_MIN: u64 = 128 << 10;
        let burst = u32::try_from((most * BURST_MS / 1000).max(BURST_BYTES_MIN)).unwrap_or(u32::MAX);
        let (rate, second) = (most.to_be_bytes(), 1u64.to_be_bytes());
        let limit = Attributes::new().put(1, &rate).put(2, &second).big(3, burst).big(4, PACKET_BYTES).big(5, OVER);
        self.limited(set, &Attributes::new().text(1, "limit").nest(2, &limit))
    }

    fn limited(self, set: &Set, expression: &Attributes) -> Self {
        const ADD: u32 = 0;
        let inside = Attributes::new().text(1, set.name).big(3, ADD).big(4, FIRST).nest(7, expression);
        self.interface(Way::In, FIRST).expression("dynset", &inside)
    }

    pub fn verdict(self, verdict: Verdict) -> Self {
        const DROP: i32 = 0;
        const ACCEPT: i32 = 1;
        const GOTO: i32 = -4;
        let code = |code: i32| Attributes::new().put(1, &code.to_be_bytes());
        let verdict = match verdict {
            Verdict::Accept => code(ACCEPT),
            Verdict::Drop => code(DROP),
            Verdict::Goto(chain) => code(GOTO).text(2, chain),
        };
        let value = Attributes::new().nest(2, &verdict);
        self.expression("immediate", &Attributes::new().big(1, 0).nest(2, &value))
    }

    /// Says to the sender that this is forbidden, so that it need not wait.
    pub fn refuse(self) -> Self {
        const ICMPX: u32 = 2;
        const ADMIN_PROHIBITED: u8 = 3;
        self.expression("reject", &Attributes::new().big(1, ICMPX).put(2, &[ADMIN_PROHIBITED]))
    }

    /// The sender's address becomes that of the interface it leaves by.
    pub fn masquerade(self) -> Self {
        self.expression("masq", &Attributes::new())
    }
}
