//! The fleet answers like one node: whoever has a sandbox need not know where it is.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::{join_all, select_all};
use madang_ids::{AppId, FolderId, RunId, SandboxId};
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Reading, RunSpec, Usage};
use madang_node_api::{
    AppConnection, AppOffered, AppSeen, AppSpec, ByteStream, CommitSeen, CommitSpec, Completions, Depth, ExecHandle,
    ExecSpec, FileOpened, FileSeen, FreezeSeen, FreezeWhen, ImageSeen, LanguageSeen, Node, NodeError, NodeFacts,
    NodeHealth, PoolWanted, ReadingAck, RunHandle, RunSeen, SandboxSeen, SandboxSpec, WriteSeen, WriteWhen,
};
use tokio::sync::broadcast;
use tracing::{Instrument as _, Span, field::Empty};

use super::fleet::{Fleet, Member};

impl Fleet {
    fn holder(&self, run: RunId) -> Option<Member> {
        self.members().into_iter().find(|member| member.node.runs().iter().any(|seen| seen.id == run))
    }

    /// The node that has folders, where there is one. Where there are several, whoever asks has to know which: see [`Fleet::of`].
    fn volume(&self) -> Result<Arc<dyn Node>, NodeError> {
        let mut with = self.members().into_iter().filter(|member| member.node.facts().volume.is_some());
        match (with.next(), with.next()) {
            (Some(only), None) => Ok(only.node),
            (None, _) => Err(NodeError::Unavailable("no node that is heard has a place for folders".into())),
            _ => Err(NodeError::Conflict("several nodes have places for folders".into())),
        }
    }
}

/// What a node could not do is a failure in its span; why is not said there, because it may be in a user's words.
async fn told<T>(span: Span, work: impl Future<Output = Result<T, NodeError>>) -> Result<T, NodeError> {
    let done = work.instrument(span.clone()).await;
    if done.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    done
}

