//! What a run or a session used, as the kernel counted it.

use serde::{Deserialize, Serialize};

/// Sums and peaks over every process of a run or session.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time, microseconds.
    pub wall_us: u64,
    /// CPU time in user mode, microseconds.
    pub cpu_user_us: u64,
    /// CPU time in the kernel, microseconds.
    pub cpu_system_us: u64,
    /// Highest memory in use at once, bytes.
    pub memory_peak_bytes: u64,
    /// Memory held over time, KiB · ms.
    pub memory_kib_ms: u64,
    /// Bytes that programs read from files and pipes.
    pub read_bytes: u64,
    /// Bytes that programs wrote to files and pipes.
    pub written_bytes: u64,
    /// Bytes that came in over the network; 0 where a sandbox has none.
    #[serde(default)]
    pub received_bytes: u64,
    /// Bytes that went out over the network.
    #[serde(default)]
    pub sent_bytes: u64,
    /// Time that accelerators were held, each counted, microseconds.
    #[serde(default)]
    pub accelerator_us: u64,
}

impl Usage {
    /// This and `later` together: times and bytes add, peaks take the higher.
    pub fn then(&self, later: &Usage) -> Usage {
        Usage {
            wall_us: self.wall_us.saturating_add(later.wall_us),
            cpu_user_us: self.cpu_user_us.saturating_add(later.cpu_user_us),
            cpu_system_us: self.cpu_system_us.saturating_add(later.cpu_system_us),
            memory_peak_bytes: self.memory_peak_bytes.max(later.memory_peak_bytes),
            memory_kib_ms: self.memory_kib_ms.saturating_add(later.memory_kib_ms),
            read_bytes: self.read_bytes.saturating_add(later.read_bytes),
            written_bytes: self.written_bytes.saturating_add(later.written_bytes),
            received_bytes: self.received_bytes.saturating_add(later.received_bytes),
            sent_bytes: self.sent_bytes.saturating_add(later.sent_bytes),
            accelerator_us: self.accelerator_us.saturating_add(later.accelerator_us),
        }
    }

    /// CPU time of both modes, microseconds.
    pub fn cpu_us(&self) -> u64 {
        self.cpu_user_us.saturating_add(self.cpu_system_us)
    }
}
