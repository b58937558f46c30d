//! From what the kernel said to one word. Pure.

use madang_model::{Outcome, Usage, Verdict};
use madang_slot_api::{Cause, DriverStatus};

/// `SIGSYS`: the end of a process that made a fatal call.
const SIGSYS: i32 = 31;
/// A process over its own CPU limit.
const SIGXCPU: i32 = 24;
const SIGINT: i32 = 2;
/// Exit codes of shells for "it was ended by signal N" are this plus N.
const SHELL_SIGNAL_BASE: i32 = 128;

/// How the main process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Exit code, or the negated signal.
    Exited(i32),
    /// The interpreter lives on.
    Answered(DriverStatus),
}

/// Everything that bears on the verdict of one step.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    pub end: End,
    /// Why init ended it.
    pub cause: Option<Cause>,
    /// We ended it for its CPU time.
    pub cpu_over: bool,
    /// We interrupted a query for its wall time.
    pub wall_over: bool,
    pub cancelled: bool,
    /// Since the step began.
    pub oom_kills: u64,
    pub fork_refusals: u64,
    pub usage: Usage,
}

/// The outcome: causes win over consequences.
pub fn outcome(evidence: &Evidence) -> Outcome {
    let (exit_code, signal) = match evidence.end {
        End::Exited(code) if code >= 0 => (Some(code), None),
        End::Exited(signal) => (None, Some(signal.saturating_neg())),
        End::Answered(DriverStatus::Ok) => (Some(0), None),
        End::Answered(DriverStatus::Error) => (Some(1), None),
        End::Answered(DriverStatus::Interrupted) => (None, Some(SIGINT)),
    };
    let failed = exit_code != Some(0);
    let died_of = signal.or(exit_code.map(|code| code - SHELL_SIGNAL_BASE));
    let verdict = match evidence {
        Evidence { cancelled: true, .. } if failed => Verdict::Cancelled,
        Evidence { cause: Some(Cause::Crowded), .. } => Verdict::ProcessLimit,
        Evidence { cause: Some(Cause::Output), .. } => Verdict::OutputLimit,
        Evidence { cause: Some(Cause::WallTime), .. } | Evidence { wall_over: true, .. } => Verdict::TimeLimit,
        Evidence { cpu_over: true, .. } => Verdict::TimeLimit,
        // Only where a process's own limit stands in for the cgroup's.
        _ if died_of == Some(SIGXCPU) => Verdict::TimeLimit,
        Evidence { oom_kills: 1.., .. } if failed => Verdict::MemoryLimit,
        Evidence { cause: Some(Cause::Asked), .. } => Verdict::Cancelled,
        Evidence { fork_refusals: 1.., .. } if failed => Verdict::ProcessLimit,
        _ if failed && died_of == Some(SIGSYS) => Verdict::DeniedSyscall,
        _ if signal.is_some() => Verdict::Signaled,
        _ if failed => Verdict::NonzeroExit,
        _ => Verdict::Ok,
    };
    Outcome { verdict, exit_code, signal, usage: evidence.usage, detail: detail(verdict, evidence) }
}

fn detail(verdict: Verdict, evidence: &Evidence) -> Option<String> {
    let text = match verdict {
        Verdict::TimeLimit if evidence.cpu_over => "it used all the CPU time it may use (limits.cpu_ms)",
        Verdict::TimeLimit => "it ran longer than it may (limits.wall_ms)",
        Verdict::MemoryLimit => "it needed more memory than it may have (limits.memory_bytes)",
        Verdict::OutputLimit => "it wrote more output than it may (limits.output_bytes)",
        Verdict::ProcessLimit if evidence.cause == Some(Cause::Crowded) => {
            "other programs of its sandbox hold all the processes there may be (limits.pids)"
        }
        Verdict::ProcessLimit => "it started more processes than it may (limits.pids)",
        Verdict::DeniedSyscall => "it made a system call that no sandboxed program may make",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Evidence = Evidence {
        end: End::Exited(0),
        cause: None,
        cpu_over: false,
        wall_over: false,
        cancelled: false,
        oom_kills: 0,
        fork_refusals: 0,
        usage: Usage {
            wall_us: 0,
            cpu_user_us: 0,
            cpu_system_us: 0,
            memory_peak_bytes: 0,
            memory_kib_ms: 0,
            read_bytes: 0,
            written_bytes: 0,
            received_bytes: 0,
            sent_bytes: 0,
            accelerator_us: 0,
        },
    };

    #[test]
    fn causes_win_over_consequences() {
        let verdict = |evidence: Evidence| outcome(&evidence).verdict;
        let killed = Evidence { end: End::Exited(-9), ..FINE };
        assert_eq!(verdict(FINE), Verdict::Ok);
        assert_eq!(verdict(Evidence { end: End::Exited(3), ..FINE }), Verdict::NonzeroExit);
        assert_eq!(verdict(killed), Verdict::Signaled);
        assert_eq!(verdict(Evidence { oom_kills: 1, ..killed }), Verdict::MemoryLimit);
        assert_eq!(verdict(Evidence { oom_kills: 1, ..FINE }), Verdict::Ok);
        assert_eq!(verdict(Evidence { fork_refusals: 4, end: End::Exited(1), ..FINE }), Verdict::ProcessLimit);
        assert_eq!(verdict(Evidence { cause: Some(Cause::WallTime), ..killed }), Verdict::TimeLimit);
        assert_eq!(verdict(Evidence { cause: Some(Cause::Output), ..killed }), Verdict::OutputLimit);
        assert_eq!(verdict(Evidence { cause: Some(Cause::Crowded), ..killed }), Verdict::ProcessLimit);
        assert_eq!(verdict(Evidence { cancelled: true, cause: Some(Cause::Asked), ..killed }), Verdict::Cancelled);
        assert_eq!(verdict(Evidence { end: End::Exited(159), ..FINE }), Verdict::DeniedSyscall);
        assert_eq!(verdict(Evidence { end: End::Exited(-31), ..FINE }), Verdict::DeniedSyscall);
        assert_eq!(verdict(Evidence { end: End::Answered(DriverStatus::Error), ..FINE }), Verdict::NonzeroExit);
    }
}
