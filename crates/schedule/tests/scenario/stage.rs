//! Plays one script. Times are seconds, memory is GiB, processors are whole ones.

use std::{collections::BTreeMap, fmt::Write};

use madang_ids::{NodeId, ReservationId, SessionId};
use madang_schedule::{
    Amount, Decision, Device, DeviceWant, Ended, Gang, GangMode, Group, GroupRules, HeldBefore, Node, NodeState,
    Prefer, QueueOrder, Refusal, Reservation, Session, Spreading, Want, pool_key,
};

struct Stage {
    group: Group,
    now_ms: u64,
    nodes: Names<NodeId>,
    sessions: Names<SessionId>,
    reservations: Names<ReservationId>,
    out: String,
}

/// Ids by the names that scripts use, in both directions.
struct Names<T>(BTreeMap<String, T>);

impl<T: Copy + PartialEq + std::fmt::Display> Names<T> {
    fn id(&mut self, name: &str, new: impl FnOnce() -> T) -> T {
        *self.0.entry(name.to_owned()).or_insert_with(new)
    }

    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&id.to_string(), name))
    }

    fn of(&self, id: T) -> String {
        self.replace(&id.to_string())
    }
}

/// One line: a word, a name, `key=value` and bare words.
struct Line<'a> {
    verb: &'a str,
    name: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let (verb, mut name) = (words.next().unwrap(), "");
        let mut values = BTreeMap::new();
        for (index, word) in words.enumerate() {
            match word.split_once('=') {
                Some((key, value)) => drop(values.insert(key, value)),
                None if index == 0 => name = word,
                None => drop(values.insert(word, "")),
            }
        }
        Self { verb, name, values }
    }

    fn number(&self, key: &str, default: f64) -> f64 {
        self.values.get(key).map_or(default, |value| value.parse().unwrap())
    }

    fn millis(&self, key: &str, default: f64) -> u64 {
        (self.number(key, default) * 1_000.0) as u64
    }

    fn text(&self, key: &str, default: &str) -> String {
        (*self.values.get(key).unwrap_or(&default)).to_owned()
    }

    fn amount(&self, default: f64) -> Amount {
        let gib = (self.number("mem", default) * f64::from(1 << 30)) as u64;
        Amount { cpu_millis: self.millis("cpu", default), memory_bytes: gib, disk_bytes: 0 }
    }

    fn want(&self) -> Want {
        let millis = self.millis("gpu", 0.0);
        let devices = if millis == 0 { vec![] } else { vec![DeviceWant { kind: "gpu".into(), millis }] };
        Want { amount: self.amount(1.0), devices }
    }
}

pub fn play(script: &str) -> String {
    let mut stage = Stage {
        group: Group::new(GroupRules::default()),
        now_ms: 0,
        nodes: Names(BTreeMap::new()),
        sessions: Names(BTreeMap::new()),
        reservations: Names(BTreeMap::new()),
        out: String::new(),
    };
    for line in script.lines() {
        writeln!(stage.out, "{line}").unwrap();
        if !line.trim().is_empty() && !line.starts_with('#') {
            stage.obey(&Line::parse(line));
        }
    }
    stage.out
}

impl Stage {
    fn obey(&mut self, line: &Line<'_>) {
        match line.verb {
            "rules" => self.rules(line),
            "at" => self.now_ms = (line.name.parse::<f64>().unwrap() * 1_000.0) as u64,
            "node" => {
                let id = self.nodes.id(line.name, NodeId::new);
                self.group.node_set(id, node(line), self.now_ms);
            }
            "node-gone" => {
                let id = self.nodes.0[line.name];
                self.group.node_remove(id, self.now_ms);
            }
            "queue" => {
                let session = self.session(line);
                self.group.session_queue(session);
            }
            "end" => {
                let ended = if line.values.contains_key("badly") { Ended::Badly } else { Ended::Well };
                self.group.session_ended(self.sessions.0[line.name], ended, self.now_ms);
            }
            "again" => {
                // A preempted session: what it held is free, and it waits once more.
                let id = self.sessions.0[line.name];
                self.group.session_release(id, self.now_ms);
                let session = Session { id, ..self.session(line) };
                self.group.session_queue(session);
            }
            "used" => {
                let held_ms = line.millis("lasts", 0.0) as f64;
                let held =
                    HeldBefore { owner: line.name.to_owned(), amount: line.want().amount, device_millis: 0, held_ms };
                self.group.history_set(vec![held], self.now_ms);
            }
            "reserve" => self.reserve(line),
            "decide" => self.decide(),
            "wait" => self.wait(line),
            "pools" => {
                for (node, pools) in self.group.pools_wanted(self.now_ms, line.millis("lead", 60.0)) {
                    writeln!(self.out, "    {} {pools:?}", self.nodes.of(node)).unwrap();
                }
            }
            verb => panic!("{verb}?"),
        }
    }

