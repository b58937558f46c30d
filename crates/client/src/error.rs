//! What may go wrong between us and a server, by what the caller can do about it.

use std::{fmt, io};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{Endpoint, EndpointError};

/// A refusal in the server's own words (`application/problem+json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub status: u16,
    /// Stable; what programs decide by.
    pub code: String,
    #[serde(default)]
    pub title: String,
    /// For a person.
    #[serde(default)]
    pub detail: String,
    /// The field of the request that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The limit that was met, as the server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// What `body` says, or as much as the status alone tells.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Problem {
        serde_json::from_slice(body).unwrap_or_else(|_| Problem {
            status: status.as_u16(),
            code: "unknown".to_owned(),
            title: status.canonical_reason().unwrap_or("refused").to_owned(),
            detail: String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned(),
            ..Problem::default()
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.detail.is_empty() { &self.title } else { &self.detail };
        match &self.field {
            Some(field) if !text.contains(field.as_str()) => write!(f, "{field}: {text}"),
            _ => f.write_str(text),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("cannot reach a server at {endpoint}: {source}")]
    Unreachable { endpoint: Endpoint, source: io::Error },
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The request may or may not have been carried out.
    #[error("the connection broke while {doing}: {source}")]
    Broken { doing: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the server's answer while {doing} makes no sense: {why}")]
    Answer { doing: String, why: String },
    /// Reading or writing on our own side failed.
    #[error("{doing}: {source}")]
    Local { doing: String, source: io::Error },
}

impl ClientError {
    pub(crate) fn broken(doing: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ClientError::Broken { doing: doing.to_owned(), source: source.into() }
    }

    pub(crate) fn answer(doing: &str, why: impl fmt::Display) -> Self {
        ClientError::Answer { doing: doing.to_owned(), why: why.to_string() }
    }

    /// The refusal, where the server did answer with one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line() {
        let body = br#"{"type":"about:blank","title":"Invalid","status":422,"code":"invalid","detail":"must be positive","field":"limits.pids"}"#;
        let problem = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(problem.to_string(), "limits.pids: must be positive");
        assert_eq!(problem.code, "invalid");
    }

    #[test]
    fn what_is_no_problem_document_still_says_something() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!((problem.status, problem.to_string().as_str()), (502, "<html>"));
        assert_eq!(Problem::read(StatusCode::BAD_GATEWAY, b"").to_string(), "Bad Gateway");
    }
}
