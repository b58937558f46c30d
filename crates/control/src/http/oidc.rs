//! Browsers that sign in with another provider.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_public_api::{Page, ProblemKind, ProviderView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, body::ApiQuery, signin::sign_in};
use crate::{
    app::{App, Failure},
    signin::{
        address::Origin,
        browser::{self, Try},
        cookie::Cookie,
        oidc::{FLOW_SECONDS, Flow, Provider, user_of},
    },
};

/// Where a browser goes when it has signed in.
const HOME: &str = "/";

/// Other providers that know our users.
#[utoipa::path(get, path = "/api/v1/signin/providers", tag = "signin",
    responses((status = 200, body = Page<ProviderView>)))]
pub(super) async fn provider_list(State(app): State<Shared>) -> Json<Page<ProviderView>> {
    let items = app.signin.providers.iter().map(|provider| ProviderView {
        name: provider.config.name.clone(),
        title: provider.config.title.clone(),
        url: format!("/api/v1/signin/providers/{}", provider.config.name),
    });
    Json(Page { items: items.collect(), next_cursor: None })
}

/// Sends the browser to a provider to sign in.
#[utoipa::path(get, path = "/api/v1/signin/providers/{name}", tag = "signin", params(("name" = String, Path)), responses(
    (status = 303, description = "To the provider"),
    (status = 503, body = madang_public_api::Problem, content_type = "application/problem+json", description = "The provider does not answer"),
))]
pub(super) async fn provider_begin(
    State(app): State<Shared>,
    Extension(origin): Extension<Origin>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let provider = provider(&app, &name)?;
    let (url, flow) = provider.begin(redirect(&app, &headers, origin, &name)).await?;
    let cookie = Cookie::Flow.set(&flow.seal(&app.signin.key), FLOW_SECONDS, app.is_secure(origin));
    answer(&url, [cookie])
}

/// What a provider sends a browser back with.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Where a provider sends the browser back to: signs it in.
#[utoipa::path(get, path = "/api/v1/signin/providers/{name}/back", tag = "signin", params(("name" = String, Path), Back),
    responses(
        (status = 303, description = "Signed in; to the start page"),
        (status = 401, body = madang_public_api::Problem, content_type = "application/problem+json", description = "The provider's word does not hold"),
        (status = 503, body = madang_public_api::Problem, content_type = "application/problem+json", description = "The provider does not answer"),
    ))]
pub(super) async fn provider_end(
    State(app): State<Shared>,
    Extension(origin): Extension<Origin>,
    Path(name): Path<String>,
    headers: HeaderMap,
    ApiQuery(back): ApiQuery<Back>,
) -> Result<Response, Failure> {
    let provider = provider(&app, &name)?;
    let refused = |detail: &str| Failure::new(ProblemKind::Unauthenticated, detail);
    let secure = app.is_secure(origin);
    let flow = Cookie::Flow.read(&headers, secure).and_then(|cookie| Flow::open(&app.signin.key, &name, &cookie));
    let flow = flow.ok_or_else(|| refused("this browser has begun no sign-in here, or too long ago; begin again"))?;
    let (Some(code), Some(state), None) = (back.code, back.state, back.error) else {
        return Err(refused("the provider did not sign you in; begin again"));
    };
    let claimed = provider.end(redirect(&app, &headers, origin, &name), &flow, &state, code).await?;
    let user = user_of(&app, &provider.config, &claimed).await?;
    let asked = Try { name: "", origin, headers: &headers };
    let opened = browser::open(&app, user, &name, &asked).await?;
    let mut response = answer(HOME, [Cookie::Flow.clear(secure)])?;
    sign_in(&app, &mut response, &opened, origin);
    Ok(response)
}

fn provider<'a>(app: &'a App, name: &str) -> Result<&'a Provider, Failure> {
    let found = app.signin.providers.iter().find(|provider| provider.config.name == name);
    found.ok_or_else(|| Failure::not_found("provider"))
}

/// Our address as the browser knows it, which the provider has to know as well.
fn redirect(app: &App, headers: &HeaderMap, origin: Origin, name: &str) -> String {
    format!("{}/api/v1/signin/providers/{name}/back", app.base_url(headers, origin))
}

fn answer<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Result<Response, Failure> {
    let to = HeaderValue::from_str(to).map_err(|error| Failure::internal("sending the browser on", error))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, to);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
