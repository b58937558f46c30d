//! One driver with its five pipes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use madang_languages::{Driver, Recipe};

/// Longest wait for anything; a driver that takes longer is stuck.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Enough for a driver to read what came before, on a machine that has time; a shorter one shows less and breaks nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// CPU time, in the kernel's ticks, after which a driver certainly executes its loop.
const BUSY_TICKS: u64 = 20;

/// What an `exec` brought.
#[derive(Debug, Default)]
pub struct Answer {
    pub out: String,
    pub err: String,
    pub inputs: usize,
    /// Kinds of the media, in order.
    pub media: Vec<String>,
    pub status: String,
}

struct Event {
    verb: String,
    arguments: Vec<String>,
    payload: Vec<u8>,
}

/// What came through a pipe so far, and whether it has ended.
type Stream = Arc<(Mutex<(Vec<u8>, bool)>, Condvar)>;

pub struct Talk {
    id: String,
    child: Child,
    stdin: Option<ChildStdin>,
    requests: Option<File>,
    events: Receiver<Event>,
    out: Stream,
    err: Stream,
    /// Our own ends of the pipes that the driver writes to; see `wait_until_drained`.
    marks: Option<[PipeWriter; 2]>,
    /// What is typed when the program asks, the last first; each in pieces with a pause before every further one.
    pub lines: Vec<Vec<String>>,
    home: tempfile::TempDir,
}

/// An end as both the driver and the language's own command have it: exit code, output, errors.
pub type End = (Option<i32>, Option<i32>, String, String);

