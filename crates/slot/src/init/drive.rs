//! Init's dealings with the driver: asking it, passing on what it says.

use std::os::fd::OwnedFd;

use madang_slot_api::{Cause, DriverSeen, FromSlot, RunNumber, StartDriver, Verb, driver::Event};

use super::{Init, READS_A_TURN_MAX, budget, forward, send_output};
use crate::{
    driver::{Driver, Serving, cost, media_messages},
    outlet::Budget,
    process_tree,
    reap::Reaped,
};

/// Reads of the driver's events before others are looked at again; together they hold more than a pipe does.
const EVENT_READS_A_TURN_MAX: usize = 4;

impl Init {
    pub(super) fn driver_seen(&self) -> DriverSeen {
        match &self.driver {
            Some(Driver { serving: Some(serving), .. }) => DriverSeen::Serving { run: serving.run },
            Some(Driver { ready: true, .. }) => DriverSeen::Ready,
            _ => DriverSeen::Down,
        }
    }

    /// Whether what the interpreter says may be read: there is room for it.
    pub(super) fn driver_may_speak(&self) -> bool {
        let serving = self.driver.as_ref().and_then(|driver| driver.serving.as_ref());
        serving.map_or(!self.link.is_full(), |serving| self.link.has_room(serving.run))
    }

    pub(super) fn ask_driver(&mut self, ask: StartDriver, input: Option<OwnedFd>) {
        // A question for completions is over when its node is.
        let kept = matches!(ask.verb, Verb::Complete { .. }) || self.keep(ask.run);
        if !kept {
            return self.fault(Some(ask.run), "there are too many runs whose end nobody has heard".to_owned());
        }
        let bound = self.walls.bound;
        let free = self.driver.as_mut().filter(|driver| bound && driver.ready && driver.serving.is_none());
        let Some(driver) = free else {
            return self.fault(Some(ask.run), "the interpreter is not ready".to_owned());
        };
        let budget = budget(ask.wall_ms, ask.output_bytes);
        let serving = Serving { run: ask.run, verb: ask.verb, budget, stdin_whole: ask.stdin_whole };
        driver.guest.stdin.renew();
        if let Some(input) = input {
            driver.guest.stdin.push_file(input);
        }
        // A script owns its standard input; a query only borrows it.
        if ask.stdin_whole && ask.verb == Verb::Script {
            driver.guest.stdin.close();
        }
        driver.ask(ask, serving);
    }

    pub(super) fn tend_driver(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        driver.guest.stdin.pump();
        driver.requests.pump();
        if self.driver_may_speak() {
            self.hear_driver();
        }
    }

    fn hear_driver(&mut self) {
        self.forward_driver(READS_A_TURN_MAX);
        let Some(driver) = &mut self.driver else { return };
        match driver.read_events(EVENT_READS_A_TURN_MAX) {
            Ok(events) => events.into_iter().for_each(|event| self.relay(event)),
            Err(error) => {
                // Whoever holds the other end is no driver of ours any more.
                let run = driver.serving.as_ref().map(|serving| serving.run);
                let pid = driver.guest.pid;
                if let (Some(run), madang_slot_api::driver::EventError::TooLong { .. }) = (run, &error) {
                    self.kill(run, Cause::Output);
                } else {
                    self.fault(run, format!("the interpreter broke its protocol: {error}"));
                    process_tree::kill_tree(pid);
                }
            }
        }
    }

    fn forward_driver(&mut self, reads: usize) {
        let Some(driver) = &mut self.driver else { return };
        let over = match &mut driver.serving {
            Some(serving) => forward(&mut self.link, serving.run, &mut driver.guest, &mut serving.budget, reads),
            // Threads that print between queries print to nobody.
            None => forward(&mut self.link, 0, &mut driver.guest, &mut nobody(), 1),
        };
        if let (true, Some(serving)) = (over, &driver.serving) {
            let run = serving.run;
            self.kill(run, Cause::Output);
        }
    }

    /// Passes a driver's event on, after everything it wrote before.
    fn relay(&mut self, event: Event) {
        if !matches!(event, Event::Output { .. }) {
            self.forward_driver(usize::MAX);
        }
        let Some(driver) = &mut self.driver else { return };
        if event == Event::Ready && !driver.ready {
            driver.ready = true;
            return self.link.send(&FromSlot::DriverReady);
        }
        let Some(serving) = &mut driver.serving else { return };
        let run = serving.run;
        if serving.budget.cause.is_some() {
            // It is being ended; what it still says is nobody's.
            return;
        }
        if !serving.budget.charge(cost(&event)) {
            return self.kill(run, Cause::Output);
        }
        match event {
            Event::Ready => {}
            Event::Output { stream, bytes } => {
                let bytes = serving.budget.spend(&bytes).to_vec();
                send_output(&mut self.link, run, stream, &bytes);
            }
            Event::Media { mime, bytes } => {
                if serving.budget.spend(&bytes).len() == bytes.len() {
                    media_messages(run, &mime, &bytes).iter().for_each(|message| self.link.send(message));
                }
            }
            Event::Log { text } => self.link.send(&FromSlot::Log { run, text: shorten(text) }),
            Event::Input { prompt, echo } => {
                driver.input_asked();
                self.link.send(&FromSlot::Input { run, prompt: shorten(prompt), echo });
            }
            Event::Completions { start, items } if matches!(serving.verb, Verb::Complete { .. }) => {
                driver.serving = None;
                return self.link.send(&FromSlot::Completions { run, start, items: few(items) });
            }
            Event::Done { status } if serving.verb == Verb::Exec => {
                driver.serving = None;
                return self.link.send(&FromSlot::Done { run, status });
            }
            // An answer to something else than was asked, from somebody who is not our driver.
            Event::Completions { .. } | Event::Done { .. } => return self.kill(run, Cause::Asked),
        }
        self.kill_if_over(run);
    }

    fn kill_if_over(&mut self, run: RunNumber) {
        let serving = self.driver.as_ref().and_then(|driver| driver.serving.as_ref());
        if serving.is_some_and(|serving| serving.budget.cause == Some(Cause::Output)) {
            self.kill(run, Cause::Output);
        }
    }

    pub(super) fn driver_ended(&mut self, reaped: &Reaped) {
        self.hear_driver();
        self.forward_driver(usize::MAX);
        let Some(driver) = self.driver.take() else { return };
        match driver.serving {
            Some(serving) => {
                let exit = reaped.exit(serving.budget.cause);
                self.link.send(&FromSlot::Exited { run: serving.run, exit });
            }
            None => self.fault(None, format!("the interpreter ended with status {}", reaped.exit(None).status)),
        }
    }
}

fn nobody() -> Budget {
    budget(0, 0)
}

fn shorten(text: String) -> String {
    const CHARS_MAX: usize = 8 << 10;
    if text.len() <= CHARS_MAX { text } else { text.chars().take(CHARS_MAX).collect() }
}

fn few(items: Vec<String>) -> Vec<String> {
    const BYTES_MAX: usize = 32 << 10;
    let mut bytes = 0;
    items
        .into_iter()
        .take_while(|item| {
            bytes += item.len() + 8;
            bytes < BYTES_MAX
        })
        .collect()
}
