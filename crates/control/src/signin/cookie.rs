//! Cookies: what a browser keeps for us, and what it takes to act on its word.

use axum::http::{HeaderMap, HeaderValue, header};
use madang_ids::{SigninId, UserId};
use madang_public_api::signature::hex;
use subtle::ConstantTimeEq;

use super::server_key::{ServerKey, random};

/// Where a browser has signed in, over TLS. The prefix makes browsers refuse it from anywhere but this host over TLS.
const SIGNIN_SECURE: &str = "__Host-madang_signin";
const SIGNIN_PLAIN: &str = "madang_signin";
/// That a user has signed in with this browser before.
const DEVICE_SECURE: &str = "__Host-madang_device";
const DEVICE_PLAIN: &str = "madang_device";
/// A sign-in with another provider that has begun.
const FLOW_SECURE: &str = "__Host-madang_flow";
const FLOW_PLAIN: &str = "madang_flow";
/// A known device is known for a year.
const DEVICE_SECONDS: u64 = 365 * 86_400;
/// Header that repeats what only a page of ours can read.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// Cookies read of one request.
const COOKIES_MAX: usize = 64;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    Signin,
    Device,
    Flow,
}

impl Cookie {
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Cookie::Signin, true) => SIGNIN_SECURE,
            (Cookie::Signin, false) => SIGNIN_PLAIN,
            (Cookie::Device, true) => DEVICE_SECURE,
            (Cookie::Device, false) => DEVICE_PLAIN,
            (Cookie::Flow, true) => FLOW_SECURE,
            (Cookie::Flow, false) => FLOW_PLAIN,
        }
    }

    /// What the browser sent under this name; over TLS only under the name that browsers guard. Another port of this host may have set one of the
    /// same name for a longer path, and nobody can tell which is ours: two that differ are none.
    pub fn read(self, headers: &HeaderMap, secure: bool) -> Option<String> {
        let name = self.name(secure);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).take(COOKIES_MAX);
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
        let (_, value) = values.next()?;
        values.all(|(_, other)| other == value).then(|| value.to_owned())
    }

    /// The Set-Cookie header. The browser shows it to no script, and sends it with nothing that another site made it ask but links.
    pub fn set(self, value: &str, seconds: u64, secure: bool) -> HeaderValue {
        let guard = if secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{guard}", self.name(secure));
        HeaderValue::from_str(&text).expect("names and values of ours are visible ASCII")
    }

    /// A Set-Cookie header that makes the browser forget it.
    pub fn clear(self, secure: bool) -> HeaderValue {
        self.set("", 0, secure)
    }
}

/// A new secret that nobody can guess.
pub(crate) fn new_secret() -> String {
    hex(&random::<32>())
}

/// A new secret for a browser. It says whose it is, so that a made-up one is told from one of ours without a look at the database.
pub(crate) fn signin_secret(key: &ServerKey, id: SigninId, user: UserId) -> String {
    let said = format!("{}.{id}.{user}", new_secret());
    let tag = signin_tag(key, &said);
    format!("{said}.{tag}")
}

/// Which browser of which user a secret was made for, if we have made it; it may be signed out by now.
pub(crate) fn signin_claimed(key: &ServerKey, secret: &str) -> Option<(SigninId, UserId)> {
    let (said, tag) = secret.rsplit_once('.')?;
    let right = signin_tag(key, said);
    bool::from(right.as_bytes().ct_eq(tag.as_bytes())).then_some(())?;
    let (_, ids) = said.split_once('.')?;
    let (id, user) = ids.split_once('.')?;
    Some((id.parse().ok()?, user.parse().ok()?))
}

fn signin_tag(key: &ServerKey, said: &str) -> String {
    hex(&key.derived("signin", said.as_bytes()))
}

/// What a page repeats in [`CSRF_HEADER`]: another site can have the cookie sent, but can read neither it nor this.
pub(crate) fn csrf(key: &ServerKey, secret: &str) -> String {
    hex(&key.derived("csrf", secret.as_bytes()))
}

