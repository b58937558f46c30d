//! Resource policies, and what would come of a request.

use madang_model::policy::{PolicyLimits, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Resources, Timestamp};

/// What holders of a policy may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    pub name: String,
    pub limits: PolicyLimits,
    pub created_at: Timestamp,
}

/// `POST /sessions?explain=true`: what would happen, and why. Nothing is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionExplained {
    /// Whether it would be admitted now.
    pub admitted: bool,
    /// Everything that policies have against it, not only the first.
    pub refusals: Vec<Refusal>,
    /// What it would be for.
    #[schema(value_type = String)]
    pub project: madang_ids::ProjectId,
    pub image: String,
    /// What it would hold, with the defaults filled in.
    pub resources: Resources,
    pub timeout_ms: u64,
    pub idle_timeout_ms: u64,
    /// What it costs at most; absent where nothing has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<crate::CostEstimate>,
    /// What a budget has against it, or how one lowers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// What it would have to wait for; absent where it would start at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Why it could never start on the nodes that are there; it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impossible: Option<String>,
}
