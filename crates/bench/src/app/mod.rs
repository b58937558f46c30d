//! `app`: how long JupyterLab takes to open in a new session, from one kept started and from nothing, and a kernel in it, beside what
//! JupyterHub takes to spawn the same JupyterLab on the same machine. Everybody in turn.

mod hub;
mod site;

use std::time::{Duration, Instant};

use hub::Hub;
use madang_public_api::{AppCreate, SessionCreate};
use site::{Output, Site};
use tokio::time::sleep;

use crate::{BenchError, Settings, report::Report, sample::Samples, server::Server};

const APP: &str = "jupyterlab";
const ROUNDS: usize = 10;
/// Kernels beside the first one of a server.
const KERNELS_AFTER: usize = 2;
/// Until one that is kept started is there again.
const POOL_WAIT: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The metric of the pool that our sessions take from.
const POOL_METRIC: &str = "madang_pool_ready{pool=\"host/python+jupyterlab\"}";

/// What one of them took, each time.
#[derive(Debug, Default)]
struct Taken {
    /// Up to the first page that was answered.
    open: Samples,
    session: Samples,
    app: Samples,
    page: Samples,
    /// From asking for the first kernel to the reply to its first line.
    kernel: Samples,
    kernel_after: Samples,
    output_lost: usize,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let warm = start(settings, "on").await?;
    let cold = start(settings, "off").await?;
    let mut hub = match Hub::start().await {
        Ok(hub) => Some(hub),
        Err(error) => {
            report.note(format!("JupyterHub is absent: {error}"));
            None
        }
    };
    let mut taken: [Taken; 3] = Default::default();
    // The first of each counts for none: it finds nothing in the page cache, and has the pool opened.
    for round in 0..=settings.rounds.unwrap_or(ROUNDS) {
        let mut told: [Taken; 3] = Default::default();
        if round > 0 {
            pool_is_ready(&warm).await?;
        }
        ours(&warm, &mut told[0]).await?;
        pool_is_ready(&warm).await?;
        ours(&cold, &mut told[1]).await?;
        if let Some(hub) = &mut hub {
            theirs(hub, &mut told[2]).await?;
        }
        if round > 0 {
            taken.iter_mut().zip(told).for_each(|(all, one)| all.add(one));
        }
    }
    for (name, taken) in ["warm", "cold", "jupyterhub"].into_iter().zip(&taken) {
        tell(name, taken, report);
    }
    report.ratio("cold_jupyterhub_ratio", "cold_open_p50_ms", "jupyterhub_open_p50_ms");
    report.ratio("warm_jupyterhub_ratio", "warm_open_p50_ms", "jupyterhub_open_p50_ms");
    drop(hub);
    warm.stop().await?;
    cold.stop().await?;
    Ok(())
}

async fn start(settings: &Settings, pools: &str) -> Result<Server, BenchError> {
    let role = ["up", "--listen", "127.0.0.1:0", "--apps-listen", "127.0.0.1:0", "--pools", pools];
    Server::launch(&settings.madang, &role).await
}

impl Taken {
    fn add(&mut self, one: Self) {
        self.open.extend(one.open);
        self.session.extend(one.session);
        self.app.extend(one.app);
        self.page.extend(one.page);
        self.kernel.extend(one.kernel);
        self.kernel_after.extend(one.kernel_after);
        self.output_lost += one.output_lost;
    }

    async fn kernels(&mut self, site: &mut Site, base: &str) -> Result<(), BenchError> {
        for number in 0..=KERNELS_AFTER {
            let started = Instant::now();
            let output = site.kernel(base).await?;
            let samples = if number == 0 { &mut self.kernel } else { &mut self.kernel_after };
            samples.push(started.elapsed());
            self.output_lost += usize::from(output == Output::Lost);
        }
        Ok(())
    }
}

fn tell(name: &str, taken: &Taken, report: &mut Report) {
    let parts = [
        ("open", &taken.open),
        ("session", &taken.session),
        ("app", &taken.app),
        ("page", &taken.page),
        ("kernel", &taken.kernel),
        ("kernel after", &taken.kernel_after),
    ];
    for (what, samples) in parts {
        let Some(p95) = samples.percentile_ms(95.0) else { continue };
        let key = format!("{name}_{}_", what.replace(' ', "_"));
        report.latencies(&format!("{name}: {what}"), &key, samples);
        report.metric(format!("{key}p95_ms"), p95);
    }
    if taken.open.len() > 0 {
        report.metric(format!("{name}_output_lost"), taken.output_lost as f64);
    }
    if name != "jupyterhub" {
        report.failures += taken.output_lost as u64;
    }
}

/// A session with the app: made, opened, its page answered, kernels in it; and ended, whatever came of it.
async fn ours(server: &Server, taken: &mut Taken) -> Result<(), BenchError> {
    let create =
        SessionCreate { language: Some("python".to_owned()), app: Some(APP.to_owned()), ..SessionCreate::default() };
    let started = Instant::now();
    let session = server.client.session_create(&create).await?.id.to_string();
    taken.session.push(started.elapsed());
    let used = used(server, &session, started, taken).await;
    server.client.session_end(&session).await?;
    used
}

async fn used(server: &Server, session: &str, started: Instant, taken: &mut Taken) -> Result<(), BenchError> {
    let made = started.elapsed();
    let app = server.client.app_create(session, &AppCreate { name: APP.to_owned(), ..AppCreate::default() }).await?;
    let answers = started.elapsed();
    let url = app.url.ok_or_else(|| BenchError::Wrong(format!("no address: {:?}", app.no_url)))?;
    let place = url.split_once("://").and_then(|(_, rest)| Some((rest, rest.find('/')?)));
    let (rest, slash) = place.ok_or_else(|| BenchError::Wrong(format!("the address {url}")))?;
    let mut site = Site::at(&rest[..slash]);
    let page = site.page(&rest[slash..]).await?;
    let opened = started.elapsed();
    if page.status != 200 || !String::from_utf8_lossy(&page.body).contains("JupyterLab") {
        return Err(BenchError::Wrong(format!("{APP} answers {}", page.status)));
    }
    taken.open.push(opened);
    taken.app.push(answers.saturating_sub(made));
    taken.page.push(opened.saturating_sub(answers));
    taken.kernels(&mut site, &format!("/apps/{}/", app.id)).await
}

async fn theirs(hub: &mut Hub, taken: &mut Taken) -> Result<(), BenchError> {
    taken.open.push(hub.open().await?);
    taken.kernels(&mut hub.site, &Hub::base()).await?;
    hub.close().await
}

async fn pool_is_ready(server: &Server) -> Result<(), BenchError> {
    let until = Instant::now() + POOL_WAIT;
    while Instant::now() < until {
        let text = server.client.text("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(POOL_METRIC));
        if line.is_some_and(|ready| ready.trim().parse::<f64>().is_ok_and(|ready| ready >= 1.0)) {
            return Ok(());
        }
        sleep(LOOK_INTERVAL).await;
    }
    Err(BenchError::Wrong(format!("no {APP} is kept started after {} s", POOL_WAIT.as_secs())))
}
