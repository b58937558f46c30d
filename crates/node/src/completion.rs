//! Completion in a live interpreter: a short question between queries.

use std::{sync::Arc, time::Duration};

use madang_node_api::{Completions, NodeError};
use madang_slot_api::{FromSlot, RunNumber, StartDriver, ToSlot, Verb};
use tokio::sync::mpsc;

use crate::sandbox::{Sandbox, unavailable};

/// Completion that takes longer is no help; init then ends the interpreter. Long enough for one that waits for its turn
/// on a full machine: what it keeps is worth more than the seconds.
const WALL_MS: u64 = 10_000;
/// Init answers by then, one way or the other.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
const OUTPUT_BYTES: u64 = 64 << 10;
/// Longer code is not sent along.
const CODE_BYTES_MAX: usize = 64 << 10;

/// What could stand at byte `cursor` of `code`; nothing while the interpreter is busy or down.
pub async fn complete(sandbox: Arc<Sandbox>, code: String, cursor: usize) -> Result<Completions, NodeError> {
    let _awake = sandbox.awake().await?;
    let nothing = Completions { start: cursor, items: Vec::new() };
    let Ok(mut alive) = sandbox.driver.try_lock() else { return Ok(nothing) };
    if !*alive || cursor > code.len() || code.len() > CODE_BYTES_MAX {
        return Ok(nothing);
    }
    let (run, messages) = sandbox.link.open_run().map_err(unavailable)?;
    let asked = sandbox.link.send(&ToSlot::Driver(question(run, code, cursor))).await;
    let answer = match asked {
        Ok(()) => tokio::time::timeout(ANSWER_WAIT, answer(messages)).await.unwrap_or(None),
        Err(_) => None,
    };
    sandbox.link.close_run(run);
    // Without an answer the interpreter is gone, or as good as gone: the next query starts another.
    *alive = answer.is_some();
    Ok(answer.unwrap_or(nothing))
}

fn question(run: RunNumber, code: String, cursor: usize) -> StartDriver {
    StartDriver {
        run,
        verb: Verb::Complete { cursor: cursor as u32 },
        payload: code.into_bytes(),
        env: Vec::new(),
        stdin_whole: true,
        wall_ms: WALL_MS,
        output_bytes: OUTPUT_BYTES,
    }
}

async fn answer(mut messages: mpsc::Receiver<FromSlot>) -> Option<Completions> {
    loop {
        match messages.recv().await? {
            FromSlot::Completions { start, items, .. } => return Some(Completions { start: start as usize, items }),
            FromSlot::Exited { .. } | FromSlot::Done { .. } | FromSlot::Fault { .. } => return None,
            _ => {}
        }
    }
}
