//! A resolver of the internet of the test: names whose addresses the test changes.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
};

use simple_dns::{
    CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{A, RData},
};

use super::world::{LONG, OTHER, World};

type Zone = Arc<Mutex<BTreeMap<String, Vec<Ipv4Addr>>>>;

/// See above.
#[derive(Debug)]
pub struct Names {
    zone: Zone,
    pub address: SocketAddr,
}

impl Names {
    /// At [`OTHER`], port 53.
    pub fn serve(world: &World) -> Self {
        let socket = World::within(&world.far(), || UdpSocket::bind((OTHER, 53)).unwrap());
        let names = Self { zone: Zone::default(), address: SocketAddr::from((OTHER, 53)) };
        let zone = Arc::clone(&names.zone);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let reply = reply(&buffer[..count], &zone.lock().unwrap());
                socket.send_to(&reply, from).unwrap();
            }
        });
        names
    }

    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        self.zone.lock().unwrap().insert(name.to_owned(), addresses.to_vec());
    }
}

fn reply(query: &[u8], zone: &BTreeMap<String, Vec<Ipv4Addr>>) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let mut reply = Packet::new_reply(query.id());
    reply.questions = query.questions.clone();
    let question = &query.questions[0];
    match zone.get(&question.qname.to_string()) {
        Some(addresses) if question.qtype == QTYPE::TYPE(TYPE::A) => {
            let record = |address: &Ipv4Addr| {
                let rdata = RData::A(A { address: address.to_bits() });
                ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, rdata)
            };
            reply.answers = addresses.iter().map(record).collect();
        }
        Some(_) => {}
        None => *reply.rcode_mut() = RCODE::NameError,
    }
    reply.build_bytes_vec().unwrap()
}

/// What the server at `gateway` answers to a guest; nothing if it does not.
pub fn look_up(gateway: Ipv4Addr, name: &str) -> Option<Vec<Ipv4Addr>> {
    let mut query = Packet::new_query(9);
    let name = Name::new(name).unwrap().into_owned();
    query.questions.push(simple_dns::Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.connect((gateway, 53)).ok()?;
    socket.send(&query.build_bytes_vec().unwrap()).ok()?;
    let mut buffer = [0; 1500];
    let count = socket.recv(&mut buffer).ok()?;
    let packet = Packet::parse(&buffer[..count]).unwrap();
    let address = |record: &ResourceRecord<'_>| match &record.rdata {
        RData::A(found) => Some(Ipv4Addr::from(found.address)),
        _ => None,
    };
    Some(packet.answers.iter().filter_map(address).collect())
}
