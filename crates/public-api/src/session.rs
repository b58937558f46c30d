//! Sessions: a user's compute environment.

use std::collections::BTreeMap;

use madang_ids::{NodeId, OrganizationId, ProjectId, SessionId, UserId};
use madang_model::Usage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ClusterCreate, ClusterView, MountCreate, MountView, NetworkAsked, Timestamp};

/// What a session is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// Lives until it is ended.
    #[default]
    Interactive,
    /// Runs its start-up command and ends.
    Batch,
}

/// How much a session may hold; what is left out takes the language's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// CPUs, fractions allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// By kind: a share of one device between 0.01 and 1, or whole devices; 8 kinds, 64 devices of each at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"cuda": 0.5}))]
    pub accelerators: BTreeMap<String, f64>,
}

/// What becomes of a session whose node is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnNodeLoss {
    /// It ends.
    #[default]
    End,
    /// It starts anew on another node, with nothing of what was in it.
    Restart,
}

/// How a session stands that waits for its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// 1: it is next. Absent while it waits for other sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// `dependency`, `no-node`, `room`, `promised`, `preempting`, `turn`.
    pub reason: String,
    /// The same for a person, with what is short.
    pub waits_for: String,
    /// When it starts if everything that runs ends as late as it may; earlier if something ends earlier. Absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_start_at: Option<Timestamp>,
    /// It is refused then.
    pub refused_at: Timestamp,
}

/// `POST /sessions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionCreate {
    /// Unique among the live sessions of its owner; letters, digits, `.`, `_` and `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256, examples("python"))]
    pub language: Option<String>,
    pub resources: Resources,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Folders that its programs see; 32 at most. Those of its owner whose names begin with a dot come by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountCreate>,
    /// What it may reach; `none` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAsked>,
    pub kind: SessionKind,
    /// A shell command run once the session is up; a batch session is over when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_command: Option<String>,
    /// The session ends this long after its start at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The session ends when nothing has run in it for this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// The session is suspended when nothing has run in it for this long, and resumed by whatever uses it next; 0: never. As the
    /// service's configuration says where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend_idle_ms: Option<u64>,
    /// Name or id of the project this is for; the user's own where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    /// The group of nodes it is for: `default` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub resource_group: Option<String>,
    /// Labels that its node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Higher starts earlier; -1000 to 1000, 0 where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Ids of sessions that must have ended well before this one starts; 64 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// It is refused when it has waited for so long: ten minutes where left out, a week where it depends on others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_timeout_ms: Option<u64>,
    /// What becomes of it when its node is lost.
    pub on_node_loss: OnNodeLoss,
    /// Several sandboxes; one where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterCreate>,
    /// The app that will be opened in it first, as `GET /apps` lists them: it gets what the app needs beside what was asked for it, and
    /// where the app is kept started it opens at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, examples("jupyterlab"))]
    pub app: Option<String>,
    /// Answer with the live session of this name where there is one.
    pub reuse_if_exists: bool,
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    Requested,
    Queued,
    Placed,
    Starting,
    Running,
    /// Its programs stand still until something uses it.
    Suspended,
    Draining,
    Ended,
    Refused,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    #[schema(value_type = String)]
    pub id: SessionId,
    pub name: String,
    /// The user it belongs to.
    #[schema(value_type = String)]
    pub owner: UserId,
    #[schema(value_type = String)]
    pub project: ProjectId,
    #[schema(value_type = String)]
    pub organization: OrganizationId,
    pub state: SessionState,
    /// How it ended: `completed`, `terminated`, `timed-out`, `failed`; absent while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it drains, ended or was refused, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub kind: SessionKind,
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Of each of its sandboxes.
    pub resources: Resources,
    /// Shown to whoever may act inside the session.
    pub env: BTreeMap<String, String>,
    /// There is an environment and it is not shown to whoever asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub env_hidden: bool,
    pub tags: BTreeMap<String, String>,
    /// Folders that its programs see. A share that ends takes none away before the session does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_command: Option<String>,
    /// What it may reach.
    pub network: NetworkAsked,
    pub timeout_ms: u64,
    pub idle_timeout_ms: u64,
    /// It is suspended after so long without a run; absent where it is not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_idle_ms: Option<u64>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Since when it is suspended, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// When it will end by itself if nothing more happens in it; while it runs or is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Why it will: `lifetime`, `no-traffic`, `utilization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_because: Option<String>,
    /// What its owner should know, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Over the whole life; absent until it has ended, ask `GET /sessions/{id}/usage` before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it has cost so far, as far as its use was counted, in millionths of the currency; only for one session asked for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro: Option<u64>,
    /// Why it has less than it asked for: little of a budget is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<String>,
    pub resource_group: String,
    /// Labels that its node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The accelerators that it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceHeldView>,
    pub priority: i64,
    /// Sessions that must end well before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<SessionId>,
    pub on_node_loss: OnNodeLoss,
    /// Its sandboxes, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterView>,
    /// Where its sandbox is or is to be; the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub node: Option<NodeId>,
    /// How it waits; only for one session asked for by itself that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueView>,
    /// Runs in progress.
    #[serde(default)]
    pub runs_live: u64,
    /// What may be done now: `run`, `restart`, `interrupt`, `complete`, `files`, `suspend`, `resume`, `end`.
    #[serde(default)]
    pub allowed_actions: Vec<String>,
}

/// An accelerator of a session, or its share of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceHeldView {
    /// As `GET /nodes` names it.
    pub id: String,
    /// 1: all of it.
    pub amount: f64,
}

/// Whether runs in progress are in the way of suspending a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendWhen {
    /// Only if no run is in progress.
    #[default]
    Idle,
    /// Runs stand still too. Their time does as well, and they go on when the session is resumed.
    Now,
}

/// `POST /sessions/{id}/suspend`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSuspend {
    pub when: SuspendWhen,
}

/// A session that was suspended, and what that gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionSuspended {
    pub session: SessionView,
    /// Memory of all its sandboxes before.
    pub before_bytes: u64,
    /// Memory that they hold still. Programs and their files give theirs back only where the node has swap.
    pub after_bytes: u64,
}

/// A longer life for a session that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionExtend {
    /// Added to its lifetime, milliseconds.
    #[schema(minimum = 1, maximum = 9007199254740991_u64)]
    pub by_ms: u64,
}

/// One line of a session's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    pub at: Timestamp,
    #[schema(value_type = String)]
    pub run: madang_ids::RunId,
    /// `stdout`, `stderr` or `log`.
    pub kind: String,
    pub data: madang_model::Blob,
}
