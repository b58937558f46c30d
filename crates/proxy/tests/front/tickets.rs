//! Who may pass, and what of it the app sees.

use madang_ids::AppId;
use madang_model::{AppPrefix, AppProtocol, app_route::host_label};

use crate::world::{World, header, status};

#[tokio::test]
async fn a_browser_enters_with_a_ticket_and_goes_on_with_a_cookie() {
    let world = World::new().await;
    let app = world.mirror().await;
    let ticket = world.ticket(app);
    let entered = world.get(&format!("/apps/{app}/lab?a=1&ticket={ticket}&b=%20"), "accept: text/html\r\n").await;
    assert_eq!(status(&entered), 303, "{entered}");
    assert_eq!(header(&entered, "location"), Some(format!("/apps/{app}/lab?a=1&b=%20").as_str()));
    let cookie = header(&entered, "set-cookie").unwrap();
    let path = format!("; Path=/apps/{app}/; HttpOnly; SameSite=Lax; Max-Age=");
    assert!(cookie.starts_with(&format!("madang_app={ticket}")) && cookie.contains(&path), "{cookie}");
    assert_eq!(world.connections(), 0, "the app has heard nothing yet");
    let pair = cookie.split(';').next().unwrap();
    let lines = format!("cookie: theme=dark; {pair}; madang_signin=secret\r\nreferer: http://x/?ticket={ticket}\r\n");
    let seen = world.get(&format!("/apps/{app}/lab?a=1"), &lines).await;
    assert_eq!(status(&seen), 200, "{seen}");
    assert!(seen.contains("GET /lab?a=1 HTTP/1.1\r\n") && seen.contains("cookie: theme=dark\r\n"), "{seen}");
    for hidden in [ticket.as_str(), "madang_", "secret", "referer"] {
        assert!(!seen.contains(hidden), "{hidden} in {seen}");
    }
    for said in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: 127.0.0.1",
        "x-forwarded-proto: http\r",
        "x-forwarded-user: usr_",
    ] {
        assert!(seen.contains(said), "{said} in {seen}");
    }
    assert!(seen.contains(&format!("x-forwarded-prefix: /apps/{app}\r\n")), "{seen}");
}

