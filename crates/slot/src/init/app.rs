//! Init's dealings with apps: it starts them, keeps the end of what they write, and connects to what listens in the slot.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use madang_slot_api::{
    APP_LABEL_BYTES_MAX, AppAnswer, AppAsk, AppFault, AppKept, AppNumber, AppStart, ConnectTo, FromSlot,
};

use super::{Init, READS_A_TURN_MAX};
use crate::{
    connect::{Connecting, begin},
    guest::Guest,
    outlet::{Drained, drain},
    process_tree,
    program::Program,
    reap::Reaped,
};

/// Apps of one slot, those that have ended and were not stopped included; together with their labels they fit a packet.
const APPS_MAX: usize = 8;
/// Connections that do not stand yet.
const CONNECTING_MAX: usize = 64;
/// What is kept of an app's output.
const WORDS_BYTES_MAX: usize = 16 << 10;

/// The apps of the slot.
#[derive(Default)]
pub(super) struct Apps {
    all: BTreeMap<AppNumber, App>,
    connecting: BTreeMap<u32, Connecting>,
}

/// One of them.
struct App {
    label: Vec<u8>,
    /// None for a program of somebody else's, and for one that has ended.
    guest: Option<Guest>,
    words: VecDeque<u8>,
    ended: Option<i32>,
}

impl Apps {
    /// What is waited for: the output of apps, which is always read.
    pub(super) fn outlets(&self) -> impl Iterator<Item = (AppNumber, BorrowedFd<'_>)> {
        let guests = self.all.iter().filter_map(|(&number, app)| Some((number, app.guest.as_ref()?)));
        guests.flat_map(|(number, guest)| guest.outlets.iter().map(move |outlet| (number, outlet.pipe.as_fd())))
    }

    /// Connections that may stand soon, by the question they answer.
    pub(super) fn connecting(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.connecting.iter().map(|(&ask, connecting)| (ask, connecting.socket()))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.connecting.values().map(|connecting| connecting.until).min()
    }

    pub(super) fn are_any(&self) -> bool {
        self.all.values().any(|app| app.guest.is_some())
    }

    fn list(&self) -> Vec<AppKept> {
        let kept = |(&app, at): (&AppNumber, &App)| AppKept { app, label: at.label.clone(), ended: at.ended };
        self.all.iter().map(kept).collect()
    }

    /// Room for one more: the first that has ended makes way.
    fn make_room(&mut self) -> bool {
        let ended = self.all.iter().find(|(_, app)| app.ended.is_some()).map(|(&number, _)| number);
        if let (true, Some(ended)) = (self.all.len() >= APPS_MAX, ended) {
            self.all.remove(&ended);
        }
        self.all.len() < APPS_MAX
    }
}

impl App {
    /// Takes what it has written, at most `reads` pieces a pipe, and keeps the end of it.
    fn listen(&mut self, reads: usize) {
        let (words, Some(guest)) = (&mut self.words, &mut self.guest) else { return };
        guest.outlets.retain(|outlet| {
            for _ in 0..reads {
                match drain(&outlet.pipe) {
                    Drained::Bytes(bytes) => {
                        words.extend(bytes);
                        words.drain(..words.len().saturating_sub(WORDS_BYTES_MAX));
                    }
                    Drained::NothingNow => return true,
                    Drained::Closed => return false,
                }
            }
            true
        });
    }
}

impl Init {
    pub(super) fn obey_app(&mut self, ask: u32, what: AppAsk) {
        let answer = match what {
            AppAsk::Start(start) => self.start_app(start).map(|()| AppAnswer::Done),
            AppAsk::Stop { app } => {
                self.stop_app(app);
                Ok(AppAnswer::Done)
            }
            AppAsk::List => Ok(AppAnswer::Listed { apps: self.apps.list() }),
            AppAsk::LastWords { app } => self.last_words(app),
            AppAsk::Connect { to } => return self.connect(ask, &to),
        };
        self.link.send(&FromSlot::App { ask, answer });
    }

