//! Looks for what runs twice.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Looks at every process of the machine, all the time.
pub struct Watch {
    over: Arc<AtomicBool>,
    twice: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<u64>,
}

/// Programs that sleep for this mark.
pub fn sleepers(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbered = processes.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let sleeps = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.len() > 1 && words[0].ends_with(b"sleep") && words[1] == mark.as_bytes()
    };
    numbered.filter(sleeps).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

impl Watch {
    pub fn begin(marks: Vec<String>) -> Self {
        let (over, twice) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
        let (ends, seen) = (Arc::clone(&over), Arc::clone(&twice));
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !ends.load(Ordering::Relaxed) {
                for mark in &marks {
                    let pids = sleepers(mark);
                    if pids.len() > 1 {
                        seen.lock().unwrap().push(format!("{mark} runs as {pids:?}"));
                    }
                }
                looks += 1;
                std::thread::park_timeout(Duration::from_millis(100));
            }
            looks
        });
        Self { over, twice, thread }
    }

    pub fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let looks = self.thread.join().unwrap();
        assert_eq!(*self.twice.lock().unwrap(), Vec::<String>::new(), "something ran twice");
        looks
    }
}
