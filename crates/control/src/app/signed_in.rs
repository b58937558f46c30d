//! Whoever has signed in, until they have not: streams and terminals that are open, and the work of users who are suspended.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use madang_ids::{SigninId, UserId};
use madang_model::{Actor, SignedInBy};
use tokio::sync::broadcast;

use super::{App, Asker, Failure, Wish, people::Directory};
use crate::clock::now_ms;

/// Why the sessions of users end who may do nothing any more.
const SUSPENDED: &str = "its owner's account is suspended";
/// Without an end of their own, what somebody has signed in with is looked at so often.
const LOOK_AGAIN_MS: u64 = 3_600_000;
/// A browser may be signed out by another process.
const LOOK_AGAIN_AT_BROWSERS_MS: u64 = 30_000;

impl Directory {
    /// Whether a user may do anything at all.
    fn may_act(&self, user: UserId) -> bool {
        let Some(user) = self.users.get(&user).filter(|user| user.is_active()) else { return false };
        self.organizations.get(&user.organization).is_some_and(|organization| organization.archived_ms.is_none())
    }

    /// Until when what the actor has signed in with is good: zero if it is not. Of browsers the store knows more.
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

/// Returns once this browser may have been signed out by this process.
async fn signed_out_here(ended: &mut broadcast::Receiver<SigninId>, browser: Option<SigninId>) {
    let Some(browser) = browser else { return std::future::pending().await };
    loop {
        match ended.recv().await {
            Ok(id) if id != browser => {}
            // Too many at once to hear of each.
            _ => return,
        }
    }
}

impl App {
    /// Returns once the asker may not go on: suspended, allowed less than before, or what it has signed in with is good no more.
    pub async fn signed_out(&self, asker: &Asker) {
        let (mut changes, mut ended) = (self.people.changes(), self.signin.ended.subscribe());
        let browser = match asker.by {
            SignedInBy::Cookie(id) => Some(id),
            _ => None,
        };
        let most = browser.map_or(LOOK_AGAIN_MS, |_| LOOK_AGAIN_AT_BROWSERS_MS);
        loop {
            let (until, now) = (self.good_until_ms(asker).await, now_ms());
            if until <= now {
                return;
            }
            let rest = Duration::from_millis((until - now).min(most));
            // The senders live in `self`, so they cannot be gone.
            tokio::select! {
                _ = changes.changed() => {}
                () = signed_out_here(&mut ended, browser) => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Until when the asker may go on as far as is known now: zero if not.
    async fn good_until_ms(&self, asker: &Asker) -> u64 {
        let people = self.people.now();
        let may_still = people.actor(asker.user, asker.by.clone()).is_some_and(|actor| asker.may_still(&actor));
        let until = if may_still { people.good_until_ms(asker) } else { 0 };
        let SignedInBy::Cookie(id) = asker.by else { return until };
        match self.store.signin_get(id).await {
            Ok(Some(browser)) => until.min(browser.expires_ms),
            Ok(None) => 0,
            // A database that is away for a moment cuts nobody off; it is asked again.
            Err(_) => until,
        }
    }

    /// Signs a browser out, with what it has open; one that was not signed in is left so.
    pub async fn browser_end(&self, id: SigninId) -> Result<(), Failure> {
        self.store.signin_end(id).await?;
        // An error means that nobody has anything open.
        let _ = self.signin.ended.send(id);
        Ok(())
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
