//! Our terminal, raw while a remote one borrows it.

use std::{io, io::IsTerminal as _, sync::Arc};

use madang_client::{AttachedInput, Attachment, Said};
use madang_model::{RunEventBody, TerminalSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use crate::{exit::Failure, print, stdin, watch};

/// What a terminal measures where ours will not say.
const SIZE_DEFAULT: TerminalSize = TerminalSize { rows: 24, cols: 80 };

/// Raw mode for as long as it lives; put back on every way out, panics included.
#[derive(Debug)]
pub struct Raw {
    before: Arc<Termios>,
}

impl Raw {
    /// Takes the terminal; none where standard input is no terminal.
    pub fn take() -> Result<Option<Self>, Failure> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let fail = |error| Failure::internal(format!("setting up the terminal: {error}"));
        let before = Arc::new(tcgetattr(io::stdin()).map_err(fail)?);
        let mut raw = Termios::clone(&before);
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(fail)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone away.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Rows and columns of our terminal.
pub fn size() -> TerminalSize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => TerminalSize { rows: size.ws_row, cols: size.ws_col },
        _ => SIZE_DEFAULT,
    }
}

/// Lends our terminal to the other side until it ends; gives the exit code.
pub async fn lend(attachment: Attachment) -> Result<u8, Failure> {
    let raw = Raw::take()?;
    let Attachment { input, mut output } = attachment;
    let forward = tokio::spawn(forward(input));
    let ended = loop {
        match output.next().await {
            Ok(Some(Said::Bytes(bytes))) => print_bytes(&bytes)?,
            Ok(Some(Said::Event(event))) => match event.body {
                RunEventBody::Stdout { data } | RunEventBody::Stderr { data } => print_bytes(&data.0)?,
                RunEventBody::Finished { outcome } => break Ok(Some(outcome)),
                _ => {}
            },
            Ok(None) => break Ok(None),
            Err(error) => break Err(Failure::from(error)),
        }
    };
    forward.abort();
    drop(raw);
    Ok(ended?.map_or(0, |outcome| watch::ended(&outcome)))
}

fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    use io::Write as _;
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::internal(format!("writing output: {error}")))
}

/// Keys and changes of size, to the other side.
async fn forward(mut input: AttachedInput) {
    let mut keys = stdin::pump();
    let mut resized = match signal(SignalKind::window_change()) {
        Ok(resized) => resized,
        Err(error) => return print::complain(&format!("watching the terminal's size: {error}")),
    };
    if input.resize(size()).await.is_err() {
        return;
    }
    loop {
        let sent = tokio::select! {
            chunk = keys.recv() => match chunk {
                Some(chunk) => input.input(chunk).await,
                None => break,
            },
            _ = resized.recv() => input.resize(size()).await,
        };
        if sent.is_err() {
            return;
        }
    }
    if input.input_end().await.is_ok() {
        std::future::pending::<()>().await;
    }
}
