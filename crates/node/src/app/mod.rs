//! Apps of a sandbox: found or begun, waited for, connected to.
//!
//! Init has them; what this agent knows of them it can learn again from init, so that they outlive it. What init says is checked: a guest
//! may have taken it over.

mod connect;
mod fit;
mod ready;
mod shelf;
mod used;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use connect::GuestStream;
use madang_ids::AppId;
use madang_languages::AppPlace;
use madang_model::{AppPrefix, AppProtocol, app_route::app_path};
use madang_node_api::{AppSeen, AppSpec, AppState, NodeError, PORT_APP};
use madang_slot_api::{AppAnswer, AppAsk, AppFault, AppKept, AppNumber, AppStart, ConnectTo};
use serde::{Deserialize, Serialize};

pub use shelf::Shelf;
pub use used::{AppUse, Used};

use crate::{link::Link, sandbox::unavailable};

/// Ports that apps are given which ask for none.
const PORTS: (u16, u16) = (20_000, 10_000);
/// Where programs start.
const HOME: &str = "/home/work";

/// What init keeps beside an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub id: AppId,
    pub name: String,
    pub protocol: AppProtocol,
    pub prefix: AppPrefix,
    pub port: u16,
    pub path: String,
    /// The path that is answered when it is ready.
    pub ready: Option<String>,
}

impl Label {
    fn seen(self, state: AppState) -> AppSeen {
        let Self { id, name, protocol, prefix, port, path, ready: _ } = self;
        AppSeen { id, name, protocol, prefix, port, path, state }
    }
}

/// An app with its number in the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub number: AppNumber,
    pub label: Label,
    pub state: AppState,
}

impl Known {
    fn of(kept: AppKept) -> Option<Self> {
        let label: Label = serde_json::from_slice(&kept.label).ok()?;
        let state = kept.ended.map_or(AppState::Running, |status| AppState::Ended { status });
        Some(Self { number: kept.app, label, state })
    }
}

/// An app that runs, and whether it did before somebody asked for it.
enum Begun {
    Before(Known),
    Now(Known),
}

impl Begun {
    fn known(&self) -> &Known {
        match self {
            Begun::Before(known) | Begun::Now(known) => known,
        }
    }
}

/// What a sandbox's agent knows of its apps.
#[derive(Debug, Default)]
pub struct Apps {
    /// Held while one is looked for and begun: two who ask for the same get the same.
    beginning: tokio::sync::Mutex<()>,
    /// Where they listen: a connection needs to ask init nothing more.
    ports: Mutex<HashMap<AppId, u16>>,
}

impl<'a> FromIterator<&'a Label> for Apps {
    fn from_iter<I: IntoIterator<Item = &'a Label>>(labels: I) -> Self {
        let apps = Self::default();
        labels.into_iter().for_each(|label| apps.learn(label));
        apps
    }
}

impl Apps {
    /// One that was there before anybody asked.
    fn learn(&self, label: &Label) {
        self.ports().insert(label.id, label.port);
    }

    fn ports(&self) -> MutexGuard<'_, HashMap<AppId, u16>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an app, or finds it, and waits until it answers.
    pub async fn start(&self, link: &Link, shelf: &Shelf, spec: AppSpec) -> Result<AppSeen, NodeError> {
        let begun = self.begin(link, shelf, spec).await?;
        let known = begun.known();
        let answers = ready::wait(link, known).await;
        // One that was there is somebody's, who works in it, also where it does not answer just now.
        if let (Err(_), Begun::Now(_)) = (&answers, &begun) {
            self.stop_number(link, known.number).await?;
        }
        answers.map(|()| known.label.clone().seen(AppState::Running))
    }

    async fn begin(&self, link: &Link, shelf: &Shelf, spec: AppSpec) -> Result<Begun, NodeError> {
        let _beginning = self.beginning.lock().await;
        let all = list(link).await?;
        let same =
            |known: &&Known| known.label.name == spec.name && spec.port.is_none_or(|port| port == known.label.port);
        if let Some(there) = all.iter().find(same) {
            if there.state == AppState::Running {
                self.learn(&there.label);
                return Ok(Begun::Before(there.clone()));
            }
            // It ended: whoever asks wants it again.
            self.stop_number(link, there.number).await?;
        }
        let number = link.number();
        let (label, start) = plan(shelf, spec, number)?;
        done(link.app(AppAsk::Start(start)).await, &label.name)?;
        self.learn(&label);
        Ok(Begun::Now(Known { number, label, state: AppState::Running }))
    }

    /// Ends an app; one that is not there has ended.
    pub async fn stop(&self, link: &Link, app: AppId) -> Result<(), NodeError> {
        self.ports().remove(&app);
        for known in list(link).await?.into_iter().filter(|known| known.label.id == app) {
            self.stop_number(link, known.number).await?;
        }
        Ok(())
    }

    async fn stop_number(&self, link: &Link, app: AppNumber) -> Result<(), NodeError> {
        done(link.app(AppAsk::Stop { app }).await, "app")
    }

