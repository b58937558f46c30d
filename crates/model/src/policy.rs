//! Resource policies: what a user, an access key, a project or an organization may hold. Pure.

use serde::{Deserialize, Serialize};

/// Name of the policy that holds for every user who has no other.
pub const DEFAULT_POLICY: &str = "default";

/// What nodes call images that were made of sessions begins with this.
pub const COMMITTED: &str = "commit/";
/// In a policy's list of images: every one that was made of a session.
pub const COMMITTED_ALL: &str = "commit/*";

/// What a policy allows; what is left out has no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PolicyLimits {
    /// Live sessions at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u64>,
    /// Live sessions that do not run yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_pending_max: Option<u64>,
    /// One-shot runs at once, in each control process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_max: Option<u64>,
    /// Sandboxes of one session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_sandboxes_max: Option<u64>,
    /// CPU of all live sessions together, thousandths; also of one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis_max: Option<u64>,
    /// Memory of all live sessions together; also of one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes_max: Option<u64>,
    /// Disk of all live sessions together; also of one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes_max: Option<u64>,
    /// Accelerators of all live sessions together, thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator_millis_max: Option<u64>,
    /// Lifetime of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_timeout_ms_max: Option<u64>,
    /// Idle time of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_idle_ms_max: Option<u64>,
    /// A session whose programs use less of its processors than this, percent over the window, ends after the grace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cpu_percent_min: Option<u64>,
    /// The window; half an hour where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cpu_window_ms: Option<u64>,
    /// The grace; ten minutes where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cpu_grace_ms: Option<u64>,
    /// Priority of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_max: Option<i64>,
    /// Longest wait of a session for its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_wait_ms_max: Option<u64>,
    /// Folders; those in the trash count too. A user's own and a project's are counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders_max: Option<u64>,
    /// Bytes in all folders of a user, or of a project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder_bytes: Option<u64>,
    /// Files in all folders of a user, or of a project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder_files: Option<u64>,
    /// Images that a user has made of sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_max: Option<u64>,
    /// Bytes of one session that become an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_bytes_max: Option<u64>,
    /// Images; all where left out. [`COMMITTED_ALL`] stands for all that were made of sessions, as far as one may use them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Policies of networks (`none`, `allow-list`, `internet`); all where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Resource groups; all where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_groups: Option<Vec<String>>,
}

impl PolicyLimits {
    /// The largest number that a limit may be: databases count with a sign.
    pub const NUMBER_MAX: u64 = i64::MAX as u64;

    /// A field with a number above [`Self::NUMBER_MAX`].
    #[must_use]
    pub fn beyond(&self) -> Option<&'static str> {
        let numbers = [
            ("sessions_max", self.sessions_max),
            ("sessions_pending_max", self.sessions_pending_max),
            ("runs_max", self.runs_max),
            ("session_sandboxes_max", self.session_sandboxes_max),
            ("cpu_millis_max", self.cpu_millis_max),
            ("memory_bytes_max", self.memory_bytes_max),
            ("disk_bytes_max", self.disk_bytes_max),
            ("accelerator_millis_max", self.accelerator_millis_max),
            ("session_timeout_ms_max", self.session_timeout_ms_max),
            ("session_idle_ms_max", self.session_idle_ms_max),
            ("session_cpu_percent_min", self.session_cpu_percent_min),
            ("session_cpu_window_ms", self.session_cpu_window_ms),
            ("session_cpu_grace_ms", self.session_cpu_grace_ms),
            ("session_wait_ms_max", self.session_wait_ms_max),
            ("folders_max", self.folders_max),
            ("folder_bytes", self.folder_bytes),
            ("folder_files", self.folder_files),
            ("images_max", self.images_max),
            ("image_bytes_max", self.image_bytes_max),
        ];
        numbers
            .into_iter()
            .find(|(_, number)| number.is_some_and(|number| number > Self::NUMBER_MAX))
            .map(|(name, _)| name)
    }
}

/// Who a policy bounds. In the order in which they are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Everything for an organization, by its id.
    Organization(madang_ids::OrganizationId),
    /// Everything for a project.
    Project(madang_ids::ProjectId),
    /// Everything of a user.
    User(madang_ids::UserId),
    /// Everything asked for with an access key.
    Key(String),
}

impl Holder {
    /// What kind of holder, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::Project(_) => "project",
            Self::User(_) => "user",
            Self::Key(_) => "key",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Organization(id) => id.to_string(),
            Self::Project(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Key(id) => id.clone(),
        }
    }

    /// Who can give it another policy.
    #[must_use]
    pub fn changed_by(&self) -> &'static str {
        match self {
            Self::Organization(_) => "a system administrator",
            Self::Project(_) | Self::User(_) | Self::Key(_) => "an administrator of the organization",
        }
    }
}

