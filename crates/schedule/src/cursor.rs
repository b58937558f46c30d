//! One walk through the queue, in its order, while sessions leave it.

use std::{cmp::Reverse, collections::BTreeMap, ops::Bound};

use madang_ids::SessionId;

use crate::{
    order::{Key, Level, Queue},
    share::{Owner, Score, Shares, Weigh},
    want::Session,
};

/// Where a walk stands: it comes to no session twice.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    line: Option<Key>,
    level: Option<i64>,
    /// The line it is in, by shares. Those before it are done: while it walks, shares only grow.
    at: Option<((Score, Owner), Key)>,
    /// How far it came in lines that have moved on since.
    moved: BTreeMap<Owner, Key>,
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
                *cursor = Cursor { level: Some(*priority), ..Cursor::default() };
            }
            if let Some(id) = level.next(cursor) {
                return Some(id);
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
    fn next(&self, cursor: &mut Cursor) -> Option<SessionId> {
        let from = cursor.at.as_ref().map_or(Bound::Unbounded, |(at, _)| Bound::Included(at));
        for (at, line) in self.lines.range((from, Bound::Unbounded)) {
            let here = cursor.at.as_ref().filter(|(here, _)| here == at).map(|(_, key)| key);
            let after = here.or_else(|| cursor.moved.get(&at.1));
            let after = after.map_or(Bound::Unbounded, Bound::Excluded);
            let Some(key) = line.range((after, Bound::Unbounded)).next() else { continue };
            match &mut cursor.at {
                Some((here, last)) if here == at => *last = *key,
                before => {
                    if let Some(((_, owner), last)) = before.replace((at.clone(), *key)) {
                        cursor.moved.insert(owner, last);
                    }
                }
            }
            return Some(key.2);
        }
        None
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
        for (at, line) in &self.lines {
            owners.insert(at.clone(), line.iter());
        }
        while let Some(((score, owner), mut line)) = owners.pop_first() {
            let Some((.., id)) = line.next() else { continue };
            order.push(*id);
            let added = session(*id).map_or(0.0, |session| shares.added(session) * scale);
            owners.insert(((f64::from_bits(score) + added).to_bits(), owner), line);
        }
    }
}
