//! Which app a request is for: what its host and its path say, read so that nobody else could read them differently.

use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderValue},
    http::{request::Parts, uri::Scheme},
};
use madang_ids::AppId;
use madang_model::{
    AppPrefix, AppsAddress,
    app_route::{APPS_PATH, app_of_label, app_path},
};

use crate::refusal::Refusal;

/// How an app was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By the beginning of the path; all apps share an origin.
    Path,
    /// By a host name of its own.
    Host,
}

/// The app that is meant, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub app: AppId,
    pub mode: Mode,
    /// The host that the client named, with its port.
    pub host: HeaderValue,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sought {
    App(Target),
    /// The slash at the end of the app's path is missing: relative links would lead elsewhere.
    Slash(AppId),
}

impl Target {
    /// What the app's path begins with as browsers see it, without the slash at its end; nothing where the app has a host name.
    pub fn prefix(&self) -> String {
        match self.mode {
            Mode::Path => format!("{APPS_PATH}{}", self.app),
            Mode::Host => String::new(),
        }
    }

    /// The path that cookies of the app and for the app are good for.
    pub fn cookie_path(&self) -> String {
        match self.mode {
            Mode::Path => app_path(self.app),
            Mode::Host => "/".to_owned(),
        }
    }

    /// The path as the app is to see it.
    pub fn app_path<'a>(&self, path: &'a str, prefix: AppPrefix) -> &'a str {
        match (self.mode, prefix) {
            // What follows the app's id, from its slash on.
            (Mode::Path, AppPrefix::Strip) => {
                let rest = path.get(APPS_PATH.len()..).unwrap_or_default();
                rest.find('/').map_or("/", |slash| &rest[slash..])
            }
            _ => path,
        }
    }
}

/// Reads who is meant. What could be read in two ways is refused.
pub(crate) fn seek(address: &AppsAddress, parts: &Parts) -> Result<Sought, Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal::Malformed("CONNECT asks for another host"));
    }
    let host = host(&parts.headers, &parts.uri, parts.version)?;
    let path = parts.uri.path();
    if !path.starts_with('/') {
        return Err(Refusal::Malformed("the path does not begin with a slash"));
    }
    // A text that `host` has checked.
    let name = host_name(host.to_str().unwrap_or_default());
    if let Some(label) = address.domain().and_then(|domain| label_in(name, domain)) {
        let app = app_of_label(label).ok_or(Refusal::NotFound)?;
        return Ok(Sought::App(Target { app, mode: Mode::Host, host }));
    }
    let rest = path.strip_prefix(APPS_PATH).ok_or(Refusal::NotFound)?;
    let (id, slash) = rest.split_once('/').map_or((rest, None), |(id, rest)| (id, Some(rest)));
    let app = id.parse().map_err(|_| Refusal::NotFound)?;
    match slash {
        Some(_) => Ok(Sought::App(Target { app, mode: Mode::Path, host })),
        None => Ok(Sought::Slash(app)),
    }
}

/// The one host of the request, as the client named it.
fn host(headers: &HeaderMap, uri: &Uri, version: Version) -> Result<HeaderValue, Refusal> {
    let mut named = headers.get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(Refusal::Malformed("the request names more than one host"));
    }
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err(Refusal::Malformed("the scheme is neither http nor https"));
    }
    let in_uri = uri.authority().map(|authority| authority.as_str());
    let host = match (first, in_uri) {
        (Some(host), None) => host.clone(),
        (Some(host), Some(other)) if host.as_bytes().eq_ignore_ascii_case(other.as_bytes()) => host.clone(),
        (Some(_), Some(_)) => return Err(Refusal::Malformed("the request names two different hosts")),
        (None, Some(host)) if version == Version::HTTP_2 => {
            HeaderValue::from_str(host).map_err(|_| Refusal::Malformed("the host cannot be read"))?
        }
        (None, _) => return Err(Refusal::Malformed("the request names no host")),
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(byte);
    if host.is_empty() || !host.as_bytes().iter().all(is_plain) {
        return Err(Refusal::Malformed("the host cannot be read"));
    }
    Ok(host)
}

/// Without its port.
fn host_name(host: &str) -> &str {
    let after = host.rfind(']').unwrap_or(0);
    host[after..].find(':').map_or(host, |at| &host[..after + at])
}

