//! How many connections there may be: of everybody, of strangers, of one address, of one user.
//!
//! A connection costs descriptors and memory from its first byte. Neither whoever only connects nor somebody with a key may keep the others
//! out: the more room an address takes, the less it is given of what is left.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Such as nobody has signed in by.
const STRANGERS_MAX: usize = 128;
/// Of one user; whoever opens one more is told so.
const OF_USER_MAX: usize = 32;
/// Of one user, those included that are open to tell so.
const OF_USER_TOLD_MAX: usize = OF_USER_MAX + 4;
/// The part of an IPv6 address that one subscriber has.
const SUBSCRIBER_BITS: u32 = 64;

#[derive(Debug, Clone)]
pub struct Places(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    most: usize,
    connections: usize,
    strangers: usize,
    of_address: HashMap<IpAddr, usize>,
    of_user: HashMap<String, usize>,
}

/// Counts for as long as it is there.
#[derive(Debug)]
pub struct Place {
    places: Places,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Everybody,
    Address(IpAddr),
    User(String),
}

impl Places {
    pub fn new(most: usize) -> Self {
        let (of_address, of_user) = Default::default();
        Self(Arc::new(Mutex::new(Counts { most, connections: 0, strangers: 0, of_address, of_user })))
    }

    /// A place for a connection, for as long as it is one, and one among strangers, until somebody has signed in.
    pub fn take(&self, peer: IpAddr) -> Option<(Place, Place)> {
        let address = subscriber(peer);
        let mut counts = self.counts();
        let free = STRANGERS_MAX.saturating_sub(counts.strangers);
        let held = counts.of_address.get(&address).copied().unwrap_or_default();
        if counts.connections >= counts.most || held >= free {
            return None;
        }
        counts.connections += 1;
        counts.strangers += 1;
        *counts.of_address.entry(address).or_default() += 1;
        drop(counts);
        let place = |of| Place { places: self.clone(), of };
        Some((place(Of::Everybody), place(Of::Address(address))))
    }

    /// A place for a connection of a user, and whether there is room to do anything; none if there are too many even to say so.
    pub fn take_of(&self, user: &str) -> Option<(Place, bool)> {
        let mut counts = self.counts();
        let held = counts.of_user.get(user).copied().unwrap_or_default();
        if held >= OF_USER_TOLD_MAX {
            return None;
        }
        counts.of_user.insert(user.to_owned(), held + 1);
        drop(counts);
        Some((Place { places: self.clone(), of: Of::User(user.to_owned()) }, held < OF_USER_MAX))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody is told who has too many.
pub fn too_many() -> String {
    format!("{OF_USER_MAX} SSH connections of yours are open: end one first")
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        match &self.of {
            Of::Everybody => counts.connections -= 1,
            Of::Address(address) => {
                counts.strangers -= 1;
                less(&mut counts.of_address, address);
            }
            Of::User(user) => less(&mut counts.of_user, user),
        }
    }
}

fn less<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn subscriber(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = u128::MAX << (u128::BITS - SUBSCRIBER_BITS);
            IpAddr::V6((u128::from(address) & network).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn one_address_leaves_room_for_others() {
        let places = Places::new(1_000);
        let of_one: Vec<_> = std::iter::from_fn(|| places.take(ONE)).collect();
        assert_eq!(of_one.len(), STRANGERS_MAX / 2);
        for other in 2..8 {
            assert!(places.take([192, 0, 2, other].into()).is_some(), "{other}");
        }
        let signed_in: Vec<Place> = of_one.into_iter().map(|(connection, _)| connection).collect();
        assert!(places.take(ONE).is_some(), "whoever has signed in is no stranger");
        drop(signed_in);
        let counts = places.counts();
        assert_eq!((counts.connections, counts.strangers, counts.of_address.len()), (0, 0, 0));
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let places = Places::new(2);
        let held = (places.take(ONE).unwrap(), places.take([192, 0, 2, 2].into()).unwrap());
        assert!(places.take([192, 0, 2, 3].into()).is_none());
        drop(held);
        assert!(places.take(ONE).is_some());
    }

    #[test]
    fn addresses_of_one_subscriber_are_one() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), ONE);
        assert_ne!(of("192.0.2.2"), ONE);
    }

    #[test]
    fn a_user_with_too_many_is_told_and_then_not_even_that() {
        let places = Places::new(1_000);
        let held: Vec<_> = std::iter::from_fn(|| places.take_of("a")).collect();
        let usable = held.iter().filter(|(_, usable)| *usable).count();
        assert_eq!((usable, held.len()), (OF_USER_MAX, OF_USER_TOLD_MAX));
        assert!(places.take_of("b").unwrap().1);
        drop(held);
        assert!(places.take_of("a").unwrap().1);
    }
}
