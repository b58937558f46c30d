//! Accelerators of this machine: which there are, who holds how much of each, and what a sandbox is given with them.
//!
//! A device is found by its maker's library ([`nvml`]) or only declared ([`fake`]). Start at [`Devices::look`] and [`Devices::lend`].

mod fake;
mod hold;
mod library;
mod nvml;

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc, time::Duration};

use madang_model::DeviceGrant;
use madang_node_api::{DeviceSeen, NodeError};
use madang_sandbox::{MountAt, SlotMount};

pub use fake::FakeDevices;
pub use hold::Hold;
use hold::Holds;
pub use nvml::NvmlConfig;

/// Sandboxes that may use one device at once.
pub const SHARES_MAX: u32 = 64;
/// Devices of this machine.
const DEVICES_MAX: usize = 64;
/// What somebody else has is waited for: an old sandbox that nobody wants may still be ending.
const HELD_WAIT: Duration = Duration::from_secs(20);

/// Where accelerators come from.
#[derive(Debug, Clone, Default)]
pub struct DeviceConfig {
    /// Declared ones.
    pub fakes: Vec<FakeDevices>,
    pub nvml: NvmlConfig,
}

/// One accelerator.
#[derive(Debug, Clone)]
struct Device {
    seen: DeviceSeen,
    /// Its own nodes on this machine; inside they have the same file name.
    nodes: Vec<PathBuf>,
    /// By what its programs find it.
    maker: Maker,
}

/// Who makes a device, as far as programs must be told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Nvidia,
    Nobody,
}

/// The accelerators of this machine.
#[derive(Debug)]
pub struct Devices {
    all: Vec<Device>,
    /// What every sandbox with a device of NVIDIA's sees besides: the driver's control nodes and libraries.
    nvidia: Vec<SlotMount>,
    holds: Arc<Holds>,
    /// What was found wanting, for a person.
    pub notes: Vec<String>,
}

/// What a sandbox is given, and that it holds it: nobody else gets it before this is gone.
#[derive(Debug)]
pub struct Lent {
    pub hold: Arc<Hold>,
    pub given: Given,
}

/// How a sandbox sees its devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub mounts: Vec<SlotMount>,
    pub env: BTreeMap<String, String>,
}

impl Devices {
    /// Looks at the machine. Blocking.
    pub fn look(config: &DeviceConfig, home: &std::path::Path) -> io::Result<Self> {
        let mut notes = Vec::new();
        let mut all = fake::declare(&config.fakes, &home.join("devices"))?;
        let mut nvidia = Vec::new();
        match nvml::look(&config.nvml) {
            Ok(found) if found.devices.is_empty() => {}
            Ok(found) => {
                all.extend(found.devices);
                nvidia = found.shared;
            }
            // Most machines have none, and no library either.
            Err(why) if why.is_absent() => tracing::info!(%why, "no accelerators of NVIDIA's"),
            Err(why) => notes.push(format!("no accelerators of NVIDIA's: {why}")),
        }
        if all.len() > DEVICES_MAX {
            notes.push(format!("{} accelerators, of which {DEVICES_MAX} are used (DEVICES_MAX)", all.len()));
            all.truncate(DEVICES_MAX);
        }
        Ok(Self { all, nvidia, holds: Arc::default(), notes })
    }

    pub fn seen(&self) -> Vec<DeviceSeen> {
        self.all.iter().map(|device| device.seen.clone()).collect()
    }

    /// Takes hold of devices for a sandbox, once nobody else holds too much of them; none where none are wanted.
    pub async fn lend(&self, grants: &[DeviceGrant]) -> Result<Option<Lent>, NodeError> {
        if grants.is_empty() {
            return Ok(None);
        }
        let hold = self.holds.take_within(&self.seen(), grants, HELD_WAIT).await?;
        Ok(Some(Lent { hold: Arc::new(hold), given: self.given(grants) }))
    }

    /// What a sandbox found again after a restart has held all along.
    pub fn lent_before(&self, grants: &[DeviceGrant]) -> Option<Arc<Hold>> {
        (!grants.is_empty()).then(|| Arc::new(self.holds.keep(grants)))
    }

    fn given(&self, grants: &[DeviceGrant]) -> Given {
        let device = |id: &str| self.all.iter().find(|device| device.seen.id == id);
        let granted = grants.iter().filter_map(|grant| Some((grant, device(&grant.device)?)));
        let granted: Vec<(&DeviceGrant, &Device)> = granted.collect();
        let nodes = granted.iter().flat_map(|(_, device)| &device.nodes);
        let mut mounts: Vec<_> = nodes.filter_map(|node| mount(node.clone(), MountAt::Device)).collect();
        let words: Vec<_> = granted.iter().map(|(grant, _)| format!("{}={}", grant.device, grant.millis)).collect();
        let mut env = BTreeMap::from([("MADANG_ACCELERATORS".to_owned(), words.join(","))]);
        let nvidia = granted.iter().filter(|(_, device)| device.maker == Maker::Nvidia);
        let visible: Vec<_> = nvidia.map(|(grant, _)| grant.device.clone()).collect();
        if !visible.is_empty() {
            mounts.extend(self.nvidia.iter().cloned());
            env.insert("LD_LIBRARY_PATH".to_owned(), madang_sandbox::spawner::LIBRARIES.to_owned());
        }
        // Empty where there are none: programs must not look for more.
        for name in ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"] {
            env.insert(name.to_owned(), visible.join(","));
        }
        Given { mounts, env }
    }
}

/// A file under its own name.
fn mount(source: PathBuf, at: MountAt) -> Option<SlotMount> {
    let name = source.file_name()?.to_str()?.to_owned();
    Some(SlotMount { source, name, at })
}

fn exists(path: &std::path::Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
