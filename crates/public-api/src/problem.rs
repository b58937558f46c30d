//! What may go wrong, as `application/problem+json` (RFC 9457) with a stable `code`.
//!
//! [`ProblemKind`] is the one table: kind → status, code, title.

use madang_model::policy::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use crate::ReservationPossible;

/// The answer to a request that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:madang:problem:` and the code.
    #[serde(rename = "type")]
    pub kind_uri: String,
    pub title: String,
    pub status: u16,
    /// Stable; programs decide by this one.
    #[schema(schema_with = codes)]
    pub code: String,
    /// For a person.
    pub detail: String,
    /// The field of the request that is at fault, as a path: `limits.pids`, `files[2].path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The bound that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// When it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Everything that resource policies have against the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// What could be promised in place of a reservation that could not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible: Option<ReservationPossible>,
    pub request_id: String,
}

/// Every code, so that a client can have a text for each.
fn codes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Stable; programs decide by this one."))
        .enum_values(Some(ProblemKind::ALL.map(ProblemKind::code)))
        .build()
}

/// Kinds of failure, by what the caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The body is not JSON, or the query or path cannot be read.
    Malformed,
    /// Understood, but a field is wrong, unknown or missing.
    Invalid,
    /// Valid, but this server cannot do it yet.
    Unsupported,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The thing is in a state that does not allow it, or the name is taken.
    Conflict,
    /// `If-Match` or `If-None-Match` does not hold: what is there is not what the client knows.
    Precondition,
    /// The idempotency key was used for another request.
    IdempotencyMismatch,
    /// What is asked for later would not be there then.
    Unkeepable,
    /// A body over a bound.
    TooLarge,
    /// A content type that this route does not read.
    MediaType,
    /// The request wants a WebSocket and did not ask for the upgrade.
    UpgradeRequired,
    /// A bound of the session or of the policy was met.
    Limit,
    /// As many as may be at once; some will end.
    TooMany,
    /// No room on any node now.
    Capacity,
    /// A part that is needed does not answer.
    Unavailable,
    /// The server is about to stop and takes nothing new.
    Draining,
    /// The service admits nothing new for now; what runs goes on.
    Frozen,
    /// A wait had a deadline and met it.
    Deadline,
    /// Our fault.
    Internal,
}

impl ProblemKind {
    pub const ALL: [ProblemKind; 22] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unsupported,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Precondition,
        Self::IdempotencyMismatch,
        Self::Unkeepable,
        Self::TooLarge,
        Self::MediaType,
        Self::UpgradeRequired,
        Self::Limit,
        Self::TooMany,
        Self::Capacity,
        Self::Unavailable,
        Self::Draining,
        Self::Frozen,
        Self::Deadline,
        Self::Internal,
    ];

    /// Status, code and title.
    pub fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::Invalid => (422, "invalid", "A field is not valid"),
            Self::Unsupported => (422, "unsupported", "This server cannot do that yet"),
            Self::Unauthenticated => (401, "unauthenticated", "Sign in first"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The method is not allowed here"),
            Self::Conflict => (409, "conflict", "The current state does not allow this"),
            Self::Precondition => (412, "precondition", "It is not what you knew"),
            Self::IdempotencyMismatch => (409, "idempotency-mismatch", "The key belongs to another request"),
            Self::Unkeepable => (409, "unkeepable", "It could not be kept"),
            Self::TooLarge => (413, "too-large", "The body is too large"),
            Self::MediaType => (415, "media-type", "The content type is not supported"),
            Self::UpgradeRequired => (426, "upgrade-required", "This route speaks WebSocket"),
            Self::Limit => (422, "limit", "A limit does not allow this"),
            Self::TooMany => (429, "too-many", "Too many at once"),
            Self::Capacity => (503, "capacity", "No room now"),
            Self::Unavailable => (503, "unavailable", "A needed part does not answer"),
            Self::Draining => (503, "draining", "The server is stopping"),
            Self::Frozen => (503, "frozen", "Nothing new is admitted now"),
            Self::Deadline => (504, "deadline", "The wait took too long"),
            Self::Internal => (500, "internal", "Internal error"),
        }
    }

    pub fn status(self) -> u16 {
        self.row().0
    }

    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// The kind behind a code that a server sent.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_lead_back() {
        let codes: BTreeSet<_> = ProblemKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_code(kind.code()), Some(kind));
        }
    }
}
