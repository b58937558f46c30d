//! What a session was asked to be: settled once, at its creation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Limits;

/// What a session is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// Lives until it is ended.
    #[default]
    Interactive,
    /// Runs its start-up command and ends.
    Batch,
}

/// A session's settled wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub kind: SessionKind,
    pub image: String,
    pub language: Option<String>,
    pub limits: Limits,
    pub env: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub startup_command: Option<String>,
    /// Longest life from the start, milliseconds.
    pub timeout_ms: u64,
    /// Longest time with no run in it, milliseconds.
    pub idle_timeout_ms: u64,
}
