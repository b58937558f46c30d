//! Cookies on their way: ours never reach an app, and an app's never reach beyond it.
//!
//! Browsers send cookies to every port of a host. What signs people in to the API may thus arrive here, and what an app sets may
//! arrive there; both are stopped.

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};

use crate::target::{Mode, Target};

/// The bare name of the cookie that carries a ticket; over TLS a prefix makes browsers guard it.
const NAME: &str = "madang_app";
/// What the names of all our cookies begin with, after such a prefix.
const OURS: &str = "madang_";
/// The prefixes that browsers guard.
const GUARDS: [&str; 2] = ["__Host-", "__Secure-"];

/// What the ticket's cookie is called.
pub(crate) fn ticket_name(mode: Mode, secure: bool) -> &'static str {
    match (secure, mode) {
        (false, _) => NAME,
        (true, Mode::Host) => "__Host-madang_app",
        (true, Mode::Path) => "__Secure-madang_app",
    }
}

/// Where a browser is to keep a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jar {
    /// With its others of this site.
    Plain { secure: bool },
    /// Over TLS: with those of the page in whose frame the app is, where it comes from another site than the page; no other page's frame has it.
    Frame,
}

/// The Set-Cookie header that makes a browser carry a ticket to this app and nowhere else.
pub(crate) fn ticket_set(target: &Target, jar: Jar, ticket: &str, seconds: u64) -> HeaderValue {
    let (secure, site, guard) = match jar {
        Jar::Plain { secure: false } => (false, "Lax", ""),
        Jar::Plain { secure: true } => (true, "Lax", "; Secure"),
        Jar::Frame => (true, "None", "; Secure; Partitioned"),
    };
    let text = format!(
        "{}={ticket}; Path={}; HttpOnly; SameSite={site}; Max-Age={seconds}{guard}",
        ticket_name(target.mode, secure),
        target.cookie_path()
    );
    HeaderValue::from_str(&text).expect("tickets, ids and names of ours are visible ASCII")
}

/// Values of the cookies of this name.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

/// Takes every cookie of ours out of what an app will see.
pub(crate) fn hide_ours(headers: &mut HeaderMap) {
    let lines: Vec<&HeaderValue> = headers.get_all(header::COOKIE).iter().collect();
    let names_us = |line: &&HeaderValue| contains(line.as_bytes(), OURS.as_bytes());
    if lines.len() <= 1 && !lines.iter().any(names_us) {
        return;
    }
    let pairs = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let others: Vec<&[u8]> = pairs.filter(|pair| !pair.is_empty() && !is_ours(name_of(pair))).collect();
    let joined = HeaderValue::from_bytes(&others.join(&b"; "[..]));
    headers.remove(header::COOKIE);
    if let (false, Ok(line)) = (joined.as_ref().map_or(true, HeaderValue::is_empty), joined) {
        headers.insert(header::COOKIE, line);
    }
}

/// What an app sets, kept within the app: none that is called like one of ours, none for other hosts, and by path none for other apps.
pub(crate) fn confine(headers: &mut HeaderMap, target: &Target, strips: bool) {
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let confined: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|line| HeaderValue::from_bytes(&confined(line.as_bytes(), target, strips)?).ok())
        .collect();
    headers.remove(header::SET_COOKIE);
    headers.extend(confined.into_iter().map(|line| (header::SET_COOKIE, line)));
}

fn confined(line: &[u8], target: &Target, strips: bool) -> Option<Vec<u8>> {
    let mut parts = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let pair = parts.next()?;
    if is_ours(name_of(pair)) {
        return None;
    }
    let mut kept = pair.to_vec();
    let mut path = None;
    for attribute in parts {
        let (name, value) = split(attribute);
        if name.eq_ignore_ascii_case(b"domain") {
            continue;
        }
        if name.eq_ignore_ascii_case(b"path") && target.mode == Mode::Path {
            // The last one counts, as for browsers.
            path = Some(value);
            continue;
        }
        kept.extend_from_slice(b"; ");
        kept.extend_from_slice(attribute);
    }
    if target.mode == Mode::Path {
        kept.extend_from_slice(b"; Path=");
        kept.extend_from_slice(&path_within(path.unwrap_or_default(), target, strips));
    }
    Some(kept)
}

/// A path of the app's as browsers see it; the whole app where it names none of its own.
fn path_within(path: &[u8], target: &Target, strips: bool) -> Vec<u8> {
    let whole = target.cookie_path();
    let within = |path: &[u8]| path.starts_with(whole.as_bytes()) || path == target.prefix().as_bytes();
    if within(path) {
        path.to_vec()
    } else if strips && path.starts_with(b"/") {
        [target.prefix().as_bytes(), path].concat()
    } else {
        whole.into_bytes()
    }
}

/// As browsers read it: a pair without `=` has no name, only a value, which is sent like a name.
fn name_of(pair: &[u8]) -> &[u8] {
    split(pair).0
}

fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        // `=a=b` is sent as `a=b`.
        Some(0) => split_value(&pair[1..]),
        _ => split_value(pair),
    }
}

fn split_value(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    (pair[..at].trim_ascii(), pair.get(at + 1..).unwrap_or_default().trim_ascii())
}

