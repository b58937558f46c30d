//! What holds a guest in: capabilities, Landlock, seccomp, resource limits. Applied between fork and exec, in this order.

use std::io;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr,
};
use madang_slot_api::OwnLimits;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
        set_capabilities_secure_bits, set_no_new_privs,
    },
};

/// Directories a guest may change; everything else is for reading and executing.
const WRITABLE: [&str; 3] = ["/home/work", "/tmp", "/dev"];

/// Guests are killed before init when memory runs out.
const GUEST_OOM_SCORE_ADJ: &str = "500";
/// One that stands aside before other guests.
const ASIDE_OOM_SCORE_ADJ: &str = "900";
/// How much less of processors it has than others who want them.
const ASIDE_NICE: i32 = 10;

/// Whether a guest gives way to the others of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Equal,
    Aside,
}

/// What init may do until the claim: prepare the slot for what the request asks.
pub fn powers_until_bind() -> CapabilitySet {
    powers_after_bind() | CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_NICE | CapabilitySet::SYS_RESOURCE
}

/// What init may do while guests run: become the guest, and signal it.
pub fn powers_after_bind() -> CapabilitySet {
    CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL
}

/// Keeps only `powers`; no program started from here on can have any other.
pub fn keep(powers: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets { effective: powers, permitted: powers, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, sets)?)
}

/// Empties the bounding set, so that nothing executed later regains a capability.
pub fn close_bounding_set() -> io::Result<()> {
    for capability in CapabilitySet::all() {
        match remove_capability_from_bounding_set(capability) {
            // A capability newer than this kernel.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A Landlock ruleset: read and execute anywhere in the slot, write where a guest may.
///
/// Best effort by ABI: an older kernel has fewer rights to handle, one without Landlock gives `None` and mounts stand alone.
pub fn fence() -> Option<RulesetCreated> {
    let abi = ABI::V5;
    let read = AccessFs::from_read(abi);
    let rules = |ruleset: RulesetCreated| -> Result<RulesetCreated, landlock::RulesetError> {
        let mut ruleset = ruleset;
        if let Ok(root) = PathFd::new("/") {
            ruleset = ruleset.add_rule(PathBeneath::new(root, read))?;
        }
        for path in WRITABLE {
            if let Ok(directory) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(directory, AccessFs::from_all(abi)))?;
            }
        }
        Ok(ruleset)
    };
    let created =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(abi)).ok()?;
    created.create().and_then(rules).ok()
}

/// Everything a guest program is held by; `enter` is called in the child before exec.
pub struct Walls {
    pub guest_id: Option<u32>,
    pub filters: Vec<Vec<u8>>,
    pub fence: Option<RulesetCreated>,
    pub open_files: u64,
    /// Somebody has claimed the slot. Before, a limit that the claim may raise again is only a soft one.
    pub bound: bool,
    /// In place of cgroups.
    pub own_limits: Option<OwnLimits>,
}

impl Walls {
    /// Makes the calling process a guest. It must be about to exec: there is no way back.
    pub fn enter(&self, standing: Standing) -> io::Result<()> {
        // As root of the user namespace, since proc files belong to it.
        set_file_ids(0);
        let score = match standing {
            Standing::Equal => GUEST_OOM_SCORE_ADJ,
            Standing::Aside => {
                let _ = rustix::process::nice(ASIDE_NICE);
                ASIDE_OOM_SCORE_ADJ
            }
        };
        let _ = std::fs::write("/proc/self/oom_score_adj", score);
        limit_resources(self)?;
        self.become_guest()?;
        set_no_new_privs(true)?;
        if let Some(fence) = &self.fence {
            let fence = fence.try_clone()?;
            fence.restrict_self().map_err(io::Error::other)?;
        }
        self.filters.iter().try_for_each(|filter| load_filter(filter))
    }

    fn become_guest(&self) -> io::Result<()> {
        let Some(id) = self.guest_id else {
            // One id only (rootless): stay it, but let it mean nothing.
            let bits = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
            let _ = set_capabilities_secure_bits(bits);
            return keep(CapabilitySet::empty());
        };
        // SAFETY: plain system calls on this process; the arguments are valid for the call.
        let failed = unsafe {
            libc::setgroups(0, std::ptr::null()) != 0
                || libc::setresgid(id, id, id) != 0
                || libc::setresuid(id, id, id) != 0
        };
        if failed { Err(io::Error::last_os_error()) } else { keep(CapabilitySet::empty()) }
    }
}

fn limit_resources(walls: &Walls) -> io::Result<()> {
    let exactly = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // Nobody can be given more than init has.
    let most = getrlimit(Resource::Nofile).maximum;
    let open_files = most.map_or(walls.open_files, |most| most.min(walls.open_files));
    let maximum = if walls.bound { Some(open_files) } else { most };
    setrlimit(Resource::Nofile, Rlimit { current: Some(open_files), maximum })?;
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Memlock, exactly(64 << 10))?;
    setrlimit(Resource::Msgqueue, exactly(0))?;
    // Whatever the server was given: a guest gets ahead of nobody.
    setrlimit(Resource::Rtprio, exactly(0))?;
    setrlimit(Resource::Nice, exactly(0))?;
    walls
        .own_limits
        .iter()
        .flat_map(resources)
        .try_for_each(|(resource, value)| Ok(setrlimit(resource, exactly(value))?))
}

/// What stands in for a cgroup. Private memory rather than address space: runtimes reserve far more than they use.
pub fn resources(limits: &OwnLimits) -> [(Resource, u64); 3] {
    [(Resource::Nproc, limits.pids), (Resource::Data, limits.memory_bytes), (Resource::Cpu, limits.cpu_s)]
}

/// Whose files the calling thread makes and may open.
pub fn set_file_ids(id: u32) {
    // SAFETY: these calls change only the credentials of the calling thread and cannot fail visibly.
    unsafe {
        libc::setfsgid(id);
        libc::setfsuid(id);
    }
}

/// Loads one seccomp program, given as the bytes of an array of `sock_filter`.
fn load_filter(bytes: &[u8]) -> io::Result<()> {
    const INSTRUCTION_BYTES: usize = size_of::<libc::sock_filter>();
    let instructions: Vec<libc::sock_filter> = bytes
        .chunks_exact(INSTRUCTION_BYTES)
        .map(|raw| libc::sock_filter {
            code: u16::from_ne_bytes([raw[0], raw[1]]),
            jt: raw[2],
            jf: raw[3],
            k: u32::from_ne_bytes([raw[4], raw[5], raw[6], raw[7]]),
        })
        .collect();
    let program = libc::sock_fprog { len: instructions.len() as u16, filter: instructions.as_ptr().cast_mut() };
    // SAFETY: `program` points at `instructions`, which outlives the call; the kernel copies both.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
