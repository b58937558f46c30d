//! A slot with a synchronous hand on its socket.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use madang_image::host::{HostNeeds, root_plan};
use madang_sandbox::{CgroupLimits, Slot, SlotSpec, Spawner, link};
use madang_slot_api::{
    Bind, Cause, FRAME_BYTES_MAX, FileAnswer, FileAsk, FileFault, FromSlot, Prepare, RunNumber, Start, Stream, ToSlot,
    decode, encode,
};

/// Nothing that comes by itself takes longer, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const OUTPUT_BYTES: u64 = 1 << 20;
/// No more is kept of what a program says.
const ENDLESS_BYTES: usize = 64 << 20;
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Bench {
    pub slot: Slot,
    pub wall_ms: u64,
    pub output_bytes: u64,
    pub terminal: Option<(u16, u16)>,
    next_run: RunNumber,
    socket: OwnedFd,
    instance: String,
    _spawner: Spawner,
    _home: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Output {
    pub exit: i32,
    pub cause: Option<Cause>,
    pub stdout: String,
    #[allow(dead_code, reason = "shown by assertions")]
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let instance = format!("test-{}-{number}", std::process::id());
        let home = tempfile::tempdir().expect("a temporary directory");
        let slots = home.path().join("slots");
        std::fs::create_dir(&slots).expect("made");
        std::fs::create_dir(home.path().join("languages")).expect("made");
        let mut spawner = Spawner::start(Path::new(env!("CARGO_BIN_EXE_madang-spawner")), &instance, &slots)
            .expect("the spawner starts");
        let plan = root_plan(home.path(), &HostNeeds::default()).expect("the host image");
        spawner.make_template("host", &plan, &home.path().join("languages")).expect("the template");
        let limits = CgroupLimits { memory_bytes: 64 << 20, pids: 32, cpu_millis: 1000 };
        let spec = SlotSpec {
            name: "s0".into(),
            template: "host".into(),
            uid_base: Some(0x2000_0000 + (std::process::id() % 1000) * 65536),
            limits,
            mounts: Vec::new(),
            disk_bytes: 8 << 20,
        };
        let slot = spawner.make_slot(&spec).expect("the slot");
        let directory =
            rustix::fs::open(&slots, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("the slots");
        let socket = link::connect_slot(directory.as_fd(), "s0").expect("connects");
        let mut bench = Self {
            slot,
            wall_ms: PATIENCE.as_millis() as u64,
            output_bytes: OUTPUT_BYTES,
            terminal: None,
            next_run: 0,
            socket,
            instance,
            _spawner: spawner,
            _home: home,
        };
        bench.prepare();
        bench
    }

    fn prepare(&mut self) {
        self.wait_for(|message| matches!(message, FromSlot::Hello { .. }));
        self.send(&ToSlot::Prepare(Prepare {
            filters: madang_sandbox::seccomp::programs().expect("compiles"),
            env: vec!["PATH=/usr/bin:/bin".into(), "HOME=/home/work".into()],
            driver: None,
            open_files: 64,
            guest_id: Some(1000),
            own_limits: None,
            orphan_ms: 60_000,
        }));
        self.wait_for(|message| *message == FromSlot::Prepared);
        let memory_bytes = 64 << 20;
        self.send(&ToSlot::Bind(Bind {
            hostname: "test".into(),
            open_files: 64,
            memory_bytes,
            cpus: vec![0],
            orphan_ms: 60_000,
            ..Bind::default()
        }));
        self.wait_for(|message| *message == FromSlot::Bound);
    }

    pub fn send(&self, message: &ToSlot) {
        link::send(self.socket.as_fd(), &encode(message).expect("encodes"), None).expect("sends");
    }

    pub fn receive(&mut self) -> FromSlot {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; FRAME_BYTES_MAX];
        loop {
            let mut polled = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the slot says nothing");
            let left = rustix::event::Timespec { tv_sec: left.as_secs() as i64, tv_nsec: 0 };
            rustix::event::poll(&mut polled, Some(&left)).expect("polls");
            match link::receive(self.socket.as_fd(), &mut buffer) {
                Ok((0, _)) => panic!("the slot hung up"),
                Ok((count, _)) => return decode(&buffer[..count]).expect("decodes"),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn wait_for(&mut self, wanted: impl Fn(&FromSlot) -> bool) {
        loop {
            let message = self.receive();
            if wanted(&message) {
                return;
            }
            assert!(!matches!(message, FromSlot::Fault { .. }), "{message:?}");
        }
    }

    pub fn start(&mut self, argv: &[&str]) -> RunNumber {
        self.next_run += 1;
        let run = self.next_run;
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.send(&ToSlot::Start(Start {
            run,
            argv,
            env: vec![],
            terminal: self.terminal,
            wall_ms: self.wall_ms,
            output_bytes: self.output_bytes,
        }));
        run
    }

    pub fn run(&mut self, argv: &[&str]) -> Output {
        let run = self.start(argv);
        self.collect(run)
    }

    pub fn collect(&mut self, wanted: RunNumber) -> Output {
        let (mut stdout, mut stderr, began) = (Vec::new(), Vec::new(), Instant::now());
        loop {
            let is_full = stdout.len() >= ENDLESS_BYTES;
            assert!(!is_full || began.elapsed() < PATIENCE, "it does not end");
            match self.receive() {
                FromSlot::Output { run, stream, bytes } if run == wanted => match stream {
                    // Who ends may come to it late, and what writes meanwhile is quick.
                    Stream::Stdout if is_full => {}
                    Stream::Stdout => stdout.extend(bytes),
                    Stream::Stderr => stderr.extend(bytes),
                },
                FromSlot::Exited { run, exit } if run == wanted => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    return Output {
                        exit: exit.status,
                        cause: exit.cause,
                        stdout: text(&stdout),
                        stderr: text(&stderr),
                    };
                }
                FromSlot::Fault { text, .. } => panic!("{text}"),
                _ => {}
            }
        }
    }

    pub fn file(&mut self, what: FileAsk) -> Result<FileAnswer, FileFault> {
        self.send(&ToSlot::File { ask: 1, what });
        loop {
            if let FromSlot::File { answer, .. } = self.receive() {
                return answer;
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.slot.kill();
        let _ = self.slot.wait_ended(PATIENCE);
        for mount in ["memory", "pids", "cpu", "cpuacct", "freezer"] {
            let parent = Path::new("/sys/fs/cgroup").join(mount).join(format!("madang-{}", self.instance));
            let _ = std::fs::remove_dir(parent.join("s0"));
            let _ = std::fs::remove_dir(parent);
        }
    }
}
