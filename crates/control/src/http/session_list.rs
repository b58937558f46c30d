//! Lists of sessions: filtered, in an order, a page at a time.

use axum::{Extension, Json, extract::State};
use madang_ids::SessionId;
use madang_model::SessionFilter;
use madang_public_api::{Page, ProblemKind, SessionState, SessionView, bounds};
use madang_store::{SessionAfter, SessionOrder, SessionPage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, auth::Asking, body::ApiQuery, others::Others};
use crate::app::Failure;

/// Between the id and the name in a cursor of names.
const CURSOR_SEPARATOR: char = '~';

/// Which order a list is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
    /// By name, the older first of those that have the same.
    Name,
}

impl Order {
    fn kept(self) -> SessionOrder {
        match self {
            Self::Asc => SessionOrder::OldestFirst,
            Self::Desc => SessionOrder::NewestFirst,
            Self::Name => SessionOrder::Name,
        }
    }
}

/// Which sessions, and how many.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionQuery {
    /// Items of a page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, which was in the same order.
    cursor: Option<String>,
    #[param(inline)]
    order: Order,
    /// Terms with spaces between them, all of which hold: `live`, a state, or `FIELD:VALUE,VALUE` with the field `state`, `kind`, `owner`,
    /// `project`, `image`, `language`, `name` (`name:train*` is a beginning) or `tag` (`tag:course=ml`, `tag:course`), or
    /// `created>=TIME`, `created<TIME`. A value with spaces or commas stands in double quotes.
    filter: Option<String>,
}

/// Sessions, newest first unless another order is asked for.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", params(SessionQuery),
    responses((status = 200, body = Page<SessionView>)))]
pub(super) async fn session_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(query): ApiQuery<SessionQuery>,
    others: Others,
) -> Result<Json<Page<SessionView>>, Failure> {
    let limit = query.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let after = query.cursor.as_deref().map(|cursor| after(cursor, query.order)).transpose()?;
    let filter = query.filter.unwrap_or_default().parse::<SessionFilter>();
    let filter = filter.map_err(|error| Failure::invalid("filter", error.to_string()))?;
    let filter = app.session_filter_by_id(&asker, filter);
    // One more says whether there is another page.
    let rows = u64::from(limit) + 1;
    let page = SessionPage { order: query.order.kept(), after, filter, sight: asker.sight(), limit: rows };
    let mut items = app.session_list(&page).await?;
    others.complete((&app, &asker), &mut items, group_of_live, |view| view.id).await;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| cursor(last, query.order));
    let items = items.into_iter().map(|view| asker.session_shown(view)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// Of a session that has ended everybody knows the same.
fn group_of_live(view: &SessionView) -> Option<&str> {
    (!matches!(view.state, SessionState::Ended | SessionState::Refused)).then_some(&view.resource_group)
}

fn cursor(last: &SessionView, order: Order) -> String {
    match order {
        Order::Asc | Order::Desc => last.id.to_string(),
        Order::Name => format!("{}{CURSOR_SEPARATOR}{}", last.id, last.name),
    }
}

fn after(cursor: &str, order: Order) -> Result<SessionAfter, Failure> {
    let wrong = || Failure {
        field: Some("cursor".into()),
        ..Failure::new(ProblemKind::Malformed, "`cursor` is not one that a page in this order gave")
    };
    let (id, name) = match (order, cursor.split_once(CURSOR_SEPARATOR)) {
        (Order::Asc | Order::Desc, None) => (cursor, None),
        (Order::Name, Some((id, name))) if !name.contains('\0') => (id, Some(name.to_owned())),
        _ => return Err(wrong()),
    };
    Ok(SessionAfter { id: id.parse::<SessionId>().map_err(|_| wrong())?, name })
}
