//! In whose frames apps are shown: in those of their own pages and of the web, where it is known, and in nobody else's.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};
use madang_model::WebOrigin;

/// What an older answer says of frames; browsers read it where no policy does.
const OPTIONS: HeaderName = header::X_FRAME_OPTIONS;
const ANCESTORS: &[u8] = b"frame-ancestors";

/// Who may frame apps.
#[derive(Debug)]
pub(crate) struct Frames {
    by: By,
    policy: HeaderValue,
}

#[derive(Debug, PartialEq, Eq)]
enum By {
    Nobody,
    Web,
}

impl Frames {
    /// Nobody but the app itself.
    pub const NOBODY: Self = Self { by: By::Nobody, policy: HeaderValue::from_static("frame-ancestors 'self'") };

    /// Pages of this origin too.
    pub fn of(web: &WebOrigin) -> Self {
        let policy = HeaderValue::try_from(format!("frame-ancestors 'self' {web}"));
        Self { by: By::Web, policy: policy.expect("origins are of letters that a header may have") }
    }

    pub fn by_the_web(&self) -> bool {
        self.by == By::Web
    }

    /// Says in an app's answer who may frame it; what the app says of that counts for nothing.
    pub fn guard(&self, headers: &mut HeaderMap) {
        if headers.contains_key(OPTIONS) {
            headers.remove(OPTIONS);
        }
        if headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            let kept: Vec<HeaderValue> =
                headers.get_all(header::CONTENT_SECURITY_POLICY).iter().filter_map(without_ancestors).collect();
            headers.remove(header::CONTENT_SECURITY_POLICY);
            headers.extend(kept.into_iter().map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
        }
        headers.append(header::CONTENT_SECURITY_POLICY, self.policy.clone());
    }
}

/// Whether a browser asks for what it will show in a frame.
pub(crate) fn is_framed(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|dest| dest == "iframe")
}

/// The policies of a line without what they say of frames; none where they say nothing else.
fn without_ancestors(line: &HeaderValue) -> Option<HeaderValue> {
    let policies = line.as_bytes().split(|byte| *byte == b',');
    let kept: Vec<Vec<u8>> = policies
        .map(|policy| {
            let rules = policy.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let others = rules.filter(|rule| !rule.is_empty() && !is_of_ancestors(rule));
            others.collect::<Vec<_>>().join(&b"; "[..])
        })
        .filter(|policy| !policy.is_empty())
        .collect();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b", "[..])).ok() }
}

fn is_of_ancestors(rule: &[u8]) -> bool {
    let name = rule.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    name.eq_ignore_ascii_case(ANCESTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_says_of_frames_counts_for_nothing() {
        let web = Frames::of(&"https://web.example".parse().unwrap());
        let ours = "frame-ancestors 'self' https://web.example";
        for (said, kept) in [
            (&[][..], &[][..]),
            (&["frame-ancestors *"], &[]),
            (&["FRAME-ancestors\thttp://evil.example;default-src 'self'"], &["default-src 'self'"]),
            (&["img-src *; frame-ancestors 'none', frame-ancestors *; script-src a"], &["img-src *, script-src a"]),
            (&["default-src a", "frame-ancestors b"], &["default-src a"]),
            (&["frame-ancestors-x b"], &["frame-ancestors-x b"]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(OPTIONS, HeaderValue::from_static("ALLOWALL"));
            for line in said {
                headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(line));
            }
            web.guard(&mut headers);
            let lines: Vec<&str> =
                headers.get_all(header::CONTENT_SECURITY_POLICY).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(lines, [kept, &[ours]].concat(), "{said:?}");
            assert!(!headers.contains_key(OPTIONS));
        }
    }
}
