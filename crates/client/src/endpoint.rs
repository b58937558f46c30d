//! Where a server listens, and who we are to it: from the environment, or the files a local server keeps.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::AccessKey;

/// Name of the server's socket below its home.
const SOCKET: &str = "madang.sock";
/// Name of the first administrator's token below the server's home.
const ADMIN_TOKEN: &str = "admin.token";
/// The port where a URL names none.
const PORT: u16 = 8686;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

/// Why a text is no address, or no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("`{0}` is no address; write http://HOST:PORT or unix:/PATH")]
    Form(String),
    #[error("`{0}`: https is not spoken yet; use http:// to a nearby server or an SSH tunnel")]
    Https(String),
    #[error("the port in `{0}` is not a number from 1 to 65535")]
    Port(String),
    /// Not shown: it may be a secret with a line end behind it.
    #[error("MADANG_TOKEN is no token; one has visible ASCII characters only")]
    Token,
    /// Not shown either.
    #[error("MADANG_ACCESS_KEY and MADANG_SECRET_KEY go together, visible ASCII characters only")]
    Key,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Endpoint::Unix(path.into())),
                false => Err(EndpointError::Form(text.to_owned())),
            };
        }
        if text.starts_with("https://") {
            return Err(EndpointError::Https(text.to_owned()));
        }
        let authority = text.strip_prefix("http://").ok_or_else(|| EndpointError::Form(text.to_owned()))?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split_port(authority, text)?;
        if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
            return Err(EndpointError::Form(text.to_owned()));
        }
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }
}

/// `HOST[:PORT]`, where HOST may be an IPv6 address in brackets.
fn split_port<'a>(authority: &'a str, whole: &str) -> Result<(&'a str, u16), EndpointError> {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_host..].find(':').map(|at| at + after_host) else {
        return Ok((authority, PORT));
    };
    match authority[colon + 1..].parse() {
        Ok(port) if port != 0 => Ok((&authority[..colon], port)),
        _ => Err(EndpointError::Port(whole.to_owned())),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            Endpoint::Tcp { host, port } => write!(f, "http://{host}:{port}"),
        }
    }
}

impl Endpoint {
    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> String {
        match self {
            Endpoint::Unix(_) => "localhost".to_owned(),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

/// An address with what signs us in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub endpoint: Endpoint,
    pub token: Option<String>,
    /// Signs requests; goes before the token.
    pub key: Option<AccessKey>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Place")
            .field("endpoint", &self.endpoint)
            .field("token", &token)
            .field("key", &self.key)
            .finish()
    }
}

impl Place {
    /// `MADANG_ENDPOINT`, and `MADANG_ACCESS_KEY` with `MADANG_SECRET_KEY` or `MADANG_TOKEN`, where they are set; else the socket of the server whose home is [`data_home`]. A server
    /// over TCP without a token given gets the one in that home, if we may read it.
    pub fn discover() -> Result<Place, EndpointError> {
        let key = access_key(set("MADANG_ACCESS_KEY"), set("MADANG_SECRET_KEY"))?;
        let place = Place::from_parts(set("MADANG_ENDPOINT"), set("MADANG_TOKEN"), &data_home())?;
        Ok(Place { key, ..place })
    }

    fn from_parts(endpoint: Option<String>, token: Option<String>, home: &Path) -> Result<Place, EndpointError> {
        let endpoint = match endpoint {
            Some(text) => text.parse()?,
            None => Endpoint::Unix(home.join(SOCKET)),
        };
        let token = match (&endpoint, token) {
            (_, Some(token)) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Some(token),
            (_, Some(_)) => return Err(EndpointError::Token),
            (Endpoint::Tcp { .. }, None) => admin_token(home),
            (Endpoint::Unix(_), None) => None,
        };
        Ok(Place { endpoint, token, key: None })
    }

    /// The socket of the server that keeps its data in `home`.
    pub fn local(home: &Path) -> Place {
        Place { endpoint: Endpoint::Unix(home.join(SOCKET)), token: None, key: None }
    }

    /// A server over TCP whose administrator's token lies in `home`.
    pub fn tcp(endpoint: Endpoint, home: &Path) -> Place {
        Place { endpoint, token: admin_token(home), key: None }
    }
}

fn access_key(public: Option<String>, secret: Option<String>) -> Result<Option<AccessKey>, EndpointError> {
    let plain = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
    match (public, secret) {
        (None, None) => Ok(None),
        (Some(access_key), Some(secret_key)) if plain(&access_key) && plain(&secret_key) => {
            Ok(Some(AccessKey { access_key, secret_key }))
        }
        _ => Err(EndpointError::Key),
    }
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn admin_token(home: &Path) -> Option<String> {
    let text = fs::read_to_string(home.join(ADMIN_TOKEN)).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Where a local server keeps its data: `MADANG_HOME`, else `/var/lib/madang` for root and `~/.local/share/madang` for others.
pub fn data_home() -> PathBuf {
    if let Some(home) = set("MADANG_HOME") {
        return home.into();
    }
    // The kernel gives `/proc/self` to the uid that we run as.
    let root = fs::metadata("/proc/self").is_ok_and(|seen| std::os::unix::fs::MetadataExt::uid(&seen) == 0);
    match set("HOME") {
        Some(home) if !root => Path::new(&home).join(".local/share/madang"),
        _ => "/var/lib/madang".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Result<Endpoint, EndpointError> {
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }

    #[test]
    fn addresses() {
        assert_eq!("http://127.0.0.1:9000".parse(), tcp("127.0.0.1", 9000));
        assert_eq!("http://example.org/".parse(), tcp("example.org", 8686));
        assert_eq!("http://[::1]:80".parse(), tcp("[::1]", 80));
        assert_eq!("http://[::1]".parse(), tcp("[::1]", 8686));
        assert_eq!("unix:/run/m.sock".parse(), Ok(Endpoint::Unix("/run/m.sock".into())));
        assert_eq!("unix:///run/m.sock".parse(), Ok(Endpoint::Unix("/run/m.sock".into())));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "localhost", "unix:relative", "http://", "http://a/b", "http://user@host"] {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::Form(_))), "{text}");
        }
        assert!(matches!("https://a".parse::<Endpoint>(), Err(EndpointError::Https(_))));
        for text in ["http://a:0", "http://a:x", "http://a:70000"] {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::Port(_))), "{text}");
        }
    }

    #[test]
    fn a_local_server_needs_no_settings_and_a_token_in_its_home_signs_in_over_tcp() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::from_parts(None, None, home.path()).unwrap();
        assert_eq!(place.endpoint, Endpoint::Unix(home.path().join("madang.sock")));
        assert_eq!(place.token, None);

        fs::write(home.path().join("admin.token"), "secret\n").unwrap();
        let asked = Some("http://127.0.0.1:1".to_owned());
        let place = Place::from_parts(asked.clone(), None, home.path()).unwrap();
        assert_eq!(place.token.as_deref(), Some("secret"));
        let place = Place::from_parts(asked, Some("mine".to_owned()), home.path()).unwrap();
        assert_eq!(place.token.as_deref(), Some("mine"));
        assert!(!format!("{place:?}").contains("mine"), "a token shows in Debug");
    }
}
