//! Runs what happens by itself: each task in its period or when woken, one run at a time, watched.
//!
//! A run that panics or takes too long is seen and counted; it takes neither its task nor the server with it.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use madang_public_api::{TaskResult, TaskRun, TaskView, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::now_ms;

/// The part of a result's text that is kept.
const NOTE_CHARS_MAX: usize = 400;

/// What a run says: a note for a person, or why it failed.
pub(crate) type Done = Result<String, Box<dyn Error + Send + Sync>>;

/// When a task runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskPlan {
    pub name: &'static str,
    pub period: Duration,
    /// Up to this much more, at random, so that several processes do not all run at once.
    pub jitter: Duration,
    /// Waited before each run, so that many wakes in a row are one run.
    pub pause: Duration,
    /// A run that takes longer is given up.
    pub deadline: Duration,
}

/// One task: its plan, how to wake it, how it does.
#[derive(Debug)]
pub(crate) struct Task {
    plan: TaskPlan,
    wake: Arc<Notify>,
    health: watch::Sender<Health>,
}

#[derive(Debug, Clone, Default)]
struct Health {
    started: u64,
    ended: u64,
    failures_in_a_row: u64,
    running_since_ms: Option<u64>,
    next_ms: Option<u64>,
    last: Option<TaskRun>,
}

/// Every task of this process, by name.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    known: Mutex<BTreeMap<&'static str, Arc<Task>>>,
}

impl Tasks {
    /// Makes a task known; `wake` starts it before its time.
    pub fn add(&self, plan: TaskPlan, wake: Arc<Notify>) -> Arc<Task> {
        let task = Arc::new(Task { plan, wake, health: watch::Sender::default() });
        self.lock().insert(plan.name, Arc::clone(&task));
        task
    }

    pub fn find(&self, name: &str) -> Option<Arc<Task>> {
        self.lock().get(name).cloned()
    }

