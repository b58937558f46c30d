//! What a simulated sandbox holds.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use madang_model::{Reading, Usage};
use madang_node_api::{
    AppConnection, Depth, FileKind, FileSeen, NodeError, SandboxSeen, SandboxSpec, SandboxState, WriteSeen, WriteWhen,
};
use tokio::sync::watch;

use crate::app::{SimApps, echo};

/// Files the simulated sandbox may hold.
const FILES_MAX: usize = 10_000;
pub(crate) struct SimSandbox {
    pub spec: SandboxSpec,
    pub files: BTreeMap<String, Vec<u8>>,
    /// What `set` left for `get`: the interpreter's memory.
    pub memory: String,
    pub usage: Usage,
    sequence: u64,
    /// It goes with its run, and is not read.
    pub one_shot: bool,
    pub read_every_ms: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub frozen: bool,
    /// Grows at every interrupt and restart.
    pub interrupts: watch::Sender<u64>,
    pub apps: SimApps,
    app_bytes: Arc<AtomicU64>,
    /// Turns true when the sandbox is closed or lost.
    pub gone: watch::Sender<bool>,
}

impl SimSandbox {
    pub fn new(spec: SandboxSpec) -> Self {
        Self {
            spec,
            files: BTreeMap::new(),
            memory: String::new(),
            usage: Usage::default(),
            sequence: 0,
            one_shot: false,
            read_every_ms: None,
            cpu_millis: None,
            frozen: false,
            interrupts: watch::Sender::new(0),
            apps: SimApps::default(),
            app_bytes: Arc::default(),
            gone: watch::Sender::new(false),
        }
    }

    /// As the node sees it.
    pub fn seen(&self) -> SandboxSeen {
        let (id, session, state) = (self.spec.id, self.spec.session, SandboxState::Running);
        let app_bytes = self.app_bytes.load(Ordering::Relaxed);
        SandboxSeen { id, session, state, usage: self.usage, frozen: self.frozen, app_bytes }
    }

    /// A connection to a program that says everything again.
    pub fn echo(&self) -> AppConnection {
        echo(self.gone.subscribe(), Arc::clone(&self.app_bytes))
    }

    /// The next reading of what was used.
    pub fn read(&mut self, at_ms: u64) -> Reading {
        self.sequence += 1;
        let (sandbox, session) = (self.spec.id, self.spec.session);
        Reading { sandbox, session, sequence: self.sequence, at_ms, last: false, usage: self.usage }
    }

    pub fn write(&mut self, path: &str, when: WriteWhen, bytes: Vec<u8>) -> Result<WriteSeen, NodeError> {
        let path = checked(path)?;
        if path.is_empty() || self.is_directory(&path) {
            return Err(NodeError::Invalid(format!("`{path}` is a directory")));
        }
        let present = self.files.get(&path).map(|bytes| tag(bytes));
        let holds = match when {
            WriteWhen::Always => true,
            WriteWhen::Absent => present.is_none(),
            WriteWhen::Same(tag) => present == Some(tag),
        };
        if !holds {
            return Err(NodeError::Changed(format!("`{path}` is not the file that was known")));
        }
        let held: usize = self.files.values().map(Vec::len).sum();
        if (held + bytes.len()) as u64 > self.spec.limits.disk_bytes || self.files.len() >= FILES_MAX {
            return Err(NodeError::Limit("the disk is full (disk_bytes)".into()));
        }
        let seen = WriteSeen { size_bytes: bytes.len() as u64, tag: tag(&bytes) };
        self.files.insert(path, bytes);
        Ok(seen)
    }

    pub fn file(&self, path: &str) -> Result<(FileSeen, Vec<u8>), NodeError> {
        let path = checked(path)?;
        if self.is_directory(&path) {
            return Err(NodeError::Invalid(format!("`{path}` is a directory")));
        }
        let bytes = self.files.get(&path).ok_or_else(|| NodeError::NotFound(format!("`{path}`")))?;
        let seen = FileSeen { tag: tag(bytes), ..seen(path, FileKind::File, bytes.len()) };
        Ok((seen, bytes.clone()))
    }

    pub fn list(&self, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
        let path = checked(path)?;
        if !self.is_directory(&path) {
            return Err(NodeError::NotFound(format!("the directory `{path}`")));
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut entries = BTreeMap::new();
        for (name, bytes) in self.files.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
            let below = &name[prefix.len()..];
            for (at, _) in below.match_indices('/') {
                let directory = format!("{prefix}{}", &below[..at]);
                entries.insert(directory.clone(), seen(directory, FileKind::Directory, 0));
            }
            entries.insert(name.clone(), seen(name.clone(), FileKind::File, bytes.len()));
        }
        let keep = |entry: &FileSeen| depth == Depth::All || !entry.path[prefix.len()..].contains('/');
        Ok(entries.into_values().filter(keep).collect())
    }

    pub fn remove(&mut self, path: &str) -> Result<(), NodeError> {
        let path = checked(path)?;
        if self.files.remove(&path).is_some() {
            return Ok(());
        }
        if !self.is_directory(&path) {
            return Err(NodeError::NotFound(format!("`{path}`")));
        }
        self.files.retain(|name, _| !name.starts_with(&format!("{path}/")));
        Ok(())
    }

    fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.files.keys().any(|name| name.starts_with(&format!("{path}/")))
    }
}

/// The path without empty and `.` parts; one that would leave is refused.
fn checked(path: &str) -> Result<String, NodeError> {
    if path.contains('\0') || path.split('/').any(|part| part == "..") {
        return Err(NodeError::Invalid(format!("the path `{path}` is not below /home/work")));
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(parts.join("/"))
}

fn seen(path: String, kind: FileKind, size: usize) -> FileSeen {
    let mode = if kind == FileKind::Directory { 0o755 } else { 0o644 };
    FileSeen { path, kind, size_bytes: size as u64, mode, modified_ms: 1_700_000_000_000, tag: 0 }
}

/// Of what it holds: nothing here counts writes.
fn tag(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish() >> 1
}
