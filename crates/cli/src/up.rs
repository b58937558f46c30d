//! `madang up`: everything on this machine, and the spawner that is started beside it.

use std::process::ExitCode;

use crate::{args::UpArgs, exit, exit::Failure};

/// The process that makes sandboxes; never returns to the command line's own code.
pub fn spawner() -> ExitCode {
    crate::print::complain("this build has no spawner");
    ExitCode::from(exit::INTERNAL)
}

/// Starts the server and stays until it is told to stop.
pub fn run(args: UpArgs) -> Result<u8, Failure> {
    Err(Failure::internal(format!("this build has no server to start at {}", args.listen)))
}
