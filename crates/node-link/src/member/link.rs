//! One link to control, from the first word to the last.

use std::{collections::HashMap, sync::Arc, time::Duration};

use madang_ids::{RunId, SandboxId};
use madang_node_api::{Node, NodeHealth, SandboxSeen};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Client, MemberConfig, MemberError, Pause, Standing, fence::Heard, keep, orders::Orders};
use crate::{
    PROTOCOL, now_ms,
    wire::{Answer, Beat, Change, FromNode, Hello, Snapshot, ToNode, from_node, to_node},
};

/// Messages that wait to be sent.
const OUT_MAX: usize = 256;
/// Between two words about apps that are used.
const USED_INTERVAL: Duration = Duration::from_secs(2);

/// What outlives a link.
pub(super) struct Shared<'a> {
    pub node: &'a dyn Node,
    pub boot: &'a str,
    pub orders: &'a Arc<Orders>,
    pub heard: &'a Heard,
    pub standing: &'a watch::Sender<Option<Standing>>,
    /// When the certificate wants to be renewed, which a new link does.
    pub renew_ms: u64,
    /// What tickets are checked with, as control has last said.
    pub ticket_key: &'a watch::Sender<Option<[u8; 32]>>,
}

/// A link under way. One task writes: what it sends it has looked up at that moment, so that no later message says something older.
struct Link<'a> {
    config: &'a MemberConfig,
    shared: Shared<'a>,
    out: mpsc::Sender<FromNode>,
    began: Instant,
    /// When control was last heard on this link.
    alive: Instant,
    health: Option<NodeHealth>,
    runs: Option<Vec<RunId>>,
    /// What was last said of how much the apps of sandboxes were used.
    app_bytes: HashMap<SandboxId, u64>,
}

/// Keeps the link until it breaks, and says why it did.
pub(super) async fn keep(
    config: &MemberConfig,
    shared: Shared<'_>,
    mut client: Client,
    done: &mut mpsc::Receiver<u64>,
    pause: &mut Pause,
) -> MemberError {
    let (out, messages) = mpsc::channel(OUT_MAX);
    // Before the first snapshot: no change may fall between.
    let changes = shared.node.watch();
    let now = Instant::now();
    let mut link =
        Link { config, shared, out, began: now, alive: now, health: None, runs: None, app_bytes: HashMap::new() };
    let begun = async {
        link.greet().await?;
        let connected = client.talk(ReceiverStream::new(messages)).await.map_err(MemberError::from)?;
        let mut said = connected.into_inner();
        let first = said.message().await?;
        let Some(ToNode { body: Some(to_node::Body::Welcome(welcome)) }) = first else {
            return Err(MemberError::Unreachable("control does not bid welcome".to_owned()));
        };
        if let Ok(key) = <[u8; 32]>::try_from(&welcome.ticket_key[..]) {
            keep::ticket_key_keep(&config.directory, key);
            link.shared.ticket_key.send_replace(Some(key));
        }
        Ok((said, Arc::<str>::from(welcome.control)))
    };
    let (said, control) = match tokio::time::timeout(config.silent, begun).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => return error,
        Err(_) => return MemberError::Unreachable("control does not answer".to_owned()),
    };
    tracing::info!("control is here");
    pause.reset();
    link.alive = Instant::now();
    link.shared.standing.send_replace(Some(Standing { client, control: Arc::clone(&control) }));
    match link.talk(said, &control, changes, done).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

