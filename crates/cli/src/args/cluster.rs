//! Sessions of several sandboxes.

use clap::{Args, ValueEnum};
use madang_client::At;

// Which of a session's sandboxes. No documentation: it would become that of the command it is flattened into.
#[derive(Debug, Clone, Args)]
pub struct SandboxArgs {
    /// Which of its sandboxes, where it has several: `main1`, `sub1`, …; the first where left out
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
}

impl SandboxArgs {
    pub fn of<'a>(&'a self, session: &'a str) -> At<'a> {
        At::new(session, self.sandbox.as_deref())
    }
}

/// Where the sandboxes of a session may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ClusterMode {
    /// All on one node
    #[default]
    SingleNode,
    /// Wherever there is room
    MultiNode,
}

impl From<ClusterMode> for madang_public_api::ClusterMode {
    fn from(mode: ClusterMode) -> Self {
        match mode {
            ClusterMode::SingleNode => Self::SingleNode,
            ClusterMode::MultiNode => Self::MultiNode,
        }
    }
}
