//! From a request to what the node is asked: pure, all checks in one place.

use std::{collections::BTreeMap, iter};

use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{Blob, File, Limits, RunSpec, SessionSpec, Stdin, Work};
use madang_node_api::{LanguageSeen, SandboxSpec};
use madang_public_api::{OneShotRequest, RunMode, RunRequest};

use super::{Failure, network, validate};

/// A one-shot run: a sandbox of its own and what to do in it.
pub(crate) struct OneShot {
    pub sandbox: SandboxSpec,
    pub run: RunSpec,
}

pub(crate) fn one_shot(
    request: OneShotRequest,
    language: Option<&LanguageSeen>,
    ceiling: &Limits,
) -> Result<OneShot, Failure> {
    let network = network::asked(request.network.as_ref())?;
    let image = validate::image(request.image.as_deref())?;
    validate::words("args", &request.args)?;
    validate::inputs(&request.inputs)?;
    if request.stdin_live && request.wait {
        return Err(Failure::invalid("stdin_live", "`stdin_live` and `wait` exclude each other: nobody could write"));
    }
    let stdin = stdin(request.stdin, request.stdin_live, &request.inputs)?;
    let (files, main) = files_and_main(request.code, request.files, language)?;
    let defaults = language.map_or_else(Limits::default, |language| language.limits);
    let limits = request.limits.or(defaults);
    limits.check(ceiling)?;
    let sandbox = SandboxSpec {
        id: SandboxId::new(),
        session: SessionId::new(),
        image,
        language: language.map(|language| language.id.clone()),
        limits,
        devices: Vec::new(),
        env: BTreeMap::new(),
        network,
        lease_ms: None,
        mounts: Vec::new(),
        app: None,
        peer: None,
    };
    let work = Work::Batch { steps: Default::default(), main, args: request.args };
    let run = RunSpec { id: RunId::new(), work, files, stdin, inputs: request.inputs, env: BTreeMap::new(), limits };
    Ok(OneShot { sandbox, run })
}

/// A run in a session.
pub(crate) fn in_session(
    request: RunRequest,
    session: &SessionSpec,
    language: Option<&LanguageSeen>,
    ceiling: &Limits,
) -> Result<RunSpec, Failure> {
    check_mode_fields(&request)?;
    validate::words("args", &request.args)?;
    validate::words("argv", &request.argv)?;
    validate::inputs(&request.inputs)?;
    let live = request.stdin_live || request.terminal.is_some();
    if request.stdin_live && request.wait {
        return Err(Failure::invalid("stdin_live", "`stdin_live` and `wait` exclude each other: nobody could write"));
    }
    let limits = session_limits(&request, session, ceiling)?;
    let stdin = stdin(request.stdin, live, &request.inputs)?;
    let (work, files) = match request.mode {
        RunMode::Query => {
            validate::files(&request.files)?;
            let missing = || Failure::invalid("code", "a query needs `code`");
            (Work::Query { code: request.code.ok_or_else(missing)? }, request.files)
        }
        RunMode::Command => {
            validate::files(&request.files)?;
            (Work::Command { argv: request.argv, terminal: request.terminal }, request.files)
        }
        RunMode::Batch => {
            let steps = request.steps.unwrap_or_default();
            for (field, step) in [("clean", &steps.clean), ("build", &steps.build), ("exec", &steps.exec)] {
                validate::command(&format!("steps.{field}"), step.as_deref())?;
            }
            let (files, main) = if request.code.is_none() && request.files.is_empty() {
                (vec![], None)
            } else {
                files_and_main(request.code, request.files, language)?
            };
            (Work::Batch { steps, main, args: request.args }, files)
        }
    };
    Ok(RunSpec { id: RunId::new(), work, files, stdin, inputs: request.inputs, env: BTreeMap::new(), limits })
}

