//! Why a request does not reach its app, and how that is told: a page for people, a problem for programs.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde_json::json;

use crate::body::ProxyBody;

/// An app that is starting, or was for a moment too busy, is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// Nothing but what is in the page itself: it runs no script and fetches nothing.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What was sent can be read in more than one way, or in none.
    Malformed(&'static str),
    /// No app has this address.
    NotFound,
    /// Nobody showed a ticket.
    NoTicket,
    /// It was good once.
    Expired,
    /// It is one of ours, but opens something else.
    OtherTicket,
    /// A page of another origin asks in a browser's name.
    OtherSite,
    /// The app speaks no HTTP: bytes go through a tunnel.
    TunnelOnly,
    /// As many connections to the app as may be.
    Busy,
    /// The app has ended, or its session.
    Gone,
    /// The app or its node does not answer now.
    Silent,
    /// The app has said nothing for as long as it may.
    Slow,
    /// The proxy does not know yet whose tickets to trust.
    NotReady,
}

/// What is said in one language.
struct Words {
    title: &'static str,
    detail: &'static str,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::NoTicket | Refusal::Expired => StatusCode::UNAUTHORIZED,
            Refusal::OtherTicket | Refusal::OtherSite => StatusCode::FORBIDDEN,
            Refusal::TunnelOnly => StatusCode::UPGRADE_REQUIRED,
            Refusal::Busy | Refusal::NotReady | Refusal::Silent => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Gone => StatusCode::BAD_GATEWAY,
            Refusal::Slow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// For programs; stable.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "malformed",
            Refusal::NotFound => "not-found",
            Refusal::NoTicket => "ticket-missing",
            Refusal::Expired => "ticket-expired",
            Refusal::OtherTicket => "ticket-foreign",
            Refusal::OtherSite => "other-site",
            Refusal::TunnelOnly => "tunnel-only",
            Refusal::Busy => "too-many",
            Refusal::Gone => "app-gone",
            Refusal::Silent => "app-silent",
            Refusal::Slow => "app-slow",
            Refusal::NotReady => "not-ready",
        }
    }

    /// When it is worth trying again.
    fn retry_after(self) -> Option<Duration> {
        matches!(self, Refusal::Busy | Refusal::Gone | Refusal::Silent | Refusal::NotReady).then_some(RETRY_AFTER)
    }

    fn english(self) -> Words {
        let (title, detail) = match self {
            Refusal::Malformed(why) => ("The request cannot be read", why),
            Refusal::NotFound => ("Nothing is here", "No app has this address."),
            Refusal::NoTicket => {
                ("This app opens with a ticket", "Open it from your session: the link there carries a ticket for you.")
            }
            Refusal::Expired => ("The ticket has expired", "Open the app from your session again for a new one."),
            Refusal::OtherTicket => ("The ticket opens something else", "Open this app from its own session."),
            Refusal::OtherSite => {
                ("Another site asked for this", "Only pages of the app itself may ask in your browser's name.")
            }
            Refusal::TunnelOnly => {
                ("This app does not speak HTTP", "Use `madang app SESSION NAME --local PORT` for a tunnel to it.")
            }
            Refusal::Busy => ("Too many connections to this app", "Some will end; try again in a moment."),
            Refusal::Gone => {
                ("The app does not answer", "It has ended, or is starting again. This page looks again by itself.")
            }
            Refusal::Silent => ("The app cannot be reached now", "This page looks again by itself."),
            Refusal::Slow => ("The app takes too long", "It has not begun to answer in time."),
            Refusal::NotReady => ("Not ready yet", "The proxy is starting. This page looks again by itself."),
        };
        Words { title, detail }
    }

    fn korean(self) -> Words {
        let (title, detail) = match self {
            Refusal::Malformed(_) => ("요청을 읽을 수 없습니다", "요청의 형식이 올바르지 않습니다."),
            Refusal::NotFound => ("여기에는 아무것도 없습니다", "이 주소의 앱이 없습니다."),
            Refusal::NoTicket => {
                ("이 앱은 표가 있어야 열립니다", "세션 화면에서 여세요. 그 링크에 표가 들어 있습니다.")
            }
            Refusal::Expired => ("표의 기한이 지났습니다", "세션 화면에서 앱을 다시 열면 새 표를 받습니다."),
            Refusal::OtherTicket => ("다른 것을 여는 표입니다", "이 앱이 있는 세션에서 여세요."),
            Refusal::OtherSite => {
                ("다른 사이트의 요청입니다", "이 앱의 화면만 이 브라우저의 이름으로 요청할 수 있습니다.")
            }
            Refusal::TunnelOnly => {
                ("이 앱은 HTTP를 쓰지 않습니다", "`madang app SESSION NAME --local PORT`로 연결하세요.")
            }
            Refusal::Busy => ("이 앱에 연결이 너무 많습니다", "잠시 뒤에 다시 해 보세요."),
            Refusal::Gone => {
                ("앱이 답하지 않습니다", "앱이 끝났거나 다시 시작하는 중입니다. 이 화면이 곧 다시 확인합니다.")
            }
            Refusal::Silent => ("지금은 앱에 닿을 수 없습니다", "이 화면이 곧 다시 확인합니다."),
            Refusal::Slow => ("앱이 너무 오래 걸립니다", "제시간에 답을 시작하지 않았습니다."),
            Refusal::NotReady => {
                ("아직 준비되지 않았습니다", "프록시가 시작하는 중입니다. 이 화면이 곧 다시 확인합니다.")
            }
        };
        Words { title, detail }
    }

    /// The answer to a request with these headers.
    pub fn answer(self, asked: &HeaderMap) -> Response<ProxyBody> {
        let (kind, body) = match wants_page(asked) {
            true => ("text/html; charset=utf-8", self.page(speaks_korean(asked))),
            false => ("application/problem+json", self.problem()),
        };
        let mut response = Response::new(ProxyBody::from(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, kind);
        set(header::CACHE_CONTROL, "no-store");
        set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "no-referrer");
        set(header::VARY, "Accept, Accept-Language");
        if self.status() == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, "Bearer realm=\"app\"");
        }
        if self == Refusal::TunnelOnly {
            set(header::UPGRADE, crate::tunnel::TCP);
        }
        if matches!(self, Refusal::Malformed(_)) {
            // Whatever follows, nobody can say where it begins.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    }

    fn problem(self) -> String {
        let Words { title, detail } = self.english();
        let code = self.code();
        let mut problem = json!({
            "type": format!("urn:madang:problem:{code}"), "title": title, "status": self.status().as_u16(), "code": code, "detail": detail,
        });
        if let Some(wait) = self.retry_after() {
            problem["retry_after_ms"] = (wait.as_secs() * 1_000).into();
        }
        problem.to_string()
    }

    /// All of it is our own text: nothing that was asked is repeated.
    fn page(self, korean: bool) -> String {
        let (language, Words { title, detail }) = if korean { ("ko", self.korean()) } else { ("en", self.english()) };
        let again =
            self.retry_after().map(|wait| format!("<meta http-equiv=\"refresh\" content=\"{}\">", wait.as_secs()));
        format!(
            "<!doctype html><html lang=\"{language}\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\">{again}<title>{title}</title><style>body{{font:16px/1.6 system-ui,sans-serif;\
             max-width:34rem;margin:18vh auto;padding:0 1.5rem;color:#222;background:#fafafa}}h1{{font-size:1.4rem}}\
             @media(prefers-color-scheme:dark){{body{{color:#ddd;background:#181818}}}}</style><h1>{title}</h1><p>{detail}</p>\
             <p><small>Madang · {code}</small></p></html>\n",
            again = again.unwrap_or_default(),
            code = self.code(),
        )
    }
}

