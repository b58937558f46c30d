//! Who may pass: whoever shows a ticket for this app, in the address, as a bearer, or in the cookie that the proxy has made of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderValue},
};
use madang_ids::{AppId, SandboxId};
use madang_model::{AppPrefix, AppProtocol, app_route::app_path};
use madang_ticket::{Right, Ticket, TicketError, Verifier};

use crate::{
    cookie,
    frame::{self, Frames},
    limits::{TICKETS_KEPT_MAX, TICKETS_TRIED_MAX},
    refusal::Refusal,
    target::Target,
};

/// The ticket's name in the query.
pub(crate) const PARAMETER: &str = "ticket";

/// Tells good tickets from others.
#[derive(Default)]
pub(crate) struct Gate {
    /// None until control has said whose tickets are good.
    verifier: RwLock<Option<Verifier>>,
    /// Checking a signature takes longer than all the rest of a request.
    known: Mutex<HashMap<Box<str>, Known>>,
}

/// A ticket whose signature is good.
#[derive(Debug, Clone)]
struct Known {
    ticket: Ticket,
    told: Arc<Told>,
}

/// What an app is told of whoever passes, written once for all requests with a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub user: HeaderValue,
    /// What the app's path begins with as browsers see it, without the slash at its end.
    pub prefix: HeaderValue,
}

impl Known {
    /// None for tickets that open no app.
    fn of(ticket: Ticket) -> Option<Self> {
        let Right::App { app, .. } = ticket.right else { return None };
        let user = HeaderValue::from_str(&ticket.user.to_string()).ok()?;
        let prefix = HeaderValue::from_str(app_path(app).trim_end_matches('/')).ok()?;
        Some(Self { ticket, told: Arc::new(Told { user, prefix }) })
    }
}

/// A good ticket, and what it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    pub app: AppId,
    pub sandbox: SandboxId,
    pub protocol: AppProtocol,
    pub prefix: AppPrefix,
    pub told: Arc<Told>,
    pub expires_ms: u64,
    pub shown: Shown,
    /// The address has a ticket of ours, this one or another: it must go no further.
    pub in_address: bool,
}

impl Pass {
    /// What a good ticket says, if it is one for this app.
    fn of(known: Known, shown: Shown, wanted: AppId) -> Result<Self, NoPass> {
        let Known { ticket: Ticket { right, expires_ms, .. }, told } = known;
        match right {
            Right::App { app, sandbox, protocol, prefix } if app == wanted => {
                let in_address = shown == Shown::Query;
                Ok(Self { app, sandbox, protocol, prefix, told, expires_ms, shown, in_address })
            }
            _ => Err(NoPass::Refused(Refusal::OtherTicket)),
        }
    }
}

/// Where a ticket was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In the address.
    Query,
    /// In `Authorization`; it must go no further.
    Bearer,
    /// A browser sent it, whoever made it ask.
    Cookie,
}

/// What is known of somebody who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<'a> {
    Pass(Pass),
    /// The ticket is to become a cookie, and the query to lose it.
    Enter {
        pass: Pass,
        ticket: &'a str,
    },
}

/// Why a text opens nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoPass {
    /// None of our tickets: perhaps the app's own business.
    Strange,
    Refused(Refusal),
}

impl Gate {
    /// From now on these tickets are good.
    pub fn trust(&self, verifier: Verifier) {
        let mut present = self.verifier.write().unwrap_or_else(PoisonError::into_inner);
        if *present != Some(verifier) {
            *present = Some(verifier);
            self.known().clear();
        }
    }

