//! Searching the audit log.

use axum::{Json, extract::State};
use madang_ids::{AuditId, OrganizationId, UserId};
use madang_model::{Actor, Sight};
use madang_public_api::{AuditEntry, AuditOutcome, Page, Timestamp, bounds};
use madang_store::{AuditQuery, AuditRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, auth::Asking, body::ApiQuery};
use crate::app::Failure;

/// Which entries. Everything given has to match.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditSearch {
    /// Id of the user who did it.
    actor: Option<String>,
    /// Id of the operation, as in this document.
    operation: Option<String>,
    /// What was changed or made.
    subject: Option<String>,
    /// Where the request came from.
    address: Option<String>,
    request_id: Option<String>,
    /// Not before this time.
    since: Option<Timestamp>,
    /// Before this time.
    until: Option<Timestamp>,
    #[param(inline)]
    outcome: Option<AuditOutcome>,
    /// Entries of one page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The audit log, newest first: of everybody for system administrators, of their organization for its administrators.
#[utoipa::path(get, path = "/api/v1/audit", tag = "signin", params(AuditSearch),
    responses((status = 200, body = Page<AuditEntry>)))]
pub(super) async fn audit_list(
    State(app): State<Shared>,
    asking: Asking,
    ApiQuery(search): ApiQuery<AuditSearch>,
) -> Result<Json<Page<AuditEntry>>, Failure> {
    let organization = audience(&asking);
    let limit = search.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let query = query(search, organization, limit)?;
    let mut items: Vec<_> = app.store.audit_list(&query).await?.into_iter().map(entry).collect();
    let next_cursor = (items.len() > limit as usize).then(|| items[limit as usize - 1].id.to_string());
    items.truncate(limit as usize);
    Ok(Json(Page { items, next_cursor }))
}

/// Whose entries: those of the actor's organization, unless the actor sees everything.
fn audience(actor: &Actor) -> Option<OrganizationId> {
    match actor.sight() {
        Sight::All => None,
        Sight::Organization(_) | Sight::Own { .. } => Some(actor.organization),
    }
}

fn query(search: AuditSearch, organization: Option<OrganizationId>, limit: u32) -> Result<AuditQuery, Failure> {
    let wrong = |field: &str| Failure::invalid(field, format!("`{field}` is no id of its kind"));
    let before = search.cursor.map(|id| id.parse::<AuditId>()).transpose().map_err(|_| wrong("cursor"))?;
    let actor = search.actor.map(|id| id.parse::<UserId>()).transpose().map_err(|_| wrong("actor"))?;
    Ok(AuditQuery {
        before,
        actor,
        organization,
        operation: search.operation,
        subject: search.subject,
        address: search.address,
        request: search.request_id,
        since_ms: search.since.map(|at| at.0),
        until_ms: search.until.map(|at| at.0),
        outcome: search.outcome.map(outcome),
        // One more says whether there is another page.
        limit: u64::from(limit) + 1,
    })
}

fn outcome(asked: AuditOutcome) -> madang_store::AuditOutcome {
    match asked {
        AuditOutcome::Done => madang_store::AuditOutcome::Done,
        AuditOutcome::Refused => madang_store::AuditOutcome::Refused,
        AuditOutcome::Failed => madang_store::AuditOutcome::Failed,
    }
}

fn entry(record: AuditRecord) -> AuditEntry {
    AuditEntry {
        id: record.id,
        at: Timestamp(record.at_ms),
        actor: record.actor,
        name: record.name,
        organization: record.organization,
        via: record.via,
        address: record.address,
        operation: record.operation,
        path: record.path,
        subject: record.subject,
        status: record.status,
        code: record.code,
        request_id: record.request,
    }
}
