//! The thread that asks the spawner, and starts another when one is gone.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use madang_model::RootPlan;
use madang_sandbox::{Slot, SlotSpec, Spawner, SpawnerError};
use tokio::sync::oneshot;

/// Requests that wait for the spawner; past it callers wait.
const QUEUE_MAX: usize = 1024;

/// What a spawner is started with, first time and every time after.
#[derive(Debug, Clone)]
pub struct MakerConfig {
    pub program: PathBuf,
    pub instance: String,
    pub slots: PathBuf,
    pub languages: PathBuf,
}

enum Ask {
    Slot(SlotSpec, oneshot::Sender<Result<Slot, SpawnerError>>),
    Template(String, Box<RootPlan>, oneshot::Sender<Result<(), SpawnerError>>),
}

/// A handle to the thread.
#[derive(Debug, Clone)]
pub struct Maker {
    asks: SyncSender<Ask>,
    /// What is weaker than it could be, as the spawner said.
    pub notes: Vec<String>,
}

impl Maker {
    /// Starts the spawner and the thread. Blocking.
    pub fn start(config: MakerConfig) -> Result<Self, SpawnerError> {
        let spawner = Spawner::start(&config.program, &config.instance, &config.slots)?;
        let notes = spawner.notes.clone();
        let (asks, receive) = sync_channel(QUEUE_MAX);
        let mut bench = Bench { config, spawner: Some(spawner), templates: Vec::new() };
        let thread = std::thread::Builder::new().name("slot-maker".to_owned());
        thread.spawn(move || bench.serve(receive)).map_err(SpawnerError::Gone)?;
        Ok(Self { asks, notes })
    }

    pub async fn make_slot(&self, spec: SlotSpec) -> Result<Slot, SpawnerError> {
        let (send, receive) = oneshot::channel();
        self.ask(Ask::Slot(spec, send))?;
        receive.await.map_err(|_| gone())?
    }

    pub async fn make_template(&self, key: String, plan: RootPlan) -> Result<(), SpawnerError> {
        let (send, receive) = oneshot::channel();
        self.ask(Ask::Template(key, Box::new(plan), send))?;
        receive.await.map_err(|_| gone())?
    }

    fn ask(&self, ask: Ask) -> Result<(), SpawnerError> {
        self.asks.try_send(ask).map_err(|_| gone())
    }
}

fn gone() -> SpawnerError {
    SpawnerError::Gone(std::io::ErrorKind::WouldBlock.into())
}

/// The spawner with what it must be told again if it is replaced.
struct Bench {
    config: MakerConfig,
    spawner: Option<Spawner>,
    templates: Vec<(String, RootPlan)>,
}

impl Bench {
    fn serve(&mut self, asks: Receiver<Ask>) {
        for ask in asks {
            match ask {
                Ask::Slot(spec, answer) => {
                    if answer.is_closed() {
                        continue;
                    }
                    let made = self.make_slot(&spec);
                    if let Err(Ok(unwanted)) = answer.send(made) {
                        // Only a node that stops does not wait; the next start removes the rest.
                        unwanted.kill();
                    }
                }
                Ask::Template(key, plan, answer) => {
                    let languages = self.config.languages.clone();
                    let made = self.try_twice(|spawner| spawner.make_template(&key, &plan, &languages));
                    if made.is_ok() {
                        self.templates.retain(|(known, _)| *known != key);
                        self.templates.push((key, *plan));
                    }
                    let _ = answer.send(made);
                }
            }
        }
    }

    /// Not tried again under the same name: a spawner that dies in the middle may leave half a slot.
    fn make_slot(&mut self, spec: &SlotSpec) -> Result<Slot, SpawnerError> {
        let made = self.spawner()?.make_slot(spec);
        if let Err(SpawnerError::Gone(error)) = &made {
            tracing::warn!(%error, slot = spec.name, "the spawner is gone; another will be started");
            self.spawner = None;
        }
        made
    }

    /// A spawner that is gone is replaced once a request.
    fn try_twice<T>(&mut self, act: impl Fn(&mut Spawner) -> Result<T, SpawnerError>) -> Result<T, SpawnerError> {
        match act(self.spawner()?) {
            Err(SpawnerError::Gone(error)) => {
                tracing::warn!(%error, "the spawner is gone; starting another");
                self.spawner = None;
                act(self.spawner()?)
            }
            result => result,
        }
    }

    fn spawner(&mut self) -> Result<&mut Spawner, SpawnerError> {
        if self.spawner.is_none() {
            let mut fresh = Spawner::start(&self.config.program, &self.config.instance, &self.config.slots)?;
            for (key, plan) in &self.templates {
                fresh.make_template(key, plan, &self.config.languages)?;
            }
            self.spawner = Some(fresh);
        }
        self.spawner.as_mut().ok_or_else(gone)
    }
}
