//! What a run of a session has said, on disk: whoever comes back, the agent or its reader, goes on where it was.
//!
//! One file a run, in the slot's directory, one record a line. A record is written before init is told that the messages behind it
//! are safe, so a line that a crash has torn is said again by init. Files are used again for later runs, which are written behind those
//! that are forgotten: making a file, or cutting it, costs more than all the writing of a short run.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use madang_model::{Blob, RunEvent, RunEventBody, RunSpec};
use madang_slot_api::RunNumber;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::meter::Began;

const SUFFIX: &str = ".tape";
/// Files kept for later runs of a sandbox.
const SPARE_MAX: usize = 4;
/// What forgotten runs may leave in a file that is used again; past it the file is cut.
const SPARE_BYTES_MAX: u64 = 64 << 10;
/// A disk that is full may have room later; the run waits so long between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Read at once for a reader that catches up.
const READ_BYTES: usize = 256 << 10;

/// One line of a tape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The first of a run: what was asked for. Runs before it are forgotten.
    Asked { spec: Box<RunSpec> },
    /// A program, or a question to the interpreter, is about to go to init under this number.
    Step { number: RunNumber, began: Began },
    /// `heard` messages of init about the step are in this and the records before it.
    Event { heard: u64, event: RunEvent },
    /// A part of rich output that is not whole yet.
    Part { heard: u64, data: Blob },
    /// Somebody wants the run to end.
    Cancelled,
}

/// How far a run is, for readers that wait.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    events: u64,
    ended: bool,
}

/// The tape of one run.
#[derive(Debug)]
pub struct Tape {
    /// Where the run begins in the file.
    from: u64,
    held: Mutex<Held>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Held {
    /// None once the run is forgotten.
    spare: Option<Spare>,
}

#[derive(Debug)]
struct Spare {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Tape {
    fn new(spare: Spare, from: u64, events: u64) -> Self {
        let held = Mutex::new(Held { spare: Some(spare) });
        Self { from, held, progress: watch::Sender::new(Progress { events, ended: false }) }
    }

    /// Keeps a record. Waits where the disk has no room: output waits, it is not lost.
    pub async fn append(&self, record: &Record) {
        let mut lines = Vec::new();
        add_line(&mut lines, record);
        self.append_lines(&lines).await;
        if let Record::Event { event, .. } = record {
            self.progress.send_modify(|progress| progress.events = event.seq + 1);
        }
    }

