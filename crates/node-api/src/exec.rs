//! A program that somebody holds by its standard streams, as over SSH. Unlike a run it has no record, no verdict and no bound on its output,
//! and it ends with whoever holds it.

use std::collections::BTreeMap;

use madang_model::TerminalSize;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// The program first.
    pub argv: Vec<String>,
    /// On top of the sandbox's own environment.
    pub env: BTreeMap<String, String>,
    /// On a terminal of this size; standard error then comes with standard output.
    pub terminal: Option<TerminalSize>,
    /// It serves whoever works here and is no work of theirs: its sandbox is idle all the same, and where processors or memory are short
    /// others come first.
    #[serde(default)]
    pub aside: bool,
}

/// Bytes for the program's standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecInput {
    /// More of it.
    Bytes(Vec<u8>),
    /// That was all.
    End,
}

/// What may be done to the program, whether it reads its input or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecControl {
    /// Its terminal has another size.
    Resize(TerminalSize),
    /// A signal, by its number, to the process group in the foreground.
    Signal(i32),
}

/// What the program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// It wrote to standard output, or to its terminal.
    Stdout(Vec<u8>),
    /// It wrote to standard error.
    Stderr(Vec<u8>),
    /// The last event.
    Ended(ExecEnd),
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecEnd {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// With its sandbox.
    Lost,
}

/// A program in progress. A reader that does not read stops a program that writes; a program that does not read stops whoever writes to
/// it. Dropping the handle hangs up: the program is told so, and ended if it goes on.
#[derive(Debug)]
pub struct ExecHandle {
    /// What it says; the last is [`ExecEvent::Ended`].
    pub events: mpsc::Receiver<ExecEvent>,
    /// Its standard input. Dropping it is no end of input.
    pub input: mpsc::Sender<ExecInput>,
    /// What else may be done to it.
    pub control: mpsc::Sender<ExecControl>,
}