/// What stands before the domain, if the name is in it. A dot at the end says the same name.
fn label_in<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let at = name.len().checked_sub(domain.len() + 1)?;
    let (label, rest) = (name.get(..at)?, name.get(at..)?);
    (rest.starts_with('.') && rest[1..].eq_ignore_ascii_case(domain)).then_some(label)
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use madang_model::app_route::host_label;
    use proptest::prelude::*;

    use super::*;

    fn address() -> AppsAddress {
        let address: AppsAddress = "http://apps.example:8688".parse().unwrap();
        address.with_domain("apps.example").unwrap()
    }

    fn sought(host: &str, target: &str) -> Result<Sought, Refusal> {
        let request = Request::builder().uri(target).header("host", host).body(()).unwrap();
        seek(&address(), &request.into_parts().0)
    }

    #[test]
    fn by_path_and_by_name() {
        let app = AppId::new();
        let by = |mode, host: &str| Ok(Sought::App(Target { app, mode, host: host.parse().unwrap() }));
        assert_eq!(sought("127.0.0.1:1", &format!("/apps/{app}/a?b")), by(Mode::Path, "127.0.0.1:1"));
        assert_eq!(sought("apps.example", &format!("/apps/{app}/")), by(Mode::Path, "apps.example"));
        assert_eq!(sought("[::1]:80", &format!("/apps/{app}")), Ok(Sought::Slash(app)));
        let name = format!("{}.apps.example", host_label(app));
        for host in [name.clone(), format!("{name}:8688"), name.to_ascii_uppercase(), format!("{name}.")] {
            assert_eq!(sought(&host, "/a"), by(Mode::Host, &host), "{host}");
        }
        // The host is the stronger word.
        let other = AppId::new();
        assert_eq!(sought(&name, &format!("/apps/{other}/")), by(Mode::Host, &name));
    }

    #[test]
    fn what_is_no_app_is_nothing() {
        let (app, label) = (AppId::new(), host_label(AppId::new()));
        for (host, target) in [
            ("127.0.0.1", "/".to_owned()),
            ("127.0.0.1", "/apps/".to_owned()),
            ("127.0.0.1", format!("/Apps/{app}/")),
            ("127.0.0.1", format!("//apps/{app}/")),
            ("127.0.0.1", format!("/apps//{app}/")),
            ("127.0.0.1", format!("/apps/%61{}/", &app.to_string()[1..])),
            ("127.0.0.1", format!("/apps/{app}x/")),
            ("www.apps.example", format!("/apps/{app}/")),
            (&format!("x.{label}.apps.example"), "/".to_owned()),
            (&format!("{label}.apps.example.evil"), "/".to_owned()),
            (&format!("{label}-apps.example"), "/".to_owned()),
        ] {
            assert_eq!(sought(host, &target), Err(Refusal::NotFound), "{host} {target}");
        }
    }

    #[test]
    fn hosts_that_could_be_read_in_two_ways_are_refused() {
        let app = AppId::new();
        for host in ["", "a b", "user@127.0.0.1", "127.0.0.1/x", "a,b", "a\u{e9}"] {
            let request = Request::builder().uri(format!("/apps/{app}/"));
            let request = request.header("host", HeaderValue::from_bytes(host.as_bytes()).unwrap()).body(()).unwrap();
            let found = seek(&address(), &request.into_parts().0);
            assert!(matches!(found, Err(Refusal::Malformed(_))), "{host} {found:?}");
        }
        let two = Request::builder().uri(format!("http://b.example/apps/{app}/")).header("host", "a.example");
        assert!(matches!(seek(&address(), &two.body(()).unwrap().into_parts().0), Err(Refusal::Malformed(_))));
        let none = Request::builder().uri(format!("/apps/{app}/")).body(()).unwrap();
        assert!(matches!(seek(&address(), &none.into_parts().0), Err(Refusal::Malformed(_))));
        let ftp = Request::builder().uri(format!("ftp://a.example/apps/{app}/")).header("host", "a.example");
        assert!(matches!(seek(&address(), &ftp.body(()).unwrap().into_parts().0), Err(Refusal::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_head_makes_it_panic_or_names_another_app(host in "\\PC{0,80}", path in "/\\PC{0,80}") {
            let (Ok(host), Ok(uri)) = (HeaderValue::from_str(&host), path.parse::<Uri>()) else { return Ok(()) };
            let request = Request::builder().uri(uri).header("host", host).body(()).unwrap();
            let found = seek(&address(), &request.into_parts().0);
            // An id is 128 random bits: nothing made up has one.
            prop_assert!(found.is_err(), "{found:?}");
        }

        #[test]
        fn the_app_sees_what_follows_its_prefix(rest in "(/[a-z%.]{0,9}){1,5}") {
            let app = AppId::new();
            let path = format!("/apps/{app}{rest}");
            let Ok(Sought::App(target)) = sought("a", &path) else { return Err(TestCaseError::fail(path)) };
            prop_assert_eq!(target.app_path(&path, AppPrefix::Strip), rest);
            prop_assert_eq!(target.app_path(&path, AppPrefix::Keep), path.clone());
        }
    }
}
