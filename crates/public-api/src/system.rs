//! The server itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Always `madang`.
    pub name: String,
    /// Of the program, `major.minor.patch`.
    pub version: String,
    /// Of this API.
    pub api: String,
}

/// Whether the server can work, and what is weaker than it could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `frozen`, `draining` or `not-ready`.
    pub status: String,
    #[serde(default)]
    pub notes: Vec<String>,
}
