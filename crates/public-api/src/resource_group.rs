//! Resource groups: nodes that are scheduled together under one queue.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who of a queue is next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueOrder {
    /// Who came first; a step of priority is worth some time of waiting.
    #[default]
    Fifo,
    /// Who came last, within a priority.
    Lifo,
    /// The owner who holds least (dominant resource fairness), within a priority.
    Drf,
    /// The owner who has used least, within a priority.
    FairShare,
}

/// Which of the nodes with room is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The fullest that has room.
    Pack,
    /// The emptiest.
    #[default]
    Spread,
    /// One after another.
    RoundRobin,
}

/// Which nodes are asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    Nothing,
    /// Those that have the image.
    Image,
    /// Those where a slot waits, then those that have the image.
    #[default]
    Warm,
}

/// How a group schedules. What is left out takes its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceGroupSettings {
    pub order: QueueOrder,
    pub placement: Placement,
    pub prefer: Preference,
    /// Others may pass the first of the queue, which does not fit, after so many tries, without delaying it.
    #[schema(maximum = 1_000_000)]
    pub head_tries: u32,
    /// Or after so long.
    pub head_wait_ms: u64,
    /// Under `fifo`: how much waiting one step of priority is worth.
    pub priority_step_ms: u64,
    /// How much of a node's processors sessions may be promised: 100 is all that there is; absent is without bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u64>,
    /// The same of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<u64>,
}

impl Default for ResourceGroupSettings {
    fn default() -> Self {
        Self {
            order: QueueOrder::default(),
            placement: Placement::default(),
            prefer: Preference::default(),
            head_tries: 0,
            head_wait_ms: 0,
            priority_step_ms: 600_000,
            cpu_percent: None,
            memory_percent: None,
        }
    }
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceGroupView {
    pub name: String,
    pub settings: ResourceGroupSettings,
    /// Nodes in it.
    pub nodes: u64,
    /// Those of them that take something now.
    pub nodes_open: u64,
    /// Sessions that wait for their start.
    pub waiting: u64,
}
