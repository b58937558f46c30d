//! Which sandbox is meant.

use crate::path_encoded;

/// A session, and one of its sandboxes where it has several; without a name it is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// Its id or name.
    pub session: &'a str,
    /// As in `sub1`.
    pub sandbox: Option<&'a str>,
}

impl<'a> At<'a> {
    pub fn new(session: &'a str, sandbox: Option<&'a str>) -> Self {
        Self { session, sandbox }
    }

    /// `path` with the sandbox among what is asked.
    pub(crate) fn query(&self, path: String) -> String {
        let Some(sandbox) = self.sandbox else { return path };
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}sandbox={}", path_encoded(sandbox).replace('/', "%2F"))
    }
}

impl<'a> From<&'a str> for At<'a> {
    fn from(session: &'a str) -> Self {
        Self { session, sandbox: None }
    }
}

impl<'a> From<&'a String> for At<'a> {
    fn from(session: &'a String) -> Self {
        Self { session, sandbox: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_place() {
        let at = At::new("box", Some("sub1&x=/y"));
        assert_eq!(at.query("/files?path=a".into()), "/files?path=a&sandbox=sub1%26x%3D%2Fy");
        assert_eq!(at.query("/restart".into()), "/restart?sandbox=sub1%26x%3D%2Fy");
        assert_eq!(At::from("box").query("/restart".into()), "/restart");
    }
}