impl Talk {
    pub fn start(id: &str) -> Talk {
        let recipe = madang_languages::embedded().unwrap().into_iter().find(|recipe| recipe.id == id).unwrap();
        let home = tempfile::tempdir().unwrap();
        let extracted = madang_languages::extract_to(&home.path().join("opt").tap_create()).unwrap();
        let work = home.path().join("work").tap_create();
        let pipes = ["requests", "events"].map(|name| home.path().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        let Driver { argv, .. } = recipe.driver.clone().unwrap();
        let argv = argv.iter().map(|word| word.replace("/opt/madang/languages", extracted.to_str().unwrap()));
        let (out, out_end) = pipe().unwrap();
        let (err, err_end) = pipe().unwrap();
        let marks = Some([out_end.try_clone().unwrap(), err_end.try_clone().unwrap()]);
        let mut child = Command::new("/bin/sh")
            .args(["-c", r#"exec 3<"$1" 4>"$2"; shift 2; exec "$@""#, "sh"])
            .args(&pipes)
            .args(argv)
            .tap_environment(&recipe, &work)
            .stdin(Stdio::piped())
            .stdout(out_end)
            .stderr(err_end)
            .process_group(0)
            .spawn()
            .unwrap();
        let requests = File::options().write(true).open(&pipes[0]).unwrap();
        let events = read_events(File::open(&pipes[1]).unwrap());
        let (out, err) = (gather(out), gather(err));
        let stdin = child.stdin.take();
        let mut talk = Talk {
            id: id.to_owned(),
            child,
            stdin,
            requests: Some(requests),
            events,
            out,
            err,
            marks,
            lines: Vec::new(),
            home,
        };
        assert_eq!(talk.next().verb, "ready", "{id}");
        talk
    }

    pub fn send(&mut self, verb: &str, payload: &str) {
        let requests = self.requests.as_mut().unwrap();
        write!(requests, "{verb} {}\n{payload}", payload.len()).unwrap();
    }

    pub fn ask(&mut self, code: &str) {
        self.send("exec", code);
    }

    pub fn exec(&mut self, code: &str) -> Answer {
        self.ask(code);
        self.answer()
    }

    pub fn expect(&mut self, code: &str, out: &str, status: &str) {
        let answer = self.exec(code);
        assert_eq!(
            (answer.out.trim_end(), answer.status.as_str()),
            (out, status),
            "{}: {code:?} gave {answer:?}",
            self.id
        );
    }

    /// Events up to `done`; types a line whenever one is asked for.
    pub fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            let event = self.next();
            let text = String::from_utf8_lossy(&event.payload).into_owned();
            match event.verb.as_str() {
                "out" => answer.out += &text,
                "err" => answer.err += &text,
                "media" => answer.media.push(event.arguments[0].clone()),
                "input" => {
                    answer.inputs += 1;
                    let pieces = self.lines.pop().unwrap_or_else(|| vec!["\n".to_owned()]);
                    self.type_in(&pieces);
                }
                "done" => {
                    answer.status = event.arguments[0].clone();
                    break;
                }
                other => panic!("{}: unexpected event {other}", self.id),
            }
        }
        // What the driver flushed before `done` is in the pipes; the threads that empty them may need a moment.
        self.wait_until_drained();
        answer.out += &take(&self.out);
        answer.err += &take(&self.err);
        answer
    }

    fn type_in(&mut self, pieces: &[String]) {
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                thread::sleep(PAUSE);
            }
            self.stdin.as_mut().unwrap().write_all(piece.as_bytes()).unwrap();
        }
    }

    fn wait_until_drained(&self) {
        for (fd, stream, mut end) in
            [(1, &self.out, &self.marks.as_ref().unwrap()[0]), (2, &self.err, &self.marks.as_ref().unwrap()[1])]
        {
            let mark = format!("\u{1}{fd}\u{1}");
            // Through the same pipe, behind everything the driver wrote.
            end.write_all(mark.as_bytes()).unwrap();
            let (bytes, changed) = &**stream;
            let guard = bytes.lock().unwrap();
            let (mut guard, late) =
                changed.wait_timeout_while(guard, WAIT_MAX, |(bytes, _)| !bytes.ends_with(mark.as_bytes())).unwrap();
            assert!(!late.timed_out(), "{}: descriptor {fd} never drained", self.id);
            let kept = guard.0.len() - mark.len();
            guard.0.truncate(kept);
        }
    }

    /// Candidates for the word at the end of `code`.
    pub fn complete(&mut self, code: &str) -> Vec<String> {
        let requests = self.requests.as_mut().unwrap();
        write!(requests, "complete {} {}\n{code}", code.len(), code.len()).unwrap();
        let event = self.next();
        assert_eq!(event.verb, "completions", "{}", self.id);
        String::from_utf8(event.payload).unwrap().lines().map(str::to_owned).collect()
    }

    /// An interrupt as from a keyboard, once the program burns CPU.
    pub fn interrupt_when_busy(&mut self) {
        let (pid, end) = (self.child.id(), Instant::now() + WAIT_MAX);
        let start = ticks(pid);
        while ticks(pid) < start + BUSY_TICKS {
            assert!(Instant::now() < end, "{}: never busy", self.id);
            thread::yield_now();
        }
        assert!(Command::new("kill").args(["-INT", "--", &format!("-{pid}")]).status().unwrap().success());
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.wait().code()
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.home.path().join("work").join(name), content).unwrap();
    }

    /// Types `input`, ends it, and waits for the program's end.
    pub fn end(&mut self, input: &str) -> End {
        self.marks = None;
        // A program that reads nothing may be gone already.
        let _ = self.stdin.take().unwrap().write_all(input.as_bytes());
        let status = self.wait();
        (status.code(), status.signal(), self.whole(&self.out), self.whole(&self.err))
    }

    /// The same by the recipe's own command.
    pub fn run_command(&self, recipe: &Recipe, arguments: &[&str], input: &str) -> End {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &recipe.batch.exec, "sh"])
            .args(arguments)
            .tap_environment(recipe, &self.home.path().join("work"))
            .env("MAIN", &recipe.main)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ended.status.code(), ended.status.signal(), text(ended.stdout), text(ended.stderr))
    }

    fn next(&mut self) -> Event {
        match self.events.recv_timeout(WAIT_MAX) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => panic!("{}: no event; {} {}", self.id, take(&self.out), take(&self.err)),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("{}: the driver is gone; {} {}", self.id, take(&self.out), take(&self.err))
            }
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{}: does not end", self.id);
            thread::yield_now();
        }
    }

    /// Everything up to the end of the stream.
    fn whole(&self, stream: &Stream) -> String {
        let (bytes, changed) = &**stream;
        let guard = bytes.lock().unwrap();
        let (guard, late) = changed.wait_timeout_while(guard, WAIT_MAX, |(_, ended)| !*ended).unwrap();
        assert!(!late.timed_out(), "{}: a stream stays open", self.id);
        String::from_utf8(guard.0.clone()).unwrap()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn take(stream: &Stream) -> String {
    String::from_utf8_lossy(&std::mem::take(&mut stream.0.lock().unwrap().0)).into_owned()
}

fn gather(mut pipe: impl Read + Send + 'static) -> Stream {
    let stream = Stream::default();
    let mine = stream.clone();
    thread::spawn(move || {
        let mut chunk = [0; 65536];
        loop {
            let count = pipe.read(&mut chunk).unwrap_or(0);
            let mut guard = mine.0.lock().unwrap();
            guard.0.extend_from_slice(&chunk[..count]);
            guard.1 = count == 0;
            mine.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
    stream
}

fn read_events(pipe: File) -> Receiver<Event> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut header = String::new();
            if pipe.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let mut words = header.trim_end().split(' ').map(str::to_owned);
            let (verb, length) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            let mut payload = vec![0; length];
            if pipe.read_exact(&mut payload).is_err()
                || send.send(Event { verb, arguments: words.collect(), payload }).is_err()
            {
                return;
            }
        }
    });
    receive
}

trait TapCreate {
    fn tap_create(self) -> Self;
}

impl<P: AsRef<Path>> TapCreate for P {
    fn tap_create(self) -> Self {
        fs::create_dir_all(&self).unwrap();
        self
    }
}

trait TapEnvironment {
    fn tap_environment(&mut self, recipe: &Recipe, work: &Path) -> &mut Self;
}

impl TapEnvironment for Command {
    /// What every program in a sandbox finds.
    fn tap_environment(&mut self, recipe: &Recipe, work: &Path) -> &mut Self {
        self.env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TMPDIR", "/tmp"), ("USER", "work")])
            .env("HOME", work)
            .envs(&recipe.env)
            .current_dir(work)
    }
}
