//! Heads on their way: what belongs to one connection stays there, what we say of a request is ours to say.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    admit::Told,
    cookie,
    target::{Mode, Target},
};

/// What belongs to one connection, whoever sends it (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];
/// What only we say of a request begins so …
const FORWARDED: &str = "x-forwarded-";
/// … or is one of these.
const VOUCHED: [HeaderName; 3] =
    [header::FORWARDED, HeaderName::from_static("x-real-ip"), HeaderName::from_static("x-remote-user")];
/// What an answer would do to the whole host, and an app has no say in that: other ports are not its own.
const HOST_WIDE: [HeaderName; 6] = [
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("origin-agent-cluster"),
];
/// What an answer asks of a server in front of ours: to send some file of its own instead, say. How it buffers is the app's to say.
const OF_FRONTS: [HeaderName; 3] = [
    HeaderName::from_static("x-sendfile"),
    HeaderName::from_static("x-lighttpd-send-file"),
    HeaderName::from_static("x-litespeed-location"),
];
const OF_NGINX: &str = "x-accel-";
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Lets a page's worker answer for paths above its own.
const WORKER_SCOPE: HeaderName = HeaderName::from_static("service-worker-allowed");

/// Whom a request comes from and how.
#[derive(Debug)]
pub(crate) struct From<'a> {
    pub address: &'a HeaderValue,
    pub scheme: &'static str,
    pub told: &'a Told,
    /// Whether the app's path has lost what it began with.
    pub strips: bool,
}

impl From<'_> {
    /// What the app's path began with before it was taken away; nothing if it was not.
    pub fn stripped(&self) -> &str {
        if self.strips { self.told.prefix.to_str().unwrap_or_default() } else { "" }
    }
}

/// Makes a request's head fit for the app.
pub(crate) fn to_app(headers: &mut HeaderMap, target: &Target, from: &From<'_>) {
    drop_where(headers, |name| HOP_BY_HOP.contains(name) || VOUCHED.contains(name) || is_doubtful(name));
    // We answer it ourselves, once the app takes the body.
    headers.remove(header::EXPECT);
    if let Some(te) = headers.remove(header::TE)
        && te.to_str().is_ok_and(|te| te.split(',').any(|part| part.trim().eq_ignore_ascii_case("trailers")))
    {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    cookie::hide_ours(headers);
    // Whoever says it twice has said it.
    if headers.get_all(header::REFERER).iter().any(|referer| names_ticket(referer.as_bytes())) {
        headers.remove(header::REFERER);
    }
    headers.insert(header::HOST, target.host.clone());
    headers.insert("x-forwarded-host", target.host.clone());
    headers.insert("x-forwarded-for", from.address.clone());
    headers.insert("x-forwarded-proto", HeaderValue::from_static(from.scheme));
    headers.insert("x-forwarded-user", from.told.user.clone());
    if from.strips {
        headers.insert("x-forwarded-prefix", from.told.prefix.clone());
    }
}

/// What we alone say, or what some servers would read as if we had: many do not tell `_` from `-`.
fn is_doubtful(name: &HeaderName) -> bool {
    name.as_str().starts_with(FORWARDED) || name.as_str().contains('_')
}

fn is_of_fronts(name: &HeaderName) -> bool {
    OF_FRONTS.contains(name) || (name.as_str().starts_with(OF_NGINX) && *name != BUFFERING)
}

fn names_ticket(referer: &[u8]) -> bool {
    let ticket = crate::admit::PARAMETER.as_bytes();
    referer.windows(ticket.len() + 1).any(|window| window.starts_with(ticket) && window.ends_with(b"="))
}

/// Makes an answer's head fit for the client.
pub(crate) fn to_client(headers: &mut HeaderMap, target: &Target, stripped: &str) {
    drop_where(headers, |name| HOP_BY_HOP.contains(name) || HOST_WIDE.contains(name) || is_of_fronts(name));
    if target.mode == Mode::Path {
        headers.remove(WORKER_SCOPE);
    }
    cookie::confine(headers, target, !stripped.is_empty());
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let moved = headers.get(&name).and_then(|place| moved(place.as_bytes(), target, stripped));
        if let Some(moved) = moved.and_then(|place| HeaderValue::from_bytes(&place).ok()) {
            headers.insert(name, moved);
        }
    }
}

/// Takes out what a connection's own line names, and what else is to go.
fn drop_where(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    if headers.contains_key(header::CONNECTION) {
        let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
        let named: Vec<HeaderName> =
            lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
        // The client may not take away how its body ends.
        let kept = [header::HOST, header::CONTENT_LENGTH, header::TE];
        named.iter().filter(|name| !kept.contains(name)).for_each(|name| drop(headers.remove(name)));
    }
    // Most heads have nothing of the kind: one look at each name costs less than a search for each that may be there.
    let gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    gone.iter().for_each(|name| drop(headers.remove(name)));
}

