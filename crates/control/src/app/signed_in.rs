//! Whoever has signed in, until they have not: streams and terminals that are open, and the work of users who are suspended.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use madang_ids::UserId;
use madang_model::{Actor, SignedInBy};

use super::{App, Failure, Wish, people::Directory};
use crate::clock::now_ms;

/// Why the sessions of users end who may do nothing any more.
const SUSPENDED: &str = "its owner's account is suspended";
/// Without an end of their own, what somebody has signed in with is looked at so often.
const LOOK_AGAIN_MS: u64 = 3_600_000;

impl Directory {
    /// Whether a user may do anything at all.
    fn may_act(&self, user: UserId) -> bool {
        let Some(user) = self.users.get(&user).filter(|user| user.is_active()) else { return false };
        self.organizations.get(&user.organization).is_some_and(|organization| organization.archived_ms.is_none())
    }

    /// Until when what the actor has signed in with is good: zero if it is not. Of a browser only its user is known here.
    fn good_until_ms(&self, actor: &Actor) -> u64 {
        if !self.may_act(actor.user) {
            return 0;
        }
        let good = match &actor.by {
            SignedInBy::Socket | SignedInBy::Cookie(_) => Some(None),
            SignedInBy::Token(id) => self.tokens.values().find(|token| token.id == *id).map(|token| token.expires_ms),
            SignedInBy::SshKey(id) => self.ssh_keys.values().find(|key| key.id == *id).map(|_| None),
            SignedInBy::Key(key) => {
                let key = self.access_keys.get(key).filter(|key| key.suspended_ms.is_none());
                key.map(|key| key.expires_ms)
            }
        };
        good.map_or(0, |expires_ms| expires_ms.unwrap_or(u64::MAX))
    }
}

impl App {
    /// Returns once the actor may not go on: suspended, or what it has signed in with is good no more.
    pub async fn signed_out(&self, actor: &Actor) {
        let mut changes = self.people.changes();
        loop {
            let (now, until) = (now_ms(), self.people.now().good_until_ms(actor));
            if until <= now {
                return;
            }
            let rest = Duration::from_millis((until - now).min(LOOK_AGAIN_MS));
            // The sender lives in `self`, so it cannot be gone.
            let _ = tokio::time::timeout(rest, changes.changed()).await;
        }
    }

    /// Ends what users have who were suspended, or whose organization is gone. Returns how much there was.
    pub async fn suspended_end(self: &Arc<Self>) -> Result<usize, Failure> {
        let people = self.people.now();
        if self.people.ended.load(Ordering::Relaxed) == people.version {
            return Ok(0);
        }
        let mut ended = 0;
        for session in self.sessions_live() {
            let record = session.record();
            if !people.may_act(record.owner.user) {
                self.session_end(record.id, SUSPENDED).await?;
                ended += 1;
            }
        }
        for run in self.runs_live().into_iter().filter(|run| run.facts.session.is_none()) {
            if !people.may_act(run.facts.owner.user) {
                run.wish(Wish::Cancel);
                ended += 1;
            }
        }
        self.people.ended.store(people.version, Ordering::Relaxed);
        Ok(ended)
    }
}