#[tokio::test]
async fn over_tls_browsers_guard_the_cookie() {
    let world = World::with("https://apps.example", |_| {}).await;
    let app = world.mirror().await;
    let ticket = world.ticket(app);
    let by_path = world.get(&format!("/apps/{app}/?ticket={ticket}"), "").await;
    let cookie = header(&by_path, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Secure-madang_app=") && cookie.ends_with("; Secure"), "{cookie}");
    let request = format!(
        "GET /a?ticket={ticket} HTTP/1.1\r\nhost: {}.apps.example\r\nconnection: close\r\n\r\n",
        host_label(app)
    );
    let by_name = world.raw(request).await;
    let cookie = header(&by_name, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-madang_app=") && cookie.contains("; Path=/; "), "{cookie}");
    // Anybody could have set one that browsers do not guard.
    let unguarded = world.get(&format!("/apps/{app}/"), &format!("cookie: madang_app={ticket}\r\n")).await;
    assert_eq!(status(&unguarded), 401);
}

#[tokio::test]
async fn an_app_with_a_name_of_its_own() {
    let world = World::new().await;
    let app = world.mirror().await;
    let name = format!("{}.apps.example:8688", host_label(app));
    let get = |path: &str, lines: &str| {
        world.raw(format!("GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n{lines}\r\n"))
    };
    let seen = get("/a/b?c", &world.bearer(app)).await;
    assert!(seen.contains("GET /a/b?c HTTP/1.1\r\n") && !seen.contains("x-forwarded-prefix"), "{seen}");
    assert!(seen.contains(&format!("host: {name}\r\n")) && !seen.contains("authorization"), "{seen}");
    let whole = world.ticket_of(app, AppPrefix::Keep, AppProtocol::Http, 60_000);
    let led = get("/", &format!("authorization: Bearer {whole}\r\n")).await;
    assert_eq!((status(&led), header(&led, "location")), (307, Some(format!("/apps/{app}/").as_str())));
    let enter = get(&format!("//evil.example/?ticket={}", world.ticket(app)), "").await;
    assert_eq!((status(&enter), header(&enter, "location")), (303, Some("/.//evil.example/")), "still this host");
}

#[tokio::test]
async fn an_app_that_keeps_its_prefix_sees_it() {
    let world = World::new().await;
    let app = world.mirror().await;
    let ticket = world.ticket_of(app, AppPrefix::Keep, AppProtocol::Http, 60_000);
    let seen = world.get(&format!("/apps/{app}/lab"), &format!("authorization: Bearer {ticket}\r\n")).await;
    assert!(
        seen.contains(&format!("GET /apps/{app}/lab HTTP/1.1\r\n")) && !seen.contains("x-forwarded-prefix"),
        "{seen}"
    );
    let slash = world.get(&format!("/apps/{app}?ticket={ticket}"), "").await;
    let place = format!("/apps/{app}/?ticket={ticket}");
    assert_eq!((status(&slash), header(&slash, "location")), (308, Some(place.as_str())));
}

#[tokio::test]
async fn without_a_good_ticket_nobody_reaches_the_app() {
    let world = World::new().await;
    let (app, other) = (world.mirror().await, AppId::new());
    let expired = world.ticket_of(app, AppPrefix::Strip, AppProtocol::Http, 0);
    let foreign = world.ticket(other);
    let mut forged = world.ticket(app);
    forged.replace_range(..1, if forged.starts_with('A') { "B" } else { "A" });
    for (ticket, wanted, code) in [
        (&expired, 401, "ticket-expired"),
        (&foreign, 403, "ticket-foreign"),
        (&forged, 401, "ticket-missing"),
        (&String::new(), 401, "ticket-missing"),
    ] {
        for (path, lines) in [
            (format!("/apps/{app}/?ticket={ticket}"), String::new()),
            (format!("/apps/{app}/"), format!("authorization: Bearer {ticket}\r\n")),
            (format!("/apps/{app}/"), format!("cookie: madang_app={ticket}\r\n")),
        ] {
            let refused = world.get(&path, &lines).await;
            assert_eq!(status(&refused), wanted, "{path} {refused}");
            assert!(refused.contains(&format!("\"code\":\"{code}\"")), "{refused}");
            assert_eq!(header(&refused, "content-type"), Some("application/problem+json"));
        }
    }
    let page = world.get(&format!("/apps/{app}/"), "accept: text/html\r\naccept-language: ko-KR,ko;q=0.9\r\n").await;
    assert!(page.contains("<html lang=\"ko\">") && page.contains("이 앱은 표가 있어야"), "{page}");
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn another_origin_cannot_use_a_browsers_cookie() {
    let world = World::new().await;
    let app = world.mirror().await;
    let cookie = format!("cookie: madang_app={}\r\n", world.ticket(app));
    for from in [
        "origin: http://127.0.0.1:8686\r\n",
        "origin: null\r\n",
        "sec-fetch-site: same-site\r\nsec-fetch-mode: cors\r\n",
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n",
        "sec-fetch-site: same-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n",
        "sec-fetch-site: same-site\r\nsec-fetch-mode: navigate\r\n",
        "origin: http://evil.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    ] {
        let refused = world.get(&format!("/apps/{app}/"), &format!("{cookie}{from}")).await;
        assert_eq!(status(&refused), 403, "{from} {refused}");
    }
    assert_eq!(world.connections(), 0);
    let link = "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    for from in ["origin: http://127.0.0.1\r\n", link] {
        let passed = world.get(&format!("/apps/{app}/"), &format!("{cookie}{from}")).await;
        assert_eq!(status(&passed), 200, "{from} {passed}");
    }
    // A program that knows the ticket is nobody's browser.
    let program = format!("{}origin: http://elsewhere.example\r\n", world.bearer(app));
    assert_eq!(status(&world.get(&format!("/apps/{app}/"), &program).await), 200);
}

/// What the answer's policies say of frames; policies of the app's own besides.
fn ancestors(answer: &str) -> Vec<&str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let policies = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-security-policy"));
    policies.map(|(_, policy)| policy).collect()
}

const FRAMED: &str = "sec-fetch-site: same-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n";

#[tokio::test]
async fn apps_are_framed_by_the_web_alone_whatever_they_say() {
    let said = "HTTP/1.1 200 OK\r\nx-frame-options: ALLOWALL\r\ncontent-security-policy: frame-ancestors *; img-src 'self'\r\n\
                content-length: 2\r\n\r\nhi";
    let world = World::new().await;
    let app = world.saying(said).await;
    let cookie = format!("cookie: madang_app={}\r\n", world.ticket(app));
    let path = format!("/apps/{app}/");
    assert_eq!(status(&world.get(&path, &format!("{cookie}{FRAMED}")).await), 403, "nobody was named");
    let alone = world.get(&path, &cookie).await;
    assert_eq!(ancestors(&alone), ["img-src 'self'", "frame-ancestors 'self'"], "{alone}");
    world.proxy.embed(&"http://127.0.0.1:8686".parse().unwrap());
    world.proxy.embed(&"http://evil.example".parse().unwrap());
    for from in [FRAMED.to_owned(), FRAMED.replace("same-site", "cross-site"), String::new()] {
        let shown = world.get(&path, &format!("{cookie}{from}")).await;
        assert_eq!(status(&shown), 200, "{from} {shown}");
        assert_eq!(ancestors(&shown), ["img-src 'self'", "frame-ancestors 'self' http://127.0.0.1:8686"], "{shown}");
        assert!(!shown.contains("ALLOWALL"), "{shown}");
    }
    for other in [FRAMED.replace("iframe", "embed"), FRAMED.replace("navigate", "no-cors")] {
        assert_eq!(status(&world.get(&path, &format!("{cookie}{other}")).await), 403, "{other}");
    }
    let posts = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{cookie}{FRAMED}content-length: 0\r\n\r\n"
    );
    assert_eq!(status(&world.raw(posts).await), 403, "a page that frames may not send in the person's name");
}

