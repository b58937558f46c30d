//! Accelerators in real sandboxes: who is given one sees it, nobody else does, and its time is counted. One kind is declared; the other is
//! found by a library that is made here to say what NVIDIA's would.

use std::{fs, path::Path, process::Command};

use madang_ids::SandboxId;
use madang_model::DeviceGrant;
use madang_node::{
    Agent,
    device::{DeviceConfig, NvmlConfig},
};
use madang_node_api::{Node, NodeError, READING_MS_MIN, SandboxSpec};
use madang_testkit::contract::{PYTHON, sandbox};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::{
    readings::{answer, reading},
    with_devices,
};

/// Prints every device node but those that all sandboxes have, whether it can be written, and what is read from it.
const LOOK: &str = "
import os, stat
common = ['core', 'fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']
for name in sorted(set(os.listdir('/dev')) - set(common)):
    with open('/dev/' + name, 'r+b', buffering=0) as device:
        print(name, stat.S_ISCHR(os.stat('/dev/' + name).st_mode), device.write(b'x'), device.read(2))
assert open('/dev/null').read() == '' and len(open('/dev/urandom', 'rb').read(4)) == 4
";

/// Tries to make the device that it was not given.
const FORGE: &str = "
import os, stat
for place in ['/tmp/forged', '/dev/forged', '/home/work/forged']:
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        print('made', place)
    except OSError as error:
        print('refused')
";

fn spec(device: Option<(&str, u64)>) -> SandboxSpec {
    let grant = |(id, millis): (&str, u64)| DeviceGrant { device: id.to_owned(), millis };
    SandboxSpec { devices: device.map(grant).into_iter().collect(), ..sandbox(&PYTHON) }
}

async fn opened(agent: &Agent, spec: SandboxSpec) -> SandboxId {
    let id = spec.id;
    agent.sandbox_open(spec).await.unwrap();
    id
}

