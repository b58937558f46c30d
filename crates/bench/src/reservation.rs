//! `reservation`: a class. So many slots are reserved for a minute ahead; at the minute so many learners start within ten seconds.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use madang_client::Client;
use madang_public_api::{
    BASE_PATH, Page, ReservationCreate, ReservationView, Resources, SessionCreate, SessionState, Timestamp,
};
use tokio::time::{sleep, sleep_until};

use crate::{BenchError, Settings, report::Report, sample::Samples, server::Server};

const LEARNERS: usize = 300;
const AHEAD: Duration = Duration::from_secs(60);
/// The learners come evenly over so long.
const COMING: Duration = Duration::from_secs(10);
const LASTS_MS: u64 = 600_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const PATH: &str = "reservations";

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    let learners = settings.sessions.unwrap_or(LEARNERS);
    let ahead = settings.duration.unwrap_or(AHEAD);
    let made = reserve(&server.client, learners, ahead).await?;
    let (ready, filled_ms) = wait(&server.client, &made, learners).await?;
    report.metric("slots", learners as f64);
    report.metric("ready_at_the_time", ready as f64);
    match filled_ms {
        Some(ms) => report.metric("filled_after_s", ms as f64 / 1_000.0),
        None => report.note("the slots were not all ready at their time".to_owned()),
    }
    if ready < learners as u64 {
        report.failures += learners as u64 - ready;
    }
    let (samples, running) = start_all(&server.client, learners).await?;
    report.latencies("learner starts", "start_", &samples);
    report.metric("running", running as f64);
    report.failures += (learners - running) as u64;
    server.client.delete::<ReservationView>(&format!("{BASE_PATH}/{PATH}/{}", made.id)).await?;
    // Sessions outlive their server, and these are nobody's.
    for session in server.client.sessions(Some("live")).await? {
        server.client.session_end(&session.id.to_string()).await?;
    }
    server.stop().await?;
    Ok(())
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

async fn reserve(client: &Client, slots: usize, ahead: Duration) -> Result<ReservationView, BenchError> {
    let starts_ms = now_ms() + ahead.as_millis() as u64;
    let request = ReservationCreate {
        resource_group: None,
        project: None,
        image: None,
        language: Some("python".to_owned()),
        resources: Resources::default(),
        slots: u32::try_from(slots).unwrap_or(u32::MAX),
        starts_at: Timestamp(starts_ms),
        ends_at: Timestamp(starts_ms + LASTS_MS),
    };
    Ok(client.post(&format!("{BASE_PATH}/{PATH}"), &request).await?)
}

/// Until it begins: how many slots were ready then, and after how long all were.
async fn wait(client: &Client, made: &ReservationView, slots: usize) -> Result<(u64, Option<u64>), BenchError> {
    let made_ms = now_ms();
    let mut filled_ms = None;
    loop {
        let page: Page<ReservationView> = client.get(&format!("{BASE_PATH}/{PATH}")).await?;
        let found = page.items.into_iter().find(|one| one.id == made.id);
        let ready = found.ok_or_else(|| BenchError::Wrong("the reservation is gone".to_owned()))?.ready;
        if filled_ms.is_none() && ready >= slots as u64 {
            filled_ms = Some(now_ms().saturating_sub(made_ms));
        }
        if now_ms() >= made.starts_at.0 {
            return Ok((ready, filled_ms));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// Each learner comes at its time, however the others do.
async fn start_all(client: &Client, learners: usize) -> Result<(Samples, usize), BenchError> {
    let began = tokio::time::Instant::now();
    let come = |number: usize| {
        let client = client.clone();
        let at = began + COMING.mul_f64(number as f64 / learners as f64);
        tokio::spawn(async move {
            sleep_until(at).await;
            let asked = Instant::now();
            let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
            let view = client.session_create(&request).await?;
            Ok::<_, BenchError>((asked.elapsed(), view.state == SessionState::Running))
        })
    };
    let (mut samples, mut running) = (Samples::default(), 0);
    for learner in (0..learners).map(come).collect::<Vec<_>>() {
        let (took, runs) = learner.await.map_err(|error| BenchError::Wrong(format!("a learner: {error}")))??;
        samples.push(took);
        running += usize::from(runs);
    }
    Ok((samples, running))
}
