//! Orders, each done once: one that comes again while it is being done waits for it, one that was done is answered from memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use madang_node_api::{Node, NodeError, RunHandle};
use madang_trace::Context;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument as _, Span};

use super::{
    Standing, file, pipe,
    run::{self, Life, Ordered},
};
use crate::{
    exec,
    order::{Ask, READINGS_WAIT, Told},
    wire::Order,
};

/// Orders being done at once.
const RUNNING_MAX: usize = 4_096;
/// Answers that are remembered for a control process that did not hear them.
const ANSWERS_MAX: usize = 8_192;

type Key = (Arc<str>, u64);

/// Every order of which a control process may not know the outcome.
pub(super) struct Orders {
    node: Arc<dyn Node>,
    links: watch::Receiver<Option<Standing>>,
    known: Mutex<Known>,
    done: mpsc::Sender<u64>,
}

#[derive(Default)]
struct Known {
    orders: HashMap<Key, Option<Bytes>>,
    running: usize,
    /// In the order of their answers, to forget the oldest first.
    answered: VecDeque<Key>,
}

impl Orders {
    /// The receiver hears the number of each order that was done.
    pub fn new(node: Arc<dyn Node>, links: watch::Receiver<Option<Standing>>) -> (Arc<Self>, mpsc::Receiver<u64>) {
        let (done, numbers) = mpsc::channel(RUNNING_MAX + ANSWERS_MAX);
        (Arc::new(Self { node, links, known: Mutex::default(), done }), numbers)
    }

    /// An order came, for the first time or again.
    pub fn take(self: &Arc<Self>, control: &Arc<str>, order: Order) {
        let number = order.order;
        let key = (Arc::clone(control), number);
        let mut known = self.lock();
        match known.orders.get(&key) {
            Some(Some(_)) => drop(self.done.try_send(number).is_ok()),
            Some(None) => {}
            None if known.running >= RUNNING_MAX => {
                let full = NodeError::Capacity("this node is busy with too many orders".to_owned());
                known.keep(key, answer(&full.into()));
                let _ = self.done.try_send(number);
            }
            None => {
                known.orders.insert(key.clone(), None);
                known.running += 1;
                tokio::spawn(Arc::clone(self).see_through(key, order));
            }
        }
    }

    async fn see_through(self: Arc<Self>, key: Key, order: Order) {
        // In a task of its own: a panic in it must not leave the order unanswered.
        let (work, (control, number)) = (Arc::clone(&self), key.clone());
        let told = tokio::spawn(async move { work.obey(control, number, &order).await });
        let gone = |_| NodeError::Internal("the node failed over this order".to_owned()).into();
        let told = told.await.unwrap_or_else(gone);
        let number = key.1;
        {
            let mut known = self.lock();
            known.running -= 1;
            known.keep(key, answer(&told));
        }
        // The node may be stopping.
        let _ = self.done.send(number).await;
    }

    /// The answer to an order of this control process.
    pub fn answer(&self, control: &Arc<str>, number: u64) -> Option<Bytes> {
        self.lock().orders.get(&(Arc::clone(control), number)).cloned().flatten()
    }

    async fn obey(&self, control: Arc<str>, number: u64, order: &Order) -> Told {
        let ask: Ask = match serde_json::from_slice(&order.document) {
            Ok(ask) => ask,
            Err(error) => return NodeError::Invalid(format!("this node does not know the order: {error}")).into(),
        };
        let span = span(order, &ask);
        self.obey_ask(control, number, ask).instrument(span).await.unwrap_or_else(Told::from)
    }