/// The known device's cookie for a user: good without any table.
pub(crate) fn device(key: &ServerKey, user: UserId, secure: bool) -> HeaderValue {
    let number = hex(&random::<16>());
    let value = format!("{number}.{}", device_tag(key, user, &number));
    Cookie::Device.set(&value, DEVICE_SECONDS, secure)
}

/// The number of a device on which this user has signed in before.
pub(crate) fn known_device(key: &ServerKey, user: UserId, cookie: &str) -> Option<String> {
    let (number, tag) = cookie.split_once('.')?;
    let right = device_tag(key, user, number);
    bool::from(right.as_bytes().ct_eq(tag.as_bytes())).then(|| number.to_owned())
}

fn device_tag(key: &ServerKey, user: UserId, number: &str) -> String {
    hex(&key.derived("device", format!("{user} {number}").as_bytes()))
}

/// Whether a request that the browser sent with its cookie comes from a page of this host. Browsers say where a page is from with every unsafe
/// request and every WebSocket; what says nothing is no browser's and has to show the token.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return false;
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn over_tls_only_the_guarded_name_counts() {
        let both = headers(&[("cookie", "a=b; madang_signin=plain; __Host-madang_signin=guarded")]);
        assert_eq!(Cookie::Signin.read(&both, true).as_deref(), Some("guarded"));
        assert_eq!(Cookie::Signin.read(&both, false).as_deref(), Some("plain"));
        assert_eq!(Cookie::Device.read(&both, false), None);
        let planted = headers(&[("cookie", "madang_signin=planted; madang_signin=ours")]);
        assert_eq!(Cookie::Signin.read(&planted, false), None, "either may be somebody else's");
        let set = Cookie::Signin.set("x", 60, true);
        assert_eq!(set, "__Host-madang_signin=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    }

    #[test]
    fn a_device_is_known_for_its_user_alone() {
        let key = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let (ada, bob) = (UserId::new(), UserId::new());
        let set = device(&key, ada, false);
        let value = set.to_str().unwrap().strip_prefix("madang_device=").unwrap().split(';').next().unwrap();
        assert!(known_device(&key, ada, value).is_some());
        assert_eq!(known_device(&key, bob, value), None);
        assert_eq!(known_device(&key, ada, &value.replace('.', "0.")), None);
        assert_eq!(known_device(&key, ada, ""), None);
    }

    #[test]
    fn a_browsers_secret_is_one_of_ours_or_none() {
        let key = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let other = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let (id, user) = (SigninId::new(), UserId::new());
        let secret = signin_secret(&key, id, user);
        assert_eq!(signin_claimed(&key, &secret), Some((id, user)));
        assert_eq!(signin_claimed(&other, &secret), None);
        assert_ne!(secret, signin_secret(&key, id, user), "nobody can guess it");
        let another = secret.replace(&user.to_string(), &UserId::new().to_string());
        for forged in [another.as_str(), &secret[1..], &secret[..secret.len() - 1], "", "a.b.c.d", &new_secret()] {
            assert_eq!(signin_claimed(&key, forged), None, "{forged}");
        }
    }

    #[test]
    fn another_site_is_told_apart() {
        let host = ("host", "madang.example:8686");
        for same in
            [&[host][..], &[host, ("origin", "http://madang.example:8686")], &[host, ("sec-fetch-site", "same-origin")]]
        {
            assert!(is_same_site(&headers(same)), "{same:?}");
        }
        for other in [
            &[host, ("origin", "http://madang.example")][..],
            // Where apps are served beside the API.
            &[host, ("origin", "http://madang.example:8688"), ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://madang.example:8688")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://madang.example:8686")],
            &[("origin", "http://madang.example:8686")],
        ] {
            assert!(!is_same_site(&headers(other)), "{other:?}");
        }
    }
}
