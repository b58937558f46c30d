//! `madang bench`: arguments to the benchmarks' settings.

use crate::{args::BenchArgs, exit::Failure};

pub fn run(args: BenchArgs) -> Result<u8, Failure> {
    let _ = args;
    Ok(0)
}
