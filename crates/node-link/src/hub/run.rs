//! A run that a node carries to us: its events in order and once each, its input likewise, over as many links as it takes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_ids::RunId;
use madang_model::{RunEvent, RunEventBody};
use madang_node_api::{NodeError, RunControl, RunHandle};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::remote::{RUNS_MAX, RemoteNode, Then};
use crate::{
    event,
    order::{Ask, Told},
    wire::{RunDown, RunOpen, RunUp, run_down, run_up},
};

/// Events between the link and whoever reads the run.
const EVENTS_MAX: usize = 64;
/// What these may hold, of one run and of all runs of a node; one event may always wait, however large.
const RUN_BYTES_MAX: usize = 4 << 20;
const NODE_BYTES_MAX: usize = 256 << 20;
/// Controls given and not yet acknowledged; more wait with whoever gives them.
const CONTROLS_MAX: usize = 64;
/// Between two attempts to hear a run on.
const RESUME_AGAIN: Duration = Duration::from_millis(200);
/// The node hears how far we are after so many events, and at the end.
const KEPT_EVERY: u64 = 16;

/// A run that was ordered, until it has finished.
pub(crate) struct RunSlot {
    run: RunId,
    /// Another one after the agent was started anew.
    order: AtomicU64,
    /// The number of the next event, or a little less.
    next: AtomicU64,
    /// It goes with its sandbox: nothing of it survives the agent.
    pub once: bool,
    carrier: tokio::sync::Mutex<Carrier>,
    /// Which call carries it; a later one takes over.
    call: watch::Sender<u64>,
}

struct Carrier {
    /// The next event we have not handed on.
    next: u64,
    events: mpsc::Sender<RunEvent>,
    /// The weights of those that were handed on last, at least of all that are not read yet.
    unread: VecDeque<usize>,
    controls: mpsc::Receiver<RunControl>,
    controls_open: bool,
    /// Taken from whoever gives them, and not known to have reached the run.
    given: VecDeque<Given>,
    given_last: u64,
}

struct Given {
    number: u64,
    control: RunControl,
    /// It is on its way: it may have reached the run.
    sent: bool,
}

/// Whether a run outlives its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Once,
    Session,
}

/// Whether the call goes on.
enum Goes {
    On,
    Over,
}

/// Makes room for a run before it is ordered, so that its first event finds it.
///
/// `next` is the number of the first event that is wanted.
pub(super) fn expect(node: &RemoteNode, order: u64, run: RunId, next: u64, life: Life) -> Result<RunHandle, NodeError> {
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (control, controls) = mpsc::channel(CONTROLS_MAX);
    let (unread, given) = Default::default();
    let carrier = Carrier { next, events: event_sender, unread, controls, controls_open: true, given, given_last: 0 };
    let slot = RunSlot {
        run,
        order: AtomicU64::new(order),
        next: AtomicU64::new(next),
        once: life == Life::Once,
        carrier: tokio::sync::Mutex::new(carrier),
        call: watch::Sender::new(0),
    };
    let mut runs = runs(node);
    if runs.len() >= RUNS_MAX {
        return Err(NodeError::Capacity("too many runs on this node".to_owned()));
    }
    runs.insert(order, Arc::new(slot));
    Ok(RunHandle { id: run, events, control })
}

pub(super) fn forget(node: &RemoteNode, order: u64) {
    runs(node).remove(&order);
}

/// A run that a node carries by a call, and which of its calls that is.
pub(super) struct Carried {
    slot: Arc<RunSlot>,
    call: u64,
}

/// The run that a node wants to carry, from now on by this call. Told apart: one that we do not want any more, and one that another
/// process ordered.
pub(super) fn find(node: &RemoteNode, opened: RunUp) -> Result<Carried, Status> {
    let Some(run_up::Body::Open(RunOpen { order, control })) = opened.body else {
        return Err(Status::invalid_argument("a run begins with its name"));
    };
    if control != node.control {
        return Err(Status::failed_precondition("another control process ordered this run"));
    }
    // Under one lock: the agent may be started anew meanwhile.
    let runs = runs(node);
    let slot = runs.get(&order).cloned().ok_or_else(|| Status::not_found("nobody waits for this run"))?;
    let call = slot.next_call();
    Ok(Carried { slot, call })
}

