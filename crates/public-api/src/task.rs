//! What the server does by itself, and how it does.

use madang_ids::ControlId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// How a run of a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskResult {
    Done,
    Failed,
    Panicked,
    /// It took longer than its deadline and was given up.
    Overdue,
}

impl TaskResult {
    pub fn name(self) -> &'static str {
        match self {
            TaskResult::Done => "done",
            TaskResult::Failed => "failed",
            TaskResult::Panicked => "panicked",
            TaskResult::Overdue => "overdue",
        }
    }
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskRun {
    /// When it began.
    pub at: Timestamp,
    pub took_ms: u64,
    pub result: TaskResult,
    /// What it did, or why it failed; for a person.
    pub note: String,
}

/// A task of the process that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    pub name: String,
    pub period_ms: u64,
    /// Up to this much is added to each period.
    pub jitter_ms: u64,
    /// A run that takes longer is given up.
    pub deadline_ms: u64,
    /// Runs that have ended since the process began.
    pub runs: u64,
    pub failures_in_a_row: u64,
    /// Present while a run is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<TaskRun>,
    /// When it runs again at the latest, if nothing wakes it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// A control process, and how its tasks do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessView {
    #[schema(value_type = String)]
    pub id: ControlId,
    /// Where the other processes reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Absent for a process that is alone and keeps no note of itself, as the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it last said that it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// It is the one that answers.
    pub answers: bool,
    /// The resource groups that it leads.
    #[serde(default)]
    pub leads: Vec<String>,
    pub tasks: Vec<TaskView>,
    /// Why its tasks are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}
