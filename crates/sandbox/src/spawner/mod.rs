//! The spawner: a small single-threaded process that makes slots, and how the node asks it.
//!
//! The server never forks: it has threads, and a large memory. The spawner is the same binary started again as
//! `madang spawner`, with one socket. It keeps no state that matters: killed, it is started again and the slots live on.

mod birth;
mod device;
mod ground;
mod seed;
mod serve;
mod template;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use madang_model::RootPlan;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

pub use birth::GUEST_ID;
pub use serve::serve;
pub(crate) use template::{MountAttr, set_attributes};

use crate::{
    cgroup::{CgroupLimits, Cgroups},
    link,
    slot::Slot,
};

/// Largest packet between node and spawner: a root plan with all its binds.
const PACKET_BYTES_MAX: usize = 128 << 10;
/// Where the spawner finds its socket.
const SOCKET: i32 = 0;
/// The subcommand that `madang` starts it with.
pub const SUBCOMMAND: &str = "spawner";

/// What a slot is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSpec {
    /// Unique among all slots of this instance; a file name.
    pub name: String,
    /// Key of a template made before.
    pub template: String,
    /// First of 65536 host ids; none when rootless.
    pub uid_base: Option<u32>,
    pub limits: CgroupLimits,
    pub disk_bytes: u64,
    /// What this slot sees of the machine and others do not.
    pub mounts: Vec<SlotMount>,
}

/// A file of this machine that one slot sees, read-only; a device is none the less for reading and writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotMount {
    pub source: PathBuf,
    /// Inside its directory: a plain file name.
    pub name: String,
    pub at: MountAt,
}

/// Where a slot sees a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountAt {
    /// `/dev`.
    Device,
    /// [`LIBRARIES`].
    Library,
}

/// Where a slot sees the libraries of its devices' drivers.
pub const LIBRARIES: &str = "/run/madang/driver";

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Open { instance: String, slots: PathBuf },
    Template { key: String, plan: RootPlan, languages: PathBuf },
    Slot(SlotSpec),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Opened {
        notes: Vec<String>,
    },
    TemplateMade,
    /// With the pidfd of the slot's init.
    SlotMade {
        pid: i32,
    },
    Failed {
        why: String,
    },
}

/// Why the spawner did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpawnerError {
    #[error("the spawner is gone: {0}")]
    Gone(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the spawner answered something else")]
    Confused,
}

/// The node's end: one request at a time.
#[derive(Debug)]
pub struct Spawner {
    socket: OwnedFd,
    child: Child,
    cgroups: Cgroups,
    /// What is weaker than it could be, for `doctor`.
    pub notes: Vec<String>,
}

impl Spawner {
    /// Starts a spawner for the instance whose slots live in `slots`. `program` is the `madang` binary.
    pub fn start(program: &Path, instance: &str, slots: &Path) -> Result<Self, SpawnerError> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|e| SpawnerError::Gone(e.into()))?;
        let child = Command::new(program)
            .arg(SUBCOMMAND)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .env_clear()
            .spawn()
            .map_err(SpawnerError::Gone)?;
        let cgroups = Cgroups::open(instance).map_err(SpawnerError::Gone)?;
        let mut spawner = Self { socket: ours, child, cgroups, notes: Vec::new() };
        let open = Ask::Open { instance: instance.to_owned(), slots: slots.to_owned() };
        match spawner.ask(&open)? {
            (Answer::Opened { notes }, _) => spawner.notes = notes,
            _ => return Err(SpawnerError::Confused),
        }
        Ok(spawner)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes the root file system of an image ready to be cloned; again with the same key replaces it for later slots.
    pub fn make_template(&mut self, key: &str, plan: &RootPlan, languages: &Path) -> Result<(), SpawnerError> {
        let ask = Ask::Template { key: key.to_owned(), plan: plan.clone(), languages: languages.to_owned() };
        match self.ask(&ask)? {
            (Answer::TemplateMade, _) => Ok(()),
            _ => Err(SpawnerError::Confused),
        }
    }

    /// Makes a slot. It is on its way when this returns: its init says `Hello` when it stands.
    pub fn make_slot(&mut self, spec: &SlotSpec) -> Result<Slot, SpawnerError> {
        let (answer, pidfd) = self.ask(&Ask::Slot(spec.clone()))?;
        let (Answer::SlotMade { pid }, Some(pidfd)) = (answer, pidfd) else { return Err(SpawnerError::Confused) };
        let cgroup = self.cgroups.make(&spec.name).map_err(|error| SpawnerError::Failed(error.to_string()))?;
        Ok(Slot { name: spec.name.clone(), pid, cgroup, uid_base: spec.uid_base, pidfd })
    }

    fn ask(&mut self, ask: &Ask) -> Result<(Answer, Option<OwnedFd>), SpawnerError> {
        let gone = |error: io::Error| SpawnerError::Gone(error);
        let bytes = postcard::to_stdvec(ask).map_err(|error| SpawnerError::Failed(error.to_string()))?;
        link::send(self.socket.as_fd(), &bytes, None).map_err(gone)?;
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let (count, descriptor) = link::receive(self.socket.as_fd(), &mut buffer).map_err(gone)?;
        if count == 0 {
            return Err(SpawnerError::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
        match postcard::from_bytes(&buffer[..count]) {
            Ok(Answer::Failed { why }) => Err(SpawnerError::Failed(why)),
            Ok(answer) => Ok((answer, descriptor)),
            Err(_) => Err(SpawnerError::Confused),
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // It ends by itself when the socket closes; it must not stay a zombie until then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