    /// Who asks for the app. What is said loudest counts: the address, then the bearer, then the cookie.
    pub fn admit<'a>(&self, target: &Target, asked: &Asked<'a>) -> Result<Admission<'a>, Refusal> {
        let verifier = *self.verifier.read().unwrap_or_else(PoisonError::into_inner);
        let verifier = verifier.ok_or(Refusal::NotReady)?;
        let judge = |text: &str, shown| Pass::of(self.check(&verifier, text, asked.now_ms)?, shown, target.app);
        let mut why = Refusal::NoTicket;
        // What is not looked at may be one.
        let mut in_address = query_tickets(asked.query).nth(TICKETS_TRIED_MAX).is_some();
        for ticket in query_tickets(asked.query).take(TICKETS_TRIED_MAX) {
            match judge(ticket, Shown::Query) {
                Ok(pass) if asked.becomes_cookie => return Ok(Admission::Enter { pass, ticket }),
                Ok(pass) => return Ok(Admission::Pass(pass)),
                Err(NoPass::Refused(refusal)) => (why, in_address) = (refusal, true),
                Err(NoPass::Strange) => {}
            }
        }
        if let Some(ticket) = asked.headers.get(header::AUTHORIZATION).and_then(bearer) {
            match judge(ticket, Shown::Bearer) {
                Ok(pass) => return Ok(Admission::Pass(Pass { in_address, ..pass })),
                // It is a ticket: no app may see it.
                Err(NoPass::Refused(refusal)) => return Err(refusal),
                Err(NoPass::Strange) => {}
            }
        }
        let name = cookie::ticket_name(target.mode, asked.secure);
        for value in cookie::values(asked.headers, name).take(TICKETS_TRIED_MAX) {
            match judge(value, Shown::Cookie) {
                Ok(pass) => return Ok(Admission::Pass(Pass { in_address, ..pass })),
                Err(NoPass::Refused(refusal)) => why = refusal,
                Err(NoPass::Strange) => {}
            }
        }
        Err(why)
    }

    /// Takes away what says who somebody is, if any of it is a ticket of ours, whichever other one has let them in.
    pub fn hide_bearers(&self, headers: &mut HeaderMap, now_ms: u64) {
        let Some(verifier) = *self.verifier.read().unwrap_or_else(PoisonError::into_inner) else { return };
        let mut bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(bearer);
        if bearers.any(|text| !matches!(self.check(&verifier, text, now_ms), Err(NoPass::Strange))) {
            headers.remove(header::AUTHORIZATION);
        }
    }

    fn check(&self, verifier: &Verifier, text: &str, now_ms: u64) -> Result<Known, NoPass> {
        if let Some(known) = self.known().get(text) {
            let good = now_ms < known.ticket.expires_ms;
            return if good { Ok(known.clone()) } else { Err(NoPass::Refused(Refusal::Expired)) };
        }
        let ticket = verifier.check(text, now_ms).map_err(|error| match error {
            TicketError::Expired => NoPass::Refused(Refusal::Expired),
            TicketError::Form | TicketError::Signature => NoPass::Strange,
        })?;
        let good = Known::of(ticket).ok_or(NoPass::Refused(Refusal::OtherTicket))?;
        let mut known = self.known();
        if known.len() >= TICKETS_KEPT_MAX {
            known.clear();
        }
        known.insert(text.into(), good.clone());
        Ok(good)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request says that matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub headers: &'a HeaderMap,
    pub query: &'a str,
    /// Whether a ticket in the address is to become a cookie.
    pub becomes_cookie: bool,
    /// Whether browsers come over TLS.
    pub secure: bool,
    pub now_ms: u64,
}

fn query_tickets(query: &str) -> impl Iterator<Item = &str> {
    parameters(query).filter_map(|part| part.strip_prefix(PARAMETER)?.strip_prefix('='))
}

/// The query without tickets, whatever else is in it as it was.
pub(crate) fn without_ticket(query: &str) -> String {
    let is_other =
        |part: &&str| !part.strip_prefix(PARAMETER).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    parameters(query).filter(is_other).collect::<Vec<_>>().join("&")
}

fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|part| !part.is_empty())
}

