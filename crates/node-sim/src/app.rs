//! Apps of a simulated sandbox: each says back what it is told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use madang_ids::AppId;
use madang_model::{AppPrefix, AppProtocol, Limits};
use madang_node_api::{AppConnection, AppOffered, AppSeen, AppSpec, AppState, NodeError, PORT_APP, has_room};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
};

/// What `large` needs.
const LARGE_BYTES: u64 = 512 << 20;
/// Apps of one sandbox.
const APPS_MAX: usize = 16;
/// Where apps are that asked for no port.
const PORT: u16 = 9_000;
/// Bytes said and not yet heard back.
const ECHO_BYTES: usize = 64 << 10;

/// The apps of a sandbox: `echo` starts, `large` needs memory, `absent` is not installed, `port` is whatever listens.
#[derive(Debug, Default)]
pub(crate) struct SimApps(BTreeMap<AppId, AppSeen>);

/// What a simulated node knows.
pub(crate) fn offered() -> Vec<AppOffered> {
    let app = |name: &str, memory_bytes, unavailable: Option<&str>| AppOffered {
        name: name.to_owned(),
        title: name.to_uppercase(),
        protocol: AppProtocol::Http,
        memory_bytes,
        unavailable: unavailable.map(str::to_owned),
    };
    let absent = app("absent", 0, Some("it is not installed"));
    vec![absent, app("echo", 0, None), app("large", LARGE_BYTES, None), app(PORT_APP, 0, None)]
}

impl SimApps {
    pub fn start(&mut self, spec: AppSpec, limits: &Limits) -> Result<AppSeen, NodeError> {
        let known = offered().into_iter().find(|offered| offered.name == spec.name && offered.unavailable.is_none());
        let known = known.ok_or_else(|| NodeError::Invalid(format!("there is no app `{}` here", spec.name)))?;
        has_room(&known.name, known.memory_bytes, limits)?;
        let port = spec.port.unwrap_or(PORT);
        let same = |app: &&AppSeen| app.name == spec.name && app.port == port;
        if let Some(app) = self.0.values().find(same) {
            return Ok(app.clone());
        }
        if self.0.len() >= APPS_MAX {
            return Err(NodeError::Limit(format!("a sandbox has {APPS_MAX} apps at most")));
        }
        let protocol = spec.protocol.unwrap_or_default();
        let (prefix, path, state) = (AppPrefix::Keep, String::new(), AppState::Running);
        let app = AppSeen { id: spec.id, name: spec.name, protocol, prefix, port, path, state };
        self.0.insert(app.id, app.clone());
        Ok(app)
    }

    pub fn stop(&mut self, app: AppId) {
        self.0.remove(&app);
    }

    pub fn list(&self) -> Vec<AppSeen> {
        self.0.values().cloned().collect()
    }

    pub fn find(&self, app: AppId) -> Result<&AppSeen, NodeError> {
        self.0.get(&app).ok_or_else(|| NodeError::NotFound(format!("app {app}")))
    }

    pub fn listens(&self, port: u16) -> Result<(), NodeError> {
        let listens = self.0.values().any(|app| app.port == port);
        if listens { Ok(()) } else { Err(NodeError::Unavailable(format!("nothing listens on port {port}"))) }
    }
}

/// Somebody who says back what is said, until the sandbox is gone.
pub(crate) fn echo(mut gone: watch::Receiver<bool>, carried: Arc<AtomicU64>) -> AppConnection {
    let (near, far) = tokio::io::duplex(ECHO_BYTES);
    tokio::spawn(async move {
        let (mut heard, mut said) = tokio::io::split(far);
        let ends = async {
            let mut words = vec![0; ECHO_BYTES];
            while let Ok(count @ 1..) = heard.read(&mut words).await {
                carried.fetch_add(2 * count as u64, Ordering::Relaxed);
                // Whoever listened may be gone.
                if said.write_all(&words[..count]).await.is_err() {
                    break;
                }
            }
            let _ = said.shutdown().await;
        };
        tokio::select! {
            () = ends => {}
            _ = gone.wait_for(|gone| *gone) => {}
        }
    });
    Box::new(near)
}
