//! How often anybody may ask: a bucket for each access key, token, user and address. In memory, each process for itself.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, QuantaInstant},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use madang_ids::{TokenId, UserId};

/// Buckets of addresses that are kept. Once there are more, addresses share one until [`Rates::sweep`] has made room.
const BUCKETS_MAX: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Requests in a minute, for each kind of client. A client that was quiet may use a minute's worth at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Of one user, token, access key or cookie.
    pub client_per_minute: NonZeroU32,
    /// Of system administrators.
    pub administrator_per_minute: NonZeroU32,
    /// From one address by those who have not signed in, or try to.
    pub address_per_minute: NonZeroU32,
}

impl Default for RateLimits {
    fn default() -> Self {
        let rate = |rate| NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        Self {
            client_per_minute: rate(6_000),
            administrator_per_minute: rate(6_000_000),
            address_per_minute: rate(600),
        }
    }
}

/// Whose bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    User(UserId),
    Token(TokenId),
    Key(String),
    Address(IpAddr),
    /// All addresses beyond [`BUCKETS_MAX`].
    Elsewhere,
}

/// What a bucket said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub limit: u32,
    pub remaining: u32,
    /// Until the bucket is full again.
    pub reset: Duration,
    /// None: go on. Else how long to wait.
    pub wait: Option<Duration>,
}

type Limiter = RateLimiter<Bucket, DefaultKeyedStateStore<Bucket>, DefaultClock, StateInformationMiddleware>;

/// All buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    client: Limiter,
    administrator: Limiter,
    address: Limiter,
    clock: DefaultClock,
}

/// Which rate applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Client,
    Administrator,
    Address,
}

impl Rates {
    pub fn new(limits: RateLimits) -> Self {
        let limiter =
            |rate| RateLimiter::dashmap(Quota::per_minute(rate)).with_middleware::<StateInformationMiddleware>();
        Self {
            client: limiter(limits.client_per_minute),
            administrator: limiter(limits.administrator_per_minute),
            address: limiter(limits.address_per_minute),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one request out of a bucket.
    pub fn take(&self, rate: Rate, bucket: &Bucket) -> Allowance {
        let limiter = self.limiter(rate);
        let crowded = rate == Rate::Address && limiter.len() >= BUCKETS_MAX;
        let bucket = if crowded { &Bucket::Elsewhere } else { bucket };
        match limiter.check_key(bucket) {
            Ok(state) => {
                let limit = state.quota().burst_size().get();
                let remaining = state.remaining_burst_capacity();
                let each = state.quota().replenish_interval();
                Allowance { limit, remaining, reset: each * limit.saturating_sub(remaining), wait: None }
            }
            Err(until) => self.refused(&until),
        }
    }

    fn refused(&self, until: &NotUntil<QuantaInstant>) -> Allowance {
        let wait = until.wait_time_from(self.clock.now());
        let limit = until.quota().burst_size().get();
        Allowance { limit, remaining: 0, reset: MINUTE, wait: Some(wait) }
    }

    fn limiter(&self, rate: Rate) -> &Limiter {
        match rate {
            Rate::Client => &self.client,
            Rate::Administrator => &self.administrator,
            Rate::Address => &self.address,
        }
    }

    /// Forgets full buckets, which say nothing. Called now and then.
    pub fn sweep(&self) {
        for limiter in [&self.client, &self.administrator, &self.address] {
            limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_says_when_to_come_again() {
        // One more is allowed only a minute later.
        let rates = Rates::new(RateLimits { client_per_minute: NonZeroU32::MIN, ..RateLimits::default() });
        let bucket = Bucket::Key("MDAK1".into());
        let seen = rates.take(Rate::Client, &bucket);
        assert_eq!((seen.limit, seen.remaining, seen.wait), (1, 0, None));
        let refused = rates.take(Rate::Client, &bucket);
        assert!(refused.wait.is_some_and(|wait| wait > Duration::ZERO && wait <= MINUTE), "{refused:?}");
        assert_eq!(rates.take(Rate::Client, &Bucket::Key("MDAK2".into())).wait, None, "another's bucket");
        let seen = rates.take(Rate::Address, &bucket);
        assert_eq!((seen.limit, seen.remaining, seen.wait), (600, 599, None), "another rate");
        rates.sweep();
        assert_eq!(rates.client.len(), 2, "what is not full is kept");
    }
}
