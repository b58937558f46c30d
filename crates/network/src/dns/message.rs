//! Queries of sandboxes and answers to them: what may be asked, and what of an answer a sandbox may see. Pure; both come from strangers.

use std::net::Ipv4Addr;

use madang_model::{AllowList, Network};
use simple_dns::{
    CLASS, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE,
    rdata::{OPT, RData},
};

use crate::address::Reach;

/// What every client takes.
const PLAIN_BYTES: usize = 512;
/// What we send at most in one datagram, and what we say that we take: fits any path (DNS flag day 2020).
pub const DATAGRAM_BYTES: usize = 1232;
/// An address stays open for at least so long, and for no longer than this.
const PIN_S_MIN: u32 = 300;
const PIN_S_MAX: u32 = 86_400;
/// Names that an alias leads over.
const ALIASES_MAX: usize = 16;

/// A sandbox's policy as its name server has it.
#[derive(Debug, Clone)]
pub struct Rules {
    pub network: Network,
    pub reach: Reach,
}

/// What a sandbox asked.
#[derive(Debug)]
pub enum Asked {
    /// Nothing that could be answered.
    Noise,
    /// This is the answer, and nobody else is asked.
    Answered(Vec<u8>),
    Wanted(Wanted),
}

/// A question that others must answer.
#[derive(Debug, Clone)]
pub struct Wanted {
    id: u16,
    question: Question<'static>,
    /// The largest answer that its client takes in a datagram.
    datagram_bytes: usize,
}

/// An address that may be reached from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    pub address: Ipv4Addr,
    pub seconds: u32,
}

/// What a sandbox is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub bytes: Vec<u8>,
    /// To be open before it is told. Empty where the policy is not a list.
    pub pins: Vec<Pin>,
}

/// How an answer goes to the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Datagram,
    Stream,
}

impl Rules {
    /// Reads what a sandbox sent.
    pub fn read(&self, bytes: &[u8]) -> Asked {
        let Ok(packet) = Packet::parse(bytes) else { return Asked::Noise };
        if packet.has_flags(PacketFlag::RESPONSE) {
            return Asked::Noise;
        }
        let [question] = packet.questions.as_slice() else { return refused(&packet, RCODE::FormatError) };
        if packet.opcode() != OPCODE::StandardQuery {
            return refused(&packet, RCODE::NotImplemented);
        }
        if question.qclass != QCLASS::CLASS(CLASS::IN) {
            return refused(&packet, RCODE::Refused);
        }
        let list = match &self.network {
            Network::None => return refused(&packet, RCODE::Refused),
            Network::AllowList(list) => Some(list),
            Network::Internet => None,
        };
        // A program that is told that there is none stops at once; one that is refused asks again and again.
        if list.is_some_and(|list| !allows(list, question)) {
            return refused(&packet, RCODE::NameError);
        }
        match question.qtype {
            QTYPE::TYPE(TYPE::A) => {}
            // No sandbox has IPv6, and of a list only addresses are of use.
            QTYPE::TYPE(kind) if kind != TYPE::AAAA && list.is_none() => {}
            _ => return refused(&packet, RCODE::NoError),
        }
        let offered = packet.opt().map_or(PLAIN_BYTES, |opt| usize::from(opt.udp_packet_size));
        let datagram_bytes = offered.clamp(PLAIN_BYTES, DATAGRAM_BYTES);
        Asked::Wanted(Wanted { id: packet.id(), question: question.clone().into_owned(), datagram_bytes })
    }

    /// What of `answer` the sandbox that wanted it is told; nothing if it answers something else.
    pub fn judge(&self, wanted: &Wanted, answer: &[u8], transport: Transport) -> Option<Told> {
        let packet = Packet::parse(answer).ok()?;
        let [question] = packet.questions.as_slice() else { return None };
        if !packet.has_flags(PacketFlag::RESPONSE) || !same(question, &wanted.question) {
            return None;
        }
        let mut reply = wanted.reply();
        *reply.rcode_mut() = packet.rcode();
        let names = aliases(&packet, wanted);
        let mut pins = Vec::new();
        for record in packet.answers.iter().filter(|record| record.class == CLASS::IN) {
            match &record.rdata {
                RData::A(found) => {
                    let address = Ipv4Addr::from(found.address);
                    if !names.contains(&plain(&record.name)) || !self.reach.allows(address) {
                        continue;
                    }
                    pins.push(Pin { address, seconds: record.ttl.clamp(PIN_S_MIN, PIN_S_MAX) });
                }
                RData::AAAA(_) => continue,
                _ => {}
            }
            reply.answers.push(record.clone());
        }
        // Says for how long there is nothing.
        reply
            .name_servers
            .extend(packet.name_servers.iter().filter(|record| matches!(record.rdata, RData::SOA(_))).cloned());
        if !matches!(self.network, Network::AllowList(_)) {
            pins.clear();
        }
        let bytes = reply.build_bytes_vec_compressed().ok()?;
        match transport == Transport::Datagram && bytes.len() > wanted.datagram_bytes {
            true => Some(Told { bytes: wanted.cut()?, pins: Vec::new() }),
            false => Some(Told { bytes, pins }),
        }
    }
}

