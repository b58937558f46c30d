//! Reservations: slots of a resource group promised to a project for a time.

use madang_ids::{ProjectId, ReservationId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Resources, Timestamp};

/// `POST /reservations`: refused with what would be possible where it could not be kept. While it holds, new sessions of the project for the same image and
/// language that are not larger than its slots use it, and end with it at the latest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationCreate {
    /// `default` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub resource_group: Option<String>,
    /// Name or id of the project whose sessions may use it; the user's own where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub image: Option<String>,
    /// Whose interpreters shall wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256, examples("python"))]
    pub language: Option<String>,
    /// Of each slot; what is left out takes the language's default, as for sessions.
    #[serde(default)]
    pub resources: Resources,
    /// 1 to 100,000.
    pub slots: u32,
    /// Now, where it has passed.
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

/// What could be promised in place of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationPossible {
    /// The most slots for the same time.
    pub slots: u32,
    /// From when on all of them could be promised for as long, if sessions end when they must; left out where none is foreseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
}

/// A reservation that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReservationView {
    #[schema(value_type = String)]
    pub id: ReservationId,
    pub resource_group: String,
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// Who made it.
    #[schema(value_type = String)]
    pub owner: UserId,
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub resources: Resources,
    pub slots: u32,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// Slots that nodes are held to: fewer than asked for only after the loss of a node.
    pub promised: u32,
    /// Slots in use by sessions.
    pub used: u32,
    /// Slots that wait on its nodes with everything started, whoever takes them.
    pub ready: u64,
}
