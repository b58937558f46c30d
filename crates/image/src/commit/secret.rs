//! What looks like a secret, found while a file is read: by the file's name, or by what stands in it.
//!
//! It finds what people forget, not what somebody hides: a secret that is packed or encoded passes.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// A file that looks as if it held a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Relative to the work directory.
    pub path: String,
    /// What it looks like, for a person.
    pub what: String,
}

/// Files that are secret whatever stands in them, by the end of their path.
const PATHS: [(&str, &str); 13] = [
    ("/.netrc", "passwords of ftp, curl and git"),
    ("/.pgpass", "passwords of PostgreSQL"),
    ("/.my.cnf", "a password of MySQL"),
    ("/.git-credentials", "passwords of git"),
    ("/.config/git/credentials", "passwords of git"),
    ("/.aws/credentials", "keys of AWS"),
    ("/.azure/accessTokens.json", "tokens of Azure"),
    ("/.config/gcloud/application_default_credentials.json", "keys of Google Cloud"),
    ("/.config/gcloud/credentials.db", "keys of Google Cloud"),
    ("/.kube/config", "keys of Kubernetes"),
    ("/.docker/config.json", "passwords of registries"),
    ("/.vault-token", "a token of Vault"),
    ("/.cache/huggingface/token", "a token of Hugging Face"),
];

/// How a token begins, what it goes on with, and how much of that there is at least.
struct Shape {
    begin: &'static [u8],
    of: fn(u8) -> bool,
    length: usize,
    what: &'static str,
}

const fn shape(begin: &'static [u8], of: fn(u8) -> bool, length: usize, what: &'static str) -> Shape {
    Shape { begin, of, length, what }
}

const SHAPES: [Shape; 15] = [
    shape(b"mdg_", lower_hex, 32, "a token of this service"),
    shape(b"mdj_", token, 20, "a token that lets a node join"),
    shape(b"AKIA", upper, 16, "an access key of AWS"),
    shape(b"ASIA", upper, 16, "an access key of AWS"),
    shape(b"AIza", token, 35, "a key of Google Cloud"),
    shape(b"ghp_", letter, 36, "a token of GitHub"),
    shape(b"gho_", letter, 36, "a token of GitHub"),
    shape(b"ghs_", letter, 36, "a token of GitHub"),
    shape(b"github_pat_", token, 40, "a token of GitHub"),
    shape(b"glpat-", token, 20, "a token of GitLab"),
    shape(b"xoxb-", token, 20, "a token of Slack"),
    shape(b"xoxp-", token, 20, "a token of Slack"),
    shape(b"hf_", letter, 34, "a token of Hugging Face"),
    shape(b"npm_", letter, 36, "a token of npm"),
    shape(b"pypi-AgEI", token, 40, "a token of a Python package index"),
];

/// A private key says so at its beginning: `-----BEGIN … PRIVATE KEY-----`, and base64 follows.
const KEY_BEGIN: &[u8] = b"-----BEGIN ";
const KEY_MARK: &[u8] = b"PRIVATE KEY-----";
const KEY_KIND_BYTES: usize = 24;
const KEY_BODY_BYTES: usize = 16;
/// The longest that has to be seen at once.
const WINDOW: usize = 128;

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Reads a file and looks at what goes by.
pub(super) struct Scanner<R> {
    from: R,
    path: String,
    found: Vec<&'static str>,
    /// The end of what was read before, which may be the beginning of something.
    kept: Vec<u8>,
    /// How much of that was looked at already: it says what stands before the rest.
    looked: usize,
}

impl<R: Read> Scanner<R> {
    /// `path` begins with a slash, at the work directory.
    pub(super) fn new(from: R, path: &str) -> Self {
        let named = PATHS.iter().filter(|(end, _)| path.ends_with(end)).map(|(_, what)| *what);
        Self { from, path: path.to_owned(), found: named.collect(), kept: Vec::new(), looked: 0 }
    }

    /// What was found in what was read; each kind once.
    pub(super) fn found(mut self) -> Vec<Secret> {
        let end = std::mem::take(&mut self.kept);
        self.look(&end, end.len());
        let path = self.path.trim_start_matches('/');
        self.found.iter().map(|what| Secret { path: path.to_owned(), what: (*what).to_owned() }).collect()
    }