/// Whether a cookie could be taken for one of ours.
fn is_ours(name: &[u8]) -> bool {
    let begins =
        |name: &[u8], with: &str| name.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()));
    let bare = GUARDS.iter().find(|guard| begins(name, guard)).map_or(name, |guard| &name[guard.len()..]);
    begins(bare, OURS)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use madang_ids::AppId;
    use proptest::prelude::*;

    use super::*;

    fn target(mode: Mode) -> Target {
        Target { app: AppId::new(), mode, host: HeaderValue::from_static("a") }
    }

    fn hidden(lines: &[&str]) -> Option<String> {
        let mut headers: HeaderMap =
            lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect();
        hide_ours(&mut headers);
        assert!(headers.get_all(header::COOKIE).iter().count() <= 1);
        headers.get(header::COOKIE).map(|line| line.to_str().unwrap().to_owned())
    }

    #[test]
    fn ours_never_reach_an_app() {
        assert_eq!(hidden(&["a=1; b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(hidden(&["a=1; madang_signin=s; b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(hidden(&["madang_app=t"]), None);
        assert_eq!(hidden(&["__Host-madang_signin=s;__Secure-madang_app=t", "c=3"]).as_deref(), Some("c=3"));
        assert_eq!(hidden(&["MADANG_APP=t; =madang_app=t; a"]).as_deref(), Some("a"));
        assert_eq!(hidden(&["x=madang_app"]).as_deref(), Some("x=madang_app"));
    }

    fn set(line: &str, target: &Target, strips: bool) -> Option<String> {
        let mut headers: HeaderMap = [(header::SET_COOKIE, HeaderValue::from_str(line).unwrap())].into_iter().collect();
        confine(&mut headers, target, strips);
        headers.get(header::SET_COOKIE).map(|line| line.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_apps_cookies_stay_with_it() {
        let path = target(Mode::Path);
        let app = path.app;
        let is = |line: &str, strips, wanted: String| assert_eq!(set(line, &path, strips), Some(wanted), "{line}");
        is("a=1; Path=/; HttpOnly", true, format!("a=1; HttpOnly; Path=/apps/{app}/"));
        is("a=1; Path=/x", true, format!("a=1; Path=/apps/{app}/x"));
        is("a=1; Path=/x", false, format!("a=1; Path=/apps/{app}/"));
        is(&format!("a=1; path=/apps/{app}/y"), false, format!("a=1; Path=/apps/{app}/y"));
        is(&format!("a=1; path=/apps/{app}y"), false, format!("a=1; Path=/apps/{app}/"));
        is("a=1; Path=/x; Path=/", true, format!("a=1; Path=/apps/{app}/"));
        is("a=1; Domain=example.org; Secure", true, format!("a=1; Secure; Path=/apps/{app}/"));
        is("a=1; DOMAIN = x", true, format!("a=1; Path=/apps/{app}/"));
        let host = target(Mode::Host);
        assert_eq!(set("a=1; Path=/x; Domain=apps.example", &host, true).as_deref(), Some("a=1; Path=/x"));
        for ours in
            ["madang_app=x", "madang_signin=x; Path=/", "__Host-madang_device=1", "=madang_app=x", " Madang_App =x"]
        {
            assert_eq!(set(ours, &host, true), None, "{ours}");
            assert_eq!(set(ours, &path, false), None, "{ours}");
        }
    }

    #[test]
    fn a_tickets_cookie_is_for_its_app_alone() {
        let (path, host) = (target(Mode::Path), target(Mode::Host));
        let plain = ticket_set(&path, Jar::Plain { secure: false }, "t", 5);
        assert_eq!(
            plain.to_str().unwrap(),
            format!("madang_app=t; Path=/apps/{}/; HttpOnly; SameSite=Lax; Max-Age=5", path.app)
        );
        let guarded = ticket_set(&host, Jar::Plain { secure: true }, "t", 5);
        assert_eq!(guarded, "__Host-madang_app=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=5; Secure");
    }

    proptest! {
        #[test]
        fn whatever_an_app_sets_is_confined(line in "[ -~]{0,60}") {
            let target = target(Mode::Path);
            let Ok(value) = HeaderValue::from_str(&line) else { return Ok(()) };
            let mut headers: HeaderMap = [(header::SET_COOKIE, value)].into_iter().collect();
            confine(&mut headers, &target, true);
            for line in headers.get_all(header::SET_COOKIE) {
                let line = line.to_str().unwrap();
                let mut attributes = line.split(';').skip(1).map(str::trim);
                prop_assert!(!is_ours(name_of(line.split(';').next().unwrap().trim().as_bytes())), "{line}");
                prop_assert!(line.ends_with(&target.cookie_path()) || line.contains(&format!("Path=/apps/{}/", target.app)), "{line}");
                let is_domain = |part: &str| split(part.as_bytes()).0.eq_ignore_ascii_case(b"domain");
                prop_assert!(!attributes.any(is_domain), "{line}");
            }
        }

        #[test]
        fn whatever_a_browser_sends_ours_is_hidden(before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
            let line = format!("{before}; madang_app=SECRET; {after}");
            let Ok(value) = HeaderValue::from_str(&line) else { return Ok(()) };
            let mut headers: HeaderMap = [(header::COOKIE, value)].into_iter().collect();
            hide_ours(&mut headers);
            let left = headers.get(header::COOKIE).map(|line| line.to_str().unwrap().to_owned()).unwrap_or_default();
            prop_assert!(!left.contains("SECRET"), "{left}");
        }
    }
}
