//! A control process: the real hub over the simulated network, and the reconciler's rules in small.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use madang_ids::{NodeId, RunId, SandboxId, SessionId};
use madang_model::Stdin;
use madang_node_api::{Node, NodeError, Presence, ReadingAck};
use madang_node_link::{
    Authority, Hub, HubConfig, RemoteNode,
    hub::{Io, Listen},
};
use madang_testkit::contract;
use tokio::time::Instant;

use crate::{
    machine::PORT,
    store::{Hears, Life, Session, Store},
};

const SILENT: Duration = Duration::from_secs(5);
/// A node that was not heard for so long has lost its sessions. Its sandboxes end themselves after three quarters of that.
const LEASE: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks between two small runs in each session: orders that must not be done twice are always on their way.
const SMALL_EVERY: u64 = 3;
const GRACE: Duration = Duration::from_secs(1);
const CREATE_EVERY: Duration = Duration::from_millis(2_400);
const LINES: usize = 12;
const FLOOD: usize = 20_000;

struct Listener(turmoil::net::TcpListener);

#[async_trait]
impl Listen for Listener {
    async fn accept(&mut self) -> io::Result<Box<dyn Io>> {
        Ok(Box::new(self.0.accept().await?.0))
    }
}

/// What a session's program is, and what it prints.
fn program() -> (String, String) {
    let line = |number: usize| format!("print {number}\nsleep 500");
    let code: Vec<_> = (0..LINES).map(line).chain([format!("flood {FLOOD}")]).collect();
    let text: String = (0..LINES).map(|number| format!("{number}\n")).collect();
    (code.join("\n"), text + &"x".repeat(FLOOD))
}

struct Control {
    hub: Arc<Hub>,
    store: Store,
    /// Sandboxes whose session is being started or heard.
    driven: Mutex<HashSet<SandboxId>>,
    began: Instant,
}

/// From its start to its end, which is a crash.
pub async fn start(authority: PathBuf, store: Store, sessions: u64) -> turmoil::Result {
    let config = HubConfig { order_ms: 20_000, silent_ms: SILENT.as_millis() as u64, ..HubConfig::default() };
    let hub = Hub::new(Authority::open(&authority)?, Arc::new(store.clone()), config)?;
    let listener = Listener(turmoil::net::TcpListener::bind(("0.0.0.0", PORT)).await?);
    let serving = Arc::clone(&hub).serve(listener, std::future::pending());
    let control = Arc::new(Control { hub, store, driven: Mutex::default(), began: Instant::now() });
    tokio::select! {
        served = serving => Ok(served?),
        () = control.reconcile(sessions) => Ok(()),
    }
}