    /// May come before the claim: then it is an app of ours, and the claim brings what it lacks.
    fn start_app(&mut self, start: AppStart) -> Result<(), AppFault> {
        let AppStart { app, argv, env, label } = start;
        if label.len() > APP_LABEL_BYTES_MAX || self.apps.all.contains_key(&app) || !self.apps.make_room() {
            return Err(AppFault::TooMany);
        }
        let guest = if argv.is_empty() { None } else { Some(self.launch_app(&argv, &env)?) };
        self.apps.all.insert(app, App { label, guest, words: VecDeque::new(), ended: None });
        Ok(())
    }

    fn launch_app(&self, argv: &[String], env: &[String]) -> Result<Guest, AppFault> {
        let env: Vec<String> = self.env.iter().chain(env).cloned().collect();
        let started = Program::new(argv, &env).and_then(|program| Guest::start_piped(&program, &self.walls, None));
        let mut guest = started.map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN) => AppFault::Crowded,
            _ => AppFault::Other(error.to_string()),
        })?;
        guest.stdin.close();
        Ok(guest)
    }

    fn stop_app(&mut self, app: AppNumber) {
        // Unknown ones have ended.
        if let Some(App { guest: Some(guest), .. }) = self.apps.all.remove(&app) {
            process_tree::kill_tree(guest.pid);
        }
    }

    fn last_words(&mut self, app: AppNumber) -> Result<AppAnswer, AppFault> {
        let app = self.apps.all.get_mut(&app).ok_or(AppFault::NotFound)?;
        app.listen(READS_A_TURN_MAX);
        Ok(AppAnswer::Said { bytes: app.words.iter().copied().collect() })
    }

    pub(super) fn hear_app(&mut self, app: AppNumber) {
        if let Some(app) = self.apps.all.get_mut(&app) {
            app.listen(READS_A_TURN_MAX);
        }
    }

    /// Whether the child was an app.
    pub(super) fn app_ended(&mut self, reaped: &Reaped) -> bool {
        let is_it = |app: &&mut App| app.guest.as_ref().is_some_and(|guest| guest.pid.as_raw_pid() == reaped.pid);
        let Some(app) = self.apps.all.values_mut().find(is_it) else { return false };
        app.listen(READS_A_TURN_MAX);
        app.guest = None;
        app.ended = Some(reaped.exit(None).status);
        true
    }

    fn connect(&mut self, ask: u32, to: &ConnectTo) {
        if self.apps.connecting.len() >= CONNECTING_MAX {
            return self.connected(ask, Err(AppFault::TooMany));
        }
        match begin(to) {
            Ok(connecting) => {
                self.apps.connecting.insert(ask, connecting);
                // On the loopback it stands by now, or never will.
                self.look_at_connection(ask);
            }
            Err(fault) => self.connected(ask, Err(fault)),
        }
    }

    /// Tells of a connection that stands, or cannot be had.
    pub(super) fn look_at_connection(&mut self, ask: u32) {
        let Some(connecting) = self.apps.connecting.get_mut(&ask) else { return };
        if let Some(result) = connecting.look() {
            let done = self.apps.connecting.remove(&ask);
            self.connected(ask, result.and_then(|()| done.map(Connecting::into_socket).ok_or(AppFault::Refused)));
        }
    }

    pub(super) fn end_late_connections(&mut self) {
        let now = Instant::now();
        let late: Vec<u32> = self
            .apps
            .connecting
            .iter()
            .filter(|(_, connecting)| connecting.until <= now)
            .map(|(&ask, _)| ask)
            .collect();
        for ask in late {
            self.apps.connecting.remove(&ask);
            self.connected(ask, Err(AppFault::Late));
        }
    }

    fn connected(&mut self, ask: u32, result: Result<OwnedFd, AppFault>) {
        let (answer, socket) = match result {
            Ok(socket) => (Ok(AppAnswer::Connected), Some(socket)),
            Err(fault) => (Err(fault), None),
        };
        self.link.send_with(&FromSlot::App { ask, answer }, socket);
    }
}
