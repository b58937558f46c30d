//! Ids of sandboxes that have ended: none is opened again, whoever forgot it meanwhile.
//!
//! Those whose last reading was acknowledged are a line each of one file, so that neither a restart of the agent nor of the machine
//! forgets them: an order to open one may come again after either.

use std::{
    collections::{HashSet, VecDeque},
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
};

use madang_ids::SandboxId;

/// So many are remembered, the newest.
const ENDED_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct Ended {
    file: PathBuf,
    max: usize,
    ids: HashSet<SandboxId>,
    /// The oldest first.
    order: VecDeque<SandboxId>,
    /// In the file; it is written anew before there are too many.
    lines: usize,
}

impl Ended {
    /// With those that an agent before this one wrote down. A torn line is none.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        Self::open_up_to(file, ENDED_MAX)
    }

    fn open_up_to(file: PathBuf, max: usize) -> io::Result<Self> {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut ended = Self { file, max, ids: HashSet::new(), order: VecDeque::new(), lines: text.lines().count() };
        text.lines().filter_map(|line| line.parse().ok()).for_each(|id| ended.put(id));
        Ok(ended)
    }

    pub fn has(&self, id: SandboxId) -> bool {
        self.ids.contains(&id)
    }

    /// Remembers it for as long as this agent lives.
    pub fn put(&mut self, id: SandboxId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Remembers them longer than that.
    pub fn keep(&mut self, ids: &[SandboxId]) -> io::Result<()> {
        ids.iter().for_each(|id| self.put(*id));
        if self.lines + ids.len() > 2 * self.max {
            return self.write_anew();
        }
        // Behind a line that was torn comes an empty one.
        let lines: String = ids.iter().map(|id| format!("\n{id}")).collect();
        OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(lines.as_bytes())?;
        self.lines += ids.len();
        Ok(())
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let beside = self.file.with_extension("part");
        let lines: String = self.order.iter().map(|id| format!("\n{id}")).collect();
        fs::write(&beside, lines)?;
        fs::rename(beside, &self.file)?;
        self.lines = self.order.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_outlive_the_agent_and_the_file_has_an_end() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("ended");
        let ids: Vec<_> = (0..50).map(|_| SandboxId::new()).collect();
        let mut ended = Ended::open_up_to(file.clone(), 10).unwrap();
        for pair in ids.chunks(2) {
            ended.keep(pair).unwrap();
            assert!(fs::read_to_string(&file).unwrap().lines().count() <= 21);
        }
        // Of what is written, the end is missing.
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"\nsbx_01").unwrap();
        let mut ended = Ended::open_up_to(file.clone(), 10).unwrap();
        assert!(ids[40..].iter().all(|id| ended.has(*id)));
        assert!(!ids[..40].iter().any(|id| ended.has(*id)));
        ended.keep(&[ids[0]]).unwrap();
        let ended = Ended::open_up_to(file, 10).unwrap();
        assert!(ended.has(ids[0]) && !ended.has(ids[40]));
    }
}