async fn variable(agent: &Agent, sandbox: SandboxId, name: &str) -> String {
    answer(agent, sandbox, &format!("import os\nprint(os.environ.get('{name}'))")).await.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_device_is_seen_by_who_holds_it_and_by_nobody_else() {
    let devices = DeviceConfig { fakes: vec!["fake:2:2".parse().unwrap()], ..DeviceConfig::default() };
    with_devices(devices, async |home| {
        let agent = &home.agent;
        let seen = agent.facts().devices;
        assert_eq!((seen.len(), seen[0].kind.as_str(), seen[0].shares), (2, "fake", 2));
        let (first, second) = (seen[0].id.as_str(), seen[1].id.as_str());
        let holder = opened(agent, spec(Some((first, 500)))).await;
        let other = opened(agent, spec(Some((second, 1_000)))).await;
        let none = opened(agent, spec(None)).await;
        assert_eq!(answer(agent, holder, LOOK).await, "fake0 True 1 b'\\x00\\x00'\n");
        assert_eq!(answer(agent, other, LOOK).await, "fake1 True 1 b'\\x00\\x00'\n");
        assert_eq!(answer(agent, none, LOOK).await, "");
        for sandbox in [holder, none] {
            assert_eq!(answer(agent, sandbox, FORGE).await, "refused\n".repeat(3));
        }
        assert_eq!(variable(agent, holder, "MADANG_ACCELERATORS").await, format!("{first}=500"));
        assert_eq!(variable(agent, holder, "CUDA_VISIBLE_DEVICES").await, "");
        assert_eq!(variable(agent, none, "MADANG_ACCELERATORS").await, "None");
        let unknown = agent.sandbox_open(spec(Some(("fake-nowhere", 500)))).await;
        assert!(matches!(unknown, Err(NodeError::NotFound(_))), "{unknown:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_free_when_its_sandbox_is_gone_and_its_time_is_counted() {
    let devices = DeviceConfig { fakes: vec!["fake:1:4".parse().unwrap()], ..DeviceConfig::default() };
    with_devices(devices, async |home| {
        let agent = &home.agent;
        let id = agent.facts().devices[0].id.clone();
        let holder = opened(agent, spec(Some((&id, 750)))).await;
        agent.sandbox_meter(holder, READING_MS_MIN).await.unwrap();
        let early = reading(agent, holder, |reading| reading.usage.wall_us > 0).await;
        assert_eq!(early.usage.accelerator_us, early.usage.wall_us * 3 / 4, "{early:?}");
        // It waits for what is given back.
        let next = spec(Some((&id, 1_000)));
        let (next_id, waiting) = (next.id, std::sync::Arc::clone(agent));
        let waiting = tokio::spawn(async move { waiting.sandbox_open(next).await });
        agent.sandbox_close(holder).await.unwrap();
        waiting.await.unwrap().unwrap();
        assert!(agent.sandboxes().iter().any(|seen| seen.id == next_id));
        let last = reading(agent, holder, |reading| reading.last).await;
        assert_eq!(last.usage.accelerator_us, last.usage.wall_us * 3 / 4, "{last:?}");
    })
    .await;
}

/// What of NVIDIA's library the node asks, for a machine with two devices.
const LIBRARY: &str = r#"
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) { strcpy(text, (long)device == 1 ? "GPU-one" : "GPU-two"); return 0; }
int nvmlDeviceGetName(void *device, char *text, unsigned size) { strcpy(text, "Test 9000"); return 0; }
int nvmlDeviceGetMinorNumber(void *device, unsigned *minor) { *minor = (unsigned)(long)device + 6; return 0; }
struct memory { unsigned version; unsigned long long total, reserved, available, used; };
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *memory) { memory->total = 8ULL << 30; return 0; }
"#;

/// A machine with two devices of NVIDIA's, as far as the node can tell, in a directory.
fn machine(at: &Path) -> NvmlConfig {
    let (source, library) = (at.join("nvml.c"), at.join("libnvidia-ml.so.1"));
    fs::write(&source, LIBRARY).unwrap();
    let compiled = Command::new("gcc").args(["-shared", "-fPIC", "-w", "-o"]).args([&library, &source]).status();
    assert!(compiled.expect("gcc is needed").success());
    let devices = at.join("dev");
    fs::create_dir(&devices).unwrap();
    for name in ["nvidia7", "nvidia8", "nvidiactl"] {
        let path = devices.join(name);
        mknodat(CWD, &path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 5)).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    }
    fs::write(at.join("libcuda.so.550"), "the driver's own").unwrap();
    std::os::unix::fs::symlink("libcuda.so.550", at.join("libcuda.so.1")).unwrap();
    let list = at.join("libraries");
    let kind = if cfg!(target_arch = "x86_64") { "x86-64" } else { "AArch64" };
    let place = at.join("libcuda.so.1");
    fs::write(&list, format!("\tlibcuda.so.1 (libc6,{kind}) => {}\n", place.display())).unwrap();
    NvmlConfig { library, devices, libraries: Some(list), shares: 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_device_comes_with_its_nodes_its_driver_and_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let devices = DeviceConfig { nvml: machine(directory.path()), ..DeviceConfig::default() };
    with_devices(devices, async |home| {
        let agent = &home.agent;
        let seen = agent.facts().devices;
        let told: Vec<_> =
            seen.iter().map(|device| (device.id.as_str(), device.kind.as_str(), device.shares)).collect();
        assert_eq!(told, [("GPU-one", "cuda", 2), ("GPU-two", "cuda", 2)]);
        assert_eq!((seen[1].model.as_str(), seen[1].memory_bytes), ("Test 9000", 8 << 30));
        let holder = opened(agent, spec(Some(("GPU-two", 500)))).await;
        let expected = "nvidia8 True 1 b'\\x00\\x00'\nnvidiactl True 1 b'\\x00\\x00'\n";
        assert_eq!(answer(agent, holder, LOOK).await, expected);
        for name in ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"] {
            assert_eq!(variable(agent, holder, name).await, "GPU-two");
        }
        let driver = "
import os
place = os.environ['LD_LIBRARY_PATH'] + '/libcuda.so.1'
print(open(place).read())
try:
    open(place, 'w')
except OSError as error:
    print('read-only')
";
        assert_eq!(answer(agent, holder, driver).await, "the driver's own\nread-only\n");
        let none = opened(agent, spec(None)).await;
        assert_eq!(answer(agent, none, LOOK).await, "");
        let looks = "import os\nprint(os.path.exists('/run/madang/driver'))";
        assert_eq!(answer(agent, none, looks).await, "False\n");
    })
    .await;
}