/// Carries until the run has finished, the link breaks, or another call takes over.
pub(super) async fn carry(
    node: Arc<RemoteNode>,
    Carried { slot, call }: Carried,
    mut said: Streaming<RunUp>,
    out: mpsc::Sender<Result<RunDown, Status>>,
) {
    let mut taken_over = slot.call.subscribe();
    let ours = Call { number: call, current: slot.call.subscribe(), out };
    let carried = async {
        let mut carrier = slot.carrier.lock().await;
        carrier.give(&ours, Which::All).await?;
        loop {
            let step = carrier.step(&node, &mut said, &ours).await;
            slot.next.store(carrier.next, Ordering::Release);
            match step {
                Some(Goes::On) => {}
                Some(Goes::Over) => return Some(()),
                None => return None,
            }
        }
    };
    let ended = tokio::select! {
        biased;
        _ = taken_over.wait_for(|current| *current != call) => None,
        ended = carried => ended,
    };
    if ended.is_some() {
        forget(&node, slot.order.load(Ordering::Acquire));
    }
}

impl RunSlot {
    /// Ends the call that carries it, if one does.
    fn next_call(&self) -> u64 {
        let mut call = 0;
        self.call.send_modify(|current| {
            *current += 1;
            call = *current;
        });
        call
    }
}

/// The agent was started anew: it carries nothing, and what ended with it is forgotten. The others are returned, under new numbers: from
/// here on nothing is given to the agent before, whatever its connection looks like.
pub(super) fn orphans(node: &RemoteNode) -> Vec<Arc<RunSlot>> {
    let mut runs = runs(node);
    let left: Vec<_> = std::mem::take(&mut *runs).into_values().filter(|run| !run.once).collect();
    for slot in &left {
        let number = node.number();
        slot.order.store(number, Ordering::Release);
        slot.next_call();
        runs.insert(number, Arc::clone(slot));
    }
    left
}

/// The node may have the run all the same, unless it says that it has not. Whoever reads it hears it on.
pub(super) async fn resume(node: Arc<RemoteNode>, slot: Arc<RunSlot>) {
    let number = slot.order.load(Ordering::Acquire);
    // What was sent and not acknowledged may have reached the program: it is not given twice.
    slot.carrier.lock().await.given.retain(|given| !given.sent);
    let after = slot.next.load(Ordering::Acquire).checked_sub(1);
    let ask = Ask::RunAttach { run: slot.run, after };
    while runs(&node).contains_key(&number) && node.here().await.is_ok() {
        match node.order(number, &ask, Then::Nothing).await {
            Ok(Told::RunStarted { id }) if id == slot.run => return,
            Err(NodeError::Unavailable(_)) => tokio::time::sleep(RESUME_AGAIN).await,
            _ => return forget(&node, number),
        }
    }
}

/// One call that carries a run.
struct Call {
    number: u64,
    current: watch::Receiver<u64>,
    out: mpsc::Sender<Result<RunDown, Status>>,
}

impl Call {
    fn counts(&self) -> bool {
        *self.current.borrow() == self.number
    }
}

/// Which of the controls are given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// On a new call: the node may have heard none of them.
    All,
    Unsent,
}

impl Carrier {
    /// None when the call is of no use any more: what it did not take is there for the next.
    async fn give(&mut self, call: &Call, which: Which) -> Option<()> {
        for given in self.given.iter_mut().filter(|given| which == Which::All || !given.sent) {
            let told = event::control_to_wire(given.number, &given.control);
            let room = call.out.reserve().await.ok()?;
            // Looked at after it was taken: whatever is given once a call does not count any more stays unsent.
            if !call.counts() {
                return None;
            }
            room.send(Ok(RunDown { body: Some(run_down::Body::Told(told)) }));
            given.sent = true;
        }
        Some(())
    }

    /// One thing that happens; none when the link is of no use any more.
    async fn step(&mut self, node: &RemoteNode, said: &mut Streaming<RunUp>, call: &Call) -> Option<Goes> {
        let may_give = self.controls_open && self.given.len() < CONTROLS_MAX;
        tokio::select! {
            message = said.message() => match message.ok()??.body? {
                run_up::Body::Event(happened) => self.happened(node, happened, &call.out).await,
                run_up::Body::ControlsDone(done) => {
                    self.given.retain(|given| given.number > done);
                    Some(Goes::On)
                }
                run_up::Body::Open(_) => None,
            },
            control = self.controls.recv(), if may_give => {
                match control {
                    Some(control) => {
                        self.given_last += 1;
                        self.given.push_back(Given { number: self.given_last, control, sent: false });
                        self.give(call, Which::Unsent).await?;
                    }
                    None => self.controls_open = false,
                }
                Some(Goes::On)
            }
        }
    }