/// A holder with the policy that bounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Who is bounded.
    pub holder: Holder,
    /// The policy's name.
    pub policy: String,
    /// What it allows.
    pub limits: PolicyLimits,
}

/// What a holder's live sessions hold, or what one more would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Live sessions.
    pub sessions: u64,
    /// Those of them that do not run yet.
    pub pending: u64,
    /// CPU, thousandths.
    pub cpu_millis: u64,
    /// Memory.
    pub memory_bytes: u64,
    /// Disk.
    pub disk_bytes: u64,
    /// Accelerators, thousandths.
    pub accelerator_millis: u64,
}

/// What a new session asks for besides what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish<'a> {
    /// What it would hold.
    pub held: Held,
    /// How many sandboxes it would have.
    pub sandboxes: u64,
    /// Its image.
    pub image: &'a str,
    /// Its lifetime.
    pub timeout_ms: u64,
    /// Its idle time.
    pub idle_timeout_ms: u64,
    /// How long it would wait.
    pub wait_ms: u64,
    /// Its resource group.
    pub resource_group: &'a str,
    /// Its priority.
    pub priority: i64,
    /// Its network policy in one word.
    pub network: &'a str,
}

/// What a run in a sandbox of its own asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunWish<'a> {
    /// What it would hold.
    pub limits: &'a crate::Limits,
    /// Its image.
    pub image: &'a str,
    /// Its network policy in one word.
    pub network: &'a str,
    /// Runs that the holder has already.
    pub runs: u64,
}

/// One limit that one policy does not let a request pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// The limit, as the policy names it.
    pub limit: String,
    /// The policy.
    pub policy: String,
    /// `user`, `key`, `project` or `organization`.
    pub holder: String,
    /// The holder's id.
    pub holder_id: String,
    /// What is held now.
    pub used: u64,
    /// What was asked for on top of it.
    pub asked: u64,
    /// What is allowed; absent where a list says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Who can change it.
    pub changed_by: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Refusal { limit, policy, holder, holder_id, used, asked, changed_by, .. } = self;
        match self.max {
            Some(max) => write!(
                f,
                "the policy `{policy}` of the {holder} {holder_id} allows {max} ({limit}): {used} in use, {asked} more asked for; {changed_by} can change it"
            ),
            None => write!(
                f,
                "the policy `{policy}` of the {holder} {holder_id} does not allow this ({limit}); {changed_by} can change it"
            ),
        }
    }
}

impl Bound {
    /// Everything that this policy has against one more session, where this much is held already.
    #[must_use]
    pub fn refusals(&self, held: &Held, wish: &Wish<'_>) -> Vec<Refusal> {
        let (limits, asked) = (&self.limits, &wish.held);
        let sums = [
            ("sessions_max", limits.sessions_max, held.sessions, asked.sessions),
            ("sessions_pending_max", limits.sessions_pending_max, held.pending, asked.pending),
            ("session_sandboxes_max", limits.session_sandboxes_max, 0, wish.sandboxes),
            ("cpu_millis_max", limits.cpu_millis_max, held.cpu_millis, asked.cpu_millis),
            ("memory_bytes_max", limits.memory_bytes_max, held.memory_bytes, asked.memory_bytes),
            ("disk_bytes_max", limits.disk_bytes_max, held.disk_bytes, asked.disk_bytes),
            (
                "accelerator_millis_max",
                limits.accelerator_millis_max,
                held.accelerator_millis,
                asked.accelerator_millis,
            ),
            ("session_timeout_ms_max", limits.session_timeout_ms_max, 0, wish.timeout_ms),
            ("session_idle_ms_max", limits.session_idle_ms_max, 0, wish.idle_timeout_ms),
            ("session_wait_ms_max", limits.session_wait_ms_max, 0, wish.wait_ms),
        ];
        let over = sums.into_iter().filter_map(|(limit, max, used, asked)| self.over(limit, max?, used, asked));
        let group =
            self.limits.resource_groups.as_ref().is_some_and(|known| !known.contains(&wish.resource_group.into()));
        let group = group.then(|| self.refusal("resource_groups", None, 0, 1));
        let lists = self.image_refusal(wish.image).into_iter().chain(group).chain(self.network_refusal(wish.network));
        over.chain(lists).chain(self.priority_refusal(wish.priority)).collect()
    }

    fn priority_refusal(&self, priority: i64) -> Option<Refusal> {
        let max = self.limits.priority_max.filter(|max| priority > *max)?;
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        Some(self.refusal("priority_max", Some(number(max)), 0, number(priority)))
    }

