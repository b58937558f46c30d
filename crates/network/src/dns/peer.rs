//! Names of one label: what sandboxes of one session call each other. Pure; queries come from strangers.

use std::net::Ipv4Addr;

use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE,
    rdata::{A, RData},
};

/// A sandbox that is started anew has another address.
const TTL_S: u32 = 5;

/// A question for a name that may be a peer's.
#[derive(Debug)]
pub struct Asked {
    id: u16,
    question: Question<'static>,
    /// In small letters.
    pub name: String,
}

/// Reads what a sandbox sent; none where it cannot be about a peer.
pub fn read(query: &[u8]) -> Option<Asked> {
    let packet = Packet::parse(query).ok()?;
    let [question] = packet.questions.as_slice() else { return None };
    let plain = !packet.has_flags(PacketFlag::RESPONSE) && packet.opcode() == OPCODE::StandardQuery;
    if !plain || question.qclass != QCLASS::CLASS(CLASS::IN) {
        return None;
    }
    let mut labels = question.qname.as_bytes();
    let (label, None) = (labels.next()?, labels.next()) else { return None };
    let name = std::str::from_utf8(label).ok()?.to_ascii_lowercase();
    Some(Asked { id: packet.id(), question: question.clone().into_owned(), name })
}

impl Asked {
    /// That the peer is there; whatever else is asked of it than its address, there is none.
    pub fn answer(&self, address: Ipv4Addr) -> Option<Vec<u8>> {
        let mut reply = Packet::new_reply(self.id);
        reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
        reply.questions.push(self.question.clone());
        if self.question.qtype == QTYPE::TYPE(TYPE::A) {
            let (name, address): (Name<'_>, _) = (self.question.qname.clone(), A { address: address.to_bits() });
            reply.answers.push(ResourceRecord::new(name, CLASS::IN, TTL_S, RData::A(address)));
        }
        reply.build_bytes_vec().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 6);

    fn query(name: &str, kind: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(77);
        let name = Name::new(name).unwrap().into_owned();
        packet.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn one_label_is_a_peers_and_more_are_not() {
        let asked = read(&query("Main1", TYPE::A)).unwrap();
        assert_eq!(asked.name, "main1");
        let answer = asked.answer(PEER).unwrap();
        let packet = Packet::parse(&answer).unwrap();
        assert_eq!((packet.id(), packet.answers.len()), (77, 1));
        assert_eq!(packet.answers[0].rdata, RData::A(A { address: PEER.to_bits() }));
        assert!(read(&query("main1.example", TYPE::A)).is_none());
        // No sandbox has IPv6: that there is no such name would end the search of some clients.
        let other = read(&query("main1", TYPE::AAAA)).unwrap().answer(PEER).unwrap();
        assert_eq!(Packet::parse(&other).unwrap().answers.len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Some(asked) = read(&bytes) {
                let _ = asked.answer(PEER);
            }
        }
    }
}
