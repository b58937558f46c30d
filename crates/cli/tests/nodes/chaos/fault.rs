//! What befalls three nodes and their control.

use std::{
    fs,
    time::{Duration, Instant},
};

use madang_public_api::SessionState;
use rustix::process::{Pid, Signal, kill_process};

use super::{Chaos, claims};
use crate::process::soon;

/// Shorter than a lease.
const CUT_MAX: Duration = Duration::from_secs(4);
/// A node is silent by then, and a lease is not over.
const CUT_UNTIL_SILENT: Duration = Duration::from_secs(7);
const DOWN_MAX: Duration = Duration::from_secs(2);
const FULL_MAX: Duration = Duration::from_secs(4);
/// How far a clock is set: shorter than sessions live, longer than all else that is waited for.
const STEPS_SECONDS: [i64; 7] = [-3_000, -600, -20, 0, 20, 600, 3_000];
/// Shorter than how long a process remembers how its clock is set.
const CLOCK_HEARD: Duration = Duration::from_millis(1_200);

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Cut,
    CutLong,
    AgentKilled,
    AgentKilledBehindCut,
    ControlKilled,
    ControlKilledWhileCut,
    SandboxKilled,
    NodeFull,
    NodeFullAgentKilled,
    NodeFullSandboxKilled,
    ControlFull,
    ControlFullKilled,
    NodeClock,
    ControlClock,
    ControlClockWhileCut,
}

impl Fault {
    /// Those that take no longer than some seconds.
    pub const BRIEF: &[Self] = &[
        Self::Cut,
        Self::AgentKilled,
        Self::AgentKilledBehindCut,
        Self::ControlKilled,
        Self::ControlKilledWhileCut,
        Self::SandboxKilled,
        Self::NodeFull,
        Self::NodeFullAgentKilled,
        Self::NodeFullSandboxKilled,
        Self::ControlFull,
        Self::ControlFullKilled,
        Self::NodeClock,
        Self::ControlClock,
    ];
    pub const ALL: &[Self] = &[
        Self::Cut,
        Self::CutLong,
        Self::AgentKilled,
        Self::AgentKilledBehindCut,
        Self::ControlKilled,
        Self::ControlKilledWhileCut,
        Self::SandboxKilled,
        Self::NodeFull,
        Self::NodeFullAgentKilled,
        Self::NodeFullSandboxKilled,
        Self::ControlFull,
        Self::ControlFullKilled,
        Self::NodeClock,
        Self::ControlClock,
        Self::ControlClockWhileCut,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cable cut",
            Self::CutLong => "cable cut for longer than a lease",
            Self::AgentKilled => "agent killed",
            Self::AgentKilledBehindCut => "agent killed behind a cut cable",
            Self::ControlKilled => "control killed",
            Self::ControlKilledWhileCut => "control killed while a cable is cut",
            Self::SandboxKilled => "sandbox killed",
            Self::NodeFull => "node's disk full",
            Self::NodeFullAgentKilled => "agent killed while its disk is full",
            Self::NodeFullSandboxKilled => "sandbox and agent killed while the disk is full",
            Self::ControlFull => "control's disk full",
            Self::ControlFullKilled => "control killed while its disk is full",
            Self::NodeClock => "node's clock set",
            Self::ControlClock => "control's clock set",
            Self::ControlClockWhileCut => "control's clock set while a node is silent",
        }
    }
}

impl Chaos {
    /// One of them befalls, and is over.
    pub async fn round(&mut self, faults: &[Fault]) {
        let fault = *self.dice.pick(faults).unwrap();
        let which = self.dice.below(self.nodes.len());
        let fault_name = fault.name();
        let began = Instant::now();
        match fault {
            Fault::Cut | Fault::CutLong | Fault::AgentKilledBehindCut | Fault::ControlKilledWhileCut => {
                self.cut(fault, which).await;
            }
            Fault::AgentKilled => {
                self.nodes[which].1.kill();
                self.down().await;
                self.nodes[which].1.again();
            }
            Fault::ControlKilled => {
                self.control.kill();
                self.down().await;
                self.control.again();
            }
            Fault::SandboxKilled => self.kill_a_sandbox(None),
            Fault::NodeFull | Fault::NodeFullAgentKilled | Fault::NodeFullSandboxKilled => {
                self.fill_node(fault, which).await;
            }
            Fault::ControlFull | Fault::ControlFullKilled => self.fill_control(fault).await,
            Fault::NodeClock | Fault::ControlClock | Fault::ControlClockWhileCut => {
                self.set_clock(fault, which).await;
            }
        }
        *self.befell.entry(fault_name).or_default() += 1;
        println!("{fault_name} (node {which}), {:.1} s", began.elapsed().as_secs_f64());
    }

    async fn down(&mut self) {
        tokio::time::sleep(self.dice.moment(DOWN_MAX)).await;
    }