impl Link<'_> {
    async fn greet(&mut self) -> Result<(), MemberError> {
        let facts = document(&self.shared.node.facts())?;
        let languages = document(&self.shared.node.languages())?;
        let hello = Hello {
            protocol: PROTOCOL,
            boot: self.shared.boot.to_owned(),
            facts_document: facts.into(),
            languages_document: languages.into(),
        };
        self.send(from_node::Body::Hello(hello)).await?;
        self.send_snapshot().await?;
        self.send_beat().await
    }

    async fn talk(
        &mut self,
        mut said: Streaming<ToNode>,
        control: &Arc<str>,
        mut changes: broadcast::Receiver<SandboxSeen>,
        done: &mut mpsc::Receiver<u64>,
    ) -> Result<std::convert::Infallible, MemberError> {
        let mut beat = tokio::time::interval(self.config.beat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut used = tokio::time::interval(USED_INTERVAL);
        used.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let broken = || MemberError::Unreachable("the link broke".to_owned());
        loop {
            tokio::select! {
                message = said.message() => self.hear(message?.ok_or_else(broken)?, control),
                order = done.recv() => {
                    let order = order.ok_or_else(broken)?;
                    if let Some(answer) = self.shared.orders.answer(control, order) {
                        self.send(from_node::Body::Answer(Answer { order, document: answer })).await?;
                    }
                }
                change = changes.recv() => match change {
                    Ok(seen) => self.send(from_node::Body::Change(Change { document: document(&seen)?.into() })).await?,
                    Err(RecvError::Lagged(_)) => self.send_snapshot().await?,
                    Err(RecvError::Closed) => return Err(MemberError::Refused("the agent has ended".to_owned())),
                },
                _ = used.tick() => self.send_used().await?,
                _ = beat.tick() => {
                    if now_ms() >= self.shared.renew_ms {
                        return Err(MemberError::Unreachable("the certificate is to be renewed".to_owned()));
                    }
                    if self.alive.elapsed() > self.config.silent {
                        return Err(MemberError::Unreachable("control is silent".to_owned()));
                    }
                    self.send_beat().await?;
                }
            }
        }
    }

    fn hear(&mut self, message: ToNode, control: &Arc<str>) {
        self.alive = Instant::now();
        match message.body {
            Some(to_node::Body::BeatHeard(heard)) => {
                let sent = self.began + Duration::from_millis(heard.sent_ms.min(u64::from(u32::MAX)));
                self.shared.heard.answered(sent.min(Instant::now()));
            }
            Some(to_node::Body::Order(order)) => self.shared.orders.take(control, order),
            // A later control plane may say more.
            Some(to_node::Body::Welcome(_)) | None => {}
        }
    }

    async fn send_snapshot(&self) -> Result<(), MemberError> {
        let snapshot = Snapshot { document: document(&self.shared.node.sandboxes())?.into() };
        self.send(from_node::Body::Snapshot(snapshot)).await
    }

    /// Says of which sandboxes the apps were used since that was last said.
    async fn send_used(&mut self) -> Result<(), MemberError> {
        let seen = self.shared.node.sandboxes();
        let used = |seen: &&SandboxSeen| seen.app_bytes != self.app_bytes.get(&seen.id).copied().unwrap_or_default();
        for seen in seen.iter().filter(used) {
            self.send(from_node::Body::Change(Change { document: document(seen)?.into() })).await?;
        }
        self.app_bytes = seen.iter().filter(|seen| seen.app_bytes > 0).map(|seen| (seen.id, seen.app_bytes)).collect();
        Ok(())
    }

    async fn send_beat(&mut self) -> Result<(), MemberError> {
        let health = self.shared.node.health();
        let news = self.health.as_ref() != Some(&health);
        let health_document = if news { document(&health)? } else { Vec::new() };
        let seen = self.shared.node.runs();
        let runs: Vec<_> = seen.iter().map(|run| run.id).collect();
        let other = self.runs.as_ref() != Some(&runs);
        let runs_document = if other { document(&seen)? } else { Vec::new() };
        let sent_ms = self.began.elapsed().as_millis() as u64;
        let beat = Beat { sent_ms, health_document: health_document.into(), runs_document: runs_document.into() };
        self.send(from_node::Body::Beat(beat)).await?;
        self.health = Some(health);
        self.runs = Some(runs);
        Ok(())
    }

    async fn send(&self, body: from_node::Body) -> Result<(), MemberError> {
        let sent = self.out.send_timeout(FromNode { body: Some(body) }, self.config.silent).await;
        sent.map_err(|_| MemberError::Unreachable("control does not read".to_owned()))
    }
}

fn document<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, MemberError> {
    serde_json::to_vec(value).map_err(|error| MemberError::Unreachable(format!("writing a message: {error}")))
}