/// Fields that mean nothing in the mode are refused rather than ignored.
fn check_mode_fields(request: &RunRequest) -> Result<(), Failure> {
    use RunMode::{Batch, Command, Query};
    let rows = [
        ("code", request.code.is_some(), &[Query, Batch][..]),
        ("steps", request.steps.is_some(), &[Batch]),
        ("args", !request.args.is_empty(), &[Batch]),
        ("argv", !request.argv.is_empty(), &[Command]),
        ("terminal", request.terminal.is_some(), &[Command]),
        ("inputs", !request.inputs.is_empty(), &[Batch, Command]),
    ];
    for (field, given, modes) in rows {
        if given && !modes.contains(&request.mode) {
            return Err(Failure::invalid(field, format!("`{field}` does not go with this mode")));
        }
    }
    if request.mode == Command && request.argv.first().is_none_or(String::is_empty) {
        return Err(Failure::invalid("argv", "a command needs `argv`, the program first"));
    }
    if request.terminal.is_some_and(|size| size.rows == 0 || size.cols == 0) {
        return Err(Failure::invalid("terminal", "a terminal has at least one row and one column"));
    }
    Ok(())
}

/// The session's own limits bound each of its runs; a terminal lives as long as its session unless told otherwise.
fn session_limits(request: &RunRequest, session: &SessionSpec, ceiling: &Limits) -> Result<Limits, Failure> {
    let mut defaults = session.limits;
    if request.terminal.is_some() {
        defaults.wall_ms = session.timeout_ms.min(ceiling.wall_ms);
        defaults.cpu_ms = ceiling.cpu_ms;
        defaults.output_bytes = ceiling.output_bytes;
    }
    let limits = request.limits.or(defaults);
    let held = session.limits;
    let ceiling = Limits {
        memory_bytes: held.memory_bytes,
        disk_bytes: held.disk_bytes,
        pids: held.pids,
        cpu_millis: held.cpu_millis,
        ..*ceiling
    };
    limits.check(&ceiling)?;
    Ok(limits)
}

fn stdin(whole: Option<Blob>, live: bool, inputs: &[Blob]) -> Result<Stdin, Failure> {
    match (whole, live, inputs.is_empty()) {
        (Some(_), true, _) => Err(Failure::invalid("stdin", "`stdin` is whole, so it cannot be live too")),
        (_, true, false) => Err(Failure::invalid("inputs", "`inputs` are whole, so standard input cannot be live")),
        (Some(_), _, false) => Err(Failure::invalid("stdin", "give `stdin` or `inputs`, not both")),
        (None, true, true) => Ok(Stdin::Live),
        (whole, false, _) => Ok(Stdin::Whole { bytes: whole.unwrap_or_default() }),
    }
}

/// `code` becomes the language's main file; of `files` the first with the language's extension is the main one.
fn files_and_main(
    code: Option<String>,
    files: Vec<File>,
    language: Option<&LanguageSeen>,
) -> Result<(Vec<File>, Option<String>), Failure> {
    validate::files(&files)?;
    match (code, language) {
        (None, _) if files.is_empty() => Err(Failure::invalid("code", "give `code` or `files`")),
        (None, language) => {
            let main = language.and_then(|language| main_of(&files, language));
            Ok((files, main))
        }
        (Some(_), None) => Err(Failure::invalid("language", "`code` needs a `language`")),
        (Some(code), Some(language)) => {
            let main = File { path: language.main.clone(), content: code.into() };
            if files.iter().any(|file| file.path == main.path) {
                let detail = format!("`code` is {}, so `files` must not have it too", main.path);
                return Err(Failure::invalid("files", detail));
            }
            Ok((iter::once(main).chain(files).collect(), Some(language.main.clone())))
        }
    }
}

fn main_of(files: &[File], language: &LanguageSeen) -> Option<String> {
    let by_extension = |file: &&File| {
        let extension = file.path.rsplit_once('.').map(|(_, extension)| extension);
        extension.is_some_and(|extension| language.extensions.iter().any(|known| known == extension))
    };
    let by_name = files.iter().find(|file| file.path == language.main);
    by_name.or_else(|| files.iter().find(by_extension)).map(|file| file.path.clone())
}
