//! Sessions in bursts, and lists of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use madang_client::Client;
use madang_public_api::{BASE_PATH, Page, SessionCreate, SessionState, SessionView};
use tokio::task::JoinSet;

use crate::{BenchError, sample::Samples};

/// Requests in flight: a burst comes from many at once.
const CONCURRENCY: usize = 64;
/// How often each filter is listed.
const LISTS: usize = 50;
/// What is asked for, from what hits nearly all to what hits nearly none.
const FILTERS: [&str; 8] = [
    "",
    "live",
    "state:running language:sim",
    "name:list-77*",
    "tag:course=course-3",
    "tag:student=student-4711",
    "image:host owner:administrator created>=2020-01-01",
    "state:queued,ended",
];

/// What the sessions are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// With names and tags that filters find.
    Varied,
}

/// A burst of creates that all run in the end.
pub struct Burst {
    /// From the first request to the last session that runs.
    pub seconds: f64,
    pub creates: Samples,
}

pub async fn create(client: &Client, count: usize, kind: Kind) -> Result<Burst, BenchError> {
    let (began, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, next) = (client.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut samples = Samples::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, BenchError>(samples);
                }
                let began = Instant::now();
                let view = client.session_create(&wanted(number, kind)).await?;
                if !matches!(view.state, SessionState::Running) {
                    let said = format!("session {} is {:?}, not running: {:?}", view.id, view.state, view.why);
                    return Err(BenchError::Wrong(said));
                }
                samples.push(began.elapsed());
            }
        });
    }
    let mut creates = Samples::default();
    while let Some(worker) = workers.join_next().await {
        creates.extend(worker.map_err(|error| BenchError::Wrong(format!("creating sessions: {error}")))??);
    }
    Ok(Burst { seconds: began.elapsed().as_secs_f64(), creates })
}

fn wanted(number: usize, kind: Kind) -> SessionCreate {
    let plain = SessionCreate { language: Some("sim".to_owned()), ..SessionCreate::default() };
    if kind == Kind::Plain {
        return plain;
    }
    let tags = [("course", format!("course-{}", number % 20)), ("student", format!("student-{number}"))];
    let tags: BTreeMap<_, _> = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    SessionCreate { name: Some(format!("list-{number}")), tags, ..plain }
}

/// A page of a hundred for each filter, often.
pub async fn list(client: &Client) -> Result<Samples, BenchError> {
    let mut samples = Samples::default();
    for _ in 0..LISTS {
        for filter in FILTERS {
            let began = Instant::now();
            let page: Page<SessionView> =
                client.get(&format!("{BASE_PATH}/sessions?filter={}", escaped(filter))).await?;
            samples.push(began.elapsed());
            let none = matches!(filter, "state:queued,ended");
            if page.items.is_empty() != none {
                return Err(BenchError::Wrong(format!("`{filter}` finds {} sessions", page.items.len())));
            }
        }
    }
    Ok(samples)
}

/// What stands in [`FILTERS`] and means something else in an address.
fn escaped(filter: &str) -> String {
    filter.replace(' ', "%20").replace('>', "%3E")
}
