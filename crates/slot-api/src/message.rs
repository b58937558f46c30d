//! The messages. Adding a variant at the end is compatible; anything else raises [`VERSION`].

use serde::{Deserialize, Serialize};

use crate::app::{AppAnswer, AppAsk, AppFault};

/// Protocol version, in `Hello`; a node destroys slots that speak another one.
pub const VERSION: u32 = 3;

/// A run, numbered by the node within one slot.
pub type RunNumber = u32;

/// From the node to init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToSlot {
    /// First message: what holds for every program here. Answered by `Prepared`, and `DriverReady` if a driver was named.
    Prepare(Prepare),
    /// The claim: everything a request may ask for. After it init gives up the powers it used. Answered by `Bound`.
    Bind(Bind),
    /// Start a program. Answered by `Started` or `Exited`.
    Start(Start),
    /// Ask the driver. Answered by its events, then `Done` or `Exited`.
    Driver(StartDriver),
    /// Start a driver anew after its end or `KillAll`. Answered by `DriverReady` or `Fault`.
    DriverRestart,
    Stdin {
        run: RunNumber,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    StdinEnd {
        run: RunNumber,
    },
    Resize {
        run: RunNumber,
        rows: u16,
        cols: u16,
    },
    /// A signal to the run's process group.
    Signal {
        run: RunNumber,
        number: i32,
    },
    /// End the run and everything it started, as far as it can be told apart.
    Kill {
        run: RunNumber,
    },
    /// End every process here but init, at once.
    KillAll,
    File {
        ask: u32,
        what: FileAsk,
    },
    Ping,
    /// Try the walls from inside, as a guest. Answered like `Start`; each line of its output is a hole, the last is [`PROBE_LAST_LINE`].
    Probe(Probe),
    /// What a node asks that finds the slot again. Answered by `Runs`.
    Runs,
    /// The messages of a kept run from number `after` on, those before are confirmed. Numbers count what is said about the run, from 0,
    /// without `StdinTaken`.
    Resume {
        run: RunNumber,
        after: u64,
    },
    /// The run's messages before number `upto` are safe with the node. A number that was never reached: the run is nobody's.
    Confirm {
        run: RunNumber,
        upto: u64,
    },
    /// The slot was frozen for so long and is about to go on: deadlines of runs move by as much.
    Thawed {
        frozen_ms: u64,
    },
    /// Answered by `FromSlot::App` of the same number.
    App {
        ask: u32,
        what: AppAsk,
    },
    /// What `/etc/resolv.conf` shows; before `Bind`.
    Resolve {
        text: String,
    },
    /// A folder's mount, in the descriptor that comes along, to be hung up at this path below `/home/work`. Before `Bind`, while init may.
    /// Answered by `Fault` where that cannot be; then the slot ends.
    Mount {
        at: String,
    },
}

/// What a probe prints when it has tried everything.
pub const PROBE_LAST_LINE: &str = "all tried";

/// What the node planted for the probe to find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub run: RunNumber,
    /// A file of the host outside every image, and what is in it.
    pub secret_file: String,
    pub secret: String,
    /// A TCP port that the host listens on, at 127.0.0.1.
    pub port: u16,
    /// The host's namespaces: names as in `/proc/self/ns`, and inode numbers.
    pub namespaces: Vec<(String, u64)>,
    pub wall_ms: u64,
}

/// The walls around every program of the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Seccomp programs (arrays of `sock_filter`), loaded in this order.
    pub filters: Vec<Vec<u8>>,
    /// `KEY=VALUE`, for every program.
    pub env: Vec<String>,
    /// Command line of the interpreter to start now, if any.
    pub driver: Option<Vec<String>>,
    pub open_files: u64,
    /// Guests run as this id inside; none where init cannot change ids (rootless).
    pub guest_id: Option<u32>,
    /// As in `Bind`, for the interpreter until then.
    pub own_limits: Option<OwnLimits>,
    /// Without word from a node for so long, init ends and takes the slot with it.
    pub orphan_ms: u64,
}

/// What is known only when somebody claims the slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub hostname: String,
    /// `KEY=VALUE`, on top of those of `Prepare`.
    pub env: Vec<String>,
    /// Other limits than the slot was made with, if they differ.
    pub disk_bytes: Option<u64>,
    pub open_files: u64,
    /// Where no cgroup limits the slot, each process is limited to these by itself.
    pub own_limits: Option<OwnLimits>,
    /// What `/proc/meminfo` shows.
    pub memory_bytes: u64,
    /// CPUs that programs may run on; empty for all.
    pub cpus: Vec<u32>,
    pub orphan_ms: u64,
    /// Keep what is said about runs until it is confirmed, for a node that may come after this one.
    pub keep: Keep,
}

/// What becomes of a run's messages once they are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// The run ends with its node.
    #[default]
    Nothing,
    UntilConfirmed,
}

/// Limits of one process, for machines without cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLimits {
    /// Processes of the slot's user namespace.
    pub pids: u64,
    /// Private writable memory.
    pub memory_bytes: u64,
    pub cpu_s: u64,
}

