//! Run events and controls on the wire: output as bytes, the rest as documents.

use bytes::Bytes;
use madang_model::{RunEvent, RunEventBody as Body, TerminalSize};
use madang_node_api::RunControl;

use crate::{
    check::{self, Refused},
    wire::{RunHappened, RunTold, Size, run_happened, run_told},
};

/// As a run's event travels. Only what serde cannot write fails, and it can write all of these.
pub(crate) fn to_wire(event: &RunEvent) -> Result<RunHappened, serde_json::Error> {
    let body = match &event.body {
        Body::Stdout { data } => run_happened::Body::Stdout(Bytes::copy_from_slice(&data.0)),
        Body::Stderr { data } => run_happened::Body::Stderr(Bytes::copy_from_slice(&data.0)),
        other => run_happened::Body::Document(serde_json::to_vec(other)?.into()),
    };
    Ok(RunHappened { seq: event.seq, at_us: event.at_us, body: Some(body) })
}

/// As control believes it.
pub(crate) fn from_wire(happened: RunHappened) -> Result<RunEvent, Refused> {
    let refused = |why: String| Refused { what: "run event", why };
    let body = match happened.body.ok_or_else(|| refused("it is empty".to_owned()))? {
        run_happened::Body::Stdout(data) => Body::Stdout { data: Vec::from(data).into() },
        run_happened::Body::Stderr(data) => Body::Stderr { data: Vec::from(data).into() },
        run_happened::Body::Document(document) => {
            checked(serde_json::from_slice(&document).map_err(|error| refused(error.to_string()))?)?
        }
    };
    if happened.at_us > check::NUMBER_MAX << 8 {
        return Err(refused("its time is no time".to_owned()));
    }
    Ok(RunEvent { seq: happened.seq, at_us: happened.at_us, body })
}

fn checked(mut body: Body) -> Result<Body, Refused> {
    match &mut body {
        Body::Usage { usage } => *usage = check::usage(*usage)?,
        Body::Finished { outcome } | Body::StepFinished { outcome, .. } => {
            outcome.usage = check::usage(outcome.usage)?;
            outcome.detail = outcome.detail.as_deref().map(check::text);
        }
        Body::Log { text } => *text = check::text(text),
        Body::Started
        | Body::Stdout { .. }
        | Body::Stderr { .. }
        | Body::Media { .. }
        | Body::WaitingInput { .. }
        | Body::StepStarted { .. } => {}
    }
    Ok(body)
}

/// About how much memory an event holds while it waits to be acknowledged.
pub(crate) fn weight(event: &RunEvent) -> usize {
    const FIXED: usize = 128;
    FIXED
        + match &event.body {
            Body::Stdout { data } | Body::Stderr { data } | Body::Media { data, .. } => data.0.len(),
            Body::Log { text } => text.len(),
            Body::WaitingInput { prompt, .. } => prompt.len(),
            _ => 0,
        }
}

/// A control under its number.
pub(crate) fn control_to_wire(number: u64, control: &RunControl) -> RunTold {
    let body = match control {
        RunControl::Stdin(bytes) => run_told::Body::Stdin(Bytes::copy_from_slice(bytes)),
        RunControl::StdinEnd => run_told::Body::StdinEnd(true),
        RunControl::Resize(size) => {
            run_told::Body::Resize(Size { rows: u32::from(size.rows), cols: u32::from(size.cols) })
        }
        RunControl::Interrupt => run_told::Body::Interrupt(true),
        RunControl::Cancel => run_told::Body::Cancel(true),
    };
    RunTold { number, body: Some(body) }
}

/// The control again; none for one that a later control plane knows and we do not.
pub(crate) fn control_from_wire(body: run_told::Body) -> Option<RunControl> {
    Some(match body {
        run_told::Body::Stdin(bytes) => RunControl::Stdin(bytes.into()),
        run_told::Body::StdinEnd(_) => RunControl::StdinEnd,
        run_told::Body::Resize(Size { rows, cols }) => {
            RunControl::Resize(TerminalSize { rows: u16::try_from(rows).ok()?, cols: u16::try_from(cols).ok()? })
        }
        run_told::Body::Interrupt(_) => RunControl::Interrupt,
        run_told::Body::Cancel(_) => RunControl::Cancel,
    })
}

#[cfg(test)]
mod tests {
    use madang_model::{Outcome, Usage, Verdict};
    use proptest::prelude::*;

    use super::*;

    fn finished(usage: Usage) -> Body {
        let outcome = Outcome { verdict: Verdict::Ok, exit_code: Some(0), signal: None, usage, detail: None };
        Body::Finished { outcome }
    }

    fn body() -> impl Strategy<Value = Body> {
        prop_oneof![
            Just(Body::Started),
            proptest::collection::vec(any::<u8>(), 0..64).prop_map(|data| Body::Stdout { data: data.into() }),
            proptest::collection::vec(any::<u8>(), 0..64).prop_map(|data| Body::Stderr { data: data.into() }),
            (".*", proptest::collection::vec(any::<u8>(), 0..64))
                .prop_map(|(mime, data)| Body::Media { mime, data: data.into() }),
            (0u64..1 << 40).prop_map(|wall_us| finished(Usage { wall_us, ..Usage::default() })),
        ]
    }

    proptest! {
        #[test]
        fn there_and_back(seq in any::<u64>(), at_us in 0u64..1 << 52, body in body()) {
            let event = RunEvent { seq, at_us, body };
            prop_assert_eq!(from_wire(to_wire(&event).unwrap()), Ok(event));
        }

        #[test]
        fn any_document(bytes in proptest::collection::vec(any::<u8>(), 0..200), at_us in any::<u64>()) {
            let body = Some(run_happened::Body::Document(bytes.into()));
            let _ = from_wire(RunHappened { seq: 0, at_us, body });
        }
    }

    #[test]
    fn impossible_usage_is_refused() {
        let event = RunEvent { seq: 0, at_us: 0, body: finished(Usage { cpu_user_us: u64::MAX, ..Usage::default() }) };
        assert!(from_wire(to_wire(&event).unwrap()).is_err());
    }
}
