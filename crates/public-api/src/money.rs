//! Prices, budgets, and what a session will cost at most.

use madang_ids::{BudgetId, PriceId, ProjectId, UserId};
use madang_model::{
    PricedUnit,
    budget::{AtLimit, BudgetLevel, BudgetPeriod},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// `POST /prices`: a price of a unit from a moment on, which does not lie in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceCreate {
    pub unit: PricedUnit,
    /// Millionths of the currency for one unit.
    #[schema(minimum = 0, maximum = 1000000000000000_u64)]
    pub micro: u64,
    /// Three capital letters, the same for all prices.
    #[schema(min_length = 3, max_length = 3, pattern = "^[A-Z]{3}$", examples("EUR"))]
    pub currency: String,
    /// Now, where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
}

/// What a unit costs from a moment on, until another price of the same unit begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceView {
    #[schema(value_type = String)]
    pub id: PriceId,
    pub unit: PricedUnit,
    /// Millionths of the currency for one unit.
    pub micro: u64,
    pub currency: String,
    pub from: Timestamp,
    /// Uses of the present are paid by it.
    pub in_force: bool,
}

/// What a session costs at most. What it reads, writes and sends has no bound and is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CostEstimate {
    pub currency: String,
    /// In an hour, millionths of the currency.
    pub hour_micro_max: u64,
    /// Until its lifetime is over, by the prices of now.
    pub life_micro_max: u64,
}

/// `POST /budgets`: what a user or a project may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetCreate {
    /// Id or name of the user whose work it pays; the asker where `project` is left out too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    /// Id or name of the project whose work it pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    pub period: BudgetPeriod,
    /// Millionths of the currency.
    #[schema(minimum = 1, maximum = 1000000000000000000_u64)]
    pub limit_micro: u64,
    /// Its holder is told from this share on, 80 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub warn_percent: Option<u8>,
    /// From this share on new sessions wait behind others and what runs has a quarter of its processors, 90 where left out; 100: not before
    /// the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub throttle_percent: Option<u8>,
    #[serde(default)]
    pub at_limit: AtLimit,
}

/// A budget, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetView {
    #[schema(value_type = String)]
    pub id: BudgetId,
    /// Whose work it pays, if it is a user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<UserId>,
    /// The project whose work it pays, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project: Option<ProjectId>,
    /// What the user or project is called.
    pub name: String,
    pub period: BudgetPeriod,
    pub limit_micro: u64,
    pub warn_percent: u8,
    pub throttle_percent: u8,
    pub at_limit: AtLimit,
    /// Of the limit and what was spent; absent where nothing has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// In the present period.
    pub spent_micro: u64,
    pub level: BudgetLevel,
    /// When the next period begins; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews_at: Option<Timestamp>,
    #[schema(value_type = String)]
    pub created_by: UserId,
    pub created_at: Timestamp,
}
