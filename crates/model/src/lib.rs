//! The nouns of Madang as types, and the rules that hold for them whatever machine they run on.
//!
//! Everybody calls this crate; it calls only `madang-ids` and never does IO, never reads a clock, never names tokio, SQL or HTTP.
//! Start at [`run`] for what one execution is, at [`session`] and
//! [`run_state`] for life cycles, at [`limits`] for what bounds it, at [`verdict`] for how it ends, at
//! [`person`] for who it belongs to, at [`access`] for who may see it.

pub mod accelerator;
pub mod access;
pub mod app_route;
pub mod blob;
pub mod budget;
pub mod cluster;
pub mod folder;
pub mod limits;
pub mod network;
pub mod person;
pub mod policy;
pub mod price;
pub mod projected_end;
pub mod reading;
pub mod retention;
pub mod root;
pub mod run;
pub mod run_state;
pub mod service;
pub mod session;
pub mod session_filter;
pub mod session_spec;
pub mod usage;
pub mod utilization;
pub mod verdict;
pub mod web_origin;

pub use accelerator::{DeviceGrant, DevicesHeld};
pub use access::{Actor, Decision, Scope, Scopes, Sight, SignedInBy};
pub use app_route::{AppPrefix, AppProtocol, AppsAddress};
pub use blob::Blob;
pub use budget::{Budget, BudgetHolder};
pub use cluster::{Cluster, ClusterMode};
pub use folder::{
    FolderMode, FolderMount, FolderOwner, FolderOwnerUsage, FolderPermission, FolderPlace, FolderQuota, FolderState,
    FolderUsage, MountAccess, SessionMount,
};
pub use limits::{Limits, LimitsAsked};
pub use network::{AllowList, Network};
pub use person::{Owner, ProjectRole, Role};
pub use price::{Price, PricedUnit, Tariff};
pub use projected_end::{Activity, EndsBecause, ProjectedEnd};
pub use reading::{Meter, Reading, ReadingFault};
pub use root::RootPlan;
pub use run::{File, Outcome, RunEvent, RunEventBody, RunSpec, Stdin, Step, Steps, TerminalSize, Work};
pub use run_state::{RunLife, RunState, RunStateEvent};
pub use service::{Audience, Level, ServiceState};
pub use session::{SessionEvent, SessionLife, SessionState};
pub use session_filter::SessionFilter;
pub use session_spec::{OnNodeLoss, Queueing, SessionKind, SessionSpec};
pub use usage::Usage;
pub use verdict::Verdict;
pub use web_origin::WebOrigin;