impl Wanted {
    /// The question as we ask it, under a number that only we know.
    pub fn ask(&self, id: u16) -> Option<Vec<u8>> {
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(self.question.clone());
        *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: DATAGRAM_BYTES as u16, version: 0 });
        packet.build_bytes_vec().ok()
    }

    /// Nobody knows.
    pub fn failed(&self) -> Option<Vec<u8>> {
        let mut reply = self.reply();
        *reply.rcode_mut() = RCODE::ServerFailure;
        reply.build_bytes_vec().ok()
    }

    /// The answer is too long for a datagram: the client is to ask over TCP.
    fn cut(&self) -> Option<Vec<u8>> {
        let mut reply = self.reply();
        reply.set_flags(PacketFlag::TRUNCATION);
        reply.build_bytes_vec().ok()
    }

    fn reply(&self) -> Packet<'static> {
        let mut reply = Packet::new_reply(self.id);
        reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
        reply.questions.push(self.question.clone());
        reply
    }
}

/// Whether an answer is one to our question `id`, and whether it is all of it.
pub fn fits(answer: &[u8], id: u16) -> Option<Whole> {
    let packet = Packet::parse(answer).ok()?;
    let ours = packet.id() == id && packet.has_flags(PacketFlag::RESPONSE);
    ours.then(|| if packet.has_flags(PacketFlag::TRUNCATION) { Whole::No } else { Whole::Yes })
}

/// See [`fits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    Yes,
    No,
}

