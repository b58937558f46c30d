//! What bounds a sandbox and each run in it.

use serde::{Deserialize, Serialize};

/// Every bound, settled: what was asked, completed from the language's recipe and the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall time of one run, milliseconds.
    pub wall_ms: u64,
    /// CPU time of one run over all its processes, milliseconds.
    pub cpu_ms: u64,
    /// Memory of the whole sandbox with swap, bytes; files in it count, they live in memory.
    pub memory_bytes: u64,
    /// Files the sandbox may hold in `/home/work`, `/tmp` and `/dev/shm` together, bytes.
    pub disk_bytes: u64,
    /// Processes and threads alive at once in the sandbox.
    pub pids: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// Output of one run, stdout and stderr and media together, bytes.
    pub output_bytes: u64,
    /// CPUs the sandbox may use at once, thousandths.
    pub cpu_millis: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            cpu_ms: 10_000,
            memory_bytes: 256 << 20,
            disk_bytes: 128 << 20,
            pids: 64,
            open_files: 256,
            output_bytes: 8 << 20,
            cpu_millis: 1000,
        }
    }
}

/// The same bounds as somebody asks for them: what is left out takes the default.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsAsked {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
}

impl LimitsAsked {
    /// What was asked, completed from `defaults`.
    pub fn or(&self, defaults: Limits) -> Limits {
        Limits {
            wall_ms: self.wall_ms.unwrap_or(defaults.wall_ms),
            cpu_ms: self.cpu_ms.unwrap_or(defaults.cpu_ms),
            memory_bytes: self.memory_bytes.unwrap_or(defaults.memory_bytes),
            disk_bytes: self.disk_bytes.unwrap_or(defaults.disk_bytes),
            pids: self.pids.unwrap_or(defaults.pids),
            open_files: self.open_files.unwrap_or(defaults.open_files),
            output_bytes: self.output_bytes.unwrap_or(defaults.output_bytes),
            cpu_millis: self.cpu_millis.unwrap_or(defaults.cpu_millis),
        }
    }
}

/// A bound outside what this machine can keep or would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limits.{field} must be between {min} and {max}, not {asked}")]
pub struct LimitsError {
    pub field: &'static str,
    pub min: u64,
    pub max: u64,
    pub asked: u64,
}

impl Limits {
    /// Every field against the smallest value that can work and the largest one `ceiling` allows.
    pub fn check(&self, ceiling: &Limits) -> Result<(), LimitsError> {
        let rows = [
            ("wall_ms", 1, ceiling.wall_ms, self.wall_ms),
            ("cpu_ms", 1, ceiling.cpu_ms, self.cpu_ms),
            ("memory_bytes", 8 << 20, ceiling.memory_bytes, self.memory_bytes),
            ("disk_bytes", 64 << 10, ceiling.disk_bytes, self.disk_bytes),
            ("pids", 4, ceiling.pids, self.pids),
            ("open_files", 16, ceiling.open_files, self.open_files),
            ("output_bytes", 1, ceiling.output_bytes, self.output_bytes),
            ("cpu_millis", 10, ceiling.cpu_millis, self.cpu_millis),
        ];
        for (field, min, max, asked) in rows {
            if asked < min || asked > max {
                return Err(LimitsError { field, min, max, asked });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_takes_the_default() {
        let asked = LimitsAsked { pids: Some(9), ..LimitsAsked::default() };
        assert_eq!(asked.or(Limits::default()), Limits { pids: 9, ..Limits::default() });
    }

    #[test]
    fn outside_the_ceiling_is_named() {
        let ceiling = Limits::default();
        let asked = Limits { pids: 65, ..ceiling };
        assert_eq!(asked.check(&ceiling).unwrap_err().to_string(), "limits.pids must be between 4 and 64, not 65");
        assert!(ceiling.check(&ceiling).is_ok());
    }
}
