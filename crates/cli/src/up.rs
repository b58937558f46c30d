//! `madang up`: everything on this machine in one process, with the spawner beside it.

use crate::{args::UpArgs, exit::Failure};

/// Starts the server and stays until it is told to stop.
pub fn run(args: UpArgs) -> Result<u8, Failure> {
    Err(Failure::internal(format!("this build has no server to start at {}", args.listen)))
}