/// Browsers ask for pages by name; programs do not.
fn wants_page(asked: &HeaderMap) -> bool {
    let accepted = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    })
}

/// Whether Korean is asked for before English.
fn speaks_korean(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut best = [0.0_f32; 2];
    for entry in lines.flat_map(|line| line.split(',')) {
        let (tag, rest) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = rest.trim().strip_prefix("q=").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let primary = tag.trim().split('-').next().unwrap_or_default();
        for (index, language) in ["ko", "en"].into_iter().enumerate() {
            if primary.eq_ignore_ascii_case(language) && weight > best[index] {
                best[index] = weight;
            }
        }
    }
    best[0] > best[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn people_get_a_page_and_programs_a_problem() {
        let page = Refusal::Expired.answer(&asking(&[("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")]));
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        for accept in ["*/*", "application/json", "text/htmlx"] {
            let problem = Refusal::Expired.answer(&asking(&[("accept", accept)]));
            assert_eq!(problem.headers()["content-type"], "application/problem+json", "{accept}");
            assert_eq!(problem.status(), 401);
        }
        let gone = Refusal::Gone.answer(&asking(&[]));
        assert_eq!(gone.headers()["retry-after"], "3");
    }

    #[test]
    fn korean_where_it_is_preferred() {
        for (text, korean) in [
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", true),
            ("en-US,en;q=0.9,ko;q=0.8", false),
            ("ko", true),
            ("fr", false),
            ("ko;q=0, en;q=0.1", false),
            ("ko;q=x", false),
        ] {
            let asked: HeaderMap =
                [(header::ACCEPT_LANGUAGE, HeaderValue::from_str(text).unwrap())].into_iter().collect();
            assert_eq!(speaks_korean(&asked), korean, "{text}");
        }
        assert!(Refusal::NoTicket.page(true).contains("표") && !Refusal::NoTicket.page(false).contains("표"));
    }
}