    async fn happened(
        &mut self,
        node: &RemoteNode,
        happened: crate::wire::RunHappened,
        out: &mpsc::Sender<Result<RunDown, Status>>,
    ) -> Option<Goes> {
        // What came over an earlier link comes again; a gap would be a loss and is not taken.
        if happened.seq < self.next {
            return Some(Goes::On);
        }
        if happened.seq > self.next {
            tracing::warn!(seq = happened.seq, expected = self.next, "a run's events have a gap");
            return None;
        }
        let event = match event::from_wire(happened) {
            Ok(event) => event,
            Err(refused) => {
                // Whoever reads sees an end without a last word, as when a sandbox is lost.
                tracing::warn!(%refused, "a run's event is not believed");
                let _ = out.send(Err(Status::not_found("this run is not believed"))).await;
                return Some(Goes::Over);
            }
        };
        let last = matches!(event.body, RunEventBody::Finished { .. });
        let bytes_max = (NODE_BYTES_MAX / runs(node).len().max(1)).min(RUN_BYTES_MAX);
        if self.hand_on(event, bytes_max).await.is_none() {
            let _ = out.send(Err(Status::not_found("nobody reads this run any more"))).await;
            return Some(Goes::Over);
        }
        self.next += 1;
        if last || self.next.is_multiple_of(KEPT_EVERY) {
            let kept = RunDown { body: Some(run_down::Body::KeptBelow(self.next)) };
            out.send(Ok(kept)).await.ok()?;
        }
        Some(if last { Goes::Over } else { Goes::On })
    }
}

impl Carrier {
    /// Waits for room; none when nobody reads any more.
    async fn hand_on(&mut self, event: RunEvent, bytes_max: usize) -> Option<()> {
        let weight = event::weight(&event);
        let waiting = self.events.max_capacity() - self.events.capacity();
        self.unread.drain(..self.unread.len().saturating_sub(waiting));
        let mut bytes: usize = self.unread.iter().sum();
        // So many may be left for this one to fit.
        let mut left = self.unread.len();
        for before in &self.unread {
            if left < EVENTS_MAX && bytes + weight <= bytes_max {
                break;
            }
            (left, bytes) = (left - 1, bytes - before);
        }
        let mut room = self.events.reserve_many(EVENTS_MAX - left).await.ok()?;
        room.next()?.send(event);
        drop(room);
        self.unread.push_back(weight);
        Some(())
    }
}

fn runs(node: &RemoteNode) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<RunSlot>>> {
    node.runs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn carrier() -> (Carrier, mpsc::Receiver<RunEvent>) {
        let (events, read) = mpsc::channel(EVENTS_MAX);
        let (_, controls) = mpsc::channel(1);
        let (unread, given) = Default::default();
        (Carrier { next: 0, events, unread, controls, controls_open: false, given, given_last: 0 }, read)
    }

    fn event(seq: u64, bytes: usize) -> RunEvent {
        RunEvent { seq, at_us: 0, body: RunEventBody::Stdout { data: vec![0; bytes].into() } }
    }

    /// How many get in without being read.
    async fn fill(carrier: &mut Carrier, bytes: usize) -> usize {
        for count in 0.. {
            let handed = std::pin::pin!(carrier.hand_on(event(count, bytes), RUN_BYTES_MAX));
            if futures_util::poll!(handed) != Poll::Ready(Some(())) {
                return count as usize;
            }
        }
        unreachable!("nothing is without end")
    }

    #[tokio::test]
    async fn events_wait_by_number_and_by_bytes() {
        let (mut unread, read) = carrier();
        drop(read);
        assert_eq!(fill(&mut unread, 10).await, 0, "nobody will ever read it");
        let (mut small, _small_read) = carrier();
        assert_eq!(fill(&mut small, 10).await, EVENTS_MAX);
        let (mut large, mut read) = carrier();
        let count = fill(&mut large, 1 << 20).await;
        assert_eq!(count, 3, "with what each costs beside its bytes a fourth does not fit");
        read.recv().await.unwrap();
        large.hand_on(event(3, 1 << 20), RUN_BYTES_MAX).await.unwrap();
        // One that fits nowhere waits until it is alone.
        while read.try_recv().is_ok() {}
        large.hand_on(event(4, 2 * RUN_BYTES_MAX), RUN_BYTES_MAX).await.unwrap();
        assert_eq!(fill(&mut large, 10).await, 0);
    }
}