    fn rules(&mut self, line: &Line<'_>) {
        let mut rules = GroupRules { prefer: Prefer::Nothing, ..GroupRules::default() };
        rules.order = match line.text("order", "fifo").as_str() {
            "fifo" => QueueOrder::Fifo,
            "lifo" => QueueOrder::Lifo,
            "drf" => QueueOrder::Drf,
            _ => QueueOrder::FairShare,
        };
        rules.spreading = match line.text("spreading", "pack").as_str() {
            "pack" => Spreading::Pack,
            "spread" => Spreading::Spread,
            _ => Spreading::RoundRobin,
        };
        rules.prefer = match line.text("prefer", "nothing").as_str() {
            "nothing" => Prefer::Nothing,
            "image" => Prefer::Image,
            _ => Prefer::Warm,
        };
        rules.head.tries = line.number("tries", 0.0) as u32;
        rules.head.wait_ms = line.millis("patience", 1e9);
        rules.priority_step_ms = line.millis("step", 600.0);
        self.group.rules_set(rules);
    }

    fn session(&mut self, line: &Line<'_>) -> Session {
        let after = line.values.get("after").map(|names| names.split(',').map(|name| self.sessions.0[name]).collect());
        let mode = if line.values.contains_key("anywhere") { GangMode::MultiNode } else { GangMode::SingleNode };
        Session {
            id: self.sessions.id(line.name, SessionId::new),
            owner: line.text("owner", "ann"),
            priority: line.number("priority", 0.0) as i64,
            preemptible: line.values.contains_key("batch"),
            gang: Gang { size: line.number("size", 1.0) as u32, mode },
            want: line.want(),
            image: line.text("image", "host"),
            language: line.text("language", ""),
            labels: line.values.get("label").map(|label| ((*label).to_owned(), "yes".to_owned())).into_iter().collect(),
            depends_on: after.unwrap_or_default(),
            reservation: line.values.get("reservation").map(|name| self.reservations.0[*name]),
            queued_ms: self.now_ms,
            lasts_ms_max: line.millis("lasts", 3_600.0),
        }
    }

    fn reserve(&mut self, line: &Line<'_>) {
        let reservation = Reservation {
            id: self.reservations.id(line.name, ReservationId::new),
            starts_ms: line.millis("from", 0.0),
            ends_ms: line.millis("to", 0.0),
            slots: line.number("slots", 1.0) as u32,
            want: line.want(),
            image: line.text("image", "host"),
            language: line.text("language", ""),
        };
        let said = match self.group.reserve(reservation, self.now_ms) {
            Ok(()) => "promised".to_owned(),
            Err(Refusal::Senseless(why)) => why.to_owned(),
            Err(Refusal::TooMany { possible, starts_ms }) => {
                let later = starts_ms.map_or("never".to_owned(), |at| format!("at {}", at / 1_000));
                format!("refused: {possible} are possible, all of them {later}")
            }
        };
        writeln!(self.out, "    {said}").unwrap();
    }

    fn decide(&mut self) {
        loop {
            let decisions = self.group.decide(self.now_ms);
            if decisions.is_empty() {
                return;
            }
            for decision in decisions {
                let said = self.say(decision);
                writeln!(self.out, "    {said}").unwrap();
            }
        }
    }

    fn say(&self, decision: Decision) -> String {
        match decision {
            Decision::Place(place) => {
                let spot = |it: &madang_schedule::Placement| {
                    let grants = it.grants.iter().map(|grant| format!(" {}:{}", grant.device, grant.millis));
                    self.nodes.of(it.node) + &grants.collect::<String>()
                };
                let spots: Vec<_> = place.placements.iter().map(spot).collect();
                format!("{} starts on {}", self.sessions.of(place.session), spots.join(", "))
            }
            Decision::Preempt { session, in_favour_of } => {
                format!("{} makes room for {}", self.sessions.of(session), self.sessions.of(in_favour_of))
            }
            Decision::Refuse { session, why } => {
                format!("{} is refused: {}", self.sessions.of(session), self.sessions.replace(&why))
            }
        }
    }

    fn wait(&mut self, line: &Line<'_>) {
        let said = match self.group.wait(self.sessions.0[line.name], self.now_ms) {
            None => "does not wait".to_owned(),
            Some(wait) => {
                let position = wait.position.map_or("-".into(), |position| position.to_string());
                let at = wait.may_start_ms.map_or("?".into(), |at| (at / 1_000).to_string());
                format!("position {position}, may start at {at}: {}", self.sessions.replace(&wait.reason.to_string()))
            }
        };
        writeln!(self.out, "    {said}").unwrap();
    }
}

fn node(line: &Line<'_>) -> Node {
    let shares = line.number("shares", 1_000.0) as u32;
    let devices = (0..line.number("gpu", 0.0) as u32).map(|index| Device {
        id: format!("gpu{index}"),
        kind: "gpu".into(),
        shares,
    });
    let state = match line.text("state", "").as_str() {
        "cordoned" => NodeState::Cordoned,
        "draining" => NodeState::Draining,
        "silent" => NodeState::Silent,
        _ => NodeState::Schedulable,
    };
    let pool = line.values.get("warm").map(|count| (pool_key("host", "python"), count.parse().unwrap()));
    Node {
        state,
        capacity: line.amount(4.0),
        devices: devices.collect(),
        labels: line.values.get("label").map(|label| ((*label).to_owned(), "yes".to_owned())).into_iter().collect(),
        images: line.values.get("image").map(|image| (*image).to_owned()).into_iter().collect(),
        languages: Default::default(),
        pools: pool.into_iter().collect(),
    }
}
