//! One request, from whom it is for to what it is answered.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{self, HeaderValue},
    http::{request::Parts, uri::PathAndQuery},
};
use madang_model::{AppPrefix, AppProtocol, app_route::app_path};

use crate::{
    admit::{self, Admission, Asked, Pass, Shown},
    body::{ProxyBody, RequestBody, Until},
    cookie::{self, Jar},
    crew::Worker,
    forward::forward,
    frame, head,
    refusal::Refusal,
    target::{Mode, Sought, Target, seek},
    tunnel::{self, Tunnel},
};

impl Worker {
    /// The answer, whatever comes of it.
    pub(crate) async fn answer(&self, request: Request<Incoming>, from: &HeaderValue) -> Response<ProxyBody> {
        // What a refusal's form depends on; a clone of a head costs more than most refusals do.
        let (accept, language) =
            (request.headers().get(header::ACCEPT).cloned(), request.headers().get(header::ACCEPT_LANGUAGE).cloned());
        match self.pass_on(request, from).await {
            Ok(response) => response,
            Err(refusal) => {
                let said = [(header::ACCEPT, accept), (header::ACCEPT_LANGUAGE, language)];
                let said: HeaderMap = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                tracing::debug!(code = refusal.code(), ?from, "refused");
                refusal.answer(&said)
            }
        }
    }

    async fn pass_on(
        &self,
        mut request: Request<Incoming>,
        from: &HeaderValue,
    ) -> Result<Response<ProxyBody>, Refusal> {
        let wanted = tunnel::wanted(&request)?;
        let client = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let target = match seek(&self.proxy.config.address, &parts)? {
            Sought::App(target) => target,
            Sought::Slash(app) => return Ok(redirect(StatusCode::PERMANENT_REDIRECT, &app_path(app), query(&parts))),
        };
        let now_ms = now_ms();
        let asked = Asked {
            headers: &parts.headers,
            query: query(&parts),
            becomes_cookie: wanted.is_none() && matches!(parts.method, Method::GET | Method::HEAD),
            secure: self.proxy.config.address.is_secure(),
            now_ms,
        };
        let pass = match self.proxy.gate.admit(&target, &asked)? {
            Admission::Enter { pass, ticket } => {
                return Ok(self.enter(&target, &parts, ticket, pass.expires_ms - now_ms));
            }
            Admission::Pass(pass) => pass,
        };
        let frames = self.proxy.frames();
        let (method, headers) = (&parts.method, &parts.headers);
        if pass.shown == Shown::Cookie && !admit::is_own_page(method, headers, target.host.as_bytes(), frames) {
            return Err(Refusal::OtherSite);
        }
        let until = Until::after_ms(pass.expires_ms.saturating_sub(now_ms));
        let key = (pass.app, pass.sandbox);
        let tunnel = wanted
            .zip(client)
            .map(|(wanted, client)| (wanted.clone(), Tunnel { key, wanted, client, until: until.again() }));
        if pass.protocol == AppProtocol::Tcp {
            let (wanted, tunnel) = tunnel.filter(|(wanted, _)| wanted == tunnel::TCP).ok_or(Refusal::TunnelOnly)?;
            let mut response = tunnel.open(self).await?;
            tunnel::say(&mut response, &wanted);
            return Ok(response);
        }
        if let Some(whole) = root_of_whole(&target, &pass, &parts) {
            return Ok(redirect(StatusCode::TEMPORARY_REDIRECT, &whole, query(&parts)));
        }
        let strips = pass.prefix == AppPrefix::Strip && target.mode == Mode::Path;
        let said = head::From { address: from, scheme: self.proxy.config.address.scheme(), told: &pass.told, strips };
        let stripped = said.stripped();
        match pass.shown {
            Shown::Bearer => drop(parts.headers.remove(header::AUTHORIZATION)),
            _ => self.proxy.gate.hide_bearers(&mut parts.headers, now_ms),
        }
        fit(&mut parts, &target, &pass, &said)?;
        let request = Request::from_parts(parts, RequestBody::from(body));
        match tunnel {
            None => {
                let mut response = forward(&self.pool, key, request, until).await?;
                head::to_client(response.headers_mut(), &target, stripped);
                frames.guard(response.headers_mut());
                Ok(response)
            }
            Some((wanted, tunnel)) => {
                let mut response = tunnel.ask(self, request).await?;
                head::to_client(response.headers_mut(), &target, stripped);
                frames.guard(response.headers_mut());
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    tunnel::say(&mut response, &wanted);
                }
                Ok(response)
            }
        }
    }

    /// A browser that came with a ticket in the address is sent to the same address without it, and keeps the ticket as a cookie.
    fn enter(&self, target: &Target, parts: &Parts, ticket: &str, left_ms: u64) -> Response<ProxyBody> {
        let mut response = redirect(StatusCode::SEE_OTHER, parts.uri.path(), &admit::without_ticket(query(parts)));
        let secure = self.proxy.config.address.is_secure();
        let jar = match secure && self.proxy.frames().by_the_web() && frame::is_framed(&parts.headers) {
            true => Jar::Frame,
            false => Jar::Plain { secure },
        };
        let cookie = cookie::ticket_set(target, jar, ticket, left_ms / 1_000);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        response
    }
}

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

/// An app that was told of its prefix is at that path also where it has a host name: whoever asks for the root is led there.
fn root_of_whole(target: &Target, pass: &Pass, parts: &Parts) -> Option<String> {
    let root = target.mode == Mode::Host && pass.prefix == AppPrefix::Keep && parts.uri.path() == "/";
    root.then(|| app_path(pass.app))
}

/// Makes a request's head what the app is to see.
fn fit(parts: &mut Parts, target: &Target, pass: &Pass, said: &head::From<'_>) -> Result<(), Refusal> {
    if let Some(place) = place(&parts.uri, target, pass)? {
        parts.uri = Uri::from(place);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    head::to_app(&mut parts.headers, target, said);
    Ok(())
}

/// The path and the query as the app is to see them; none if they are all that the address is, and stay.
fn place(uri: &Uri, target: &Target, pass: &Pass) -> Result<Option<PathAndQuery>, Refusal> {
    let path = target.app_path(uri.path(), pass.prefix);
    if !pass.in_address && path.len() == uri.path().len() && uri.scheme().is_none() && uri.authority().is_none() {
        return Ok(None);
    }
    let query = uri.query().unwrap_or_default();
    let query = if pass.in_address { admit::without_ticket(query).into() } else { Cow::Borrowed(query) };
    let mark = if query.is_empty() { "" } else { "?" };
    let place = [path, mark, &query].concat();
    // What is taken over as it is is not copied again.
    let place = PathAndQuery::from_maybe_shared(Bytes::from(place));
    place.map(Some).map_err(|_| Refusal::Malformed("the path cannot be read"))
}

/// To another path of the same host, never to another host: two slashes would name one.
fn redirect(status: StatusCode, path: &str, query: &str) -> Response<ProxyBody> {
    let guard = if path.starts_with("//") || path.starts_with("/\\") { "/." } else { "" };
    let mark = if query.is_empty() { "" } else { "?" };
    let mut response = Response::new(ProxyBody::from(Bytes::new()));
    *response.status_mut() = status;
    if let Ok(place) = HeaderValue::from_str(&format!("{guard}{path}{mark}{query}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
