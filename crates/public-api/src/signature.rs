//! Requests signed with an access key: what is signed, and how. `client` signs with it, `control` checks with it.
//!
//! There are two schemes. [`Covers::Head`] is the one that stock Backend.AI clients speak: seven lines, a key derived from the day and
//! the host, and nothing of the body. [`Covers::Request`] is ours, for whoever asks for it: it covers the body's digest and a nonce that is good once.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What a `signMethod` must say; weaker hashes are refused.
pub const SIGN_METHOD: &str = "HMAC-SHA256";
/// Scheme of [`Covers::Head`] in the Authorization header.
pub const SCHEME_HEAD: &str = "BackendAI";
/// What clients of 2017 call [`SCHEME_HEAD`].
pub const SCHEME_HEAD_LEGACY: &str = "Sorna";
/// Scheme of [`Covers::Request`] in the Authorization header.
pub const SCHEME_REQUEST: &str = "Madang";
/// Headers that may carry the date, in the order in which they are looked for.
pub const DATE_HEADERS: [&str; 3] = ["date", "x-backendai-date", "x-sorna-date"];
/// Headers that carry the version of the API a client of [`Covers::Head`] was made for.
pub const VERSION_HEADERS: [&str; 2] = ["x-backendai-version", "x-sorna-version"];
/// A word that is good once for each access key.
pub const NONCE_HEADER: &str = "x-madang-nonce";
/// SHA-256 of the body in lower-case hexadecimal, or [`BODY_UNSIGNED`].
pub const BODY_HEADER: &str = "x-madang-content-sha256";
/// Stands for the digest of a body that is sent while it is read. Such a request is good once, but its body is not covered.
pub const BODY_UNSIGNED: &str = "unsigned";
/// How far the clocks of both sides may be apart.
pub const SKEW_MS_MAX: u64 = 15 * 60_000;
/// Shortest nonce, characters.
pub const NONCE_CHARS_MIN: usize = 16;
/// Longest nonce, characters.
pub const NONCE_CHARS_MAX: usize = 64;

/// Since this day clients sign the digest of nothing instead of the body's.
const BODY_LEFT_OUT_SINCE: u32 = 20_181_215;
const SIGNATURE_BYTES: usize = 32;

/// What a signature vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers<'a> {
    /// The head alone, and what [`body_signed`] says of the body.
    Head {
        /// The version header as it was sent.
        version: &'a str,
        /// The bytes that count as body: none for all but the oldest clients.
        body: &'a [u8],
    },
    /// The head, the body by its digest, and a nonce.
    Request {
        /// See [`NONCE_HEADER`].
        nonce: &'a str,
        /// See [`BODY_HEADER`].
        digest: &'a str,
    },
}

/// A request as its signature sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Path and query, exactly as they are on the wire.
    pub target: &'a str,
    /// The date header, exactly as it is on the wire.
    pub date: &'a str,
    /// The Host header, with the port if it has one.
    pub host: &'a str,
    /// See [`media_type`].
    pub media_type: &'a str,
    pub covers: Covers<'a>,
}

impl Signing<'_> {
    /// The lines that are signed.
    pub fn text(&self) -> String {
        let Self { method, target, date, host, media_type, covers } = self;
        let head = format!("{method}\n{target}\n{date}\nhost:{host}\ncontent-type:{media_type}");
        match covers {
            Covers::Head { version, body } => format!("{head}\nx-backendai-version:{version}\n{}", digest_hex(body)),
            Covers::Request { nonce, digest } => format!("{SCHEME_REQUEST}\n{head}\nnonce:{nonce}\n{digest}"),
        }
    }

    /// The signature by `secret`; `day` is the date's own, [`SignedDate::day`].
    pub fn signature(&self, secret: &[u8], day: &str) -> [u8; SIGNATURE_BYTES] {
        let key = mac(secret, day.as_bytes());
        let key = mac(&key, self.host.as_bytes());
        mac(&key, self.text().as_bytes())
    }

    /// The Authorization header's value.
    pub fn authorization(&self, access_key: &str, secret: &[u8], day: &str) -> String {
        let scheme = match self.covers {
            Covers::Head { .. } => SCHEME_HEAD,
            Covers::Request { .. } => SCHEME_REQUEST,
        };
        let signature = hex(&self.signature(secret, day));
        format!("{scheme} signMethod={SIGN_METHOD}, credential={access_key}:{signature}")
    }
}

/// What an Authorization header of either scheme says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Whether the scheme is ours, [`SCHEME_REQUEST`].
    pub scheme: Scheme,
    pub access_key: &'a str,
    pub signature: [u8; SIGNATURE_BYTES],
}

/// Which lines are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// [`Covers::Head`].
    Head,
    /// [`Covers::Request`].
    Request,
}

impl Scheme {
    /// The scheme that an Authorization header begins with, and what follows.
    pub fn of(authorization: &str) -> Option<(Self, &str)> {
        let (name, rest) = authorization.split_once(' ')?;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name {
            _ if is(SCHEME_HEAD) || is(SCHEME_HEAD_LEGACY) => Some((Self::Head, rest)),
            _ if is(SCHEME_REQUEST) => Some((Self::Request, rest)),
            _ => None,
        }
    }
}

