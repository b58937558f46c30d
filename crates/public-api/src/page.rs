//! Lists, one page at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list; `next_cursor` is absent on the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
