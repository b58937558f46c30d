//! What outlives every control process: sessions, nodes, certificates, readings. And what was seen to break a rule.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use madang_ids::{NodeId, RunId, SandboxId, SessionId};
use madang_model::{Reading, RunEvent, RunEventBody, Verdict};
use madang_node_link::{
    RemoteNode,
    hub::{JoinAsked, Refusal, Registry},
};

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Placed,
    Running,
    Over,
}

/// One session: one sandbox at a time, one run in it.
#[derive(Debug, Clone)]
pub struct Session {
    pub session: SessionId,
    pub sandbox: SandboxId,
    pub run: RunId,
    pub node: NodeId,
    pub life: Life,
    /// The run was ordered, perhaps in vain.
    pub asked: bool,
    /// The number of the next event.
    pub next: u64,
    pub text: Vec<u8>,
}

#[derive(Default)]
pub struct Held {
    /// By a number of our own, so that the order is the seed's.
    pub sessions: BTreeMap<u64, Session>,
    pub nodes: Vec<NodeId>,
    pub readings: HashMap<(SandboxId, u64), Reading>,
    pub moves: u64,
    pub whole: u64,
    pub broken: Vec<String>,
    joined: HashMap<String, NodeId>,
    certificates: HashMap<String, NodeId>,
}

#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Held>>);

/// Whether a run is heard on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    On,
    No,
}

impl Store {
    pub fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn broken(&self, why: String) {
        self.lock().broken.push(why);
    }

    /// One more event of the run in this sandbox.
    pub fn heard(&self, number: u64, sandbox: SandboxId, event: RunEvent, expected: &str) -> Hears {
        let mut held = self.lock();
        let mut broken = None;
        let Some(session) = held.sessions.get_mut(&number) else { return Hears::No };
        if session.sandbox != sandbox || session.life == Life::Over {
            return Hears::No;
        }
        if event.seq != session.next {
            broken = Some(format!("session {number} heard event {} for {}", event.seq, session.next));
        }
        session.next = event.seq + 1;
        let mut whole = 0;
        match event.body {
            RunEventBody::Stdout { data } => session.text.extend(data.0),
            RunEventBody::Finished { outcome } => {
                session.life = Life::Over;
                if outcome.verdict != Verdict::Ok || session.text != expected.as_bytes() {
                    let text = session.text.len();
                    broken = Some(format!("session {number} ended {:?} with {text} bytes", outcome.verdict));
                }
                whole = 1;
            }
            _ => {}
        }
        held.whole += whole;
        held.broken.extend(broken);
        Hears::On
    }

    pub fn reading(&self, reading: Reading) {
        let mut held = self.lock();
        let before = held.readings.insert((reading.sandbox, reading.sequence), reading);
        if let Some(before) = before.filter(|before| *before != reading) {
            held.broken
                .push(format!("reading {} of {} was {before:?}, now {reading:?}", reading.sequence, reading.sandbox));
        }
    }
}

#[async_trait]
impl Registry for Store {
    async fn join(&self, asked: JoinAsked) -> Result<NodeId, Refusal> {
        let mut held = self.lock();
        if let Some(known) = held.joined.get(&asked.key) {
            return Ok(*known);
        }
        let node = NodeId::new();
        held.joined.insert(asked.key, node);
        held.nodes.push(node);
        Ok(node)
    }

    async fn certificate_put(&self, node: NodeId, fingerprint: &str, _: u64) -> Result<(), Refusal> {
        self.lock().certificates.insert(fingerprint.to_owned(), node);
        Ok(())
    }

    async fn certificate_of(&self, fingerprint: &str) -> Result<Option<NodeId>, Refusal> {
        Ok(self.lock().certificates.get(fingerprint).copied())
    }

    async fn arrived(&self, _: Arc<RemoteNode>) {}
}
