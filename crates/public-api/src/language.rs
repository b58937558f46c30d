//! What can run here.

use madang_model::LimitsAsked;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language as this server can run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LanguageView {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub available: bool,
    /// Why it cannot run here; absent where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// `query`, `batch`, `command`.
    pub modes: Vec<String>,
    pub extensions: Vec<String>,
    /// The file name of a single `code` string.
    pub main: String,
    /// A smallest program that greets.
    pub greeting: String,
    /// The limits of a run that asks for none.
    pub limits: LimitsAsked,
    /// Its language server, where this server knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<LanguageServiceView>,
}

/// A language server, which says what an editor shows of a text: `GET /sessions/{id}/language-services/{language}` starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LanguageServiceView {
    /// What people call it.
    pub name: String,
    /// Whether sessions have it that were made from no image.
    pub available: bool,
    /// Why they have not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// The last text frame of a language server's WebSocket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageServiceEnded {
    /// None where it did not exit by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Which signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The last that it wrote to its standard error.
    pub stderr: String,
}
