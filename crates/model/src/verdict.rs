//! How a run ended, in one word.

use serde::{Deserialize, Serialize};

/// The word a run ends with. Exactly one holds; the order of the variants is the order in which causes win.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    NonzeroExit,
    Signaled,
    CompileError,
    TimeLimit,
    MemoryLimit,
    OutputLimit,
    ProcessLimit,
    DeniedSyscall,
    Cancelled,
    InternalError,
}

impl Verdict {
    /// Every verdict, for tables and metrics.
    pub const ALL: [Verdict; 11] = [
        Verdict::Ok,
        Verdict::NonzeroExit,
        Verdict::Signaled,
        Verdict::CompileError,
        Verdict::TimeLimit,
        Verdict::MemoryLimit,
        Verdict::OutputLimit,
        Verdict::ProcessLimit,
        Verdict::DeniedSyscall,
        Verdict::Cancelled,
        Verdict::InternalError,
    ];

    /// The wire name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::NonzeroExit => "nonzero-exit",
            Verdict::Signaled => "signaled",
            Verdict::CompileError => "compile-error",
            Verdict::TimeLimit => "time-limit",
            Verdict::MemoryLimit => "memory-limit",
            Verdict::OutputLimit => "output-limit",
            Verdict::ProcessLimit => "process-limit",
            Verdict::DeniedSyscall => "denied-syscall",
            Verdict::Cancelled => "cancelled",
            Verdict::InternalError => "internal-error",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_wire_names() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}