#[tokio::test]
async fn in_a_frame_of_another_site_the_cookie_is_that_frames_alone() {
    let world = World::with("https://apps.example", |_| {}).await;
    let app = world.mirror().await;
    let path = format!("/apps/{app}/?ticket={}", world.ticket(app));
    let site = |answer: &str| {
        let cookie = header(answer, "set-cookie").unwrap().to_owned();
        (cookie.contains("; SameSite=None; "), cookie.ends_with("; Secure; Partitioned"))
    };
    assert_eq!(site(&world.get(&path, FRAMED).await), (false, false), "nobody was named");
    world.proxy.embed(&"https://madang.example".parse().unwrap());
    assert_eq!(site(&world.get(&path, FRAMED).await), (true, true));
    assert_eq!(site(&world.get(&path, "").await), (false, false));
    // Without TLS browsers keep no such cookie: there it is one of the site, which the web's page has to be of.
    let plain = World::new().await;
    plain.proxy.embed(&"http://127.0.0.1:8686".parse().unwrap());
    let app = plain.mirror().await;
    assert_eq!(site(&plain.get(&format!("/apps/{app}/?ticket={}", plain.ticket(app)), FRAMED).await), (false, false));
}

#[tokio::test]
async fn a_ticket_in_the_address_goes_no_further_and_vouches_for_no_page() {
    let world = World::new().await;
    let app = world.mirror().await;
    let other = world.ticket(AppId::new());
    let cookie = format!("cookie: madang_app={}\r\n", world.ticket(app));
    let four = "ticket=x&".repeat(4);
    for lines in [world.bearer(app), cookie.clone()] {
        for query in [format!("a=1&ticket={other}"), format!("a=1&{four}ticket={other}")] {
            let seen = world.get(&format!("/apps/{app}/?{query}"), &lines).await;
            assert!(status(&seen) == 200 && seen.contains("GET /?a=1 HTTP/1.1\r\n"), "{seen}");
        }
    }
    // Whose page it is that asks counts as much as without it.
    let stranger = format!("{cookie}sec-fetch-site: same-site\r\nsec-fetch-mode: no-cors\r\n");
    let refused = world.get(&format!("/apps/{app}/?ticket={other}"), &stranger).await;
    assert_eq!(status(&refused), 403, "{refused}");
}
