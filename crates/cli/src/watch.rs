//! A run as it happens: its output to ours, its end to an exit code.

use std::io::{self, IsTerminal as _, Write as _};

use madang_client::{AttachedInput, Attachment, Client, ClientError, RunStream, Said};
use madang_ids::RunId;
use madang_model::{Outcome, RunEventBody, Step, Verdict};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::{exit, exit::Failure, print, stdin};

/// Writes what a run says to where it belongs.
#[derive(Debug, Default)]
struct Viewer {
    building: bool,
}

impl Viewer {
    /// Shows one event; gives the outcome once it is the last.
    fn show(&mut self, body: RunEventBody) -> Result<Option<Outcome>, Failure> {
        match body {
            // What a build says is no output of the program.
            RunEventBody::Stdout { data } if !self.building => write(&mut io::stdout().lock(), &data.0)?,
            RunEventBody::Stdout { data } | RunEventBody::Stderr { data } => write(&mut io::stderr().lock(), &data.0)?,
            RunEventBody::WaitingInput { prompt, .. } => write(&mut io::stdout().lock(), prompt.as_bytes())?,
            RunEventBody::Media { mime, data } => media(&mime, &data.0)?,
            RunEventBody::Log { text } => print::complain(&text),
            RunEventBody::StepStarted { step, .. } => self.building = step != Step::Exec,
            RunEventBody::StepFinished { .. } => self.building = false,
            RunEventBody::Started | RunEventBody::Usage { .. } => {}
            RunEventBody::Finished { outcome } => return Ok(Some(outcome)),
        }
        Ok(None)
    }
}

/// Text is shown; of anything else it is said that it came.
fn media(mime: &str, data: &[u8]) -> Result<(), Failure> {
    if mime == "text/plain" {
        return write(&mut io::stdout().lock(), data);
    }
    print::complain(&format!("the program shows {mime}, {} bytes; --json has them", data.len()));
    Ok(())
}

fn write(to: &mut impl io::Write, bytes: &[u8]) -> Result<(), Failure> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        // Whoever reads our output has had enough: end as a program in a pipeline does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Failure { code: 141, line: "nobody reads the output".to_owned() })
        }
        Err(error) => Err(Failure::internal(format!("writing output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Follows a run whose input is already there.
pub async fn stream(client: &Client, mut events: RunStream) -> Result<u8, Failure> {
    let mut viewer = Viewer::default();
    let (mut interrupts, mut cancelling) = (interrupts()?, false);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = interrupts.recv() => {
                cancel(client, events.id(), &mut cancelling).await?;
                continue;
            }
        };
        match shown(&mut viewer, event.map(|event| event.map(|event| event.body))) {
            Ok(Some(outcome)) => return Ok(ended(&outcome)),
            Ok(None) => {}
            Err(failure) => {
                cancel(client, events.id(), &mut cancelling).await.ok();
                return Err(failure);
            }
        }
    }
}

/// Follows a run that reads our standard input while it runs.
pub async fn live(client: &Client, id: RunId, attachment: Attachment) -> Result<u8, Failure> {
    let Attachment { input, mut output } = attachment;
    let (mut interrupts, mut cancelling) = (interrupts()?, false);
    let forward = tokio::spawn(forward(stdin::pump(), input));
    let mut viewer = Viewer::default();
    let ended = loop {
        let said = tokio::select! {
            said = output.next() => said,
            _ = interrupts.recv() => {
                cancel(client, Some(id), &mut cancelling).await?;
                continue;
            }
        };
        let body = match said {
            Ok(Some(Said::Bytes(bytes))) => Ok(Some(RunEventBody::Stdout { data: bytes.into() })),
            Ok(Some(Said::Event(event))) => Ok(Some(event.body)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match shown(&mut viewer, body) {
            Ok(Some(outcome)) => break Ok(ended(&outcome)),
            Ok(None) => {}
            Err(failure) => {
                cancel(client, Some(id), &mut cancelling).await.ok();
                break Err(failure);
            }
        }
    };
    forward.abort();
    ended
}

/// Ctrl-C, listened for before anything is shown: whoever answers to what they see must not find us deaf, nor kill us.
fn interrupts() -> Result<Signal, Failure> {
    signal(SignalKind::interrupt()).map_err(|error| Failure::internal(format!("listening for signals: {error}")))
}

fn shown(viewer: &mut Viewer, body: Result<Option<RunEventBody>, ClientError>) -> Result<Option<Outcome>, Failure> {
    match body? {
        Some(body) => viewer.show(body),
        None => Err(Failure { code: exit::UNREACHABLE, line: "the server hung up before the run finished".to_owned() }),
    }
}

/// Our input to the program's, to the end of either.
async fn forward(mut chunks: mpsc::Receiver<Vec<u8>>, mut input: AttachedInput) {
    while let Some(chunk) = chunks.recv().await {
        // The program may have ended or closed its input; its outcome says so.
        if input.input(chunk).await.is_err() {
            return;
        }
    }
    if input.input_end().await.is_ok() {
        // Kept open: closing our half would detach.
        std::future::pending::<()>().await;
    }
}

/// Ends the run; asked a second time, or where it cannot be named, ends us.
async fn cancel(client: &Client, id: Option<RunId>, cancelling: &mut bool) -> Result<(), Failure> {
    let stopped = || Failure { code: exit::STOPPED, line: "cancelled".to_owned() };
    let id = id.filter(|_| !*cancelling).ok_or_else(stopped)?;
    *cancelling = true;
    client.run_cancel(id).await.map_err(Failure::from)
}

/// Says why the run did not end by itself; gives the exit code.
pub fn ended(outcome: &Outcome) -> u8 {
    if let Some(line) = explain(outcome) {
        if io::stdout().is_terminal() {
            // The program's last line may have no end.
            let _ = io::stderr().write_all(b"\n");
        }
        print::complain(&line);
    }
    exit::of_verdict(outcome.verdict, outcome.exit_code, outcome.signal)
}

/// One line for an end that the program did not choose.
pub fn explain(outcome: &Outcome) -> Option<String> {
    let usage = &outcome.usage;
    let line = match outcome.verdict {
        Verdict::Ok | Verdict::NonzeroExit => return None,
        Verdict::Signaled => format!("the program was ended by signal {}", outcome.signal.unwrap_or(0)),
        Verdict::CompileError => "the build failed".to_owned(),
        Verdict::TimeLimit => format!(
            "stopped at the time limit after {:.2} s ({:.2} s of CPU); --time raises it",
            usage.wall_us as f64 / 1e6,
            (usage.cpu_user_us + usage.cpu_system_us) as f64 / 1e6
        ),
        Verdict::MemoryLimit => {
            let peak = madang_ids::ByteSize(usage.memory_peak_bytes);
            format!("stopped at the memory limit, {peak} in use; --memory raises it")
        }
        Verdict::OutputLimit => "stopped at the output limit; --output raises it".to_owned(),
        Verdict::ProcessLimit => "stopped at the limit on processes; --pids raises it".to_owned(),
        Verdict::DeniedSyscall => "stopped: it asked the kernel for something that no sandbox may do".to_owned(),
        Verdict::Cancelled => "cancelled".to_owned(),
        Verdict::InternalError => "the run failed inside the server".to_owned(),
    };
    // Of a limit the line has said everything.
    let limit = line.starts_with("stopped at");
    Some(match &outcome.detail {
        Some(detail) if !limit => format!("{line} ({detail})"),
        _ => line,
    })
}