fn refused(packet: &Packet<'_>, code: RCODE) -> Asked {
    let mut reply = Packet::new_reply(packet.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    reply.questions = packet.questions.clone();
    *reply.rcode_mut() = code;
    reply.build_bytes_vec().map_or(Asked::Noise, Asked::Answered)
}

fn allows(list: &AllowList, question: &Question<'_>) -> bool {
    // A label may hold any byte, dots too: such a name only looks like another.
    let letters = |label: &[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    question.qname.as_bytes().all(letters) && list.allows(&plain(&question.qname))
}

/// In small letters, as names are compared.
fn plain(name: &simple_dns::Name<'_>) -> String {
    name.to_string().to_ascii_lowercase()
}

fn same(one: &Question<'_>, other: &Question<'_>) -> bool {
    plain(&one.qname) == plain(&other.qname) && one.qtype == other.qtype && one.qclass == other.qclass
}

/// The name that was asked for and those that it is an alias of.
fn aliases(packet: &Packet<'_>, wanted: &Wanted) -> Vec<String> {
    let mut names = vec![plain(&wanted.question.qname)];
    while names.len() < ALIASES_MAX {
        let next = packet.answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(target) if names.last() == Some(&plain(&record.name)) => Some(plain(&target.0)),
            _ => None,
        });
        match next {
            Some(next) if !names.contains(&next) => names.push(next),
            _ => break,
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::{
        Name, ResourceRecord,
        rdata::{A, CNAME},
    };

    use super::*;

    fn rules(network: Network) -> Rules {
        Rules { network, reach: Reach::new(&[], &["10.9.0.0/16".parse().unwrap()]) }
    }

    fn list(entries: &[&str]) -> Network {
        Network::AllowList(AllowList::parse(entries.iter().copied()).unwrap())
    }

    fn query(name: &str, kind: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(77);
        let name = Name::new(name).unwrap().into_owned();
        packet.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
        packet.build_bytes_vec().unwrap()
    }

    fn wanted(rules: &Rules, name: &str) -> Wanted {
        match rules.read(&query(name, TYPE::A)) {
            Asked::Wanted(wanted) => wanted,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn answer(question: &str, records: &[(&str, Ipv4Addr)], alias: Option<(&str, &str)>) -> Vec<u8> {
        let mut packet = Packet::new_reply(5);
        let name = |name: &str| Name::new(name).unwrap().into_owned();
        packet.questions.push(Question::new(name(question), TYPE::A.into(), CLASS::IN.into(), false));
        if let Some((from, to)) = alias {
            let rdata = RData::CNAME(CNAME(name(to)));
            packet.answers.push(ResourceRecord::new(name(from), CLASS::IN, 60, rdata));
        }
        for (owner, address) in records {
            let rdata = RData::A(A { address: address.to_bits() });
            packet.answers.push(ResourceRecord::new(name(owner), CLASS::IN, 60, rdata));
        }
        packet.build_bytes_vec().unwrap()
    }

    fn code(asked: Asked) -> RCODE {
        match asked {
            Asked::Answered(bytes) => Packet::parse(&bytes).unwrap().rcode(),
            other => panic!("{other:?}"),
        }
    }

    const GOOD: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

    #[test]
    fn only_names_of_the_list_are_asked_for() {
        let rules = rules(list(&["pypi.org", "*.example.org"]));
        wanted(&rules, "PyPI.org");
        wanted(&rules, "a.example.org");
        for name in ["evil.org", "pypi.org.evil.org", "example.org"] {
            assert_eq!(code(rules.read(&query(name, TYPE::A))), RCODE::NameError, "{name}");
        }
        assert_eq!(code(rules.read(&query("pypi.org", TYPE::AAAA))), RCODE::NoError);
        assert_eq!(code(rules.read(&query("pypi.org", TYPE::TXT))), RCODE::NoError);
        assert_eq!(code(self::rules(Network::None).read(&query("pypi.org", TYPE::A))), RCODE::Refused);
    }

    #[test]
    fn a_label_with_a_dot_in_it_is_no_other_name() {
        let mut bytes = query("pypixorg", TYPE::A);
        let at = bytes.windows(8).position(|window| window == b"pypixorg").unwrap();
        bytes[at + 4] = b'.';
        assert_eq!(code(rules(list(&["pypi.org"])).read(&bytes)), RCODE::NameError);
    }

    #[test]
    fn addresses_that_nobody_may_reach_are_not_told_and_not_opened() {
        let rules = rules(list(&["pypi.org"]));
        let wanted = wanted(&rules, "pypi.org");
        let near =
            [[127, 0, 0, 1], [169, 254, 169, 254], [10, 0, 0, 7], [192, 168, 1, 1], [0, 0, 0, 0]].map(Ipv4Addr::from);
        let records: Vec<_> =
            near.iter().chain([&GOOD, &Ipv4Addr::new(10, 9, 1, 1)]).map(|ip| ("pypi.org", *ip)).collect();
        let told = rules.judge(&wanted, &answer("pypi.org", &records, None), Transport::Datagram).unwrap();
        let opened: Vec<_> = told.pins.iter().map(|pin| pin.address).collect();
        assert_eq!(opened, [GOOD, Ipv4Addr::new(10, 9, 1, 1)]);
        assert_eq!(told.pins[0].seconds, PIN_S_MIN);
        let packet = Packet::parse(&told.bytes).unwrap();
        assert_eq!((packet.answers.len(), packet.id()), (2, 77));
    }

    #[test]
    fn an_alias_is_followed_and_what_nobody_asked_for_is_left_out() {
        let rules = rules(list(&["pypi.org"]));
        let wanted = wanted(&rules, "pypi.org");
        let records = [("cdn.net", GOOD), ("other.net", Ipv4Addr::new(9, 9, 9, 9))];
        let bytes = answer("pypi.org", &records, Some(("pypi.org", "CDN.net")));
        let told = rules.judge(&wanted, &bytes, Transport::Datagram).unwrap();
        assert_eq!(told.pins, [Pin { address: GOOD, seconds: PIN_S_MIN }]);
        assert_eq!(rules.judge(&wanted, &answer("evil.org", &records, None), Transport::Datagram), None);
    }

    #[test]
    fn the_internet_is_answered_without_pins_and_without_what_is_near() {
        let rules = rules(Network::Internet);
        let records = [("a.net", GOOD), ("a.net", Ipv4Addr::new(192, 168, 0, 1))];
        let told =
            rules.judge(&wanted(&rules, "a.net"), &answer("a.net", &records, None), Transport::Datagram).unwrap();
        assert!(told.pins.is_empty());
        assert_eq!(Packet::parse(&told.bytes).unwrap().answers.len(), 1);
    }

    #[test]
    fn what_is_too_long_for_a_datagram_is_cut_and_opens_nothing() {
        let rules = rules(list(&["a.net"]));
        let records: Vec<_> = (1..=100).map(|last| ("a.net", Ipv4Addr::new(93, 184, 216, last))).collect();
        let bytes = answer("a.net", &records, None);
        let wanted = wanted(&rules, "a.net");
        let told = rules.judge(&wanted, &bytes, Transport::Datagram).unwrap();
        assert!(Packet::parse(&told.bytes).unwrap().has_flags(PacketFlag::TRUNCATION) && told.pins.is_empty());
        assert_eq!(rules.judge(&wanted, &bytes, Transport::Stream).unwrap().pins.len(), 100);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..40, byte in any::<u8>()) {
            let rules = rules(list(&["a.net"]));
            let wanted = wanted(&rules, "a.net");
            let _ = (rules.read(&bytes), rules.judge(&wanted, &bytes, Transport::Datagram), fits(&bytes, 1));
            let mut near = answer("a.net", &[("a.net", GOOD)], None);
            let at = at % near.len();
            near[at] = byte;
            if let Some(told) = rules.judge(&wanted, &near, Transport::Stream) {
                prop_assert!(told.pins.iter().all(|pin| rules.reach.allows(pin.address)));
            }
        }
    }
}