/// A program with this in its environment gives way to others: it has what they leave of processors, and goes first where memory is short.
/// No field of [`Start`]: an init of a former server, which does not know it, starts the program all the same. Whoever sets it in a session
/// of theirs has a program that gives way.
pub const ASIDE: &str = "MADANG_ASIDE=1";

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub run: RunNumber,
    pub argv: Vec<String>,
    /// `KEY=VALUE`, on top of those of `Prepare` and `Bind`.
    pub env: Vec<String>,
    /// Rows and columns, if it wants a terminal.
    pub terminal: Option<(u16, u16)>,
    pub wall_ms: u64,
    pub output_bytes: u64,
}

/// A request to the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartDriver {
    pub run: RunNumber,
    pub verb: Verb,
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// `KEY=VALUE` to set before; empty for no change.
    pub env: Vec<String>,
    /// Close standard input when the driver asks for more than was sent.
    pub stdin_whole: bool,
    pub wall_ms: u64,
    pub output_bytes: u64,
}

/// What a driver is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    Exec,
    Script,
    Complete { cursor: u32 },
}

/// From init to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromSlot {
    /// To every new connection.
    Hello {
        version: u32,
    },
    Prepared,
    DriverReady,
    Bound,
    Started {
        run: RunNumber,
    },
    Output {
        run: RunNumber,
        stream: Stream,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Rich output in pieces; `last` closes it.
    Media {
        run: RunNumber,
        mime: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        last: bool,
    },
    Log {
        run: RunNumber,
        text: String,
    },
    Input {
        run: RunNumber,
        prompt: String,
        echo: bool,
    },
    Completions {
        run: RunNumber,
        start: u32,
        items: Vec<String>,
    },
    /// A driver request ended and the driver lives on.
    Done {
        run: RunNumber,
        status: DriverStatus,
    },
    /// The program, or the driver that served the run, ended.
    Exited {
        run: RunNumber,
        exit: Exit,
    },
    /// A descriptor comes with `FileAnswer::Opened`.
    File {
        ask: u32,
        answer: Result<FileAnswer, FileFault>,
    },
    /// Something asked for could not be done at all; `run` where it concerns one.
    Fault {
        run: Option<RunNumber>,
        text: String,
    },
    Pong,
    /// The program has taken so many more bytes of live standard input: as many may be sent again.
    StdinTaken {
        run: RunNumber,
        bytes: u64,
    },
    /// The answer to `ToSlot::Runs`.
    Runs {
        driver: DriverSeen,
        runs: Vec<RunKept>,
    },
    /// A descriptor comes with `AppAnswer::Connected`.
    App {
        ask: u32,
        answer: Result<AppAnswer, AppFault>,
    },
}

/// A run whose messages are kept: those from `first` up to, not with, `next` are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunKept {
    pub run: RunNumber,
    pub first: u64,
    pub next: u64,
}

/// How the interpreter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverSeen {
    /// There is none, or it is not ready: it must be started anew.
    Down,
    Ready,
    Serving {
        run: RunNumber,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverStatus {
    Ok,
    Error,
    Interrupted,
}

/// How a process ended, as the kernel said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, or the negated number of the signal.
    pub status: i32,
    /// Why init ended it, if it did.
    pub cause: Option<Cause>,
    pub cpu_user_us: u64,
    pub cpu_system_us: u64,
    pub memory_peak_kib: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

/// Why init ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    WallTime,
    Output,
    Asked,
    /// It never began: others of its sandbox held every process there may be.
    Crowded,
}

/// Work on files, done by init as the guest, beneath `/home/work`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAsk {
    /// Open a regular file for reading.
    Read {
        path: String,
    },
    /// Write a whole small file here and now; for `Opened` to be skipped.
    Put {
        path: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Open a new file beside `path` for writing; `Commit` or `Discard` it. `part` tells uploads of one path apart.
    Write {
        path: String,
        part: u32,
    },
    /// Put what was written in the place of `path`, in one step, where `when` holds; else nothing is left of it. Answered by `Opened`,
    /// with no descriptor.
    Commit {
        path: String,
        part: u32,
        when: CommitWhen,
    },
    Discard {
        path: String,
        part: u32,
    },
    List {
        path: String,
        deep: bool,
        after: u32,
    },
    Remove {
        path: String,
    },
    /// Open the work directory itself, for all in it to be read.
    Home,
}

/// What must be true of `path` for something to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitWhen {
    Always,
    /// Nothing is there.
    Absent,
    /// The file there has this [`Entry::tag`].
    Same {
        tag: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAnswer {
    Done,
    /// With the file's descriptor.
    Opened(Entry),
    /// A page of entries; `more` when another page follows after the last.
    Listed {
        entries: Vec<Entry>,
        more: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub kind: EntryKind,
    pub size: u64,
    pub mode: u32,
    pub modified_ms: u64,
    /// Another one whenever the file is written, below 2^63: from its number, size and last change, which programs cannot set.
    pub tag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FileFault {
    #[error("no such file")]
    NotFound,
    #[error("the path leaves the work directory")]
    Outside,
    #[error("not a regular file")]
    NotFile,
    #[error("not a directory")]
    NotDirectory,
    #[error("no room left")]
    Full,
    #[error("permission denied")]
    Denied,
    #[error("the file is not the one that was known")]
    Changed,
    #[error("{0}")]
    Other(String),
}
