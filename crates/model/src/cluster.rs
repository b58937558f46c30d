//! Sessions of several sandboxes: how many, where, and what each is called. Pure.

use serde::{Deserialize, Serialize};

use crate::Limits;

/// Sandboxes of one session.
pub const CLUSTER_SIZE_MAX: u32 = 64;

/// Where the sandboxes of one session may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterMode {
    /// All on one node.
    #[default]
    SingleNode,
    /// Wherever there is room: all at once or none.
    MultiNode,
}

impl ClusterMode {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleNode => "single-node",
            Self::MultiNode => "multi-node",
        }
    }
}

/// How many sandboxes a session has, and where they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// At least one, [`CLUSTER_SIZE_MAX`] at most.
    pub size: u32,
    /// Where they may be.
    pub mode: ClusterMode,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { size: 1, mode: ClusterMode::SingleNode }
    }
}

impl Cluster {
    /// Whether it is the one sandbox that most sessions have.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.size <= 1
    }

    /// The names of its sandboxes, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (0..self.size as usize).map(sandbox_name).collect()
    }

    /// The number of the sandbox with this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        (0..self.size as usize).find(|index| sandbox_name(*index) == name)
    }

    /// What all of its sandboxes hold together, where each holds so much.
    #[must_use]
    pub fn whole(&self, each: &Limits) -> Limits {
        let times = |one: u64| one.saturating_mul(u64::from(self.size));
        Limits {
            cpu_millis: times(each.cpu_millis),
            memory_bytes: times(each.memory_bytes),
            disk_bytes: times(each.disk_bytes),
            pids: times(each.pids),
            ..*each
        }
    }
}

/// What the sandbox with this number is called: `main1`, `sub1`, `sub2`, …
#[must_use]
pub fn sandbox_name(index: usize) -> String {
    match index {
        0 => "main1".to_owned(),
        index => format!("sub{index}"),
    }
}

/// What the sandbox with this number is for: `main` or `sub`.
#[must_use]
pub fn sandbox_role(index: usize) -> &'static str {
    if index == 0 { "main" } else { "sub" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_nothing_else_is() {
        let cluster = Cluster { size: 12, mode: ClusterMode::MultiNode };
        let names = cluster.names();
        assert_eq!((names[0].as_str(), names[1].as_str(), names[11].as_str()), ("main1", "sub1", "sub11"));
        for (index, name) in names.iter().enumerate() {
            assert_eq!(cluster.index(name), Some(index));
        }
        for other in ["sub12", "sub0", "main2", "main", "sub01", ""] {
            assert_eq!(cluster.index(other), None, "{other}");
        }
    }

    #[test]
    fn the_whole_is_as_much_as_all_of_them() {
        let each = Limits { cpu_millis: 500, memory_bytes: u64::MAX / 2, disk_bytes: 3, ..Limits::default() };
        let whole = Cluster { size: 3, mode: ClusterMode::SingleNode }.whole(&each);
        assert_eq!((whole.cpu_millis, whole.memory_bytes, whole.disk_bytes), (1_500, u64::MAX, 9));
        assert_eq!(whole.wall_ms, each.wall_ms);
        assert_eq!(Cluster::default().whole(&each), each);
    }
}
