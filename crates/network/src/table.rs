//! Our one nftables table: what it lets through, and the sets that a sandbox is an element of. No rule belongs to a sandbox.
//!
//! A packet of an interface that no set knows goes nowhere: a link without elements, and elements without a link, are both harmless.

use std::net::Ipv4Addr;

use madang_model::network::Ipv4Range;

use crate::{
    address::{BLOCKED, merged},
    config::NetworkConfig,
    nft::{
        ADDRESS, Batch, Element, EndsRange, Hook, INTERFACE, Rule, Set, SetKind, Verdict, name_key,
        rule::{ESTABLISHED, End, INVALID, NEW, RELATED, Way},
    },
};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// DNS, and DNS over TLS.
const DNS: u16 = 53;
const DNS_TLS: u16 = 853;
const SIZE_MAX: u32 = 65_536;

/// Interface and address of each sandbox: nothing else comes in there.
pub const GUESTS: Set = pair("guests");
/// Interface and address of its gateway, where our forwarder answers.
pub const GATEWAYS: Set = pair("gateways");
/// Interface and address of another sandbox of the same session.
pub const PEERS: Set = pair("peers");
/// Interfaces whose policy is `internet`.
pub const INTERNET: Set = Set { name: "internet", parts: &[INTERFACE], kind: SetKind::Plain, size: SIZE_MAX };
/// Interface and address that an allowed name has now.
pub const PINNED: Set = Set { kind: SetKind::Timeout, size: 4 * SIZE_MAX, ..pair("pinned") };
/// Interface and range that is allowed.
pub const RANGES: Set = Set { kind: SetKind::ConcatInterval, ..pair("ranges") };
/// What nobody may reach.
pub const CLOSED: Set = Set { name: "closed", parts: &[ADDRESS], kind: SetKind::Interval, size: 4096 };
/// What an administrator has taken out of that.
pub const OPENED: Set = Set { name: "opened", ..CLOSED };
/// Interfaces for whose packets forwarding was off before us: nobody but sandboxes gets it.
pub const UPLINKS: Set = Set { name: "uplinks", ..INTERNET };
/// Connections by interface.
const CONNECTIONS: Set = Set { name: "connections", kind: SetKind::Dynamic, ..INTERNET };
/// Bytes a second by interface.
const RATES: Set = Set { name: "rates", kind: SetKind::Dynamic, ..INTERNET };

const SETS: [Set; 11] =
    [GUESTS, GATEWAYS, PEERS, INTERNET, PINNED, RANGES, CLOSED, OPENED, UPLINKS, CONNECTIONS, RATES];

const fn pair(name: &'static str) -> Set {
    Set { name, parts: &[INTERFACE, ADDRESS], kind: SetKind::Plain, size: SIZE_MAX }
}

/// An element of a set of pairs.
pub fn pair_of(interface: &str, address: Ipv4Addr) -> Element {
    let mut key = name_key(interface);
    key.extend(address.octets());
    Element::of(key)
}

/// An address of an allowed name, for so long.
pub fn pinned(interface: &str, address: Ipv4Addr, seconds: u32) -> Element {
    Element { timeout_ms: Some(u64::from(seconds) * 1000), ..pair_of(interface, address) }
}

/// The table anew, with nobody in it. `prefix` is what the names of our interfaces begin with.
pub fn table(batch: &mut Batch, prefix: &str, config: &NetworkConfig) {
    batch.table_anew();
    for (set, id) in SETS.iter().zip(1..) {
        batch.set(set, id);
    }
    let closed: Vec<_> = BLOCKED.iter().chain(&config.closed).chain([&config.pool]).copied().collect();
    batch.add(&CLOSED, &intervals(&closed));
    batch.add(&OPENED, &intervals(&config.opened));
    arriving(batch, prefix, config);
    here(batch, prefix);
    through(batch, prefix, config);
    let hook = Hook { kind: "nat", number: 4, priority: 100 };
    batch.chain("masked", Some(hook));
    let (base, mask) = (config.pool.first().to_bits(), config.pool.mask());
    let leaving = Rule::new().version_4().within(End::Source, base, mask).not_by(Way::Out, prefix);
    batch.rule("masked", &leaving.masquerade());
}

