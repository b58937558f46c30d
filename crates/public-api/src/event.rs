//! What happens in the server, as `GET /events` tells it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SessionState, Timestamp};
use madang_ids::{BudgetId, RunId, SessionId};
use madang_model::{Verdict, budget::BudgetLevel};

/// Something that happened; `seq` grows by one, from 0 at the server's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerEvent {
    pub seq: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub body: ServerEventBody,
}

/// The kinds of server events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ServerEventBody {
    SessionChanged {
        #[schema(value_type = String)]
        session: SessionId,
        state: SessionState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    RunStarted {
        #[schema(value_type = String)]
        run: RunId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        session: Option<SessionId>,
    },
    RunFinished {
        #[schema(value_type = String)]
        run: RunId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        session: Option<SessionId>,
        verdict: Verdict,
    },
    /// More of a budget is spent than before, and that has consequences.
    BudgetReached {
        #[schema(value_type = String)]
        budget: BudgetId,
        level: BudgetLevel,
    },
    /// The reader fell behind and events are missing; read the lists again.
    Lagged { missed: u64 },
}
