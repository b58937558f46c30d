//! What was used: sums, and the records as a stream.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use madang_public_api::{Day, UsageBy, UsageFormat, UsageSums};
use madang_store::{UsageAfter, UsagePage};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, auth::Asking, body::ApiQuery};
use crate::{
    app::{Failure, UsageDays, usage_entry::EntryWriter},
    clock::now_ms,
};

/// Records that are read at once.
const BATCH: u64 = 500;
const DAY_MS: u64 = 86_400_000;

pub(super) fn usage_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(usage_list)).routes(routes!(usage_record_list))
}

/// Which sums.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageSearch {
    #[param(inline)]
    by: UsageBy,
    /// The first day; 30 days before the last where left out.
    from: Option<Day>,
    /// The last day; today where left out.
    to: Option<Day>,
    /// Only of this user: id or name.
    user: Option<String>,
    /// Only of this project: id or name.
    project: Option<String>,
}

/// Which records.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportSearch {
    /// The first day; 30 days before the last where left out.
    from: Option<Day>,
    /// The last day; today where left out.
    to: Option<Day>,
    #[param(inline)]
    format: UsageFormat,
}

/// What was used, summed up, and what it cost: the asker's own and that of projects the asker manages, of the whole organization for its
/// administrators, of everybody for system administrators. Days are UTC.
#[utoipa::path(get, path = "/api/v1/usage", tag = "usage", params(UsageSearch),
    responses((status = 200, body = UsageSums)))]
pub(super) async fn usage_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(search): ApiQuery<UsageSearch>,
) -> Result<Json<UsageSums>, Failure> {
    let days = UsageDays::new(search.from, search.to, now_ms())?;
    Ok(Json(app.usage_sums(&asker, search.by, days, (search.user.as_deref(), search.project.as_deref())).await?))
}

/// The records that the sums are made of, the oldest first, of whomever the asker may know of. An answer that breaks off is not whole.
#[utoipa::path(get, path = "/api/v1/usage/records", tag = "usage", params(ExportSearch), responses(
    (status = 200, content((String = "text/csv"), (String = "application/x-ndjson"))),
))]
pub(super) async fn usage_record_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(search): ApiQuery<ExportSearch>,
) -> Result<Response, Failure> {
    let days = UsageDays::new(search.from, search.to, now_ms())?;
    let page = UsagePage {
        sight: asker.sight(),
        from_ms: days.from.0 * DAY_MS,
        until_ms: (days.to.0 + 1) * DAY_MS,
        after: None,
        limit: BATCH,
    };
    let writer = EntryWriter::new(search.format, app.people.now());
    let mut export = Export { app: Arc::clone(&app), page, writer, ended: false };
    // The first part before the answer begins: what fails then has a status of its own.
    let first = export.next().await?.unwrap_or_default();
    let rest = stream::try_unfold(export, |mut export| async move {
        let part = export.next().await.inspect_err(|failure| tracing::error!(error = ?failure, "an export breaks off"));
        Ok::<_, Failure>(part?.map(|bytes| (bytes, export)))
    });
    let whole = stream::iter([Ok(first)]);
    let body = Body::from_stream(futures_util::StreamExt::chain(whole, rest));
    let (kind, name) = match search.format {
        UsageFormat::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"usage.csv\""),
        UsageFormat::Ndjson => ("application/x-ndjson", "attachment; filename=\"usage.ndjson\""),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}

/// An export on its way.
struct Export {
    app: Shared,
    page: UsagePage,
    writer: EntryWriter,
    ended: bool,
}

impl Export {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let records = self.app.store.usage_records(&self.page).await?;
        self.ended = (records.len() as u64) < self.page.limit;
        self.page.after = records.last().map(|last| UsageAfter {
            at_ms: last.at_ms,
            subject: last.subject.clone(),
            sequence: last.sequence,
        });
        Ok(Some(self.writer.write(&records)?.into()))
    }
}