    /// What this policy has against so long a life.
    #[must_use]
    pub fn lifetime_refusal(&self, timeout_ms: u64) -> Option<Refusal> {
        self.over("session_timeout_ms_max", self.limits.session_timeout_ms_max?, 0, timeout_ms)
    }

    /// What this policy has against one run in a sandbox of its own.
    #[must_use]
    pub fn run_refusals(&self, wish: &RunWish<'_>) -> Vec<Refusal> {
        let RunWish { limits, image, network, runs } = *wish;
        let sums = [
            ("runs_max", self.limits.runs_max, runs, 1),
            ("cpu_millis_max", self.limits.cpu_millis_max, 0, limits.cpu_millis),
            ("memory_bytes_max", self.limits.memory_bytes_max, 0, limits.memory_bytes),
            ("disk_bytes_max", self.limits.disk_bytes_max, 0, limits.disk_bytes),
        ];
        let over = sums.into_iter().filter_map(|(limit, max, used, asked)| self.over(limit, max?, used, asked));
        over.chain(self.image_refusal(image)).chain(self.network_refusal(network)).collect()
    }

    /// What this policy has against one more folder, where there are so many.
    #[must_use]
    pub fn folder_refusal(&self, folders: u64) -> Option<Refusal> {
        self.over("folders_max", self.limits.folders_max?, folders, 1)
    }

    /// What this policy has against one more image of a session, where there are so many.
    #[must_use]
    pub fn image_count_refusal(&self, images: u64) -> Option<Refusal> {
        self.over("images_max", self.limits.images_max?, images, 1)
    }

    fn over(&self, limit: &str, max: u64, used: u64, asked: u64) -> Option<Refusal> {
        (asked > 0 && used.saturating_add(asked) > max).then(|| self.refusal(limit, Some(max), used, asked))
    }

    fn image_refusal(&self, image: &str) -> Option<Refusal> {
        let known = self.limits.images.as_ref()?;
        let meant = |known: &String| known == image || known == COMMITTED_ALL && image.starts_with(COMMITTED);
        (!known.iter().any(meant)).then(|| self.refusal("images", None, 0, 1))
    }

    fn network_refusal(&self, network: &str) -> Option<Refusal> {
        let known = self.limits.networks.as_ref()?;
        // Nobody needs leave for a network that is none.
        (network != "none" && !known.iter().any(|known| known == network)).then(|| self.refusal("networks", None, 0, 1))
    }

    fn refusal(&self, limit: &str, max: Option<u64>, used: u64, asked: u64) -> Refusal {
        Refusal {
            limit: limit.into(),
            policy: self.policy.clone(),
            holder: self.holder.kind().into(),
            holder_id: self.holder.id(),
            used,
            asked,
            max,
            changed_by: self.holder.changed_by().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_over_is_named_at_once_and_what_fits_exactly_passes() {
        let limits = PolicyLimits {
            sessions_max: Some(2),
            memory_bytes_max: Some(100),
            images: Some(vec!["host".into()]),
            session_timeout_ms_max: Some(10),
            session_wait_ms_max: Some(5),
            priority_max: Some(3),
            resource_groups: Some(vec!["default".into()]),
            networks: Some(vec!["allow-list".into()]),
            ..PolicyLimits::default()
        };
        let holder = Holder::User(crate::person::ADMINISTRATOR);
        let bound = Bound { holder, policy: "small".into(), limits };
        let asked = Held { sessions: 1, memory_bytes: 50, ..Held::default() };
        let wish = Wish {
            held: asked,
            sandboxes: 1,
            image: "host",
            timeout_ms: 10,
            idle_timeout_ms: 1,
            wait_ms: 5,
            resource_group: "default",
            priority: 3,
            network: "none",
        };
        let held = Held { sessions: 1, memory_bytes: 50, ..Held::default() };
        assert_eq!(bound.refusals(&held, &wish), []);
        let more = Held { sessions: 2, memory_bytes: 51, ..Held::default() };
        let wish = Wish {
            image: "other",
            timeout_ms: 11,
            wait_ms: 6,
            resource_group: "gpu",
            priority: 4,
            network: "internet",
            ..wish
        };
        let named: Vec<_> = bound.refusals(&more, &wish).into_iter().map(|refusal| refusal.limit).collect();
        assert_eq!(
            named,
            [
                "sessions_max",
                "memory_bytes_max",
                "session_timeout_ms_max",
                "session_wait_ms_max",
                "images",
                "resource_groups",
                "networks",
                "priority_max"
            ]
        );
    }
}