    async fn append_lines(&self, lines: &[u8]) {
        while let Err(error) = self.write(lines) {
            tracing::error!(%error, "a run's output cannot be kept; the run waits");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        if let Some(spare) = &mut self.held().spare {
            // What a failed try has left is written over.
            spare.file.write_all_at(lines, spare.bytes)?;
            spare.bytes += lines.len() as u64;
        }
        Ok(())
    }

    /// Nothing follows any more.
    pub fn end(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    pub fn events(&self) -> u64 {
        self.progress.borrow().events
    }

    /// Sends the events from number `from` on to the reader, as they come, until the last or until it is gone.
    pub async fn play(self: Arc<Self>, from: u64, to: mpsc::Sender<RunEvent>) {
        let (mut next, mut at) = (from, self.from);
        let mut progress = self.progress.subscribe();
        loop {
            let waits = progress.wait_for(|progress| progress.events > next || progress.ended);
            let ended = tokio::select! {
                seen = waits => match seen {
                    Ok(seen) => seen.events <= next,
                    Err(_) => return,
                },
                () = to.closed() => return,
            };
            if ended {
                return;
            }
            let Ok(lines) = self.read(&mut at) else { return };
            for line in lines.split(|byte| *byte == b'\n') {
                let Ok(Record::Event { event, .. }) = serde_json::from_slice(line) else { continue };
                if event.seq < next {
                    continue;
                }
                next = event.seq + 1;
                if to.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Whole lines from `at` on, some of them.
    fn read(&self, at: &mut u64) -> io::Result<Vec<u8>> {
        let held = self.held();
        let spare = held.spare.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut length = READ_BYTES;
        loop {
            let rest = usize::try_from(spare.bytes - *at).unwrap_or(usize::MAX);
            let mut lines = vec![0; length.min(rest)];
            spare.file.read_exact_at(&mut lines, *at)?;
            match lines.iter().rposition(|byte| *byte == b'\n') {
                Some(end) => {
                    lines.truncate(end + 1);
                    *at += lines.len() as u64;
                    return Ok(lines);
                }
                None if length >= rest => return Ok(Vec::new()),
                // One line is longer than that.
                None => length *= 2,
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    /// For another run behind those that were forgotten.
    fn make_room(&mut self) -> io::Result<()> {
        if self.bytes > SPARE_BYTES_MAX {
            self.file.set_len(0)?;
            self.bytes = 0;
        }
        Ok(())
    }
}

fn add_line(lines: &mut Vec<u8>, record: &Record) {
    let start = lines.len();
    // Records are plain: they always become JSON.
    if serde_json::to_writer(&mut *lines, record).is_err() {
        lines.truncate(start);
    }
    lines.push(b'\n');
}

/// The tapes of one sandbox: where new ones come from.
#[derive(Debug)]
pub struct Tapes {
    directory: PathBuf,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    spare: Vec<Spare>,
    named: u64,
}

impl Tapes {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, rest: Mutex::default() }
    }

    /// The slot's.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A tape for a run that begins, with `first` on it: its first event.
    pub async fn begin(&self, spec: &RunSpec, first: &RunEvent) -> io::Result<Arc<Tape>> {
        let spare = self.take()?;
        let from = spare.bytes;
        let tape = Arc::new(Tape::new(spare, from, 1));
        let mut lines = Vec::new();
        add_line(&mut lines, &Record::Asked { spec: Box::new(spec.clone()) });
        add_line(&mut lines, &Record::Event { heard: 0, event: first.clone() });
        tape.append_lines(&lines).await;
        Ok(tape)
    }

    fn take(&self) -> io::Result<Spare> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spare) = rest.spare.pop() {
            return Ok(spare);
        }
        loop {
            rest.named += 1;
            let path = self.directory.join(format!("run-{}{SUFFIX}", rest.named));
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Spare { file, path, bytes: 0 }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The run's end is kept elsewhere.
    pub fn forget(&self, tape: &Tape) {
        let Some(mut spare) = tape.held().spare.take() else { return };
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.spare.len() < SPARE_MAX && spare.make_room().is_ok() {
            rest.spare.push(spare);
        } else {
            // The directory goes with the sandbox, at the latest.
            let _ = fs::remove_file(&spare.path);
        }
    }

    /// The tapes that an agent before this one has left, those that say anything. A run that was forgotten comes again until another
    /// has been written behind it.
    pub fn load(&self) -> io::Result<Vec<(Arc<Tape>, Past)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let path = entry.path();
            if !entry.file_name().to_string_lossy().ends_with(SUFFIX) {
                continue;
            }
            match load_one(&path)? {
                Some(tape) => found.push(tape),
                None => fs::remove_file(&path)?,
            }
        }
        Ok(found)
    }
}

/// What a tape says of a run's life so far.
#[derive(Debug, Default)]
pub struct Past {
    pub spec: Option<Box<RunSpec>>,
    /// Events so far.
    pub events: u64,
    /// Those of them that say where the run is, oldest first.
    pub marks: VecDeque<RunEventBody>,
    /// The step that was in progress.
    pub step: Option<(RunNumber, Began)>,
    /// Messages about that step that are on the tape.
    pub heard: u64,
    pub part: Vec<u8>,
    pub cancelled: bool,
}

impl Past {
    fn add(&mut self, record: Record) {
        use RunEventBody as Body;
        match record {
            Record::Asked { spec } => *self = Self { spec: Some(spec), ..Self::default() },
            Record::Step { number, began } => (self.step, self.heard) = (Some((number, began)), 0),
            Record::Event { heard, event } => {
                self.heard = heard;
                self.part.clear();
                self.events = event.seq + 1;
                if matches!(event.body, Body::StepFinished { .. }) {
                    (self.step, self.heard) = (None, 0);
                }
                if let Body::Started | Body::StepStarted { .. } | Body::StepFinished { .. } | Body::Finished { .. } =
                    event.body
                {
                    self.marks.push_back(event.body);
                }
            }
            Record::Part { heard, data } => {
                self.heard = heard;
                self.part.extend(data.0);
            }
            Record::Cancelled => self.cancelled = true,
        }
    }

    /// The run's last event is there.
    pub fn is_over(&self) -> bool {
        matches!(self.marks.back(), Some(RunEventBody::Finished { .. }))
    }
}

fn load_one(path: &Path) -> io::Result<Option<(Arc<Tape>, Past)>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let text = fs::read(path)?;
    let (mut past, mut from, mut bytes) = (Past::default(), 0, 0);
    // A torn line is the last one; what it said comes again.
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Ok(record) = serde_json::from_slice(line) else { break };
        if !line.ends_with(b"\n") {
            break;
        }
        if matches!(record, Record::Asked { .. }) {
            from = bytes;
        }
        bytes += line.len() as u64;
        past.add(record);
    }
    if past.spec.is_none() {
        return Ok(None);
    }
    file.set_len(bytes)?;
    let tape = Tape::new(Spare { file, path: path.to_owned(), bytes }, from, past.events);
    if past.is_over() {
        tape.end();
    }
    Ok(Some((Arc::new(tape), past)))
}

#[cfg(test)]
mod tests {
    use madang_ids::RunId;
    use madang_model::{Limits, Stdin, Work};

    use super::*;

    fn spec() -> RunSpec {
        RunSpec {
            id: RunId::new(),
            work: Work::Query { code: "1".into() },
            files: Vec::new(),
            stdin: Stdin::Live,
            inputs: Vec::new(),
            env: Default::default(),
            limits: Limits::default(),
        }
    }

    fn started() -> RunEvent {
        RunEvent { seq: 0, at_us: 0, body: RunEventBody::Started }
    }

    fn output(seq: u64) -> Record {
        let body = RunEventBody::Stdout { data: Blob(format!("line {seq}\n").into_bytes()) };
        Record::Event { heard: seq, event: RunEvent { seq, at_us: 0, body } }
    }

    #[tokio::test]
    async fn a_torn_line_is_as_if_it_had_not_been_written() {
        let home = tempfile::tempdir().unwrap();
        let tape = Tapes::new(home.path().to_owned()).begin(&spec(), &started()).await.unwrap();
        for seq in 1..4 {
            tape.append(&output(seq)).await;
        }
        let path = home.path().join("run-1.tape");
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> =
            whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let records = ends.iter().filter(|end| **end <= cut).count() as u64;
            let loaded = load_one(&path).unwrap();
            assert_eq!(loaded.is_some(), records > 0, "{cut}");
            let Some((tape, past)) = loaded else { continue };
            assert_eq!((past.events, past.heard), (records - 1, records.saturating_sub(2)), "{cut}");
            assert_eq!(tape.events(), records - 1);
        }
    }

    #[tokio::test]
    async fn a_reader_gets_what_was_and_what_comes() {
        let home = tempfile::tempdir().unwrap();
        let tapes = Tapes::new(home.path().to_owned());
        let tape = tapes.begin(&spec(), &started()).await.unwrap();
        for seq in 1..100 {
            tape.append(&output(seq)).await;
        }
        let (to, mut events) = mpsc::channel(4);
        tokio::spawn(Arc::clone(&tape).play(90, to));
        for seq in 90..100 {
            assert_eq!(events.recv().await.unwrap().seq, seq);
        }
        for seq in 100..300 {
            tape.append(&output(seq)).await;
        }
        tape.end();
        for seq in 100..300 {
            assert_eq!(events.recv().await.unwrap().seq, seq);
        }
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_file_is_used_again_and_tells_of_its_last_run_only() {
        let home = tempfile::tempdir().unwrap();
        let tapes = Tapes::new(home.path().to_owned());
        let mut longest = 0;
        for _ in 0..500 {
            let (spec, first) = (spec(), started());
            let tape = tapes.begin(&spec, &first).await.unwrap();
            tape.append(&output(1)).await;
            let (to, mut events) = mpsc::channel(4);
            tokio::spawn(Arc::clone(&tape).play(0, to));
            assert_eq!(events.recv().await.unwrap(), first, "nothing of the run before");
            let (_, past) = load_one(&home.path().join("run-1.tape")).unwrap().unwrap();
            assert_eq!((past.spec.unwrap().id, past.events), (spec.id, 2));
            longest = longest.max(fs::metadata(home.path().join("run-1.tape")).unwrap().len());
            tapes.forget(&tape);
            assert!(tape.read(&mut 0).is_err(), "who still reads the old run reads nothing of the new one");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "the file is used again");
        assert!(
            (SPARE_BYTES_MAX / 2..SPARE_BYTES_MAX * 2).contains(&longest),
            "{longest} bytes: it is cut from time to time"
        );
    }
}