/// Where an answer points, as browsers have to read it: an app that believes to be at the root points above its prefix. None: as it is.
fn moved(place: &[u8], target: &Target, stripped: &str) -> Option<Vec<u8>> {
    let path = match of_this_host(place, target) {
        Some(path) => path,
        None if place.starts_with(b"/") && !place.starts_with(b"//") && !place.starts_with(b"/\\") => place,
        None => return None,
    };
    let within = path.strip_prefix(stripped.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    match stripped.is_empty() || within {
        true if path.starts_with(b"//") || path.starts_with(b"/\\") => Some([b"/.", path].concat()),
        true => Some(path.to_vec()),
        false => Some([stripped.as_bytes(), path].concat()),
    }
}

/// The path of an absolute address of this very host, whichever scheme the app believes in.
fn of_this_host<'a>(place: &'a [u8], target: &Target) -> Option<&'a [u8]> {
    let (scheme, rest) = place.split_at_checked(place.windows(3).position(|window| window == b"://")?)?;
    let is_web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let rest = rest.get(3..)?;
    let (host, path) =
        rest.split_at(rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len()));
    let is_here = is_web && host.eq_ignore_ascii_case(target.host.as_bytes());
    match path.first() {
        Some(b'/') if is_here => Some(path),
        None if is_here => Some(b"/"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use madang_ids::{AppId, UserId};
    use proptest::prelude::*;

    use super::*;

    fn target(mode: Mode) -> Target {
        Target { app: AppId::new(), mode, host: HeaderValue::from_static("apps.example:1") }
    }

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn through(mut headers: HeaderMap) -> HeaderMap {
        let user = HeaderValue::from_str(&UserId::fixed(7).to_string()).unwrap();
        let told = Told { user, prefix: HeaderValue::from_static("/apps/x") };
        let address = HeaderValue::from_static("192.0.2.1");
        let from = From { address: &address, scheme: "https", told: &told, strips: true };
        to_app(&mut headers, &target(Mode::Path), &from);
        headers
    }

    fn sent(pairs: &[(&'static str, &str)]) -> HeaderMap {
        through(map(pairs))
    }

    #[test]
    fn what_we_say_of_a_request_is_ours_alone() {
        let headers = sent(&[
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-user", "root"),
            ("x_forwarded_for", "203.0.113.9"),
            ("x-forwarded-anything", "x"),
            ("forwarded", "for=203.0.113.9"),
            ("x-remote-user", "root"),
            ("connection", "x-forwarded-for, x-forwarded-user, host, content-length, secret"),
            ("secret", "s"),
            ("content-length", "3"),
        ]);
        let get = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(get("x-forwarded-for"), Some("192.0.2.1"));
        assert_eq!(get("x-forwarded-proto"), Some("https"));
        assert_eq!(get("x-forwarded-host"), Some("apps.example:1"));
        assert_eq!(get("x-forwarded-prefix"), Some("/apps/x"));
        assert_eq!(get("x-forwarded-user"), Some(UserId::fixed(7).to_string().as_str()));
        assert_eq!((get("host"), get("content-length")), (Some("apps.example:1"), Some("3")));
        for gone in ["x_forwarded_for", "x-forwarded-anything", "forwarded", "x-remote-user", "connection", "secret"] {
            assert_eq!(get(gone), None, "{gone}");
        }
    }

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let headers = sent(&[
            ("te", "gzip, trailers"),
            ("trailer", "x-sum"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("connection", "Upgrade, HTTP2-Settings"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("referer", "http://a/apps/x/?ticket=SECRET"),
        ]);
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["trailer"], "x-sum");
        for gone in
            ["keep-alive", "upgrade", "http2-settings", "connection", "proxy-authorization", "expect", "referer"]
        {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn no_place_where_somebody_comes_from_tells_a_ticket() {
        let with = ("referer", "http://a/apps/x/?ticket=SECRET");
        let without = ("referer", "http://a/apps/x/");
        assert_eq!(sent(&[without])["referer"], without.1);
        for referers in [&[with][..], &[with, without], &[without, with]] {
            let mut headers = HeaderMap::new();
            for (name, value) in referers {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert!(!through(headers).contains_key("referer"), "{referers:?}");
        }
    }

    #[test]
    fn places_are_moved_beneath_the_prefix() {
        let target = target(Mode::Path);
        for (place, wanted) in [
            ("/login?a=b", Some("/apps/x/login?a=b")),
            ("http://apps.example:1/login", Some("/apps/x/login")),
            ("HTTPS://APPS.example:1", Some("/apps/x/")),
            ("/apps/x/login", Some("/apps/x/login")),
            ("/apps/xy", Some("/apps/x/apps/xy")),
            ("login", None),
            ("//other.example/", None),
            ("https://other.example/login", None),
            ("http://apps.example:1@evil.example/", None),
            ("http://apps.example:1//evil.example/", Some("/apps/x//evil.example/")),
            ("javascript:alert(1)", None),
        ] {
            let moved = moved(place.as_bytes(), &target, "/apps/x").map(|place| String::from_utf8(place).unwrap());
            assert_eq!(moved.as_deref(), wanted, "{place}");
        }
        let whole = moved(b"http://apps.example:1//evil.example/", &target, "");
        assert_eq!(whole.as_deref(), Some(&b"/.//evil.example/"[..]), "still this host");
    }

    #[test]
    fn an_answer_says_nothing_for_the_whole_host() {
        let mut headers = map(&[
            ("strict-transport-security", "max-age=1"),
            ("clear-site-data", "\"cookies\""),
            ("alt-svc", "h3=\":443\""),
            ("service-worker-allowed", "/"),
            ("x-accel-redirect", "/etc/"),
            ("x-accel-limit-rate", "1"),
            ("x-sendfile", "/etc/passwd"),
            ("x-accel-buffering", "no"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-kept", "1"),
        ]);
        to_client(&mut headers, &target(Mode::Path), "/apps/x");
        let mut kept: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["x-accel-buffering", "x-kept"]);
    }

    proptest! {
        #[test]
        fn no_place_of_an_app_becomes_another_host(place in "[ -~]{0,60}") {
            if let Some(moved) = moved(place.as_bytes(), &target(Mode::Path), "") {
                prop_assert!(moved.starts_with(b"/") && !moved.starts_with(b"//") && !moved.starts_with(b"/\\"), "{place}");
            }
        }
    }
}
