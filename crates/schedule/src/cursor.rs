//! One walk through the queue, in its order, while sessions leave it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use madang_ids::SessionId;

use crate::{
    order::{Key, Level, Queue},
    share::{Owner, Shares, Weigh},
    want::Session,
};

/// Where a walk stands: it comes to no session twice.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    line: Option<Key>,
    level: Option<i64>,
    owners: HashMap<Owner, Key>,
}

impl Queue {
    /// The next one that this walk has not come to.
    pub fn next(&self, cursor: &mut Cursor) -> Option<SessionId> {
        if self.weigh().is_none() {
            let from = cursor.line.map_or(Bound::Unbounded, Bound::Excluded);
            cursor.line = Some(*self.line.range((from, Bound::Unbounded)).next()?);
            return cursor.line.map(|(.., id)| id);
        }
        let from = cursor.level.map_or(Bound::Unbounded, |level| Bound::Included(Reverse(level)));
        for (Reverse(priority), level) in self.levels.range((from, Bound::Unbounded)) {
            if cursor.level != Some(*priority) {
                (cursor.level, cursor.owners) = (Some(*priority), HashMap::new());
            }
            if let Some((owner, key)) = level.next(cursor) {
                cursor.owners.insert(owner, key);
                return Some(key.2);
            }
        }
        None
    }

    /// Everybody, in the order in which they would start if all of them fitted.
    pub fn forecast<'a>(&self, shares: &Shares, session: impl Fn(SessionId) -> Option<&'a Session>) -> Vec<SessionId> {
        let Some(weigh) = self.weigh() else { return self.line.iter().map(|(.., id)| *id).collect() };
        let mut order = Vec::with_capacity(self.len());
        for level in self.levels.values() {
            level.forecast(weigh, shares, &session, &mut order);
        }
        order
    }
}

impl Level {
    fn next(&self, cursor: &Cursor) -> Option<(Owner, Key)> {
        self.owners.iter().find_map(|(_, owner)| {
            let from = cursor.owners.get(owner).map_or(Bound::Unbounded, |key| Bound::Excluded(*key));
            let (_, line) = self.lines.get(owner)?;
            let key = line.range((from, Bound::Unbounded)).next()?;
            Some((owner.clone(), *key))
        })
    }

    /// Each start makes its owner's share larger, by as much as the session wants.
    fn forecast<'a>(
        &self,
        weigh: Weigh,
        shares: &Shares,
        session: &impl Fn(SessionId) -> Option<&'a Session>,
        order: &mut Vec<SessionId>,
    ) {
        let scale = shares.scale(weigh);
        let mut owners = BTreeMap::new();
        for (score, owner) in &self.owners {
            if let Some((_, line)) = self.lines.get(owner) {
                owners.insert((*score, owner.clone()), line.iter());
            }
        }
        while let Some(((score, owner), mut line)) = owners.pop_first() {
            let Some((.., id)) = line.next() else { continue };
            order.push(*id);
            let added = session(*id).map_or(0.0, |session| shares.added(session) * scale);
            owners.insert(((f64::from_bits(score) + added).to_bits(), owner), line);
        }
    }
}
