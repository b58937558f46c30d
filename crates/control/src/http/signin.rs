//! Browsers sign in and out; passwords are changed; one-time links are made and used.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ids::{SigninId, UserId};
use madang_model::{Actor, SignedInBy};
use madang_public_api::{
    BrowserView, LinkCreate, LinkMade, LinkUse, LinkUsed, Page, PasswordChange, SigninRequest, SigninView, Timestamp,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    audit::{Noted, via},
    auth::Asking,
    body::{ApiId, ApiJson, ApiQuery},
};
use crate::{
    app::{App, Failure},
    clock::now_ms,
    signin::{
        address::Origin,
        browser::{self, Opened, Try},
        cookie::{self, Cookie},
        link, password,
    },
};

/// Browsers hold the cookie this long; the server ends it earlier if nothing is asked.
const COOKIE_SECONDS: u64 = 30 * 86_400;

/// Signs a browser in: the cookie is set, and the answer says what unsafe requests have to repeat.
#[utoipa::path(post, path = "/api/v1/signin", tag = "signin", request_body = SigninRequest,
    responses(
        (status = 200, body = SigninView),
        (status = 401, body = madang_public_api::Problem, content_type = "application/problem+json",
            description = "The name or the password is wrong"),
    ))]
pub(super) async fn signin_create(
    State(app): State<Shared>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<SigninRequest>,
) -> Result<Response, Failure> {
    let asked = Try { name: &request.name, origin, headers: &headers };
    let opened = match browser::sign_in(&app, asked, request.password).await {
        Ok(opened) => opened,
        Err(failure) => {
            // The log says whose account somebody tried; never what was typed as a name that nobody has.
            let mut response = failure.into_response();
            let user = app.people.now().user_named(&request.name).map(|user| user.id.to_string());
            response.extensions_mut().insert(Noted { subject: user, actor: None });
            return Ok(response);
        }
    };
    let csrf = Some(cookie::csrf(&app.signin.key, &opened.secret));
    let mut response = Json(view(&opened.actor, csrf)).into_response();
    sign_in(&app, &mut response, &opened, origin);
    Ok(response)
}

/// Sets the cookies of a browser that has signed in, and notes who it is.
pub(super) fn sign_in(app: &App, response: &mut Response, opened: &Opened, origin: Origin) {
    let secure = app.is_secure(origin);
    let signin = Cookie::Signin.set(&opened.secret, COOKIE_SECONDS, secure);
    let device = cookie::device(&app.signin.key, opened.actor.user, secure);
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, signin);
    headers.append(header::SET_COOKIE, device);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let noted = Noted { subject: Some(opened.actor.user.to_string()), actor: Some(opened.actor.clone().into()) };
    response.extensions_mut().insert(noted);
}

/// Who asks, and how they signed in.
#[utoipa::path(get, path = "/api/v1/signin", tag = "signin", responses((status = 200, body = SigninView)))]
pub(super) async fn signin_get(
    State(app): State<Shared>,
    asking: Asking,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response {
    let by_cookie = matches!(asking.by, SignedInBy::Cookie(_));
    let secret = Cookie::Signin.read(&headers, app.is_secure(origin)).filter(|_| by_cookie);
    let csrf = secret.map(|secret| cookie::csrf(&app.signin.key, &secret));
    ([(header::CACHE_CONTROL, "no-store")], Json(view(&asking, csrf))).into_response()
}

/// Signs the asking browser out.
#[utoipa::path(delete, path = "/api/v1/signin", tag = "signin",
    responses((status = 204, description = "Signed out, or was not signed in by a cookie")))]
pub(super) async fn signin_end(
    State(app): State<Shared>,
    asking: Asking,
    Extension(origin): Extension<Origin>,
) -> Result<Response, Failure> {
    if let SignedInBy::Cookie(id) = asking.by {
        app.browser_end(id).await?;
    }
    let cleared = Cookie::Signin.clear(app.is_secure(origin));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cleared)]).into_response())
}

/// Whose browsers.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct BrowserQuery {
    /// Id or name of a user; whoever asks where left out.
    user: Option<String>,
}

