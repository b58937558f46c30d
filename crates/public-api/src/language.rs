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
}