impl<'a> Credential<'a> {
    /// Reads `SCHEME signMethod=HMAC-SHA256, credential=KEY:HEX`; None if it is anything else.
    pub fn parse(authorization: &'a str) -> Option<Self> {
        let (scheme, rest) = Scheme::of(authorization)?;
        let (mut method, mut credential) = (None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=')? {
                ("signMethod", value) if method.is_none() => method = Some(value),
                ("credential", value) if credential.is_none() => credential = Some(value),
                _ => return None,
            }
        }
        if !method?.eq_ignore_ascii_case(SIGN_METHOD) {
            return None;
        }
        let (access_key, signature) = credential?.split_once(':')?;
        (!access_key.is_empty()).then_some(())?;
        Some(Self { scheme, access_key, signature: from_hex(signature)? })
    }
}

/// A date header that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDate {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// `YYYYMMDD` where the client is.
    pub day: String,
}

impl SignedDate {
    /// Reads ISO 8601 with an offset, or without one in UTC. Not an HTTP date: stock clients send none.
    pub fn parse(text: &str) -> Option<Self> {
        let with_offset = OffsetDateTime::parse(text, &Rfc3339);
        let at = with_offset.or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339)).ok()?;
        let at_ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?;
        Some(Self { at_ms, day: format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day()) })
    }

    /// Whether it is at most [`SKEW_MS_MAX`] from `now_ms`, on either side.
    pub fn is_near(&self, now_ms: u64) -> bool {
        self.at_ms.abs_diff(now_ms) <= SKEW_MS_MAX
    }
}

/// The media type that is signed: the Content-Type in lower case without parameters; a request without one is `application/octet-stream`.
pub fn media_type(content_type: Option<&str>) -> String {
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if essence.is_empty() { "application/octet-stream".to_owned() } else { essence }
}

/// Whether a client of this version signs the body it sends. Newer ones sign the digest of nothing, all do for multipart bodies.
pub fn body_signed(version: &str, media_type: &str) -> bool {
    let digits: String = version.rsplit('.').next().unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
    let since = digits.parse::<u32>().unwrap_or(BODY_LEFT_OUT_SINCE);
    since < BODY_LEFT_OUT_SINCE && !media_type.starts_with("multipart/")
}