    /// All there are.
    pub async fn seen(&self, link: &Link) -> Result<Vec<AppSeen>, NodeError> {
        let all = list(link).await?;
        all.iter().for_each(|known| self.learn(&known.label));
        Ok(all.into_iter().map(|known| known.label.seen(known.state)).collect())
    }

    /// A connection to one.
    pub async fn connect(&self, link: &Link, app: AppId) -> Result<GuestStream, NodeError> {
        let known = self.ports().get(&app).copied();
        let port = match known {
            Some(port) => port,
            None => {
                let all = list(link).await?;
                let found = all.into_iter().find(|known| known.label.id == app);
                let label = found.ok_or_else(|| NodeError::NotFound(format!("app {app}")))?.label;
                self.learn(&label);
                label.port
            }
        };
        let stream = connect::connect(link, ConnectTo::Port(port)).await;
        stream.map_err(|fault| connect::failed(&fault, "the app"))
    }

    /// A connection to whatever listens there.
    pub async fn connect_port(&self, link: &Link, port: u16) -> Result<GuestStream, NodeError> {
        let stream = connect::connect(link, ConnectTo::Port(port)).await;
        stream.map_err(|fault| connect::failed(&fault, &format!("port {port}")))
    }
}

/// Begins an app in a slot that waits for its claim, and waits until it answers.
pub async fn start_warm(link: &Link, shelf: &Shelf, name: &str) -> Result<Label, NodeError> {
    let (arguments, env) = Default::default();
    let spec = AppSpec { id: AppId::new(), name: name.to_owned(), port: None, protocol: None, arguments, env };
    let number = link.number();
    let (label, start) = plan(shelf, spec, number)?;
    done(link.app(AppAsk::Start(start)).await, name)?;
    let known = Known { number, label, state: AppState::Running };
    ready::wait(link, &known).await?;
    Ok(known.label)
}

/// What the app is to be, and what init has to start for it.
fn plan(shelf: &Shelf, spec: AppSpec, number: AppNumber) -> Result<(Label, AppStart), NodeError> {
    let (first, count) = PORTS;
    let asked = spec.port;
    if asked == Some(0) {
        return Err(NodeError::Invalid("port 0 is none that anything listens on".to_owned()));
    }
    let port = asked.unwrap_or(first + (number % u32::from(count)) as u16);
    let (id, name) = (spec.id, spec.name.clone());
    let (label, argv, env) = if name == PORT_APP {
        if asked.is_none() {
            return Err(NodeError::Invalid("which port? it must be named".to_owned()));
        }
        let (protocol, prefix) = (spec.protocol.unwrap_or_default(), AppPrefix::Strip);
        let label = Label { id, name, protocol, prefix, port, path: String::new(), ready: None };
        (label, Vec::new(), Vec::new())
    } else {
        let recipe = shelf.recipe(&name)?;
        let place = AppPlace { port, prefix: app_path(id).trim_end_matches('/').to_owned(), home: HOME.to_owned() };
        let env = recipe.environment(&place).into_iter().chain(spec.env);
        let env = env.map(|(key, value)| format!("{key}={value}")).collect();
        let label = Label {
            id,
            name,
            protocol: recipe.protocol,
            prefix: recipe.prefix,
            port,
            path: recipe.path.clone(),
            ready: recipe.ready.as_ref().map(|path| format!("{}/{path}", recipe.prefix_in(&place))),
        };
        (label, recipe.command(&place, &spec.arguments), env)
    };
    let kept = serde_json::to_vec(&label).map_err(|error| NodeError::Internal(format!("writing an app: {error}")))?;
    Ok((label, AppStart { app: number, argv, env, label: kept }))
}

async fn list(link: &Link) -> Result<Vec<Known>, NodeError> {
    match link.app(AppAsk::List).await.map_err(unavailable)?.0 {
        Ok(AppAnswer::Listed { apps }) => Ok(apps.into_iter().filter_map(Known::of).collect()),
        other => Err(misfit(other.err())),
    }
}

fn done(answer: Result<crate::link::AppReply, crate::link::LinkError>, name: &str) -> Result<(), NodeError> {
    match answer.map_err(unavailable)?.0 {
        Ok(AppAnswer::Done) => Ok(()),
        Err(AppFault::TooMany) => Err(NodeError::Limit("the sandbox has as many apps as it may have".to_owned())),
        Err(AppFault::Crowded) => Err(NodeError::Limit(format!("{name}: {}", AppFault::Crowded))),
        Err(fault) => Err(NodeError::Invalid(format!("{name} cannot be started: {fault}"))),
        Ok(_) => Err(misfit(None)),
    }
}

fn misfit(fault: Option<AppFault>) -> NodeError {
    let why = fault.map_or_else(|| "something else than was asked".to_owned(), |fault| fault.to_string());
    NodeError::Internal(format!("the sandbox answered: {why}"))
}