    pub fn views(&self) -> Vec<TaskView> {
        self.lock().values().map(|task| task.view()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Task>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    pub fn view(&self) -> TaskView {
        let health = self.health.borrow().clone();
        TaskView {
            name: self.plan.name.to_owned(),
            period_ms: millis(self.plan.period),
            jitter_ms: millis(self.plan.jitter),
            deadline_ms: millis(self.plan.deadline),
            runs: health.ended,
            failures_in_a_row: health.failures_in_a_row,
            running_since: health.running_since_ms.map(Timestamp),
            last: health.last,
            next_at: health.next_ms.map(Timestamp),
        }
    }

    /// Starts a run now and waits for its end, at most so long; a run in progress is not the one that is waited for.
    pub async fn run_now(&self, wait: Duration) -> TaskView {
        let mut health = self.health.subscribe();
        let wanted = health.borrow().started + 1;
        self.wake.notify_one();
        // One that takes longer is answered as it is: still running.
        let _ = tokio::time::timeout(wait, health.wait_for(|health| health.ended >= wanted)).await;
        self.view()
    }

    /// Runs `work` again and again until `stopping` is ready.
    pub async fn keep<Work, Run>(self: Arc<Self>, stopping: impl Future<Output = ()>, work: Work)
    where
        Work: Fn() -> Run,
        Run: Future<Output = Done> + Send + 'static,
    {
        tokio::select! {
            () = stopping => {}
            () = self.keep_on(work) => {}
        }
    }

    async fn keep_on<Work, Run>(&self, work: Work)
    where
        Work: Fn() -> Run,
        Run: Future<Output = Done> + Send + 'static,
    {
        loop {
            tokio::time::sleep(self.plan.pause).await;
            self.run(work()).await;
            let rest = self.plan.period + self.jitter();
            self.health.send_modify(|health| health.next_ms = Some(now_ms().saturating_add(millis(rest))));
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// In a task of the runtime of its own: a panic ends there.
    async fn run(&self, work: impl Future<Output = Done> + Send + 'static) {
        let (began, began_ms) = (Instant::now(), now_ms());
        self.health.send_modify(|health| {
            health.started += 1;
            health.running_since_ms = Some(began_ms);
            health.next_ms = None;
        });
        let mut run = AbortOnDropHandle::new(tokio::spawn(work));
        let ended = tokio::time::timeout(self.plan.deadline, &mut run).await;
        let overdue = ended.is_err();
        let (result, note) = match ended {
            Ok(Ok(Ok(note))) => (TaskResult::Done, note),
            Ok(Ok(Err(error))) => (TaskResult::Failed, chain(error.as_ref())),
            Ok(Err(error)) => (TaskResult::Panicked, panic_text(error)),
            Err(_) => (TaskResult::Overdue, format!("given up after {} ms", millis(self.plan.deadline))),
        };
        let last =
            TaskRun { at: Timestamp(began_ms), took_ms: millis(began.elapsed()), result, note: shortened(&note) };
        self.told(&last);
        self.health.send_modify(|health| {
            health.failures_in_a_row = if result == TaskResult::Done { 0 } else { health.failures_in_a_row + 1 };
            health.last = Some(last);
        });
        if overdue {
            // What holds its thread does not hear the abort; a second run beside it would make it worse.
            run.abort();
            let _ = run.await;
        }
        self.health.send_modify(|health| {
            health.ended += 1;
            health.running_since_ms = None;
        });
    }

    fn told(&self, last: &TaskRun) {
        let (task, took_ms, note) = (self.plan.name, last.took_ms, last.note.as_str());
        match last.result {
            TaskResult::Done => tracing::debug!(task, took_ms, note, "a task has run"),
            TaskResult::Failed => tracing::warn!(task, took_ms, note, "a task failed and is tried again"),
            TaskResult::Panicked => tracing::error!(task, took_ms, note, "a task panicked and is tried again"),
            TaskResult::Overdue => tracing::error!(task, took_ms, note, "a task took too long and is tried again"),
        }
    }

    fn jitter(&self) -> Duration {
        let mut bytes = [0; 4];
        // Without randomness there is no jitter, which only costs a coincidence.
        let share = getrandom::fill(&mut bytes).map_or(0.0, |()| f64::from(u32::from_le_bytes(bytes)));
        self.plan.jitter.mul_f64(share / f64::from(u32::MAX))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn shortened(text: &str) -> String {
    text.chars().take(NOTE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Longer than any of these runs needs on however busy a machine.
    const PATIENCE: Duration = Duration::from_secs(120);

    fn plan(deadline: Duration) -> TaskPlan {
        let (period, none) = (Duration::from_secs(3_600), Duration::ZERO);
        TaskPlan { name: "test", period, jitter: none, pause: none, deadline }
    }

    async fn three_runs(
        deadline: Duration,
        work: fn(u64) -> std::pin::Pin<Box<dyn Future<Output = Done> + Send>>,
    ) -> Vec<TaskView> {
        let tasks = Tasks::default();
        let task = tasks.add(plan(deadline), Arc::default());
        let count = Arc::new(AtomicU64::new(0));
        let kept = tokio::spawn(
            Arc::clone(&task).keep(std::future::pending(), move || work(count.fetch_add(1, Ordering::Relaxed))),
        );
        let mut views = Vec::new();
        task.health.subscribe().wait_for(|health| health.ended == 1).await.unwrap();
        views.push(task.view());
        for _ in 0..2 {
            views.push(task.run_now(PATIENCE).await);
        }
        kept.abort();
        views
    }

    fn results(views: &[TaskView]) -> Vec<(TaskResult, u64, u64)> {
        views.iter().map(|view| (view.last.as_ref().unwrap().result, view.runs, view.failures_in_a_row)).collect()
    }

    #[tokio::test]
    async fn a_panic_is_seen_and_the_task_goes_on() {
        let views = three_runs(PATIENCE, |count| {
            Box::pin(async move {
                assert!(count != 1, "the second run");
                Ok(format!("run {count}"))
            })
        })
        .await;
        let expected = [(TaskResult::Done, 1, 0), (TaskResult::Panicked, 2, 1), (TaskResult::Done, 3, 0)];
        assert_eq!(results(&views), expected);
        assert!(views[1].last.as_ref().unwrap().note.contains("the second run"), "{views:?}");
        assert_eq!(views[2].last.as_ref().unwrap().note, "run 2");
    }

    #[tokio::test]
    async fn a_run_that_hangs_is_given_up() {
        let views = three_runs(Duration::from_millis(50), |count| {
            Box::pin(async move {
                if count < 2 {
                    std::future::pending::<()>().await;
                }
                Ok(String::new())
            })
        })
        .await;
        let [first, second, third] = results(&views).try_into().unwrap();
        assert_eq!((first, second), ((TaskResult::Overdue, 1, 1), (TaskResult::Overdue, 2, 2)));
        assert_eq!(third.1, 3);
    }

    #[tokio::test]
    async fn a_failure_says_why_and_counts_on() {
        let views = three_runs(PATIENCE, |_| Box::pin(async { Err(std::io::Error::other("no paper").into()) })).await;
        assert_eq!(results(&views)[2], (TaskResult::Failed, 3, 3));
        assert_eq!(views[2].last.as_ref().unwrap().note, "no paper");
        assert!(views[2].running_since.is_none());
    }
}
