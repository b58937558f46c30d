//! NVIDIA's devices, found by its own library, which is loaded when the node starts. A machine without it has none.

use std::path::PathBuf;

use madang_node_api::DeviceSeen;
use madang_sandbox::{MountAt, SlotMount};
use nvml_wrapper::{Nvml, error::NvmlError};

use super::{Device, Maker, exists, library, mount};

/// What they are called when they are asked for.
const KIND: &str = "cuda";
/// Nodes of the driver that every program needs, where they are there.
const SHARED: [&str; 4] = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"];

/// Where to look, and how devices are shared.
#[derive(Debug, Clone)]
pub struct NvmlConfig {
    pub library: PathBuf,
    /// The directory of device nodes.
    pub devices: PathBuf,
    /// A file that lists the linker's cache as `ldconfig -p` prints it; none: `ldconfig` is asked.
    pub libraries: Option<PathBuf>,
    /// Sandboxes that may use a device at once; 1: it is given whole only.
    pub shares: u32,
}

impl Default for NvmlConfig {
    fn default() -> Self {
        Self { library: "libnvidia-ml.so.1".into(), devices: "/dev".into(), libraries: None, shares: 1 }
    }
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoDevices(#[from] NvmlError);

impl NoDevices {
    /// There is no library, or no driver that it could ask.
    pub fn is_absent(&self) -> bool {
        matches!(self.0, NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::DriverNotLoaded)
    }
}

/// What there is.
#[derive(Debug)]
pub(super) struct Found {
    pub devices: Vec<Device>,
    /// What each sandbox with one of them sees besides.
    pub shared: Vec<SlotMount>,
}

/// Loads the library and asks it. Blocking.
pub(super) fn look(config: &NvmlConfig) -> Result<Found, NoDevices> {
    let nvml = Nvml::builder().lib_path(config.library.as_os_str()).init()?;
    let devices = (0..nvml.device_count()?).map(|index| device(&nvml, index, config)).collect::<Result<Vec<_>, _>>()?;
    let nodes = SHARED.iter().map(|name| config.devices.join(name)).filter(|path| exists(path));
    let mut shared: Vec<_> = nodes.filter_map(|path| mount(path, MountAt::Device)).collect();
    let libraries = if devices.is_empty() { Vec::new() } else { library::look(config.libraries.as_deref()) };
    shared.extend(libraries.into_iter().map(|(name, source)| SlotMount { source, name, at: MountAt::Library }));
    Ok(Found { devices, shared })
}

fn device(nvml: &Nvml, index: u32, config: &NvmlConfig) -> Result<Device, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let seen = DeviceSeen {
        id: device.uuid()?,
        kind: KIND.to_owned(),
        model: device.name()?,
        // What it cannot say of itself does not keep it from being used.
        memory_bytes: device.memory_info().map_or(0, |memory| memory.total),
        shares: config.shares,
    };
    let node = config.devices.join(format!("nvidia{}", device.minor_number()?));
    Ok(Device { seen, nodes: vec![node], maker: Maker::Nvidia })
}