/// Before anything else sees a packet: a sandbox speaks as itself, and nobody outside speaks to one.
fn arriving(batch: &mut Batch, prefix: &str, config: &NetworkConfig) {
    batch.chain("spoken", None);
    batch.rule("spoken", &Rule::new().not_version_4().verdict(Verdict::Drop));
    batch.rule("spoken", &Rule::new().no_pair(End::Source, &GUESTS).verdict(Verdict::Drop));
    batch.chain("arriving", Some(Hook { kind: "filter", number: 0, priority: -300 }));
    batch.rule("arriving", &Rule::new().by(Way::In, prefix).verdict(Verdict::Goto("spoken")));
    let (base, mask) = (config.pool.first().to_bits(), config.pool.mask());
    let inward = Rule::new().not_by(Way::In, "lo\0").version_4().within(End::Destination, base, mask);
    batch.rule("arriving", &inward.verdict(Verdict::Drop));
}

/// This machine itself: of it a sandbox sees our forwarder, and it sees nothing of a sandbox.
fn here(batch: &mut Batch, prefix: &str) {
    batch.chain("asking", None);
    for protocol in [UDP, TCP] {
        let asked = Rule::new().pair(End::Destination, &GATEWAYS).port(protocol, DNS);
        batch.rule("asking", &asked.verdict(Verdict::Accept));
    }
    batch.rule("asking", &Rule::new().refuse());
    batch.chain("here", Some(Hook { kind: "filter", number: 1, priority: -10 }));
    batch.rule("here", &Rule::new().by(Way::In, prefix).verdict(Verdict::Goto("asking")));
    batch.chain("said", Some(Hook { kind: "filter", number: 3, priority: -10 }));
    let answer = Rule::new().by(Way::Out, prefix).state(ESTABLISHED | RELATED);
    batch.rule("said", &answer.verdict(Verdict::Accept));
    batch.rule("said", &Rule::new().by(Way::Out, prefix).verdict(Verdict::Drop));
}

/// What goes through this machine.
fn through(batch: &mut Batch, prefix: &str, config: &NetworkConfig) {
    batch.chain("leaving", None);
    leaving(batch, prefix, config);
    batch.chain("returning", None);
    batch.rule("returning", &Rule::new().state(ESTABLISHED | RELATED).verdict(Verdict::Accept));
    batch.rule("returning", &Rule::new().verdict(Verdict::Drop));
    batch.chain("through", Some(Hook { kind: "filter", number: 2, priority: -10 }));
    batch.rule("through", &Rule::new().by(Way::In, prefix).verdict(Verdict::Goto("leaving")));
    batch.rule("through", &Rule::new().by(Way::Out, prefix).verdict(Verdict::Goto("returning")));
    batch.rule("through", &Rule::new().by_any(Way::In, &UPLINKS).verdict(Verdict::Drop));
}

fn leaving(batch: &mut Batch, prefix: &str, config: &NetworkConfig) {
    let mut rule = |rule: Rule| batch.rule("leaving", &rule);
    rule(Rule::new().state(INVALID).verdict(Verdict::Drop));
    if let Some(most) = config.bytes_per_s_max {
        rule(Rule::new().bytes_over(&RATES, most).verdict(Verdict::Drop));
    }
    rule(Rule::new().state(ESTABLISHED | RELATED).verdict(Verdict::Accept));
    rule(Rule::new().state(NEW).connections_over(&CONNECTIONS, config.connections_max).refuse());
    rule(Rule::new().by(Way::Out, prefix).pair(End::Destination, &PEERS).verdict(Verdict::Accept));
    rule(Rule::new().by(Way::Out, prefix).refuse());
    rule(Rule::new().among(End::Destination, &CLOSED).not_among(End::Destination, &OPENED).refuse());
    rule(Rule::new().by_any(Way::In, &INTERNET).verdict(Verdict::Accept));
    for (protocol, port) in [(UDP, DNS), (TCP, DNS), (UDP, DNS_TLS), (TCP, DNS_TLS)] {
        rule(Rule::new().port(protocol, port).refuse());
    }
    rule(Rule::new().pair(End::Destination, &PINNED).verdict(Verdict::Accept));
    rule(Rule::new().pair(End::Destination, &RANGES).verdict(Verdict::Accept));
    rule(Rule::new().refuse());
}

/// Ranges as elements: each key begins one, and a key that ends it follows unless it goes to the very end.
fn intervals(ranges: &[Ipv4Range]) -> Vec<Element> {
    let mut elements = Vec::new();
    for (first, last) in merged(ranges) {
        elements.push(Element::of(first.to_be_bytes().to_vec()));
        if let Some(next) = last.checked_add(1) {
            let end = Element::of(next.to_be_bytes().to_vec());
            elements.push(Element { ends_range: Some(EndsRange), ..end });
        }
    }
    elements
}
