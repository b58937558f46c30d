//! Carries one run to control: every event once and in order, over as many links as it takes.
//!
//! Events that control has not acknowledged are kept; over [`KEPT_BYTES_MAX`] of them the run is not read any further, and a program
//! that writes more waits.

use std::{collections::VecDeque, sync::Arc};

use madang_model::{RunEvent, RunEventBody};
use madang_node_api::{RunControl, RunHandle};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::Standing;
use crate::{
    event,
    wire::{RunDown, RunOpen, RunUp, run_down, run_up},
};

/// What is kept of one run while control does not acknowledge.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Messages of one run that wait to be sent.
const OUT_MAX: usize = 32;

/// Whether a run outlives the control process that ordered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Once,
    Session,
}

/// Which order a run is carried for.
pub(super) struct Ordered {
    pub control: Arc<str>,
    pub order: u64,
    pub life: Life,
}

struct Carrier {
    handle: RunHandle,
    /// Not acknowledged, in order.
    kept: VecDeque<RunEvent>,
    kept_bytes: usize,
    /// The run has said its last word.
    over: bool,
    /// The last control that was given to the run.
    controls_done: u64,
}

/// Why a call ended.
enum End {
    /// The link broke: again over the next one.
    Broke,
    /// Control has everything, or wants no more.
    Done,
}

/// Carries until control has all of it, or does not want it.
///
/// A one-shot run that nobody wants any more is cancelled; one of a session goes on in the agent and may be taken up again.
pub(super) async fn carry(mut links: watch::Receiver<Option<Standing>>, ordered: Ordered, handle: RunHandle) {
    let mut run = Carrier { handle, kept: VecDeque::new(), kept_bytes: 0, over: false, controls_done: 0 };
    let agent = links.clone();
    tokio::select! {
        () = run.carry(&mut links, &ordered) => {}
        () = agent_ended(agent) => {}
    }
    if ordered.life == Life::Once && !run.over {
        // One that does not listen ends by its own limits.
        let _ = run.handle.control.try_send(RunControl::Cancel);
        while run.handle.events.recv().await.is_some() {}
    }
}

/// Returns when nobody makes links any more: whoever carried on would try the last one for ever.
async fn agent_ended(mut links: watch::Receiver<Option<Standing>>) {
    while links.changed().await.is_ok() {}
}

impl Carrier {
    async fn carry(&mut self, links: &mut watch::Receiver<Option<Standing>>, ordered: &Ordered) {
        while self.carry_once(links, ordered).await.is_some() {}
    }

    /// Over the next link there is; none when there is nothing more to do.
    async fn carry_once(&mut self, links: &mut watch::Receiver<Option<Standing>>, ordered: &Ordered) -> Option<()> {
        let link = loop {
            tokio::select! {
                link = next_link(links) => break link?,
                // A program goes on while there is no link.
                () = self.read_on() => {}
            }
        };
        if link.control != ordered.control {
            return None;
        }
        let end = tokio::select! {
            end = self.over_link(link.clone(), ordered) => end,
            () = link.given_up(links.clone()) => End::Broke,
        };
        if matches!(end, End::Done) {
            return None;
        }
        // The same link again would break the same way: wait for the next.
        links.borrow_and_update();
        self.wait_for_other(links.clone()).await;
        Some(())
    }
}

async fn next_link(links: &mut watch::Receiver<Option<Standing>>) -> Option<Standing> {
    let standing = links.wait_for(Option::is_some).await.ok()?;
    standing.clone()
}

impl Carrier {
    /// Reads one event into what is kept; never returns while that is full or the run is over.
    async fn read_on(&mut self) {
        if self.over || self.kept_bytes >= KEPT_BYTES_MAX {
            std::future::pending::<()>().await;
        }
        match self.handle.events.recv().await {
            Some(event) => self.keep(event),
            None => self.over = true,
        }
    }

