//! The audit log: who changed what, from where, and what came of it.

use madang_ids::{AuditId, OrganizationId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// One entry. Entries never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    #[schema(value_type = String)]
    pub id: AuditId,
    pub at: Timestamp,
    /// Who; absent where nobody had signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub actor: Option<UserId>,
    /// The actor's name at that time.
    pub name: String,
    /// The actor's organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub organization: Option<OrganizationId>,
    /// How the actor had signed in: `socket`, `token tok_…`, `key MDAK…`, `cookie`, `nobody`; `server` for what happens by itself.
    pub via: String,
    /// Where the request came from: an address, or the uid behind the Unix socket.
    pub address: String,
    /// Id of the operation in this document.
    pub operation: String,
    /// Path of the request, without its query.
    pub path: String,
    /// What was changed or made, where that is not in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was answered.
    pub status: u16,
    /// Code of the problem, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub request_id: String,
}

/// How a request ended, for searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// As asked.
    Done,
    /// The client's to mend: not signed in, not allowed, not valid.
    Refused,
    /// The server's fault.
    Failed,
}
