//! What may go wrong between us and a server, by what the caller can do about it.

use std::{fmt, io};

use http::StatusCode;
use madang_public_api::Problem;

use crate::{Endpoint, EndpointError};

/// How much of an answer that is no problem document is shown.
const DETAIL_BYTES_MAX: usize = 200;

/// What `body` says, or as much as the status alone tells.
pub(crate) fn read_problem(status: StatusCode, body: &[u8]) -> Box<Problem> {
    let read = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        kind_uri: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("refused").to_owned(),
        status: status.as_u16(),
        code: "unknown".to_owned(),
        detail: String::from_utf8_lossy(&body[..body.len().min(DETAIL_BYTES_MAX)]).trim().to_owned(),
        field: None,
        limit: None,
        retry_after_ms: None,
        refusals: Vec::new(),
        possible: None,
        request_id: String::new(),
    });
    Box::new(read)
}

/// A refusal as one line for a person.
fn line(problem: &Problem) -> String {
    let text = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    match &problem.field {
        Some(field) if !text.contains(field.as_str()) => format!("{field}: {text}"),
        _ => text.clone(),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("cannot reach a server at {endpoint}: {source}")]
    Unreachable { endpoint: Endpoint, source: io::Error },
    #[error("{}", line(.0))]
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

    pub(crate) fn local(doing: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ClientError::Local { doing: doing.to_owned(), source: io::Error::other(source) }
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
        let body =
            br#"{"type":"urn:madang:problem:invalid","title":"A field is not valid","status":422,"code":"invalid",
            "detail":"must be positive","field":"limits.pids","request_id":"r1"}"#;
        let problem = read_problem(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(line(&problem), "limits.pids: must be positive");
        assert_eq!(ClientError::Refused(problem).problem().map(|problem| problem.code.as_str()), Some("invalid"));
    }

    #[test]
    fn what_is_no_problem_document_still_says_something() {
        assert_eq!(line(&read_problem(StatusCode::BAD_GATEWAY, b"<html>")), "<html>");
        assert_eq!(line(&read_problem(StatusCode::BAD_GATEWAY, b"")), "Bad Gateway");
    }
}
