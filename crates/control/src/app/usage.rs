//! What was used: readings of nodes become records, and so does every one-shot run.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use madang_ids::{NodeId, SandboxId, SessionId};
use madang_model::{Owner, Reading, Usage};
use madang_node_api::ReadingAck;
use madang_store::{Counted, SessionRecord, UsageRecord, UsageSource};

use super::{App, Failure, live_run::RunFacts};
use crate::clock::now_ms;

/// A one-shot run has one record.
const ONLY: u64 = 1;

impl App {
    /// Counts what a node has read; what is returned is kept, and the node may forget it. The same readings may come again.
    pub async fn usage_take(&self, node: NodeId, readings: &[Reading]) -> Result<Vec<ReadingAck>, Failure> {
        let mut sources: HashMap<SessionId, Option<UsageSource>> = HashMap::new();
        let mut known = Vec::with_capacity(readings.len());
        for reading in readings {
            let source = match sources.entry(reading.session) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.usage_source(reading.session).await?),
            };
            match source {
                Some(source) => known.push((*reading, source.clone())),
                None => {
                    tracing::warn!(%node, sandbox = %reading.sandbox, session = %reading.session,
                        "a reading of a session that nobody knows counts for nobody");
                    self.metrics.flow.reading("unknown");
                }
            }
        }
        let counted = self.store.usage_count(node, &known, &self.people.now().tariff, now_ms()).await?;
        for ((reading, _), counted) in known.iter().zip(&counted) {
            self.metrics.flow.reading(counted.name());
            if let Counted::Refused(fault) = counted {
                tracing::warn!(%node, sandbox = %reading.sandbox, sequence = reading.sequence, %fault,
                    "a reading that cannot be true counts for nothing");
            }
        }
        self.spent_something(known.iter().map(|(_, source)| &source.owner));
        let mut newest: BTreeMap<SandboxId, u64> = BTreeMap::new();
        for reading in readings {
            let sequence = newest.entry(reading.sandbox).or_default();
            *sequence = reading.sequence.max(*sequence);
        }
        Ok(newest.into_iter().map(|(sandbox, sequence)| ReadingAck { sandbox, sequence }).collect())
    }

    /// Looks at budgets soon, if any pays for work of these.
    pub(super) fn spent_something<'a>(&self, mut owners: impl Iterator<Item = &'a Owner>) {
        let people = self.people.now();
        if owners.any(|owner| people.budgets_of(owner).next().is_some()) {
            self.money.wake.notify_one();
        }
    }

    /// None: there is no such session, or not any more.
    async fn usage_source(&self, id: SessionId) -> Result<Option<UsageSource>, Failure> {
        let record = match self.session_live(id) {
            Some(session) => Some(session.record()),
            None => self.store.session_get(id).await?,
        };
        Ok(record.map(source))
    }

    /// The record of a one-shot run that has ended.
    pub(super) fn usage_of_run(&self, run: &RunFacts, usage: Usage, at_ms: u64) -> Option<UsageRecord> {
        if run.session.is_some() {
            return None;
        }
        Some(UsageRecord {
            subject: run.id.to_string(),
            sequence: ONLY,
            at_ms,
            owner: run.owner,
            session: None,
            image: run.image.clone(),
            language: run.language.clone(),
            node: self.fleet.placed(run.sandbox),
            usage,
            cost_nano: self.people.now().tariff.cost_nano(&usage, at_ms),
        })
    }
}

fn source(record: SessionRecord) -> UsageSource {
    UsageSource {
        owner: record.owner,
        image: record.spec.image,
        language: record.spec.language,
        limits: record.spec.limits,
        created_ms: record.created_ms,
    }
}
