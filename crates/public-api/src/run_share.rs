//! A session's runs as a list, what a run was given, and links that show one run to whoever has them.

use madang_ids::{RunId, ShareId};
use madang_model::{Blob, File, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Timestamp,
    run::{PartView, RunMode, RunState},
};

/// A run in a list; `GET /runs/{id}` and `GET /runs/{id}/given` tell the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    #[schema(value_type = String)]
    pub id: RunId,
    /// The first line of its code, its main file, or its command, as far as that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `running` until it has finished, whatever it is about.
    pub state: RunState,
    pub mode: RunMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What a run of a session was given, kept as long as the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunGiven {
    /// A query's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Arguments of its program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// A command, program and arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Its standard input, where it was given with it; what is typed while a run goes on is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Blob>,
    /// One for each execution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Blob>,
    /// There was more than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// `POST /runs/{id}/shares`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunShareCreate {
    /// How long the link is good; a week where left out, 90 days at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub expires_in_ms: Option<u64>,
}

/// A link to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunShareView {
    #[schema(value_type = String)]
    pub id: ShareId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The page that shows the run; told once, to whoever makes the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What stands behind `#` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A run as whoever has a link to it sees it, and nothing besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedRun {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub state: RunState,
    pub mode: RunMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When the link ends.
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<RunGiven>,
    #[serde(flatten)]
    pub whole: PartView,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<PartView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<PartView>>,
    /// Output is missing because there was more than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}
