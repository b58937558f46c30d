//! How a command ends: the program's own code where it ran, one of ours where it did not.

use std::io::Write as _;

use clap::error::ErrorKind;
use madang_client::ClientError;
use madang_model::Verdict;
use madang_public_api::ProblemKind;

/// Usage or bad input.
pub const USAGE: u8 = 120;
/// Cannot reach a server or sign in.
pub const UNREACHABLE: u8 = 121;
/// Refused by a limit or policy.
pub const REFUSED: u8 = 122;
/// The sandbox stopped it.
pub const STOPPED: u8 = 123;
/// The build failed.
pub const BUILD: u8 = 124;
/// Our fault.
pub const INTERNAL: u8 = 125;
/// Shells say this much more than the signal's number.
const SIGNALED: i32 = 128;

/// A command that could not do its work: the exit code, and one line that says why.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub line: String,
}

impl Failure {
    pub fn usage(line: impl Into<String>) -> Self {
        Self { code: USAGE, line: line.into() }
    }

    pub fn internal(line: impl Into<String>) -> Self {
        Self { code: INTERNAL, line: line.into() }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let line = error.to_string();
        let code = match &error {
            ClientError::Endpoint(_) | ClientError::Local { .. } => USAGE,
            ClientError::Unreachable { .. } => {
                let how = "start one with `madang up`, or point MADANG_ENDPOINT at one that runs";
                return Self { code: UNREACHABLE, line: format!("{line}; {how}") };
            }
            ClientError::Broken { .. } => UNREACHABLE,
            ClientError::Answer { .. } => INTERNAL,
            ClientError::Refused(problem) => match ProblemKind::from_code(&problem.code) {
                Some(kind) => of_problem(kind),
                None => INTERNAL,
            },
        };
        Self { code, line }
    }
}

fn of_problem(kind: ProblemKind) -> u8 {
    match kind {
        ProblemKind::Malformed
        | ProblemKind::Invalid
        | ProblemKind::Unsupported
        | ProblemKind::NotFound
        | ProblemKind::MethodNotAllowed
        | ProblemKind::Conflict
        | ProblemKind::Precondition
        | ProblemKind::IdempotencyMismatch
        | ProblemKind::MediaType
        | ProblemKind::UpgradeRequired => USAGE,
        ProblemKind::Unauthenticated | ProblemKind::Unavailable | ProblemKind::Draining => UNREACHABLE,
        ProblemKind::Forbidden
        | ProblemKind::TooLarge
        | ProblemKind::Limit
        | ProblemKind::TooMany
        | ProblemKind::Unkeepable
        | ProblemKind::Capacity
        | ProblemKind::Frozen => REFUSED,
        ProblemKind::Deadline | ProblemKind::Internal => INTERNAL,
    }
}

/// The exit code that a run's end stands for.
pub fn of_verdict(verdict: Verdict, exit_code: Option<i32>, signal: Option<i32>) -> u8 {
    match verdict {
        Verdict::Ok => byte(exit_code.unwrap_or(0)),
        Verdict::NonzeroExit => byte(exit_code.unwrap_or(1)),
        Verdict::Signaled => byte(signal.map_or(1, |signal| SIGNALED + signal)),
        Verdict::CompileError => BUILD,
        Verdict::TimeLimit
        | Verdict::MemoryLimit
        | Verdict::OutputLimit
        | Verdict::ProcessLimit
        | Verdict::DeniedSyscall
        | Verdict::Cancelled => STOPPED,
        Verdict::InternalError => INTERNAL,
    }
}

fn byte(code: i32) -> u8 {
    // What a shell would see: the low eight bits.
    (code & 0xff) as u8
}

/// Help goes to stdout and is no failure; a mistake is one line on stderr.
pub fn usage(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that has seen enough is no mistake.
        let _ = write!(std::io::stdout(), "{error}");
        return 0;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{error}");
        return USAGE;
    }
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("bad usage");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // A list of what is missing follows a colon on lines of its own.
    let more: Vec<&str> = match first.ends_with(':') {
        true => lines.take_while(|line| !line.starts_with("Usage")).collect(),
        false => Vec::new(),
    };
    let joint = if more.is_empty() { "" } else { " " };
    crate::print::complain(&format!("{first}{joint}{} (see madang --help)", more.join(", ")));
    USAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_keeps_its_own_code() {
        assert_eq!(of_verdict(Verdict::Ok, Some(0), None), 0);
        assert_eq!(of_verdict(Verdict::NonzeroExit, Some(3), None), 3);
        assert_eq!(of_verdict(Verdict::Signaled, None, Some(11)), 139);
    }

    #[test]
    fn every_stop_has_ours() {
        for verdict in [Verdict::TimeLimit, Verdict::MemoryLimit, Verdict::OutputLimit, Verdict::Cancelled] {
            assert_eq!(of_verdict(verdict, None, Some(9)), STOPPED);
        }
        assert_eq!(of_verdict(Verdict::CompileError, Some(1), None), BUILD);
        assert_eq!(of_verdict(Verdict::InternalError, None, None), INTERNAL);
    }
}