    /// A call may fail on a link that goes on standing; then it is tried again a little later.
    async fn wait_for_other(&mut self, mut links: watch::Receiver<Option<Standing>>) {
        const AGAIN: std::time::Duration = std::time::Duration::from_millis(250);
        let pause = tokio::time::sleep(AGAIN);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                _ = links.changed() => return,
                () = &mut pause => return,
                () = self.read_on() => {}
            }
        }
    }

    fn keep(&mut self, event: RunEvent) {
        self.over = matches!(event.body, RunEventBody::Finished { .. });
        self.kept_bytes += event::weight(&event);
        self.kept.push_back(event);
    }

    fn acknowledged(&mut self, below: u64) {
        while self.kept.front().is_some_and(|event| event.seq < below) {
            if let Some(event) = self.kept.pop_front() {
                self.kept_bytes = self.kept_bytes.saturating_sub(event::weight(&event));
            }
        }
    }

    async fn over_link(&mut self, mut link: Standing, ordered: &Ordered) -> End {
        let (out, messages) = mpsc::channel(OUT_MAX);
        let open = RunOpen { order: ordered.order, control: ordered.control.to_string() };
        if out.send(RunUp { body: Some(run_up::Body::Open(open)) }).await.is_err() {
            return End::Broke;
        }
        let call = link.client.run(ReceiverStream::new(messages));
        tokio::pin!(call);
        // Control may need our first event before it answers.
        let answer = loop {
            tokio::select! {
                answer = &mut call => break answer,
                () = self.read_on() => {}
            }
        };
        match answer {
            Ok(answer) => self.exchange(answer.into_inner(), out).await,
            Err(status) => end_of(&status),
        }
    }

    async fn exchange(&mut self, mut said: Streaming<RunDown>, out: mpsc::Sender<RunUp>) -> End {
        let done = RunUp { body: Some(run_up::Body::ControlsDone(self.controls_done)) };
        if out.send(done).await.is_err() {
            return End::Broke;
        }
        // The next of the kept ones to send over this call.
        let mut next = 0;
        loop {
            if self.over && self.kept.is_empty() {
                return End::Done;
            }
            let due = self.kept.get(next).map(event::to_wire);
            tokio::select! {
                message = said.message() => match message {
                    Ok(Some(message)) => {
                        let before = self.kept.len();
                        let told = self.hear(message).await;
                        next = next.saturating_sub(before - self.kept.len());
                        let Some(done) = told else { continue };
                        if out.send(RunUp { body: Some(run_up::Body::ControlsDone(done)) }).await.is_err() {
                            return End::Broke;
                        }
                    }
                    Ok(None) => return End::Broke,
                    Err(status) => return end_of(&status),
                },
                permit = out.reserve(), if due.is_some() => {
                    let (Ok(permit), Some(due)) = (permit, due) else { return End::Broke };
                    match due {
                        Ok(happened) => permit.send(RunUp { body: Some(run_up::Body::Event(happened)) }),
                        Err(error) => {
                            tracing::error!(%error, "an event cannot be written");
                            return End::Done;
                        }
                    }
                    next += 1;
                }
                () = self.read_on() => {}
            }
        }
    }

    /// The number of the control that was given to the run, if one was.
    async fn hear(&mut self, message: RunDown) -> Option<u64> {
        match message.body? {
            run_down::Body::KeptBelow(below) => {
                self.acknowledged(below);
                None
            }
            run_down::Body::Told(told) => {
                // One that came over an earlier link is given once.
                if told.number > self.controls_done {
                    if let Some(control) = told.body.and_then(event::control_from_wire) {
                        self.give(control).await;
                    }
                    // Not before: the link may be given up while the run does not take it, and it comes again over the next.
                    self.controls_done = told.number;
                }
                Some(self.controls_done)
            }
        }
    }

    /// While the run does not take it, what it says is still read: it may wait for that.
    async fn give(&mut self, control: RunControl) {
        let sender = self.handle.control.clone();
        let giving = sender.send(control);
        tokio::pin!(giving);
        loop {
            tokio::select! {
                // A run that is over takes nothing.
                _ = &mut giving => return,
                () = self.read_on() => {}
            }
        }
    }
}

fn end_of(status: &tonic::Status) -> End {
    match status.code() {
        Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument => End::Done,
        _ => End::Broke,
    }
}