/// Whether a text may be a nonce.
pub fn is_nonce(text: &str) -> bool {
    (NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// SHA-256 in lower-case hexadecimal.
pub fn digest_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn mac(key: &[u8], text: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut bytes = [0; SIGNATURE_BYTES];
    if text.len() != 2 * SIGNATURE_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDAKEXAMPLEEXAMPLE";
    const SECRET: &[u8] = b"secret-of-the-example";
    const UTC: &str = "2026-01-02T03:04:05.678901+00:00";
    const SEOUL: &str = "2026-01-02T23:04:05.678901+09:00";

    fn head<'a>(method: &'a str, target: &'a str, media_type: &'a str, covers: Covers<'a>) -> Signing<'a> {
        let date = if matches!(covers, Covers::Head { version: "v2.20170315", .. }) { SEOUL } else { UTC };
        Signing { method, target, date, host: "127.0.0.1:8686", media_type, covers }
    }

    /// Made with the stock client of 2023 (23.3.10): `ai.backend.client.auth.generate_signature`.
    #[test]
    fn the_stock_client_of_2023_signs_the_same() {
        let covers = Covers::Head { version: "v7.20230615", body: b"" };
        let get = head("GET", "/session/abc?owner_access_key=X&x=%20y", "text/plain", covers);
        let expected = "30804ed3e0e3e9f3ec32129b510551244c9f614f2523cd20857a28b59ce9cc57";
        assert_eq!(hex(&get.signature(SECRET, "20260102")), expected);
        let post = head("POST", "/session", "application/json", covers);
        let expected = "72ef2b375193dff66b6aafeaf3a77f911a9517a3d86c3cd7687b0f59dfa679e0";
        let authorization = format!("BackendAI signMethod=HMAC-SHA256, credential={KEY}:{expected}");
        assert_eq!(post.authorization(KEY, SECRET, "20260102"), authorization);
    }

    /// Made with the stock client of 2017 (1.0.6), which signs bodies, but for multipart ones.
    #[test]
    fn the_stock_client_of_2017_signs_the_same() {
        let version = "v2.20170315";
        let day = SignedDate::parse(SEOUL).unwrap().day;
        for (method, target, kind, body, expected) in [
            (
                "GET",
                "/v2/kernel/abc",
                "application/octet-stream",
                &b""[..],
                "634b0b41b364229a61df2c4c54f49101c7bea40ee3738cad9561e78b5cde0ce0",
            ),
            (
                "POST",
                "/v2/kernel/create",
                "application/json",
                br#"{"lang":"python"}"#,
                "06182bc3ef3e39603f87ca9d862193d5d56d87db6a7da68842e44694bb4b5ff1",
            ),
            (
                "POST",
                "/v2/kernel/upload",
                "multipart/form-data",
                b"anything",
                "d420f86d883f68a691241bec23aa085fda7c971619e7d2bf98ffba9541b1b7ee",
            ),
        ] {
            let body = if body_signed(version, kind) { body } else { b"" };
            let signing = head(method, target, kind, Covers::Head { version, body });
            assert_eq!(hex(&signing.signature(SECRET, &day)), expected, "{method} {target}");
        }
    }

    #[test]
    fn every_part_of_the_request_counts() {
        let covers = Covers::Request { nonce: "0123456789abcdef", digest: "d" };
        let base = head("GET", "/a", "text/plain", covers);
        let sign = |signing: Signing<'_>| signing.signature(SECRET, "20260102");
        let others = [
            Signing { method: "PUT", ..base },
            Signing { target: "/b", ..base },
            Signing { date: SEOUL, ..base },
            Signing { host: "127.0.0.1", ..base },
            Signing { media_type: "text/html", ..base },
            Signing { covers: Covers::Request { nonce: "0123456789abcdeg", digest: "d" }, ..base },
            Signing { covers: Covers::Request { nonce: "0123456789abcdef", digest: "e" }, ..base },
            Signing { covers: Covers::Head { version: "v7.20230615", body: b"" }, ..base },
        ];
        for other in others {
            assert_ne!(sign(base), sign(other), "{other:?}");
        }
        assert_ne!(base.signature(SECRET, "20260102"), base.signature(SECRET, "20260103"));
        assert_ne!(base.signature(SECRET, "20260102"), base.signature(b"other", "20260102"));
    }

    #[test]
    fn credentials_are_read_strictly() {
        let signature = "ab".repeat(32);
        let good = format!("BackendAI signMethod=HMAC-SHA256, credential=MDAK1:{signature}");
        let read = Credential::parse(&good).unwrap();
        assert_eq!((read.scheme, read.access_key, read.signature), (Scheme::Head, "MDAK1", [0xab; 32]));
        let legacy = format!("Sorna signMethod=HMAC-SHA256,credential=MDAK1:{signature}");
        assert_eq!(Credential::parse(&legacy).map(|read| read.scheme), Some(Scheme::Head));
        let ours = format!("Madang signMethod=HMAC-SHA256, credential=MDAK1:{signature}");
        assert_eq!(Credential::parse(&ours).map(|read| read.scheme), Some(Scheme::Request));
        for bad in [
            "",
            "BackendAI",
            "Bearer mdg_x",
            "BackendAI signMethod=HMAC-SHA256",
            &format!("BackendAI credential=MDAK1:{signature}"),
            &format!("BackendAI signMethod=HMAC-SHA1, credential=MDAK1:{signature}"),
            &format!("BackendAI signMethod=HMAC-SHA256, credential=:{signature}"),
            &format!("BackendAI signMethod=HMAC-SHA256, credential=MDAK1:{}", &signature[1..]),
            &format!("BackendAI signMethod=HMAC-SHA256, credential=MDAK1:{}é", &signature[2..]),
            &format!("{good}, credential=MDAK2:{signature}"),
            &format!("{good}, more=1"),
        ] {
            assert_eq!(Credential::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_have_the_day_of_where_the_client_is() {
        let seoul = SignedDate::parse("2026-01-02T00:30:00+09:00").unwrap();
        assert_eq!(seoul, SignedDate { at_ms: 1_767_281_400_000, day: "20260102".into() });
        let bare = SignedDate::parse("2026-01-01T15:30:00").unwrap();
        assert_eq!(bare, SignedDate { at_ms: 1_767_281_400_000, day: "20260101".into() });
        assert_eq!(SignedDate::parse("2026-01-01T15:30:00.000001Z").map(|date| date.at_ms), Some(bare.at_ms));
        for bad in ["", "Thu, 01 Jan 2026 15:30:00 GMT", "2026-01-01", "1960-01-01T00:00:00Z", "20260101T153000Z"] {
            assert_eq!(SignedDate::parse(bad), None, "{bad}");
        }
        assert!(bare.is_near(bare.at_ms + SKEW_MS_MAX) && bare.is_near(bare.at_ms - SKEW_MS_MAX));
        assert!(!bare.is_near(bare.at_ms + SKEW_MS_MAX + 1) && !bare.is_near(bare.at_ms - SKEW_MS_MAX - 1));
    }

    #[test]
    fn media_types_and_nonces() {
        assert_eq!(media_type(Some("Application/JSON; charset=utf-8")), "application/json");
        assert_eq!(media_type(Some("multipart/form-data; boundary=x")), "multipart/form-data");
        assert_eq!(media_type(None), "application/octet-stream");
        assert!(body_signed("v2.20170315", "application/json") && !body_signed("v4.20181215", "application/json"));
        assert!(!body_signed("v2.20170315", "multipart/form-data") && !body_signed("nonsense", "application/json"));
        assert!(
            is_nonce("0123456789abcdef")
                && !is_nonce("short")
                && !is_nonce("0123456789abcdef:")
                && !is_nonce(&"a".repeat(65))
        );
    }
}
