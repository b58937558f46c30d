//! Executions: what is asked for and what comes back.

use madang_ids::{RunId, SessionId};
use madang_model::{Blob, File, LimitsAsked, RunEvent, RunEventBody, Steps, TerminalSize, Usage, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{NetworkAsked, Timestamp};

/// `POST /run`: a program in a fresh sandbox that goes with it. Give `code`, or `files`, not both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OneShotRequest {
    /// Language id, as `GET /languages` lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256, examples("python"))]
    pub language: Option<String>,
    /// Image name; `host`, the machine's own software, where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub image: Option<String>,
    /// The main file's content; it is named by the language's own convention.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("print(1)"))]
    pub code: Option<String>,
    /// Files for `/home/work`; the first with the language's extension is the main one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub files: Vec<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub args: Vec<String>,
    /// All of the standard input; end of file at once where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Blob>,
    /// Keep standard input open for `WS /runs/{id}/attach`; excludes `stdin`, `inputs` and `wait`.
    pub stdin_live: bool,
    /// Standard inputs, one execution each over one build; one of `outputs` answers each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub inputs: Vec<Blob>,
    pub limits: LimitsAsked,
    /// Name or id of the project this is for; the user's own where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    /// What it may reach; `none` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAsked>,
    /// Answer with the finished result rather than with the run as it starts.
    pub wait: bool,
}

/// How a run goes about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// Converse with the session's stateful interpreter.
    #[default]
    Query,
    /// Clean, build and execute files.
    Batch,
    /// A command line.
    Command,
}

/// `POST /sessions/{id}/runs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunRequest {
    pub mode: RunMode,
    /// The sandbox it runs in, where the session has several: `main1` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub sandbox: Option<String>,
    /// Query: the code. Batch: the main file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("6 * 7"))]
    pub code: Option<String>,
    /// Files for `/home/work`. One of up to 64 KiB that is there already with the same content stays as it is, with its times and its
    /// `ETag`: running what has been saved does not write it again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub files: Vec<File>,
    /// Batch: shell commands in place of the language's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// Batch: arguments of the program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub args: Vec<String>,
    /// Command: program and arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub argv: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Blob>,
    /// Keep standard input open for `WS /runs/{id}/attach`; excludes `stdin` and `inputs`. A terminal's always is.
    pub stdin_live: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub inputs: Vec<Blob>,
    /// Command: run it on a terminal of this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    pub limits: LimitsAsked,
    pub wait: bool,
}

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Starting,
    Running,
    Cancelling,
    Finished,
}

/// Rich output: an image, a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Media {
    pub mime: String,
    pub data: Blob,
}

/// How one part of a run went: the build, or one input's execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    /// Absent until the part has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    pub stdout: Blob,
    pub stderr: Blob,
    #[serde(default)]
    pub media: Vec<Media>,
    #[serde(default)]
    pub usage: Usage,
    /// More than the verdict says, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A run: its result once it has finished, what there is of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    #[schema(value_type = String)]
    pub id: RunId,
    pub state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    pub mode: RunMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The whole run; where there are several inputs, their output stands in `outputs`.
    #[serde(flatten)]
    pub whole: PartView,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<PartView>,
    /// One per input, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<PartView>>,
    /// Output is missing because there was more than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What may be done to the run now: `cancel`, `attach`.
    #[serde(default)]
    pub allowed_actions: Vec<String>,
}

/// A run event on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamEvent {
    /// From 0, without gaps; the `id` of a server-sent event.
    pub seq: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub body: RunEventBody,
}

impl From<RunEvent> for StreamEvent {
    fn from(event: RunEvent) -> Self {
        Self { seq: event.seq, at: Timestamp::from_us(event.at_us), body: event.body }
    }
}

/// `POST /sessions/{id}/complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    pub code: String,
    /// Byte offset into `code`.
    pub cursor: u64,
}

/// Candidates that replace the word from byte `start` to the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompletionsView {
    pub start: u64,
    pub items: Vec<String>,
}
