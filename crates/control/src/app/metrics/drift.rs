//! What was found other than wanted: by nodes on their machines, and here.

use std::sync::atomic::Ordering;

use madang_node_api::DriftSeen;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What a control process itself finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriftKind {
    /// A sandbox on a node that nobody wants.
    SandboxUnwanted,
    /// A session runs and its sandbox is not there.
    SandboxMissing,
    /// A session goes on and its row says that it has ended.
    RecordEnded,
}

impl DriftKind {
    pub const ALL: [Self; 3] = [Self::SandboxUnwanted, Self::SandboxMissing, Self::RecordEnded];

    pub fn name(self) -> &'static str {
        match self {
            Self::SandboxUnwanted => "sandbox-unwanted",
            Self::SandboxMissing => "sandbox-missing",
            Self::RecordEnded => "record-ended",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct DriftCounts {
    found: Family<KindLabels, Counter>,
}

impl DriftCounts {
    pub(super) fn register(&self, registry: &mut Registry) {
        // There from the start, so that a rule about growth has something to grow from.
        for kind in DriftKind::ALL {
            drop(self.found.get_or_create(&KindLabels { kind: kind.name() }));
        }
        registry.register("drift", "Found other than wanted, by kind; each is in the log", self.found.clone());
    }

    /// The node's counts as they are now.
    pub(super) fn look(&self, seen: &DriftSeen) {
        for (kind, count) in seen.by_kind() {
            self.found.get_or_create(&KindLabels { kind }).inner().store(count, Ordering::Relaxed);
        }
    }

    /// One more, found here.
    pub fn found(&self, kind: DriftKind) {
        self.found.get_or_create(&KindLabels { kind: kind.name() }).inc();
    }
}
