//! References: where an image is to be had, `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. Pure.

use std::{fmt, str::FromStr};

use crate::digest::Digest;

const REFERENCE_BYTES_MAX: usize = 512;
const TAG_BYTES_MAX: usize = 128;

/// A place in a registry. The registry is always named: a short name that means another registry tomorrow means another image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host and port as written.
    pub registry: String,
    pub repository: String,
    /// `latest` where neither tag nor digest is given.
    pub tag: Option<String>,
    /// Wins over the tag.
    pub digest: Option<Digest>,
}

/// Why a reference makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reference:?} is no image reference: {why} (expected HOST[:PORT]/NAME[:TAG][@DIGEST])")]
pub struct BadReference {
    pub reference: String,
    pub why: &'static str,
}

impl Reference {
    /// What to ask the registry for: the digest, else the tag.
    #[must_use]
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    fn host(&self) -> &str {
        if let Some(inside) = self.registry.strip_prefix('[') {
            return inside.split(']').next().unwrap_or_default();
        }
        self.registry.split(':').next().unwrap_or_default()
    }

    /// Whether the registry is on this machine, so that nobody can listen in.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Reference, BadReference> {
        let bad = |why| BadReference { reference: text.chars().take(200).collect(), why };
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| bad("its digest is not sha256"))?)),
            None => (text, None),
        };
        let (registry, rest) = name.split_once('/').ok_or(bad("it names no registry"))?;
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (rest, None),
        };
        if !is_registry(registry) {
            return Err(bad("it names no registry"));
        }
        if repository.is_empty() || !repository.split('/').all(is_repository_part) {
            return Err(bad("its repository is not made of lower-case parts"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("its tag is invalid"));
        }
        Ok(Reference { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

/// As in other tools, the first part is a host only if it has a dot, a port, or is `localhost`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            (text, after.strip_prefix(':').or(Some(after)))
        }
        Some(_) => return false,
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named =
        text.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok() || (port.is_empty() && text.starts_with('[')));
    let is_host = host.contains('.') || port.is_some() || host == "localhost";
    !host.is_empty() && !host.starts_with(['.', '-']) && !host.contains("..") && named && port_fits && is_host
}

fn is_repository_part(part: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if edge(*first) && edge(*last))
        && bytes.iter().all(|byte| edge(*byte) || matches!(byte, b'.' | b'_' | b'-'))
        && !part.contains("..")
}

fn is_tag(tag: &str) -> bool {
    let plain = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && plain && !tag.starts_with(['.', '-'])
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written_alike() {
        let digest = Digest::of(b"x");
        for text in [
            "registry.example/a/b:1.2".to_owned(),
            "localhost:5000/a".to_owned(),
            "[::1]:5000/a".to_owned(),
            "localhost/a".to_owned(),
            format!("127.0.0.1:5000/a-b/c_d@{digest}"),
            format!("registry.example:443/a:tag@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert!("[::1]:5000/a".parse::<Reference>().unwrap().is_loopback());
        assert!("127.0.0.1:5000/a".parse::<Reference>().unwrap().is_loopback());
        assert!(!"127.0.0.1.evil.example/a".parse::<Reference>().unwrap().is_loopback());
        assert_eq!("localhost:5000/a".parse::<Reference>().unwrap().version(), "latest");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "a",
            "a/b",
            "registry.example/",
            "registry.example/A",
            "registry.example/a/../b",
            "registry.example/a:",
            "registry.example/a:-x",
            "registry.example/a@sha256:12",
            "registry.example:x/a",
            "user@registry.example/a",
            "registry.example/a?b",
            "registry.example/a b",
            "../x/a",
            "registry.example/a//b",
            "registry.example/.a",
            "[::g]:1/a",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?} was accepted");
        }
    }
}
