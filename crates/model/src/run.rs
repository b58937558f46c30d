//! One execution: what is asked, what happens meanwhile, how it ends.

use std::collections::BTreeMap;

use madang_ids::RunId;
use serde::{Deserialize, Serialize};

use crate::{Blob, Limits, Usage, Verdict};

/// A file to put into `/home/work` before the run; `path` is relative to it.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub content: Blob,
}

/// Shell commands of a batch run; what is left out comes from the language's recipe, a Makefile winning over it.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Steps {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<String>,
}

/// A step of a batch run.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Clean,
    Build,
    Exec,
}

impl Step {
    /// As it stands in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Build => "build",
            Self::Exec => "exec",
        }
    }
}

/// Rows and columns of a terminal, in characters.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    pub rows: u16,
    pub cols: u16,
}

/// What to execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum Work {
    /// One piece of code in the session's stateful interpreter; the last expression's value is shown.
    Query { code: String },
    /// Files through clean, build and exec. `main` names the main file where several could be.
    Batch { steps: Steps, main: Option<String>, args: Vec<String> },
    /// A command line, on a terminal if a size is given.
    Command { argv: Vec<String>, terminal: Option<TerminalSize> },
}

/// Where a program's standard input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Stdin {
    /// All of it is here; then end of file.
    Whole { bytes: Blob },
    /// It comes while the program runs.
    Live,
}

/// A run as the node is asked for it. Several `inputs` mean one exec step each, over one build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    pub id: RunId,
    pub work: Work,
    pub files: Vec<File>,
    pub stdin: Stdin,
    pub inputs: Vec<Blob>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
}

impl RunSpec {
    /// What it may take over all its steps and inputs: a build and each input may take the limit; a clean step is short.
    pub fn wall_ms_max(&self) -> u64 {
        self.limits.wall_ms.saturating_mul(self.inputs.len() as u64 + 2)
    }
}

/// How one step, one input or the whole run ended.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that ended the main program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    pub usage: Usage,
    /// More than the verdict says, for a person: which limit, what failed inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Something that happened in a run, numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    pub seq: u64,
    /// Unix time, microseconds.
    pub at_us: u64,
    #[serde(flatten)]
    pub body: RunEventBody,
}

/// The kinds of run events.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum RunEventBody {
    /// The sandbox is claimed and the program is about to start.
    Started,
    Stdout {
        data: Blob,
    },
    Stderr {
        data: Blob,
    },
    /// Rich output: an image, a table.
    Media {
        mime: String,
        data: Blob,
    },
    /// Something the system wants the user to know.
    Log {
        text: String,
    },
    /// The program waits for a line of input; `echo: false` asks for a password.
    WaitingInput {
        prompt: String,
        echo: bool,
    },
    /// A clean, build or exec step begins; output up to its `StepFinished` is its own. `input` counts from 0 when there are several.
    StepStarted {
        step: Step,
        input: Option<u32>,
    },
    StepFinished {
        step: Step,
        input: Option<u32>,
        outcome: Outcome,
    },
    /// Usage so far.
    Usage {
        usage: Usage,
    },
    /// Always the last event, exactly once.
    Finished {
        outcome: Outcome,
    },
}