impl Control {
    async fn reconcile(self: &Arc<Self>, sessions: u64) {
        let (mut silent, mut orphans, mut metered) = (BTreeMap::new(), BTreeMap::new(), HashSet::new());
        for look in 0.. {
            let ids = self.store.lock().nodes.clone();
            let nodes: Vec<_> = ids.iter().map(|id| self.hub.node(*id)).collect();
            for node in nodes.iter().filter(|node| metered.insert(node.id())) {
                tokio::spawn(read(self.store.clone(), Arc::clone(node)));
            }
            self.create(&nodes, sessions);
            let live: Vec<_> = self.store.lock().sessions.clone().into_iter().collect();
            for (number, session) in live.iter().filter(|(_, session)| session.life != Life::Over) {
                let lost = self.is_lost(session, &mut silent);
                if lost {
                    self.move_away(*number, session, &nodes);
                } else {
                    self.drive(*number, session);
                    if (look + number).is_multiple_of(SMALL_EVERY) {
                        self.small_run(session);
                    }
                }
            }
            self.close_orphans(&nodes, &mut orphans);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn create(&self, nodes: &[Arc<RemoteNode>], sessions: u64) {
        let here: Vec<_> = nodes.iter().filter(|node| *node.presence().borrow() == Presence::Here).collect();
        let mut held = self.store.lock();
        let next = held.sessions.len() as u64;
        // One at a time, so that at every fault some are at work.
        let due = turmoil::sim_elapsed().unwrap_or_default() >= CREATE_EVERY * next as u32;
        if next < sessions
            && due
            && let Some(node) = here.get(next as usize % here.len().max(1))
        {
            held.sessions.insert(next, placed(SessionId::new(), node.id()));
        }
    }

    /// Silence is counted from when its beginning can have been at the latest.
    fn is_lost(&self, session: &Session, silent: &mut BTreeMap<NodeId, Instant>) -> bool {
        let node = self.hub.node(session.node);
        let presence = *node.presence().borrow();
        let since = match presence {
            Presence::Here => {
                silent.remove(&session.node);
                let there = node.sandboxes().iter().any(|seen| seen.id == session.sandbox);
                return session.life == Life::Running && !there;
            }
            Presence::Silent { .. } => *silent.entry(session.node).or_insert_with(|| Instant::now() - SILENT),
            Presence::Unheard => self.began,
        };
        since.elapsed() >= LEASE
    }

    fn move_away(&self, number: u64, session: &Session, nodes: &[Arc<RemoteNode>]) {
        let mut here = nodes.iter().filter(|node| *node.presence().borrow() == Presence::Here);
        let Some(node) = here.next() else { return };
        let mut held = self.store.lock();
        let Some(now) = held.sessions.get_mut(&number) else { return };
        // It may have ended meanwhile.
        if now.sandbox == session.sandbox && now.life != Life::Over {
            *now = placed(now.session, node.id());
            held.moves += 1;
        }
    }

    fn close_orphans(&self, nodes: &[Arc<RemoteNode>], orphans: &mut BTreeMap<SandboxId, Instant>) {
        let seen: Vec<_> = nodes.iter().map(|node| (node, node.sandboxes())).collect();
        let held = self.store.lock();
        let live = held.sessions.values().filter(|session| session.life != Life::Over);
        let wanted: HashSet<_> = live.map(|session| session.sandbox).collect();
        drop(held);
        for (node, sandboxes) in seen {
            for id in sandboxes.iter().map(|seen| seen.id).filter(|id| !wanted.contains(id)) {
                if orphans.entry(id).or_insert_with(Instant::now).elapsed() >= GRACE {
                    let node = Arc::clone(node);
                    // What fails is seen again.
                    tokio::spawn(async move { node.sandbox_close(id).await });
                }
            }
        }
    }

    fn drive(self: &Arc<Self>, number: u64, session: &Session) {
        let node = self.hub.node(session.node);
        let here = *node.presence().borrow() == Presence::Here;
        if !here || !self.driven.lock().unwrap().insert(session.sandbox) {
            return;
        }
        let (control, session) = (Arc::clone(self), session.clone());
        tokio::spawn(async move {
            let sandbox = session.sandbox;
            if let Err(error) = control.see_through(number, session, &node).await {
                tracing::debug!(%error, "a session is seen to again");
            }
            control.driven.lock().unwrap().remove(&sandbox);
        });
    }

    /// Whether it is heard to its end does not matter; it must not be done twice.
    fn small_run(&self, session: &Session) {
        let (node, sandbox) = (self.hub.node(session.node), session.sandbox);
        if session.life != Life::Running || *node.presence().borrow() != Presence::Here {
            return;
        }
        tokio::spawn(async move {
            let run = contract::query("set x", contract::no_input());
            let id = run.id;
            if let Ok(mut handle) = node.run_start(sandbox, run).await {
                while handle.events.recv().await.is_some() {}
                let _ = node.run_forget(id).await;
            }
        });
    }

    async fn see_through(&self, number: u64, session: Session, node: &RemoteNode) -> Result<(), NodeError> {
        let sandbox = session.sandbox;
        if session.life == Life::Placed {
            let lease_ms = Some(LEASE.as_millis() as u64 / 4 * 3);
            let mut spec = contract::sandbox(&contract::SIM);
            (spec.id, spec.session, spec.lease_ms) = (sandbox, session.session, lease_ms);
            match node.sandbox_open(spec).await {
                // It was opened for a control process that died before it knew, and its lease has ended it since.
                Err(NodeError::Conflict(_)) => {
                    self.change(number, sandbox, |session| *session = placed(session.session, session.node));
                    return Ok(());
                }
                other => other?,
            }
            self.change(number, sandbox, |session| session.life = Life::Running);
        }
        let (code, expected) = program();
        let mut handle = if session.asked {
            match node.run_attach(session.run, session.next.checked_sub(1)).await {
                // Its order was lost, and what it would have done is not known to be nothing.
                Err(NodeError::NotFound(_)) => {
                    self.change(number, sandbox, |session| session.life = Life::Over);
                    return Ok(());
                }
                other => other?,
            }
        } else {
            self.change(number, sandbox, |session| session.asked = true);
            let mut run = contract::query(&code, Stdin::Live);
            (run.id, run.limits.wall_ms) = (session.run, 600_000);
            node.run_start(sandbox, run).await?
        };
        while let Some(event) = handle.events.recv().await {
            if self.store.heard(number, sandbox, event, &expected) == Hears::No {
                return Ok(());
            }
        }
        Ok(())
    }

    fn change(&self, number: u64, sandbox: SandboxId, change: impl FnOnce(&mut Session)) {
        let mut held = self.store.lock();
        let session = held.sessions.get_mut(&number).filter(|session| session.sandbox == sandbox);
        if let Some(session) = session {
            change(session);
        }
    }
}

fn placed(session: SessionId, node: NodeId) -> Session {
    let (sandbox, run) = (SandboxId::new(), RunId::new());
    Session { session, sandbox, run, node, life: Life::Placed, asked: false, next: 0, text: Vec::new() }
}

async fn read(store: Store, node: Arc<RemoteNode>) {
    loop {
        let Ok(readings) = node.readings().await else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        readings.iter().for_each(|reading| store.reading(*reading));
        let ack = |reading: &madang_model::Reading| ReadingAck { sandbox: reading.sandbox, sequence: reading.sequence };
        let acks: Vec<_> = readings.iter().map(ack).collect();
        // What is not acknowledged comes again.
        let _ = node.readings_ack(&acks).await;
    }
}
