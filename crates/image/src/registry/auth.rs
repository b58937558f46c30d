//! Authentication as registries ask for it: basic, or a token from a place that the registry names.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Uri,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::Deserialize;

use super::{Credentials, Registry, WWW_AUTHENTICATE};
use crate::error::ImageError;

/// Of an answer that holds a token.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// What a registry asks for before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge that can be met.
    pub(super) fn of(headers: &HeaderMap) -> Option<Challenge> {
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(Challenge::parse)
    }

    /// `Bearer realm="…",service="…",scope="…"` or `Basic realm="…"`.
    pub(crate) fn parse(text: &str) -> Option<Challenge> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest.trim_start();
        while let Some((key, value, after)) = parameter(rest) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = after;
        }
        Some(Challenge::Bearer { realm: realm?, service, scope })
    }
}

/// `key="value"` or `key=value`, and what follows the comma.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (key, rest) = text.split_once('=')?;
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (value, length) = unquote(quoted)?;
            (value, &quoted[length..])
        }
        None => {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        }
    };
    Some((key.trim(), value, after.trim_start().trim_start_matches(',').trim_start()))
}

/// Reads up to the closing quote; the length includes it.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, at + 1)),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// What to send along from now on.
    pub(super) async fn authorize(&self, challenge: &Challenge) -> Result<HeaderValue, ImageError> {
        match challenge {
            Challenge::Basic => match &self.credentials {
                Some(credentials) => basic(credentials),
                None => Err(ImageError::Denied(format!("{} asks for a user and a password", self.base))),
            },
            Challenge::Bearer { realm, service, scope } => {
                let token = self.token(realm, service.as_deref(), scope.as_deref()).await?;
                secret(&format!("Bearer {token}"))
            }
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<String, ImageError> {
        let bad = |why: &str| ImageError::Denied(format!("{} names {realm:?} for tokens: {why}", self.base));
        let mut address = realm.to_owned();
        for (key, value) in [("service", service), ("scope", scope)] {
            if let Some(value) = value {
                let mark = if address.contains('?') { '&' } else { '?' };
                address = format!("{address}{mark}{key}={}", escaped(value));
            }
        }
        let uri: Uri = address.parse().map_err(|_| bad("it is no address"))?;
        // The password goes there. A registry reached over TLS may not have it sent in the open.
        let scheme = self.base.split("://").next();
        if uri.scheme_str() != scheme {
            return Err(bad("it is not as safe as the registry"));
        }
        let mut headers = HeaderMap::new();
        if let Some(credentials) = &self.credentials {
            headers.insert(AUTHORIZATION, basic(credentials)?);
        }
        let response = self.send(Method::GET, uri, headers, Bytes::new()).await?;
        let response = self.success(response, realm).await?;
        let bytes = self.body(response, TOKEN_BYTES_MAX).await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| bad("its answer is no token"))?;
        answer.token.or(answer.access_token).ok_or_else(|| bad("its answer is no token"))
    }
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, ImageError> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.user, credentials.password))))
}

/// A header value that is not shown in debug output.
fn secret(text: &str) -> Result<HeaderValue, ImageError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ImageError::Denied("a token is no header value".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = r#"Bearer realm="https://auth.example/token?a=b",service="registry.example",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token?a=b".into(),
            service: Some("registry.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(Challenge::parse(text), Some(expected));
        assert_eq!(Challenge::parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        for bad in
            ["", "Digest realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"open", "Bearer realm=\"a\\"]
        {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
        assert_eq!(escaped("repository:a/b:pull"), "repository%3Aa%2Fb%3Apull");
    }
}
