//! Images made of sandboxes.

use serde::{Deserialize, Serialize};

/// What every name of an image begins with that was made of a session.
pub use madang_model::policy::COMMITTED;

/// What is to be made of a sandbox's work directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSpec {
    /// What the image is called on nodes; begins with [`COMMITTED`].
    pub name: String,
    /// Of all files together.
    pub bytes_max: u64,
    pub secrets: SecretRule,
}

/// What to do about what looks like a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRule {
    /// No image is made.
    #[default]
    Refuse,
    /// They go into the image.
    Allow,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSeen {
    /// None where there are secrets that may not be in one.
    pub image: Option<CommittedImage>,
    /// The first of them.
    pub left_out: Vec<LeftOutSeen>,
    /// Of all.
    pub left_out_count: u64,
    /// The first of them.
    pub secrets: Vec<SecretSeen>,
    /// Of all.
    pub secret_count: u64,
    /// How long the sandbox stood still.
    pub frozen_ms: u64,
}

/// An image that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedImage {
    /// `sha256:…`, of the manifest that an export has.
    pub digest: String,
    /// Unpacked, with the layers below.
    pub size_bytes: u64,
    pub languages: Vec<String>,
}

/// Something of the sandbox that is not in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutSeen {
    /// Relative to `/home/work`.
    pub path: String,
    /// For a person.
    pub why: String,
}

/// A file that looks as if it held a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSeen {
    /// Relative to `/home/work`.
    pub path: String,
    /// What it looks like, for a person.
    pub what: String,
}