    async fn cut(&mut self, fault: Fault, which: usize) {
        self.network.cut(&self.nodes[which].0);
        match fault {
            Fault::CutLong => self.wait_until_given_up(which).await,
            Fault::AgentKilledBehindCut => {
                self.nodes[which].1.kill();
                self.nodes[which].1.again();
                self.down().await;
            }
            Fault::ControlKilledWhileCut => {
                self.control.kill();
                self.down().await;
                self.control.again();
            }
            _ => tokio::time::sleep(self.dice.moment(CUT_MAX)).await,
        }
        self.network.heal(&self.nodes[which].0);
    }

    /// What may not start elsewhere is over, the rest is elsewhere.
    async fn wait_until_given_up(&mut self, which: usize) {
        let there: Vec<_> = claims(&self.nodes[which].1).into_iter().map(|(_, session)| session).collect();
        let counters: Vec<_> = self.counters.iter().map(|counter| counter.session.clone()).collect();
        for session in counters.into_iter().filter(|session| there.contains(session)) {
            self.harmed.insert(session.clone());
            soon("what was cut off is given up", async || {
                let view = self.client.session_get(&session).await.map_err(|error| error.to_string())?;
                if view.state == SessionState::Ended { Ok(()) } else { Err(format!("{view:?}")) }
            })
            .await;
        }
        let singles = self.singles.iter().filter(|single| there.contains(&single.session));
        for single in singles {
            soon("what may start elsewhere does", async || {
                let elsewhere = self.nodes.iter().enumerate().filter(|(at, _)| *at != which);
                let mut claimed = elsewhere.flat_map(|(_, (_, role))| claims(role));
                let here = claimed.any(|(_, session)| session == single.session);
                if here { Ok(()) } else { Err(single.session.clone()) }
            })
            .await;
        }
    }

    async fn fill_node(&mut self, fault: Fault, which: usize) {
        let full = self.dice.moment(FULL_MAX);
        self.nodes[which].1.disk.as_ref().unwrap().fill();
        match fault {
            Fault::NodeFullAgentKilled => {
                self.nodes[which].1.kill();
                self.come_up_now_or_with_room(which);
            }
            Fault::NodeFullSandboxKilled => {
                self.kill_a_sandbox(Some(which));
                tokio::time::sleep(full).await;
                self.nodes[which].1.kill();
                self.come_up_now_or_with_room(which);
            }
            _ => {}
        }
        tokio::time::sleep(full).await;
        let disk = self.nodes[which].1.disk.as_ref().unwrap();
        disk.empty();
    }

    /// Whoever watches over it starts it again and again.
    fn come_up_now_or_with_room(&mut self, which: usize) {
        let up = self.nodes[which].1.tried_again();
        assert!(up, "an agent cannot start on a full disk: {}", self.nodes[which].1.log());
    }

    async fn fill_control(&mut self, fault: Fault) {
        let full = self.dice.moment(FULL_MAX);
        self.control.disk.as_ref().unwrap().fill();
        tokio::time::sleep(full).await;
        if matches!(fault, Fault::ControlFullKilled) {
            self.control.kill();
            let up = self.control.tried_again();
            self.control.disk.as_ref().unwrap().empty();
            if !up {
                self.control.again();
            }
        } else {
            self.control.disk.as_ref().unwrap().empty();
        }
    }

    async fn set_clock(&mut self, fault: Fault, which: usize) {
        let seconds = *self.dice.pick(&STEPS_SECONDS).unwrap();
        let control = self.nodes.len();
        match fault {
            Fault::NodeClock => self.step(which, seconds).await,
            Fault::ControlClock => self.step(control, seconds).await,
            _ => {
                self.step(control, 0).await;
                self.network.cut(&self.nodes[which].0);
                tokio::time::sleep(CUT_UNTIL_SILENT.saturating_sub(CLOCK_HEARD)).await;
                self.step(control, seconds.abs()).await;
                self.network.heal(&self.nodes[which].0);
            }
        }
    }

    /// Stays so until it is set again.
    async fn step(&self, clock: usize, seconds: i64) {
        if let Some(clock) = self.clocks.get(clock) {
            clock.set(seconds);
            tokio::time::sleep(CLOCK_HEARD).await;
        }
    }

    /// One of a counter, on one node if it is said which.
    fn kill_a_sandbox(&mut self, on: Option<usize>) {
        let roles = self.nodes.iter().enumerate().filter(|(at, _)| on.is_none_or(|on| on == *at));
        let there: Vec<_> = roles.flat_map(|(_, (_, role))| claims(role)).collect();
        let counts = |session: &str| self.counters.iter().any(|counter| counter.session == session);
        let there: Vec<_> = there.into_iter().filter(|(_, session)| counts(session)).collect();
        let Some((slot, session)) = self.dice.pick(&there).cloned() else { return };
        self.harmed.insert(session);
        for pid in self.nodes.iter().flat_map(|(_, role)| role.sandbox_processes()) {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            // Whole: the name of one slot begins as another's does.
            if groups.lines().any(|group| group.split('/').any(|piece| piece == slot)) {
                // It may have ended with another.
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
}
