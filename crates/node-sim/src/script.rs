//! What a simulated node does, written down before it does it.

use madang_node_api::{Enforcement, NodeError, NodeFacts, VolumeSeen};

/// How a node's time passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// Not at all, until [`SimNode::advance`](crate::SimNode::advance).
    #[default]
    Still,
    /// With the runtime's, which a simulation may hold still too.
    Going,
}

/// How one start of a sandbox goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It is there after so long on the node's clock.
    Done {
        after_ms: u64,
    },
    Fails {
        after_ms: u64,
        error: NodeError,
    },
    /// It is never answered.
    Hangs,
}

/// A node as it is to be: which machine, how time passes there, how starts go.
#[derive(Debug, Clone)]
pub struct Script {
    /// The machine and its devices.
    pub facts: NodeFacts,
    pub clock: Clock,
    /// How starts go, in turn and over and over; without any each is done at once.
    pub starts: Vec<Start>,
}

impl Default for Script {
    fn default() -> Self {
        let facts = NodeFacts {
            version: "1.0".into(),
            hostname: "simulated".into(),
            os: "sim".into(),
            os_version: "1".into(),
            arch: "sim64".into(),
            cpu_millis: 8_000,
            memory_bytes: 16 << 30,
            volume: Some(VolumeSeen { enforcement: Enforcement::Project, note: "simulated".into(), place: None }),
            ..NodeFacts::default()
        };
        Self { facts, clock: Clock::Still, starts: Vec::new() }
    }
}