/// The browsers in which a user is signed in, newest first.
#[utoipa::path(get, path = "/api/v1/signins", tag = "signin", params(BrowserQuery), responses(
    (status = 200, body = Page<BrowserView>),
    (status = 404, body = madang_public_api::Problem, content_type = "application/problem+json", description = "No such user"),
))]
pub(super) async fn browser_list(
    State(app): State<Shared>,
    asking: Asking,
    ApiQuery(query): ApiQuery<BrowserQuery>,
) -> Result<Json<Page<BrowserView>>, Failure> {
    let user = match &query.user {
        Some(user) => app.user_asked(&asking, user)?,
        None => asking.user,
    };
    let current = |id: SigninId| asking.by == SignedInBy::Cookie(id);
    let records = app.store.signin_list(user, now_ms()).await?;
    let items = records.into_iter().map(|record| BrowserView {
        id: record.id,
        user: record.user,
        method: record.method,
        address: record.address,
        agent: record.agent,
        created_at: Timestamp(record.created_ms),
        seen_at: Timestamp(record.seen_ms),
        expires_at: Timestamp(record.expires_ms),
        current: current(record.id),
    });
    Ok(Json(Page { items: items.collect(), next_cursor: None }))
}

/// Signs a browser out.
#[utoipa::path(delete, path = "/api/v1/signins/{id}", tag = "signin", params(("id" = String, Path)),
    responses((status = 204, description = "Signed out")))]
pub(super) async fn browser_end(
    State(app): State<Shared>,
    asking: Asking,
    ApiId(id): ApiId<SigninId>,
) -> Result<StatusCode, Failure> {
    let not_found = || Failure::not_found("browser");
    let found = app.store.signin_get(id).await?.ok_or_else(not_found)?;
    app.check_user(&asking, found.user, not_found)?;
    app.browser_end(found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the asking user's password. Every browser is signed out; unused links, and keys that others made for the user, are good no more; with
/// `revoke_all` neither are all other keys and tokens.
#[utoipa::path(put, path = "/api/v1/password", tag = "signin", request_body = PasswordChange,
    responses((status = 204, description = "Changed")))]
pub(super) async fn password_change(
    State(app): State<Shared>,
    asking: Asking,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<PasswordChange>,
) -> Result<StatusCode, Failure> {
    password::check_new(&request.password, &asking.name)?;
    let asked = Try { name: &asking.name, origin, headers: &headers };
    let known = browser::prove(&app, asked, request.current).await?;
    let hash = app.signin.passwords.hash(request.password).await?;
    let ends = link::ends(request.revoke_all);
    if !app.store.password_change(asking.user, [&known.hash, &hash], ends, now_ms()).await? {
        return Err(Failure::conflict("the password was changed meanwhile"));
    }
    app.people_refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time link with which a user sets a password. Shown this once; the user's earlier links are good no more.
#[utoipa::path(post, path = "/api/v1/links", tag = "signin", request_body = LinkCreate,
    responses((status = 201, body = LinkMade)))]
pub(super) async fn link_create(
    State(app): State<Shared>,
    asking: Asking,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<LinkCreate>,
) -> Result<Response, Failure> {
    app.check_whole(&asking)?;
    let user = app.user_asked(&asking, &request.user)?;
    if request.revoke_all {
        app.store.user_turn_over(user, now_ms()).await?;
        app.people_refresh().await?;
    }
    let made = link::make(&app, user, request.kind).await?;
    let base = app.base_url(&headers, origin);
    let view = LinkMade {
        id: made.record.id,
        user,
        kind: request.kind,
        expires_at: Timestamp(made.record.expires_ms),
        url: link::url(&base, &made.secret),
        secret: made.secret,
    };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.extensions_mut().insert(subject(user));
    Ok(response)
}

/// Sets a password with a one-time link. The link is good no more, the user's browsers are signed out, and keys that others made for the
/// user are suspended.
#[utoipa::path(post, path = "/api/v1/links/use", tag = "signin", request_body = LinkUse, responses(
    (status = 200, body = LinkUsed, description = "The password is set; sign in with it"),
    (status = 404, body = madang_public_api::Problem, content_type = "application/problem+json", description = "Used, expired, or never was"),
))]
pub(super) async fn link_use(
    State(app): State<Shared>,
    ApiJson(request): ApiJson<LinkUse>,
) -> Result<Response, Failure> {
    let ends = link::ends(request.revoke_all);
    let (user, name) = link::take(&app, &request.secret, request.password, ends).await?;
    let mut response = Json(LinkUsed { name }).into_response();
    response.extensions_mut().insert(subject(user));
    Ok(response)
}

fn subject(user: UserId) -> Noted {
    Noted { subject: Some(user.to_string()), actor: None }
}

fn view(actor: &Actor, csrf: Option<String>) -> SigninView {
    SigninView {
        user: actor.user,
        name: actor.name.clone(),
        role: actor.role.name().to_owned(),
        via: via(&actor.by),
        csrf,
    }
}