    async fn obey_ask(&self, control: Arc<str>, number: u64, ask: Ask) -> Result<Told, NodeError> {
        let node = &self.node;
        Ok(match ask {
            Ask::SandboxOpen { spec } => node.sandbox_open(*spec).await.map(|()| Told::Done)?,
            Ask::SandboxClose { id } => Told::Used { usage: node.sandbox_close(id).await? },
            Ask::SandboxRestart { id } => node.sandbox_restart(id).await.map(|()| Told::Done)?,
            Ask::SandboxInterrupt { id } => node.sandbox_interrupt(id).await.map(|()| Told::Done)?,
            Ask::Usage { id } => Told::Used { usage: node.usage(id).await? },
            Ask::RunStart { sandbox, run } => {
                self.carry(control, number, Life::Session, node.run_start(sandbox, run).await?)
            }
            Ask::RunOnce { sandbox, run } => {
                self.carry(control, number, Life::Once, node.run_once(*sandbox, run).await?)
            }
            Ask::RunAttach { run, after } => {
                self.carry(control, number, Life::Session, node.run_attach(run, after).await?)
            }
            Ask::RunForget { run } => node.run_forget(run).await.map(|()| Told::Done)?,
            Ask::Readings => match tokio::time::timeout(READINGS_WAIT, node.readings()).await {
                Ok(readings) => Told::Read { readings: readings? },
                Err(_) => Told::Read { readings: Vec::new() },
            },
            Ask::ReadingsAck { acks } => node.readings_ack(&acks).await.map(|()| Told::Done)?,
            Ask::SandboxMeter { sandbox, every_ms } => {
                node.sandbox_meter(sandbox, every_ms).await.map(|()| Told::Done)?
            }
            Ask::SandboxThrottle { sandbox, cpu_millis } => {
                node.sandbox_throttle(sandbox, cpu_millis).await.map(|()| Told::Done)?
            }
            Ask::Complete { sandbox, code, cursor } => {
                Told::Completed { completions: node.complete(sandbox, code, cursor).await? }
            }
            Ask::FileRead { sandbox, path } => {
                let opened = node.file_read(sandbox, &path).await?;
                tokio::spawn(file::send(self.links.clone(), control, number, opened.bytes));
                Told::Opened { seen: opened.seen }
            }
            Ask::FileWrite { sandbox, path, when } => {
                let bytes = file::receive(self.links.clone(), control, number);
                Told::Written { seen: node.file_write(sandbox, &path, when, bytes).await? }
            }
            Ask::FileList { sandbox, path, depth } => {
                Told::Listed { files: node.file_list(sandbox, &path, depth).await? }
            }
            Ask::FileRemove { sandbox, path } => node.file_remove(sandbox, &path).await.map(|()| Told::Done)?,
            Ask::Images => Told::Images { images: node.images().await? },
            Ask::PoolWant { wanted } => node.pool_want(wanted).await.map(|()| Told::Done)?,
            Ask::FolderOwnerSet { owner, quota } => node.folder_owner_set(owner, quota).await.map(|()| Told::Done)?,
            Ask::FolderOwnerUsage { owner } => Told::FolderOwnerUsed { usage: node.folder_owner_usage(owner).await? },
            Ask::FolderMake { place } => node.folder_make(place.owner, place.folder).await.map(|()| Told::Done)?,
            Ask::FolderRemove { place } => node.folder_remove(place.owner, place.folder).await.map(|()| Told::Done)?,
            Ask::FolderUsage { place } => {
                Told::FolderUsed { usage: node.folder_usage(place.owner, place.folder).await? }
            }
            Ask::FolderClone { from, to } => node.folder_clone(from, to).await.map(|()| Told::Done)?,
            Ask::SandboxFreeze { sandbox, when } => Told::Frozen { seen: node.sandbox_freeze(sandbox, when).await? },
            Ask::SandboxThaw { sandbox } => node.sandbox_thaw(sandbox).await.map(|()| Told::Done)?,
            ask => self.obey_app(control, number, ask).await?,
        })
    }

    async fn obey_app(&self, control: Arc<str>, number: u64, ask: Ask) -> Result<Told, NodeError> {
        let node = &self.node;
        Ok(match ask {
            Ask::AppStart { sandbox, app } => Told::AppStarted { app: node.app_start(sandbox, app).await? },
            Ask::AppStop { sandbox, app } => node.app_stop(sandbox, app).await.map(|()| Told::Done)?,
            Ask::Apps { sandbox } => Told::Apps { apps: node.apps(sandbox).await? },
            Ask::AppConnect { sandbox, app } => {
                let connection = node.app_connect(sandbox, app).await?;
                tokio::spawn(pipe::carry(self.links.clone(), control, number, connection));
                Told::Connected
            }
            Ask::PortConnect { sandbox, port } => {
                let connection = node.port_connect(sandbox, port).await?;
                tokio::spawn(pipe::carry(self.links.clone(), control, number, connection));
                Told::Connected
            }
            Ask::FolderConnect => {
                let connection = node.folder_connect().await?;
                tokio::spawn(pipe::carry(self.links.clone(), control, number, connection));
                Told::Connected
            }
            Ask::ExecStart { sandbox, spec } => {
                let connection = exec::lend(node.exec_start(sandbox, spec).await?);
                tokio::spawn(pipe::carry(self.links.clone(), control, number, connection));
                Told::Connected
            }
            Ask::ImageCommit { sandbox, spec } => Told::Committed { seen: node.image_commit(sandbox, spec).await? },
            Ask::ImageExport { name, shown } => {
                let opened = node.image_export(&name, &shown).await?;
                tokio::spawn(file::send(self.links.clone(), control, number, opened.bytes));
                Told::Opened { seen: opened.seen }
            }
            Ask::ImageImport { name, digest } => {
                let bytes = file::receive(self.links.clone(), control, number);
                node.image_import(&name, &digest, bytes).await.map(|()| Told::Done)?
            }
            Ask::ImageRemove { name } => node.image_remove(&name).await.map(|()| Told::Done)?,
            _ => return Err(NodeError::Invalid("this is no order about apps, bytes of folders or images".to_owned())),
        })
    }

    fn carry(&self, control: Arc<str>, order: u64, life: Life, handle: RunHandle) -> Told {
        let id = handle.id;
        tokio::spawn(run::carry(self.links.clone(), Ordered { control, order, life }, handle));
        Told::RunStarted { id }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn keep(&mut self, key: Key, answer: Bytes) {
        self.orders.insert(key.clone(), Some(answer));
        self.answered.push_back(key);
        while self.answered.len() > ANSWERS_MAX {
            if let Some(oldest) = self.answered.pop_front() {
                self.orders.remove(&oldest);
            }
        }
    }
}

/// What is done for nobody in particular, such as readings, has no span.
fn span(order: &Order, ask: &Ask) -> Span {
    let trace = Context::said(Some(&order.traceparent), Some(&order.tracestate));
    if trace.is_empty() {
        return Span::none();
    }
    trace.begin(madang_trace::span!(root "node", otel.name = ask.span_name(), otel.kind = "server"))
}

fn answer(told: &Told) -> Bytes {
    serde_json::to_vec(told).unwrap_or_default().into()
}
