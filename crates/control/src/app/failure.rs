//! What went wrong with a request, for the rim to tell.

use std::{error::Error, sync::Arc};

use madang_model::{limits::LimitsError, policy::Refusal};
use madang_node_api::NodeError;
use madang_public_api::{ProblemKind, ReservationPossible};
use madang_store::StoreError;

use crate::signin::rate::Allowance;

/// How long a client should wait where the server is full.
const RETRY_CAPACITY_MS: u64 = 1_000;

/// A refused request: the kind decides status and code, the detail is for outsiders, the source for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    pub kind: ProblemKind,
    pub detail: String,
    pub field: Option<String>,
    pub limit: Option<String>,
    pub retry_after_ms: Option<u64>,
    /// The rate limit that refused, for the headers.
    pub(crate) allowance: Option<Box<Allowance>>,
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Everything that policies have against a request: the source of its failure.
#[derive(Debug, thiserror::Error)]
#[error("{} limits of policies", .0.len())]
pub(crate) struct Refusals(pub Vec<Refusal>);

/// What could be promised instead: the source of a reservation's failure.
#[derive(Debug, thiserror::Error)]
#[error("{} slots are possible", .0.slots)]
pub(crate) struct Unkeepable(pub ReservationPossible);

impl Failure {
    /// What could be promised, if it was a reservation that could not be kept.
    pub fn possible(&self) -> Option<&ReservationPossible> {
        let source = self.source.as_deref().and_then(|source| source.downcast_ref::<Unkeepable>());
        source.map(|unkeepable| &unkeepable.0)
    }

    /// What policies have against the request, if it is they who refused it.
    pub fn refusals(&self) -> &[Refusal] {
        let refusals = self.source.as_deref().and_then(|source| source.downcast_ref::<Refusals>());
        refusals.map_or(&[], |refusals| &refusals.0)
    }

    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            limit: None,
            retry_after_ms: None,
            allowance: None,
            source: None,
        }
    }

    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(ProblemKind::Invalid, detail) }
    }

    /// Something of a later version.
    pub fn unsupported(field: &str, what: &str) -> Self {
        let detail = format!("this server cannot do `{field}` yet: {what}");
        Self { field: Some(field.into()), ..Self::new(ProblemKind::Unsupported, detail) }
    }

    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::NotFound, format!("{what} not found"))
    }

    /// A body that names something that is not there, or that the asker may not see, while the path names something that is.
    pub fn unknown(field: &str, name: &str) -> Self {
        Self::invalid(field, format!("`{field}`: there is none called {name:?}, or none that you may name here"))
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    pub fn too_many(limit: &str, max: usize) -> Self {
        Self {
            limit: Some(limit.into()),
            retry_after_ms: Some(RETRY_CAPACITY_MS),
            ..Self::new(ProblemKind::TooMany, format!("at most {max} at once ({limit})"))
        }
    }

    pub fn draining(retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(ProblemKind::Draining, "the server is stopping and takes nothing new")
        }
    }

    /// Whoever asks again reaches the process that leads now.
    pub fn led_elsewhere() -> Self {
        Self {
            retry_after_ms: Some(RETRY_CAPACITY_MS),
            ..Self::new(ProblemKind::Unavailable, "another control process leads now; ask again")
        }
    }

    pub fn internal(doing: &str, source: impl Error + Send + Sync + 'static) -> Self {
        let detail = format!("{doing} failed; the server's log knows more under the request id");
        Self { source: Some(Arc::new(source)), ..Self::new(ProblemKind::Internal, detail) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { subject } => Self::conflict(format!("{subject} exists already")),
            StoreError::Stale { subject } => Self::conflict(format!("{subject} has changed meanwhile; try again")),
            StoreError::Fenced { .. } => Self::led_elsewhere(),
            error @ StoreError::Results { .. } => Self {
                retry_after_ms: Some(RETRY_CAPACITY_MS),
                source: Some(Arc::new(error)),
                ..Self::new(
                    ProblemKind::Unavailable,
                    "the store of large results does not answer; nothing is lost, ask again later",
                )
            },
            error if error.is_busy() => Self {
                retry_after_ms: Some(RETRY_CAPACITY_MS),
                source: Some(Arc::new(error)),
                ..Self::new(ProblemKind::Unavailable, "the database has too much to do now; ask again")
            },
            other => Self::internal("the database", other),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let kind = match &error {
            NodeError::Invalid(_) => ProblemKind::Invalid,
            NodeError::NotFound(_) => ProblemKind::NotFound,
            NodeError::Conflict(_) => ProblemKind::Conflict,
            NodeError::Changed(_) => ProblemKind::Precondition,
            NodeError::Limit(_) => ProblemKind::Limit,
            NodeError::Capacity(_) => ProblemKind::Capacity,
            NodeError::Unavailable(_) => ProblemKind::Unavailable,
            NodeError::Internal(_) => return Self::internal("the node", error),
        };
        let retry_after_ms =
            matches!(kind, ProblemKind::Capacity | ProblemKind::Unavailable).then_some(RETRY_CAPACITY_MS);
        let limit = matches!(kind, ProblemKind::Limit).then(|| "sandbox".to_owned());
        Self { retry_after_ms, limit, ..Self::new(kind, error.to_string()) }
    }
}

impl From<LimitsError> for Failure {
    fn from(error: LimitsError) -> Self {
        let over = error.asked > error.max;
        let kind = if over { ProblemKind::Limit } else { ProblemKind::Invalid };
        let field = format!("limits.{}", error.field);
        let limit = over.then(|| error.field.to_owned());
        Self { field: Some(field), limit, ..Self::new(kind, error.to_string()) }
    }
}