    /// Looks for what begins in the first `until` bytes, as far as that was not done before.
    fn look(&mut self, bytes: &[u8], until: usize) {
        for at in self.looked..until {
            if !matches!(bytes[at], b'-' | b'm' | b'A' | b'g' | b'x' | b'h' | b'n' | b'p') {
                continue;
            }
            // In the middle of a word nothing begins.
            if at > 0 && letter(bytes[at - 1]) {
                continue;
            }
            if let Some(what) = begins(&bytes[at..])
                && !self.found.contains(&what)
            {
                self.found.push(what);
            }
        }
    }
}

impl<R: Read> Read for Scanner<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let mut seen = std::mem::take(&mut self.kept);
        seen.extend_from_slice(&buffer[..read]);
        let until = seen.len().saturating_sub(WINDOW);
        self.look(&seen, until);
        if until > 0 {
            self.looked = 1;
        }
        self.kept = seen.split_off(until.saturating_sub(1));
        Ok(read)
    }
}

fn begins(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(KEY_BEGIN) {
        return is_key(&bytes[KEY_BEGIN.len()..]).then_some("a private key");
    }
    let fits = |shape: &&Shape| {
        bytes
            .strip_prefix(shape.begin)
            .is_some_and(|rest| rest.len() >= shape.length && rest[..shape.length].iter().all(|byte| (shape.of)(*byte)))
    };
    SHAPES.iter().find(fits).map(|shape| shape.what)
}

/// Not where a program only speaks of keys: base64 or a header follows.
fn is_key(rest: &[u8]) -> bool {
    let within = &rest[..rest.len().min(KEY_KIND_BYTES + KEY_MARK.len())];
    let Some(at) = within.windows(KEY_MARK.len()).position(|window| window == KEY_MARK) else { return false };
    let after = &rest[at + KEY_MARK.len()..];
    let after = after.strip_prefix(b"\\n").unwrap_or(after);
    let body = after.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n' | b' '));
    let in_key = |byte: &&u8| letter(**byte) || matches!(byte, b'+' | b'/' | b'=' | b'-' | b':' | b',' | b' ');
    body.take(KEY_BODY_BYTES).filter(in_key).count() == KEY_BODY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, so that everything is cut somewhere.
    struct Drips<'a>(&'a [u8], usize);

    impl Read for Drips<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        let all = [1, 7, 4096].map(|step| {
            let mut scanner = Scanner::new(Drips(text.as_bytes(), step), path);
            io::copy(&mut scanner, &mut io::sink()).unwrap();
            scanner.found().into_iter().map(|secret| secret.what).collect::<Vec<_>>()
        });
        assert!(all[0] == all[1] && all[1] == all[2], "{all:?}");
        all[0].clone()
    }

    #[test]
    fn secrets_are_found_wherever_they_are_cut() {
        let before = "x ".repeat(500);
        let key = format!("{before}-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n", "b3BlbnNzaC1rZXk".repeat(5));
        assert_eq!(found("/a/id", &key), ["a private key"]);
        let json = format!("{{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkq{}\"}}", "h".repeat(50));
        assert_eq!(found("/key.json", &json), ["a private key"]);
        let ours = format!("token = \"mdg_{}\"", "0123456789abcdef".repeat(2));
        assert_eq!(found("/notes", &ours), ["a token of this service"]);
        let aws = format!("{before}AKIAIOSFODNN7EXAMPLE and ghp_{}", "a1".repeat(18));
        assert_eq!(found("/env", &aws), ["an access key of AWS", "a token of GitHub"]);
        assert_eq!(found("/sub/.netrc", ""), ["passwords of ftp, curl and git"]);
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        let talk = "look for -----BEGIN RSA PRIVATE KEY----- in files; AKIA is how keys begin, mdg_ ours, ghp_short";
        assert_eq!(found("/doc.md", talk), [""; 0]);
        assert_eq!(found("/x.netrc.md", "machine"), [""; 0]);
        assert_eq!(found("/word", &format!("{}wordAKIAIOSFODNN7EXAMPLE", "y".repeat(300))), [""; 0]);
    }
}
