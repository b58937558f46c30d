//! Before anybody is served: a slot is made, and from inside it the host is tried. A hole is a reason not to start.
//!
//! The program that tries is part of the slot's init, so that it needs nothing of an image. Start at [`run`].

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{FileExt as _, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use madang_image::host::HOST_IMAGE;
use madang_node_api::NodeError;
use madang_slot_api::{FromSlot, PROBE_LAST_LINE, Probe, ToSlot};

use crate::{
    link::LinkError,
    pool::{PoolKey, Ready},
    shop::Shop,
};

/// A probe that has not answered by then has no walls we know of.
const PROBE_WAIT: Duration = Duration::from_secs(40);
const PROBE_WALL_MS: u64 = 30_000;
/// Namespaces that no sandbox may share with us.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Why the walls are not trusted.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error("sandboxes do not hold on this machine, so nothing is served: {}", .0.join("; "))]
    Holes(Vec<String>),
    #[error("cannot make a sandbox to test: {0}")]
    Slot(#[from] NodeError),
    #[error("cannot talk to the sandbox under test: {0}")]
    Link(#[from] LinkError),
    #[error("the test did not come to its end: {0}")]
    Unfinished(String),
    #[error("cannot plant what the test looks for: {0}")]
    Plant(#[source] io::Error),
}

/// Makes a slot, tries the host from inside, and retires it. No hole is the only good answer.
pub async fn run(shop: &Shop, home: &Path) -> Result<(), SelfTestError> {
    let planted = Planted::plant(home).map_err(SelfTestError::Plant)?;
    let ready = shop.make(&PoolKey { image: HOST_IMAGE.to_owned(), language: None, app: None }).await?;
    let said = tokio::time::timeout(PROBE_WAIT, ask(&ready, &planted)).await;
    shop.retirement.retire(ready.slot);
    judge(&said.map_err(|_| SelfTestError::Unfinished("it takes too long".to_owned()))??)
}

/// Everything the probe printed.
async fn ask(ready: &Ready, planted: &Planted) -> Result<String, SelfTestError> {
    let (run, mut messages) = ready.link.open_run()?;
    ready.link.send(&ToSlot::Probe(planted.probe(run))).await?;
    let mut said = Vec::new();
    loop {
        match messages.recv().await {
            Some(FromSlot::Output { bytes, .. }) => said.extend(bytes),
            Some(FromSlot::Exited { exit, .. }) if exit.status == 0 => break,
            Some(FromSlot::Started { .. }) => {}
            other => return Err(SelfTestError::Unfinished(format!("{other:?} {}", String::from_utf8_lossy(&said)))),
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Fails closed: only a probe that says that it tried everything, and nothing else, is believed.
fn judge(said: &str) -> Result<(), SelfTestError> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    match lines.split_last() {
        Some((&PROBE_LAST_LINE, [])) => Ok(()),
        Some((&PROBE_LAST_LINE, holes)) => {
            Err(SelfTestError::Holes(holes.iter().map(|&hole| hole.to_owned()).collect()))
        }
        _ => Err(SelfTestError::Unfinished(said.to_owned())),
    }
}

/// As long as any: the file is written over.
const SECRET_BYTES: usize = 96;

/// A readable file with a secret and a service, for the probe not to find.
struct Planted {
    file: PathBuf,
    secret: String,
    service: TcpListener,
    namespaces: Vec<(String, u64)>,
}

impl Planted {
    fn plant(home: &Path) -> io::Result<Self> {
        let file = home.join("self-test");
        let secret = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
        let secret = format!("{secret:<SECRET_BYTES$}");
        // Anybody may read it: only the walls are to keep it from guests. Over the one before: a node starts on a full disk too.
        let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o644).open(&file)?;
        opened.write_all_at(secret.as_bytes(), 0)?;
        let inode = |name: &&str| Some(((*name).to_owned(), fs::metadata(format!("/proc/self/ns/{name}")).ok()?.ino()));
        Ok(Self {
            file,
            secret,
            service: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            namespaces: NAMESPACES.iter().filter_map(inode).collect(),
        })
    }

    fn probe(&self, run: u32) -> Probe {
        Probe {
            run,
            secret_file: self.file.display().to_string(),
            secret: self.secret.clone(),
            port: self.service.local_addr().map_or(0, |address| address.port()),
            namespaces: self.namespaces.clone(),
            wall_ms: PROBE_WALL_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_and_clean_answer_is_believed() {
        assert!(judge("all tried\n").is_ok());
        assert!(
            matches!(judge("Seccomp is 0, not 2\nall tried\n"), Err(SelfTestError::Holes(holes)) if holes.len() == 1)
        );
        for said in ["", "all", "all tried\nmore", "Seccomp is 0, not 2\n"] {
            assert!(matches!(judge(said), Err(SelfTestError::Unfinished(_))), "{said}");
        }
    }
}