fn bearer(line: &HeaderValue) -> Option<&str> {
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether what a browser sends with its cookie was asked for by a page of the app, or by the person in front of it. Apps of one session
/// must not ask another's in the person's name, and host names in one domain count as one site for cookies.
pub(crate) fn is_own_page(method: &Method, headers: &HeaderMap, host: &[u8], frames: &Frames) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match (text("sec-fetch-site"), text("origin")) {
        (Some("same-origin" | "none"), _) | (None, None) => true,
        // Links and bookmarks lead here from anywhere; a page in which a stranger has framed the app would have the person's clicks. Whose
        // page it is that frames, browsers tell only themselves: the answer names the one that may, and they show it to no other.
        (Some(_), _) => {
            let navigates = reads && text("sec-fetch-mode") == Some("navigate");
            navigates
                && (text("sec-fetch-dest") == Some("document") || (frames.by_the_web() && frame::is_framed(headers)))
        }
        (None, Some(origin)) => {
            origin.split_once("://").is_some_and(|(_, from)| from.as_bytes().eq_ignore_ascii_case(host))
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;
    use madang_ids::UserId;
    use madang_ticket::Signer;
    use proptest::prelude::*;

    use super::*;
    use crate::target::Mode;

    fn signer() -> Signer {
        Signer::from_seed(&[7; 32])
    }

    fn gate() -> Gate {
        let gate = Gate::default();
        gate.trust(signer().verifier());
        gate
    }

    fn ticket(app: AppId, expires_ms: u64) -> String {
        let (protocol, prefix) = Default::default();
        let right = Right::App { app, sandbox: SandboxId::fixed(1), protocol, prefix };
        signer().sign(&Ticket { user: UserId::fixed(9), right, expires_ms })
    }

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn target(app: AppId) -> Target {
        Target { app, mode: Mode::Path, host: HeaderValue::from_static("a") }
    }

    fn asked<'a>(headers: &'a HeaderMap, query: &'a str) -> Asked<'a> {
        Asked { headers, query, becomes_cookie: true, secure: false, now_ms: 1_000 }
    }

    #[test]
    fn a_good_ticket_opens_its_app_until_it_expires() {
        let (gate, app) = (gate(), AppId::new());
        let (good, late, other) = (ticket(app, 1_001), ticket(app, 1_000), ticket(AppId::new(), 1_001));
        let query = |ticket: &str| format!("a=b&ticket={ticket}&c");
        let none = HeaderMap::new();
        for _ in 0..2 {
            let shown = query(&good);
            let Ok(Admission::Enter { pass, ticket }) = gate.admit(&target(app), &asked(&none, &shown)) else {
                panic!()
            };
            assert_eq!((pass.sandbox, ticket), (SandboxId::fixed(1), good.as_str()));
            assert_eq!(pass.told.user, UserId::fixed(9).to_string());
            assert_eq!(pass.told.prefix, format!("/apps/{app}"));
            let later = Asked { now_ms: 1_001, ..asked(&none, &shown) };
            assert_eq!(gate.admit(&target(app), &later), Err(Refusal::Expired), "also one that was good");
        }
        for (ticket, why) in
            [(&late, Refusal::Expired), (&other, Refusal::OtherTicket), (&"x".to_owned(), Refusal::NoTicket)]
        {
            assert_eq!(gate.admit(&target(app), &asked(&none, &query(ticket))), Err(why));
            let bearer = map(&[("authorization", &format!("bearer {ticket}"))]);
            assert_eq!(gate.admit(&target(app), &asked(&bearer, "")), Err(why));
            let cookie = map(&[("cookie", &format!("madang_app={ticket}"))]);
            assert_eq!(gate.admit(&target(app), &asked(&cookie, "")), Err(why));
        }
        assert_eq!(Gate::default().admit(&target(app), &asked(&none, "")), Err(Refusal::NotReady));
    }

    #[test]
    fn an_apps_own_words_are_left_to_it() {
        let (gate, app) = (gate(), AppId::new());
        let good = ticket(app, 2_000);
        let headers =
            map(&[("cookie", &format!("madang_app=x; madang_app={good}")), ("authorization", "Bearer its-own")]);
        let Ok(Admission::Pass(pass)) = gate.admit(&target(app), &asked(&headers, "ticket=ST-5")) else { panic!() };
        assert_eq!(pass.shown, Shown::Cookie, "neither the app's bearer nor its ticket is taken from it");
        // One of ours in the address goes no further, good or not.
        let late = format!("ticket={}", ticket(app, 1));
        let Ok(Admission::Pass(pass)) = gate.admit(&target(app), &asked(&headers, &late)) else { panic!() };
        assert_eq!(
            (pass.shown, pass.in_address),
            (Shown::Cookie, true),
            "who makes a browser ask may have put it there"
        );
        // Nor does one in the bearer's place.
        let bearer = format!("Bearer {}", ticket(AppId::new(), 2_000));
        let foreign = map(&[("cookie", &format!("madang_app={good}")), ("authorization", &bearer)]);
        assert_eq!(gate.admit(&target(app), &asked(&foreign, "")), Err(Refusal::OtherTicket));
        let twice = format!("ticket=x&ticket={good}");
        let Ok(Admission::Enter { .. }) = gate.admit(&target(app), &asked(&headers, &twice)) else { panic!() };
        for (line, stays) in [(&bearer, false), (&"Bearer its-own".to_owned(), true), (&format!("Basic {good}"), true)]
        {
            let mut shown = map(&[("authorization", "Digest a"), ("authorization", line)]);
            gate.hide_bearers(&mut shown, 1_000);
            assert_eq!(shown.contains_key(header::AUTHORIZATION), stays, "{line}");
        }
    }

    #[test]
    fn another_key_makes_all_tickets_strange() {
        let (gate, app) = (gate(), AppId::new());
        let shown = format!("ticket={}", ticket(app, 2_000));
        let none = HeaderMap::new();
        assert!(gate.admit(&target(app), &asked(&none, &shown)).is_ok());
        gate.trust(Signer::from_seed(&[8; 32]).verifier());
        assert_eq!(gate.admit(&target(app), &asked(&none, &shown)), Err(Refusal::NoTicket));
    }

    #[test]
    fn only_the_apps_own_pages_ask_in_a_browsers_name() {
        let asks = |method: &Method, pairs: &[(&'static str, &str)], frames: &Frames| {
            is_own_page(method, &map(pairs), b"a.example:1", frames)
        };
        let own = |method: &Method, pairs: &[(&'static str, &str)]| asks(method, pairs, &Frames::NOBODY);
        for pairs in [
            &[][..],
            &[("origin", "http://a.example:1")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(own(&Method::POST, pairs), "{pairs:?}");
        }
        let navigates = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        let to = |dest| navigates.into_iter().chain([("sec-fetch-dest", dest)]).collect::<Vec<_>>();
        assert!(!own(&Method::GET, &navigates) && !own(&Method::GET, &to("iframe")));
        let web = Frames::of(&"http://web.example".parse().unwrap());
        assert!(asks(&Method::GET, &to("iframe"), &web) && !asks(&Method::POST, &to("iframe"), &web));
        for other in ["frame", "embed", "object", "image", "empty", ""] {
            assert!(!asks(&Method::GET, &to(other), &web), "{other}");
        }
        let link = to("document");
        assert!(own(&Method::GET, &link) && !own(&Method::POST, &link));
        for pairs in [
            &[("origin", "http://b.example:1")][..],
            &[("origin", "http://a.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "websocket"), ("origin", "http://a.example:1")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        ] {
            assert!(!own(&Method::GET, pairs), "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn the_rest_of_a_query_stays_as_it_was(before in "[a-su-z=%+]{1,9}", after in "[a-su-z=%+]{1,9}") {
            prop_assert_eq!(without_ticket(&format!("{before}&ticket=x&{after}&ticket")), format!("{before}&{after}"));
        }
    }
}
