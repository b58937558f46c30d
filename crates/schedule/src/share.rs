//! How much of the group each owner holds and has held.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    room::Grant,
    want::{Amount, Session},
};

/// What was used so long ago counts half.
pub const HALF_LIFE_MS: u64 = 86_400_000;
/// What is held now counts as if it had been used so long.
const HELD_MS: f64 = 3_600_000.0;
/// After so long the past is weighed anew.
const WEIGH_MS: u64 = 1_200_000;

/// What an owner held of a group before its scheduler was there.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldBefore {
    pub owner: String,
    pub amount: Amount,
    pub device_millis: u64,
    /// For so long, what is long ago already counted less.
    pub held_ms: f64,
}

/// An owner of sessions.
pub(crate) type Owner = Arc<str>;

/// A score that sorts: the bits of a number that is not negative.
pub(crate) type Score = u64;

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    held: Amount,
    device_millis: u64,
    /// Dominant share times milliseconds, as of `weighed_ms`.
    used: f64,
    /// The same of what was held before: derived from `before` of all, whenever the group has another size.
    used_before: f64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Shares {
    accounts: BTreeMap<Owner, Account>,
    /// Kept as it was held: nodes, of which it is a share, may come later.
    before: Vec<HeldBefore>,
    total: Amount,
    device_millis: u64,
    weighed_ms: u64,
}

/// Which share orders the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weigh {
    /// What is held now.
    Held,
    /// That and the past.
    Used,
}

impl Shares {
    /// What the group has; true if it has changed, and every share with it.
    pub fn total_set(&mut self, total: Amount, devices: u64) -> bool {
        let before = (self.total, self.device_millis);
        (self.total, self.device_millis) = (total, devices.saturating_mul(crate::want::WHOLE_MILLIS));
        let changed = before != (self.total, self.device_millis);
        if changed {
            self.before_sum_up();
        }
        changed
    }

    pub fn hold(&mut self, owner: &Owner, amount: &Amount, grants: &[Grant]) {
        let account = self.accounts.entry(Arc::clone(owner)).or_default();
        account.held = account.held.plus(amount);
        account.device_millis += millis(grants);
    }

    pub fn release(&mut self, owner: &Owner, amount: &Amount, grants: &[Grant], held_ms: u64) {
        let share = self.dominant(amount, millis(grants));
        let Some(account) = self.accounts.get_mut(owner) else { return };
        account.held = account.held.minus(amount);
        account.device_millis = account.device_millis.saturating_sub(millis(grants));
        account.used += share * held_ms as f64;
    }

    /// All that was used, of everything that has ended by now.
    pub fn history_set(&mut self, history: Vec<HeldBefore>, now_ms: u64) {
        self.weigh(now_ms);
        self.accounts.values_mut().for_each(|account| account.used = 0.0);
        self.before = history;
        let weight = (now_ms.saturating_sub(self.weighed_ms) as f64 / HALF_LIFE_MS as f64).exp2();
        self.before.iter_mut().for_each(|held| held.held_ms *= weight);
        self.before_sum_up();
    }

    fn before_sum_up(&mut self) {
        self.accounts.values_mut().for_each(|account| account.used_before = 0.0);
        for held in &self.before {
            let used = self.dominant(&held.amount, held.device_millis) * held.held_ms;
            self.accounts.entry(Arc::from(held.owner.as_str())).or_default().used_before += used;
        }
    }

    /// Lets the past fade; true if every score is another now.
    pub fn weigh(&mut self, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.weighed_ms) < WEIGH_MS {
            return false;
        }
        let weight = (-((now_ms - self.weighed_ms) as f64) / HALF_LIFE_MS as f64).exp2();
        for account in self.accounts.values_mut() {
            account.used *= weight;
            account.used_before *= weight;
        }
        self.before.iter_mut().for_each(|held| held.held_ms *= weight);
        self.before.retain(|held| held.held_ms > 1.0);
        let counts = |account: &Account| account.used + account.used_before > 1e-3;
        self.accounts.retain(|_, account| counts(account) || account.held != Amount::default());
        self.weighed_ms = now_ms;
        true
    }

    pub fn score(&self, owner: &str, weigh: Weigh) -> Score {
        let Some(account) = self.accounts.get(owner) else { return 0 };
        let held = self.dominant(&account.held, account.device_millis);
        match weigh {
            Weigh::Held => held.to_bits(),
            Weigh::Used => (held * HELD_MS + account.used + account.used_before).to_bits(),
        }
    }

    /// The largest of the shares that this is of what there is.
    fn dominant(&self, amount: &Amount, device_millis: u64) -> f64 {
        let of = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let shares = [
            of(amount.cpu_millis, self.total.cpu_millis),
            of(amount.memory_bytes, self.total.memory_bytes),
            of(amount.disk_bytes, self.total.disk_bytes),
            of(device_millis, self.device_millis),
        ];
        shares.into_iter().fold(0.0, f64::max)
    }

    /// What one owner holds, as a share of the whole.
    pub fn held(&self, owner: &str) -> f64 {
        f64::from_bits(self.score(owner, Weigh::Held))
    }

    /// What a share is worth in a score.
    pub fn scale(&self, weigh: Weigh) -> f64 {
        match weigh {
            Weigh::Held => 1.0,
            Weigh::Used => HELD_MS,
        }
    }

    /// What placing the session would add.
    pub fn added(&self, session: &Session) -> f64 {
        let devices = session.want.devices.iter().map(|want| want.millis).sum();
        self.dominant(&session.want.amount, devices) * f64::from(session.gang.size)
    }
}

fn millis(grants: &[Grant]) -> u64 {
    grants.iter().map(|grant| grant.millis).sum()
}
