//! What a run of a session was given, as far as it is kept: for its owner to look at again, and to show to others.

use madang_ids::RunId;
use madang_model::{Blob, RunSpec, Stdin, Work};
use madang_public_api::RunGiven;
use madang_store::RunGivenRecord;

use super::{App, Asker, Failure};

/// Of all that a run was given, together.
const GIVEN_BYTES_MAX: usize = 32 << 10;
const TITLE_CHARS_MAX: usize = 80;

impl App {
    /// What a run was given, for its owner.
    pub async fn run_given(&self, asker: &Asker, id: RunId) -> Result<RunGiven, Failure> {
        self.run_check(asker, id).await?;
        let (_, given) = self.run_given_kept(id).await?;
        given.ok_or_else(|| Failure::not_found(format!("what the run {id} was given")))
    }

    /// The title of a run and what it was given, where it is kept.
    pub async fn run_given_kept(&self, id: RunId) -> Result<(Option<String>, Option<RunGiven>), Failure> {
        let Some(record) = self.store.run_given(id).await? else { return Ok((None, None)) };
        let given = serde_json::from_str(&record.given);
        let given = given.map_err(|error| Failure::internal("reading what a run was given", error))?;
        Ok((Some(record.title), Some(given)))
    }
}

/// What is kept of it; nothing of a terminal, which is given everything later.
pub(super) fn kept(run: &RunSpec) -> Option<RunGivenRecord> {
    let mut room = Room { left: GIVEN_BYTES_MAX, cut: false };
    let mut given = RunGiven::default();
    let title = match &run.work {
        Work::Command { terminal: Some(_), .. } => return None,
        Work::Query { code } => {
            given.code = Some(room.text(code));
            code.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
        }
        Work::Batch { main, args, .. } => {
            given.args = args.iter().map_while(|word| room.word(word)).collect();
            main.clone().or_else(|| run.files.first().map(|file| file.path.clone())).unwrap_or_default()
        }
        Work::Command { argv, .. } => {
            given.argv = argv.iter().map_while(|word| room.word(word)).collect();
            argv.join(" ")
        }
    };
    for file in &run.files {
        let Some(path) = room.word(&file.path) else { break };
        given.files.push(madang_model::File { path, content: room.blob(&file.content) });
    }
    given.stdin = match &run.stdin {
        Stdin::Whole { bytes } if !bytes.0.is_empty() => Some(room.blob(bytes)),
        Stdin::Whole { .. } | Stdin::Live => None,
    };
    given.inputs = run.inputs.iter().map_while(|input| room.whole_blob(input)).collect();
    given.cut = room.cut;
    let title = title.trim().chars().filter(|letter| !letter.is_control()).take(TITLE_CHARS_MAX).collect();
    Some(RunGivenRecord { title, given: serde_json::to_string(&given).ok()? })
}

/// How much more is kept.
struct Room {
    left: usize,
    cut: bool,
}

impl Room {
    /// As many bytes of it as there is room for.
    fn take(&mut self, wanted: usize) -> usize {
        let taken = wanted.min(self.left);
        self.left -= taken;
        self.cut |= taken < wanted;
        taken
    }

    fn text(&mut self, text: &str) -> String {
        let taken = self.take(text.len());
        text[..text.floor_char_boundary(taken)].to_owned()
    }

    fn blob(&mut self, blob: &Blob) -> Blob {
        match std::str::from_utf8(&blob.0) {
            Ok(text) => self.text(text).into(),
            Err(_) => Blob(blob.0[..self.take(blob.0.len())].to_vec()),
        }
    }

    /// All of it, or none: half a word is another word. A few bytes more, so that there is an end to empty ones.
    fn word(&mut self, word: &str) -> Option<String> {
        let wanted = word.len() + 8;
        (self.take(wanted) == wanted).then(|| word.to_owned())
    }

    fn whole_blob(&mut self, blob: &Blob) -> Option<Blob> {
        let wanted = blob.0.len() + 8;
        (self.take(wanted) == wanted).then(|| blob.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use madang_model::{File, Limits};

    use super::*;

    fn run(work: Work) -> RunSpec {
        let stdin = Stdin::Whole { bytes: Blob::default() };
        let (files, inputs, env) = (Vec::new(), Vec::new(), BTreeMap::new());
        RunSpec { id: RunId::new(), work, files, stdin, inputs, env, limits: Limits::default() }
    }

    fn read(record: &RunGivenRecord) -> RunGiven {
        serde_json::from_str(&record.given).unwrap()
    }

    #[test]
    fn a_run_is_called_by_what_it_was_given() {
        let code = "\n  print(1)\u{1b}[31m\nprint(2)\n";
        let query = kept(&run(Work::Query { code: code.to_owned() })).unwrap();
        assert_eq!((query.title.as_str(), read(&query).code.as_deref()), ("print(1)[31m", Some(code)));
        let argv = vec!["sh".to_owned(), "-c".to_owned(), "x".repeat(200)];
        let command = kept(&run(Work::Command { argv: argv.clone(), terminal: None })).unwrap();
        assert_eq!((command.title.chars().count(), read(&command).argv), (TITLE_CHARS_MAX, argv));
        let size = madang_model::TerminalSize { rows: 1, cols: 1 };
        assert_eq!(kept(&run(Work::Command { argv: vec!["sh".to_owned()], terminal: Some(size) })), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let long = "가".repeat(GIVEN_BYTES_MAX);
        let work = Work::Batch { steps: Default::default(), main: Some("a.py".to_owned()), args: vec!["b".to_owned()] };
        let files = vec![
            File { path: "a.py".to_owned(), content: long.as_str().into() },
            File { path: "b.py".to_owned(), content: "x".into() },
        ];
        let stdin = Stdin::Whole { bytes: "in".into() };
        let record = kept(&RunSpec { files, stdin, inputs: vec![Blob::default(); 9_999], ..run(work) }).unwrap();
        let given = read(&record);
        assert!(given.cut && record.given.len() < 2 * GIVEN_BYTES_MAX, "{}", record.given.len());
        assert_eq!((given.files.len(), given.args.len(), given.inputs.len()), (1, 1, 0));
        assert!(long.starts_with(&given.files[0].content.lossy().to_string()));
    }
}
