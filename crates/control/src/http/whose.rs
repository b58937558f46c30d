//! Whose answer a request needs: that of the process that leads the resource group it is about, or anybody's.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{MatchedPath, Query, Request},
    http::Method,
};
use http_body_util::{BodyExt as _, Limited};
use madang_ids::{NodeId, ReservationId, RunId, SessionId};
use madang_public_api::{BASE_PATH, bounds};
use serde::Deserialize;

use crate::app::{App, Asker, Failure, GROUP_DEFAULT};

/// What of a request's body says which group it is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    resource_group: Option<String>,
    name: Option<String>,
    reuse_if_exists: bool,
}

/// The group whose leader must answer the request, which comes back as it was; none if any process can.
pub(super) async fn group_of(app: &App, request: Request) -> Result<(Option<String>, Request), Failure> {
    if app.leads_all() {
        return Ok((None, request));
    }
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let route = route.strip_prefix(BASE_PATH).unwrap_or(route).to_owned();
    let id = request.uri().path().strip_prefix(BASE_PATH).and_then(|path| path.split('/').nth(2));
    let id = id.unwrap_or_default().to_owned();
    let group = match (request.method(), route.as_str()) {
        (&Method::POST, "/sessions" | "/reservations") => return group_of_body(app, request).await,
        (_, "/run") => Some(app.one_shot_group()),
        (_, "/queue") => {
            let named = Query::<Named>::try_from_uri(request.uri()).map(|Query(named)| named.resource_group);
            Some(known_group(app, named.ok().flatten()).await?)
        }
        (_, route) if begins(route, "/resource-groups") => Some(known_group(app, Some(id)).await?),
        (_, route) if begins(route, "/sessions") => {
            let asker = request.extensions().get::<Arc<Asker>>().cloned();
            group_of_session(app, asker.as_deref(), &id).await?
        }
        (_, "/folders" | "/folder-quotas") => Some(GROUP_DEFAULT.to_owned()),
        (_, route) if begins(route, "/folders") => {
            let asker = request.extensions().get::<Arc<Asker>>().cloned();
            group_of_folder(app, asker.as_deref(), &id).await?
        }
        (_, route) if begins(route, "/images") => {
            let asker = request.extensions().get::<Arc<Asker>>().cloned();
            group_of_image(app, asker.as_deref(), &id).await?
        }
        (_, route) if begins(route, "/runs") => group_of_run(app, &id).await?,
        (_, route) if begins(route, "/nodes") => group_of_node(app, &id).await?,
        (_, route) if begins(route, "/reservations") => group_of_reservation(app, &id).await?,
        _ => None,
    };
    Ok((group, request))
}

/// Whether the route is about one thing of this kind.
fn begins(route: &str, kind: &str) -> bool {
    route.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'))
}

/// What cannot be read is refused by whoever reads it next.
async fn group_of_body(app: &App, request: Request) -> Result<(Option<String>, Request), Failure> {
    let asker = request.extensions().get::<Arc<Asker>>().cloned();
    let (parts, body) = request.into_parts();
    // Past the bound nothing is read: the answer is the same refusal.
    let body = Limited::new(body, bounds::JSON_BODY_BYTES_MAX + 1).collect().await;
    let Ok(bytes) = body.map(http_body_util::Collected::to_bytes) else {
        return Err(super::body::too_large("JSON_BODY_BYTES_MAX", bounds::JSON_BODY_BYTES_MAX as u64));
    };
    let named: Named = serde_json::from_slice(&bytes).unwrap_or_default();
    let request = Request::from_parts(parts, Body::from(bytes));
    if let (true, Some(name), Some(asker)) = (named.reuse_if_exists, &named.name, &asker)
        && let Some(record) = app.store.session_live_named(asker.user, name).await?
    {
        return Ok((Some(record.group().to_owned()), request));
    }
    Ok((Some(known_group(app, named.resource_group).await?), request))
}

/// A group that there is; for any other whoever leads the default one answers that there is none, or makes it.
async fn known_group(app: &App, name: Option<String>) -> Result<String, Failure> {
    let Some(name) = name else { return Ok(GROUP_DEFAULT.to_owned()) };
    if !app.queue.group_names().contains(&name) {
        // It may have been made a moment ago, elsewhere.
        app.resource_groups_refresh().await?;
    }
    let known = app.queue.group_names().contains(&name);
    Ok(if known { name } else { GROUP_DEFAULT.to_owned() })
}

async fn group_of_session(app: &App, asker: Option<&Asker>, text: &str) -> Result<Option<String>, Failure> {
    let record = match (text.parse::<SessionId>(), asker) {
        (Ok(id), _) if app.session_live(id).is_some() => None,
        (Ok(id), _) => app.store.session_get(id).await?.filter(|record| record.life.is_live()),
        (Err(_), Some(asker)) => app.store.session_live_named(asker.user, text).await?,
        (Err(_), None) => None,
    };
    Ok(record.map(|record| record.group().to_owned()))
}

/// That of its node, which is heard where its group is led.
async fn group_of_folder(app: &App, asker: Option<&Asker>, text: &str) -> Result<Option<String>, Failure> {
    let Some(asker) = asker else { return Ok(None) };
    // Several of one name are refused by whoever answers.
    let record = app.folder_named(asker, text).await.ok().flatten();
    match record {
        Some(record) => Ok(app.store.node_get(record.node).await?.map(|node| node.resource_group)),
        None => Ok(None),
    }
}

/// That of its node, as with folders.
async fn group_of_image(app: &App, asker: Option<&Asker>, text: &str) -> Result<Option<String>, Failure> {
    let Some(asker) = asker else { return Ok(None) };
    match app.image_named(asker, text).await.ok().flatten() {
        Some(record) => Ok(app.store.node_get(record.node).await?.map(|node| node.resource_group)),
        None => Ok(None),
    }
}

async fn group_of_run(app: &App, text: &str) -> Result<Option<String>, Failure> {
    let Ok(id) = text.parse::<RunId>() else { return Ok(None) };
    if app.run_live(id).is_some() || app.store.run_has_finished(id).await? {
        return Ok(None);
    }
    // One that is not kept may be in progress where nobody else was told of it.
    let group = match app.store.run_session(id).await? {
        Some(session) => app.store.session_get(session).await?.map(|record| record.group().to_owned()),
        None => None,
    };
    Ok(Some(group.unwrap_or_else(|| app.one_shot_group())))
}

async fn group_of_node(app: &App, text: &str) -> Result<Option<String>, Failure> {
    let Ok(id) = text.parse::<NodeId>() else { return Ok(None) };
    Ok(app.store.node_get(id).await?.map(|record| record.resource_group))
}

async fn group_of_reservation(app: &App, text: &str) -> Result<Option<String>, Failure> {
    let Ok(id) = text.parse::<ReservationId>() else { return Ok(None) };
    let known = app.store.reservation_list(crate::clock::now_ms()).await?.into_iter().find(|record| record.id == id);
    Ok(known.map(|record| record.resource_group))
}
