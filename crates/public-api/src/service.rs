//! What the whole service takes, and what everybody is told.

use std::collections::BTreeMap;

use madang_ids::AnnouncementId;
use madang_model::{Audience, Level, ServiceState, retention::Retention};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// `PUT /service/state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceStateChange {
    pub state: ServiceState,
    /// Stands in every refusal that follows from it.
    #[serde(default)]
    #[schema(max_length = 400)]
    pub reason: String,
}

/// What the service takes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStateView {
    pub state: ServiceState,
    pub reason: String,
    /// Absent if nobody ever changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionView {
    /// What somebody set.
    pub settings: Retention,
    /// What holds: the settings, and the server's configuration where they say nothing.
    pub holds: Retention,
    /// Absent if nobody ever changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

/// `POST /announcements`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementCreate {
    #[serde(default)]
    pub level: Level,
    #[serde(default)]
    pub audience: Audience,
    /// The text by language tag, as in `{"en": "…", "ko": "…"}`; at least one.
    pub texts: BTreeMap<String, String>,
    /// Now where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until it is ended where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementView {
    #[schema(value_type = String)]
    pub id: AnnouncementId,
    pub level: Level,
    pub audience: Audience,
    pub texts: BTreeMap<String, String>,
    pub from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub created_at: Timestamp,
}
