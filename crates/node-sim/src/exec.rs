//! Held programs: there is one, `cat`.

use madang_node_api::{ExecEnd, ExecEvent, ExecHandle, ExecInput, ExecSpec};
use tokio::sync::mpsc;

const EVENTS_MAX: usize = 16;

/// Begins it.
pub(crate) fn start(spec: ExecSpec) -> ExecHandle {
    let (send, events) = mpsc::channel(EVENTS_MAX);
    let (input, inputs) = mpsc::channel(EVENTS_MAX);
    let (control, controls) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(carry(spec, send, inputs, controls));
    ExecHandle { events, input, control }
}

async fn carry(
    spec: ExecSpec,
    events: mpsc::Sender<ExecEvent>,
    mut inputs: mpsc::Receiver<ExecInput>,
    _controls: mpsc::Receiver<madang_node_api::ExecControl>,
) {
    let end = match spec.argv.first().map(String::as_str) {
        Some("cat") => {
            loop {
                let input = tokio::select! {
                    input = inputs.recv() => input,
                    () = events.closed() => return,
                };
                match input {
                    Some(ExecInput::Bytes(bytes)) => {
                        if events.send(ExecEvent::Stdout(bytes)).await.is_err() {
                            return;
                        }
                    }
                    Some(ExecInput::End) | None => break,
                }
            }
            0
        }
        _ => 127,
    };
    // Whoever held it may be gone.
    let _ = events.send(ExecEvent::Ended(ExecEnd::Exited(end))).await;
}
