//! Origins of pages, as browsers write and compare them.

use std::{fmt, str::FromStr};

/// `http://host` or `https://host`, and a port where it is not the scheme's own: of letters that a header may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

/// Why a text names no origin that policies of browsers can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is http:// or https://, a host name or an IPv4 address that people can go to, and perhaps a port")]
pub struct WebOriginError;

impl FromStr for WebOrigin {
    type Err = WebOriginError;

    /// The origin of an address; what follows the host counts for nothing.
    fn from_str(address: &str) -> Result<Self, WebOriginError> {
        let address = address.to_ascii_lowercase();
        let (scheme, rest) = address.split_once("://").ok_or(WebOriginError)?;
        let own_port = match scheme {
            "http" => "80",
            "https" => "443",
            _ => return Err(WebOriginError),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = authority.split_once(':').map_or((authority, own_port), |(host, port)| (host, port));
        // Policies know no IPv6 addresses, and nobody goes to the address that stands for all of them.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_host = !host.is_empty() && host != "0.0.0.0" && host.bytes().all(is_plain);
        let port: u16 = port.parse().map_err(|_| WebOriginError)?;
        match (is_host, own_port == port.to_string()) {
            (false, _) => Err(WebOriginError),
            (true, true) => Ok(Self(format!("{scheme}://{host}"))),
            (true, false) => Ok(Self(format!("{scheme}://{host}:{port}"))),
        }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_is_written_in_one_way() {
        for (text, origin) in [
            ("http://127.0.0.1:8686", "http://127.0.0.1:8686"),
            ("HTTPS://Madang.Example:443/beneath/", "https://madang.example"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:443?a#b", "http://localhost:443"),
        ] {
            assert_eq!(text.parse::<WebOrigin>().map(|origin| origin.to_string()), Ok(origin.to_owned()), "{text}");
        }
        for bad in [
            "",
            "a.example",
            "ftp://a",
            "http://",
            "http://[::1]:1",
            "http://0.0.0.0:1",
            "http://a b",
            "http://*",
            "http://a;b",
            "http://u@a",
            "http://a:x",
        ] {
            assert_eq!(bad.parse::<WebOrigin>(), Err(WebOriginError), "{bad}");
        }
    }
}