#[async_trait]
impl Node for Fleet {
    async fn sandbox_open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        let span = madang_trace::span!(
            "sandbox_open",
            otel.kind = "client",
            otel.status_code = Empty,
            madang.sandbox.id = %spec.id,
            madang.session.id = %spec.session,
        );
        told(span, async { self.reach(spec.id).await?.sandbox_open(spec).await }).await
    }

    async fn sandbox_close(&self, id: SandboxId) -> Result<Usage, NodeError> {
        match self.with(id) {
            Ok(node) => node.sandbox_close(id).await,
            // Nobody has it.
            Err(NodeError::NotFound(_)) => Ok(Usage::default()),
            Err(error) => Err(error),
        }
    }

    async fn sandbox_restart(&self, id: SandboxId) -> Result<(), NodeError> {
        self.reach(id).await?.sandbox_restart(id).await
    }

    async fn sandbox_interrupt(&self, id: SandboxId) -> Result<(), NodeError> {
        self.reach(id).await?.sandbox_interrupt(id).await
    }

    fn sandboxes(&self) -> Vec<SandboxSeen> {
        self.members().iter().flat_map(|member| member.node.sandboxes()).collect()
    }

    fn watch(&self) -> broadcast::Receiver<SandboxSeen> {
        self.seen.subscribe()
    }

    async fn usage(&self, id: SandboxId) -> Result<Usage, NodeError> {
        self.reach(id).await?.usage(id).await
    }

    async fn run_start(&self, sandbox: SandboxId, run: RunSpec) -> Result<RunHandle, NodeError> {
        let span = madang_trace::span!(
            "run_start", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox
        );
        told(span, async { self.reach(sandbox).await?.run_start(sandbox, run).await }).await
    }

    async fn run_once(&self, sandbox: SandboxSpec, run: RunSpec) -> Result<RunHandle, NodeError> {
        let placement = madang_trace::span!("placement", otel.status_code = Empty, madang.node.id = Empty);
        // Where its image is, if that is not everywhere.
        let meant = self.placed(sandbox.id).and_then(|node| self.of(node));
        let quickest = || self.quickest(&sandbox.image, sandbox.language.as_deref());
        let chosen = async { meant.map_or_else(quickest, Ok) };
        let member = told(placement.clone(), chosen).await?;
        placement.record("madang.node.id", tracing::field::display(member.id));
        drop(placement);
        self.place(sandbox.id, member.id);
        let span = madang_trace::span!(
            "run_once", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox.id
        );
        told(span, member.node.run_once(sandbox, run)).await
    }

    fn runs(&self) -> Vec<RunSeen> {
        self.members().iter().flat_map(|member| member.node.runs()).collect()
    }

    async fn run_attach(&self, run: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        let holder = self.holder(run).ok_or_else(|| NodeError::NotFound(format!("run {run}")))?;
        holder.node.run_attach(run, after).await
    }

    async fn run_forget(&self, run: RunId) -> Result<(), NodeError> {
        match self.holder(run) {
            Some(holder) => holder.node.run_forget(run).await,
            None => Ok(()),
        }
    }

    async fn exec_start(&self, sandbox: SandboxId, spec: ExecSpec) -> Result<ExecHandle, NodeError> {
        let span = madang_trace::span!(
            "exec_start", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox
        );
        told(span, async { self.reach(sandbox).await?.exec_start(sandbox, spec).await }).await
    }

    /// Of whoever says something first; they come again until they are acknowledged, so that the others lose nothing.
    async fn readings(&self) -> Result<Vec<Reading>, NodeError> {
        let members = self.members();
        let waiting = members.iter().filter(|member| member.is_here()).map(|member| member.node.readings());
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return Err(NodeError::Unavailable("no node is heard".into()));
        }
        select_all(waiting).await.0
    }

    async fn readings_ack(&self, acks: &[ReadingAck]) -> Result<(), NodeError> {
        // Unknown ones are harmless.
        let members = self.members();
        let here = members.iter().filter(|member| member.is_here());
        join_all(here.map(|member| member.node.readings_ack(acks))).await.into_iter().collect()
    }

    async fn sandbox_meter(&self, sandbox: SandboxId, every_ms: u64) -> Result<(), NodeError> {
        self.with(sandbox)?.sandbox_meter(sandbox, every_ms).await
    }

    async fn sandbox_throttle(&self, sandbox: SandboxId, cpu_millis: u64) -> Result<(), NodeError> {
        self.with(sandbox)?.sandbox_throttle(sandbox, cpu_millis).await
    }

    async fn sandbox_freeze(&self, sandbox: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        let span = madang_trace::span!(
            "sandbox_freeze", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox
        );
        told(span, async { self.reach(sandbox).await?.sandbox_freeze(sandbox, when).await }).await
    }

    async fn image_commit(&self, sandbox: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        self.reach(sandbox).await?.image_commit(sandbox, spec).await
    }

    /// From the first that has it: it is the same everywhere.
    async fn image_export(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
        let mut missing = NodeError::Unavailable("no node that has the image is heard".into());
        for member in self.members().iter().filter(|member| member.is_here()) {
            match member.node.image_export(name, shown).await {
                Err(error @ (NodeError::NotFound(_) | NodeError::Unavailable(_))) => missing = error,
                opened => return opened,
            }
        }
        Err(missing)
    }

    /// On every node that is heard; whoever has it and is not keeps it until it is asked again.
    async fn image_remove(&self, name: &str) -> Result<(), NodeError> {
        let members = self.members();
        let here = members.iter().filter(|member| member.is_here());
        join_all(here.map(|member| member.node.image_remove(name))).await.into_iter().collect()
    }

    async fn sandbox_thaw(&self, sandbox: SandboxId) -> Result<(), NodeError> {
        let span = madang_trace::span!(
            "sandbox_thaw", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox
        );
        told(span, async { self.reach(sandbox).await?.sandbox_thaw(sandbox).await }).await
    }

    async fn complete(&self, sandbox: SandboxId, code: String, cursor: usize) -> Result<Completions, NodeError> {
        self.reach(sandbox).await?.complete(sandbox, code, cursor).await
    }

    async fn file_read(&self, sandbox: SandboxId, path: &str) -> Result<FileOpened, NodeError> {
        self.reach(sandbox).await?.file_read(sandbox, path).await
    }

    async fn file_write(
        &self,
        sandbox: SandboxId,
        path: &str,
        when: WriteWhen,
        bytes: ByteStream,
    ) -> Result<WriteSeen, NodeError> {
        self.reach(sandbox).await?.file_write(sandbox, path, when, bytes).await
    }

    async fn file_list(&self, sandbox: SandboxId, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
        self.reach(sandbox).await?.file_list(sandbox, path, depth).await
    }

    async fn file_remove(&self, sandbox: SandboxId, path: &str) -> Result<(), NodeError> {
        self.reach(sandbox).await?.file_remove(sandbox, path).await
    }

    async fn folder_owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError> {
        self.volume()?.folder_owner_set(owner, quota).await
    }

    async fn folder_owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        self.volume()?.folder_owner_usage(owner).await
    }

    async fn folder_make(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.volume()?.folder_make(owner, folder).await
    }

    async fn folder_remove(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.volume()?.folder_remove(owner, folder).await
    }

    async fn folder_usage(&self, owner: FolderOwner, folder: FolderId) -> Result<FolderUsage, NodeError> {
        self.volume()?.folder_usage(owner, folder).await
    }

    async fn folder_clone(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        self.volume()?.folder_clone(from, to).await
    }

    async fn folder_connect(&self) -> Result<AppConnection, NodeError> {
        self.volume()?.folder_connect().await
    }

    async fn app_start(&self, sandbox: SandboxId, app: AppSpec) -> Result<AppSeen, NodeError> {
        let span = madang_trace::span!(
            "app_start", otel.kind = "client", otel.status_code = Empty, madang.sandbox.id = %sandbox
        );
        told(span, async { self.reach(sandbox).await?.app_start(sandbox, app).await }).await
    }

    async fn app_stop(&self, sandbox: SandboxId, app: AppId) -> Result<(), NodeError> {
        self.reach(sandbox).await?.app_stop(sandbox, app).await
    }

    async fn apps(&self, sandbox: SandboxId) -> Result<Vec<AppSeen>, NodeError> {
        self.reach(sandbox).await?.apps(sandbox).await
    }

    async fn app_connect(&self, sandbox: SandboxId, app: AppId) -> Result<AppConnection, NodeError> {
        self.reach(sandbox).await?.app_connect(sandbox, app).await
    }

    async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, NodeError> {
        self.reach(sandbox).await?.port_connect(sandbox, port).await
    }

    /// What any of them can run; why not only where none can.
    fn languages(&self) -> Vec<LanguageSeen> {
        let mut known: BTreeMap<String, LanguageSeen> = BTreeMap::new();
        for seen in self.members().iter().flat_map(|member| member.node.languages()) {
            match known.get_mut(&seen.id) {
                Some(other) if other.unavailable.is_some() && seen.unavailable.is_none() => *other = seen,
                Some(_) => {}
                None => drop(known.insert(seen.id.clone(), seen)),
            }
        }
        known.into_values().collect()
    }

    async fn images(&self) -> Result<Vec<ImageSeen>, NodeError> {
        let members = self.members();
        let here = members.iter().filter(|member| member.is_here());
        let mut known: BTreeMap<String, ImageSeen> = BTreeMap::new();
        for images in join_all(here.map(|member| member.node.images())).await {
            known.extend(images?.into_iter().map(|image| (image.name.clone(), image)));
        }
        Ok(known.into_values().collect())
    }

    /// Ready if anybody is.
    fn health(&self) -> NodeHealth {
        let mut sum = NodeHealth::default();
        for member in self.members() {
            let one = member.node.health();
            sum.ready |= one.ready;
            sum.notes.extend(one.notes);
            sum.sandboxes += one.sandboxes;
            sum.pool_hits += one.pool_hits;
            sum.pool_misses += one.pool_misses;
            sum.starts_us.extend(one.starts_us);
            sum.drift = sum.drift.plus(&one.drift);
            for (pool, ready) in one.pool_ready {
                *sum.pool_ready.entry(pool).or_default() += ready;
            }
        }
        sum
    }

    /// Of all of them together; names are those of the first.
    fn facts(&self) -> NodeFacts {
        let mut facts = self.members().into_iter().map(|member| member.node.facts());
        let mut sum = facts.next().unwrap_or_default();
        for other in facts {
            sum.cpu_millis += other.cpu_millis;
            sum.memory_bytes += other.memory_bytes;
            sum.devices.extend(other.devices);
            sum.volume = sum.volume.or(other.volume);
            sum.apps = merge_apps(sum.apps, other.apps);
        }
        sum
    }

    fn leases(&self) -> BTreeMap<SandboxId, u64> {
        self.members().iter().flat_map(|member| member.node.leases()).collect()
    }

    async fn pool_want(&self, wanted: PoolWanted) -> Result<(), NodeError> {
        let members = self.members();
        join_all(members.iter().map(|member| member.node.pool_want(wanted.clone()))).await.into_iter().collect()
    }
}

/// What any node can start; why not only where none can.
fn merge_apps(apps: Vec<AppOffered>, others: Vec<AppOffered>) -> Vec<AppOffered> {
    let mut known: BTreeMap<String, AppOffered> = apps.into_iter().map(|app| (app.name.clone(), app)).collect();
    for other in others {
        let better = known.get(&other.name).is_none_or(|app| app.unavailable.is_some() && other.unavailable.is_none());
        if better {
            known.insert(other.name.clone(), other);
        }
    }
    known.into_values().collect()
}
