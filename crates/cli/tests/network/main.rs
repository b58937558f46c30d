//! Networks of sessions through the front door: a real server in a world of the test's own, and programs in sandboxes that try to get
//! where they must not. Needs root, Python, `ip` and `nsenter`.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod place;

use madang_client::Client;
use madang_public_api::{
    ClusterCreate, ClusterMode, NetworkAllow, NetworkAsked, NetworkPolicy, RunMode, RunRequest, RunView, SessionCreate,
    SessionState, SessionView,
};
use madang_testkit::internet::{FAR, METADATA, NODE, Names, OTHER, ROUTER, World};
use place::{APPS_PORT, Server, soon};

/// Prints what of its arguments can be reached, each `tcp HOST PORT`, `name HOST` or `raw`.
const TRY: &str = r#"
import socket, sys
def tcp(host, port):
    with socket.create_connection((host, int(port)), 5) as s:
        s.settimeout(20)
        try:
            return s.recv(100).decode()
        except OSError:
            # Who says nothing first is reached all the same.
            return "silence"
def name(host):
    return socket.gethostbyname(host)
def raw(kind):
    kinds = {"packet": (socket.AF_PACKET, socket.SOCK_RAW, 0x300), "ip": (socket.AF_INET, socket.SOCK_RAW, 1),
             "netfilter": (socket.AF_NETLINK, socket.SOCK_RAW, 12)}
    socket.socket(*kinds[kind]).close()
    return "made"
for line in sys.stdin.read().splitlines():
    what, *rest = line.split()
    try:
        print(line, "->", {"tcp": tcp, "name": name, "raw": raw}[what](*rest))
    except OSError:
        pass
"#;

/// How often a guest tries what it should reach.
const ATTEMPTS_MAX: usize = 5;

async fn session(client: &Client, network: NetworkAsked) -> SessionView {
    session_of(client, network, None).await
}

async fn session_of(client: &Client, network: NetworkAsked, cluster: Option<ClusterCreate>) -> SessionView {
    let create = SessionCreate {
        language: Some("python".into()),
        network: Some(network.clone()),
        cluster,
        ..SessionCreate::default()
    };
    let created = client.session_create(&create).await.unwrap();
    let id = created.id.to_string();
    let running = soon("a session starts", async || {
        let seen = client.session_get(&id).await.map_err(|error| error.to_string())?;
        if seen.state == SessionState::Running { Ok(seen) } else { Err(format!("{seen:?}")) }
    });
    let running = running.await;
    assert_eq!(running.network, network);
    running
}

fn internet() -> NetworkAsked {
    NetworkAsked::Policy(NetworkPolicy::Internet)
}

fn allow(entries: &[&str]) -> NetworkAsked {
    NetworkAsked::Allow(NetworkAllow { allow: entries.iter().map(|entry| (*entry).to_owned()).collect() })
}

/// What is reached of these; all that is wanted is, and nothing else.
async fn reaches(client: &Client, session: &SessionView, lines: &[String], wanted: &[&str]) -> RunView {
    let mut missing: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
    let mut asked = lines.to_vec();
    for _ in 0..ATTEMPTS_MAX {
        let (reached, run) = attempt(client, session, &asked).await;
        for line in reached {
            let at = missing.iter().position(|wanted| *wanted == line);
            missing.remove(at.unwrap_or_else(|| panic!("{line} of {wanted:?}")));
        }
        if missing.is_empty() {
            return run;
        }
        // A guest that waits for its turn for seconds gives up a connection that it may have: it tries those again.
        asked.retain(|line| missing.iter().any(|wanted| wanted.starts_with(&format!("{line} -> "))));
    }
    panic!("{missing:?} is not reached");
}

async fn attempt(client: &Client, session: &SessionView, lines: &[String]) -> (Vec<String>, RunView) {
    let mut request = RunRequest {
        mode: RunMode::Batch,
        code: Some(TRY.to_owned()),
        stdin: Some(madang_model::Blob(lines.join("\n").into_bytes())),
        wait: true,
        ..RunRequest::default()
    };
    request.limits.wall_ms = Some(300_000);
    let view = client.session_run(&session.id.to_string(), &request).await.unwrap();
    assert_eq!(view.whole.verdict.map(|verdict| verdict.name()), Some("ok"), "{view:?}");
    (view.whole.stdout.lossy().lines().map(str::to_owned).collect(), view)
}

/// Everything that no policy lets a sandbox reach.
fn forbidden(server: &Server) -> Vec<String> {
    let port = server.port();
    let mut lines: Vec<_> = ["packet", "ip", "netfilter"].map(|kind| format!("raw {kind}")).into();
    for host in ["127.0.0.1", "::1", "0.0.0.0", "localhost"] {
        lines.push(format!("tcp {host} {port}"));
    }
    for address in [NODE, ROUTER, METADATA] {
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let number = address.to_bits();
        lines.extend([
            format!("tcp {address} 80"),
            format!("tcp {number} 80"),
            format!("tcp ::ffff:{address} 80"),
            format!("tcp 64:ff9b::{high:x}:{low:x} 80"),
            format!("tcp 2002:{high:x}:{low:x}::1 80"),
        ]);
    }
    lines.push(format!("tcp {NODE} {port}"));
    for host in ["127.0.0.1".to_owned(), NODE.to_string()] {
        lines.push(format!("tcp {host} {APPS_PORT}"));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_lets_out_what_it_says_and_nothing_else() {
    let world = World::new();
    World::serve(&world.far(), 80, "far");
    World::serve(&world.node(), 80, "node");
    let names = Names::serve(&world);
    names.set("good.example", &[FAR]);
    names.set("evil.example", &[OTHER]);
    names.set("rebound.example", &[METADATA, ROUTER]);
    let server = Server::start(&world);
    let client = server.client();
    let far = [format!("tcp {FAR} 80"), "tcp good.example 80".to_owned()];

    let open = session(&client, internet()).await;
    let closed = session(&client, NetworkAsked::Policy(NetworkPolicy::None)).await;
    let listed = session(&client, allow(&["good.example", "rebound.example", "169.254.0.0/16"])).await;

    let by_address = format!("tcp {FAR} 80 -> far");
    let wanted = [&*by_address, "tcp good.example 80 -> far"];
    let run = reaches(&client, &open, &[forbidden(&server), far.to_vec()].concat(), &wanted).await;
    let used = run.whole.usage;
    assert!(used.received_bytes > 0 && used.sent_bytes > 0, "{run:?}");

    let run = reaches(&client, &closed, &[forbidden(&server), far.to_vec()].concat(), &[]).await;
    assert_eq!((run.whole.usage.received_bytes, run.whole.usage.sent_bytes), (0, 0), "{run:?}");

    let others = ["name evil.example", "name rebound.example"].map(str::to_owned);
    let all = [forbidden(&server), others.to_vec(), vec![format!("tcp {OTHER} 80")], far.to_vec()].concat();
    // Its address is not open before its name was asked for.
    reaches(&client, &listed, &all, &["tcp good.example 80 -> far"]).await;
    names.set("good.example", &[OTHER]);
    let moved = ["tcp good.example 80".to_owned(), format!("tcp {OTHER} 80")];
    let by_address = format!("tcp {OTHER} 80 -> far");
    reaches(&client, &listed, &moved, &["tcp good.example 80 -> far", &by_address]).await;

    for seen in [&open, &closed, &listed] {
        client.session_end(&seen.id.to_string()).await.unwrap();
    }
    let used = soon("what was transferred is counted", async || {
        let seen = client.session_get(&open.id.to_string()).await.map_err(|error| error.to_string())?;
        seen.usage.filter(|_| seen.ended_at.is_some()).ok_or(format!("{seen:?}"))
    });
    let used = used.await;
    assert!(used.received_bytes > 0 && used.sent_bytes > 0, "{used:?}");
    server.stop();
    assert_eq!(world.links(), ["lo", "uplink"]);
}

/// Says its argument to whoever connects.
const SAY: &str = "
import socket
listening = socket.create_server(('0.0.0.0', 8000))
while True:
    connection, _ = listening.accept()
    connection.sendall(b'peer')
    connection.close()
";

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_of_a_session_find_each_other_by_name_without_any_other_network() {
    let world = World::new();
    World::serve(&world.far(), 80, "far");
    let server = Server::start(&world);
    let client = server.client();
    let none = || NetworkAsked::Policy(NetworkPolicy::None);
    let pair = Some(ClusterCreate { size: 2, mode: ClusterMode::SingleNode });
    let together = session_of(&client, none(), pair).await;
    let alone = session(&client, none()).await;
    let mut say = RunRequest {
        mode: RunMode::Batch,
        code: Some(SAY.to_owned()),
        sandbox: Some("sub1".into()),
        ..RunRequest::default()
    };
    say.limits.wall_ms = Some(300_000);
    client.session_run_begin(&together.id.to_string(), &say).await.unwrap();
    let asked = ["tcp sub1 8000".to_owned(), format!("tcp {FAR} 80"), format!("tcp {NODE} {}", server.port())];
    soon("the peer listens, and nothing else is reached", async || {
        let (reached, _) = attempt(&client, &together, &asked).await;
        if reached == ["tcp sub1 8000 -> peer"] { Ok(()) } else { Err(format!("{reached:?}")) }
    })
    .await;
    reaches(&client, &alone, &asked, &[]).await;
    for seen in [&together, &alone] {
        client.session_end(&seen.id.to_string()).await.unwrap();
    }
    server.stop();
    assert_eq!(world.links(), ["lo", "uplink"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_network_over_the_server_s_death_and_leaves_nothing() {
    let world = World::new();
    World::serve(&world.far(), 80, "far");
    let names = Names::serve(&world);
    names.set("good.example", &[FAR]);
    let mut server = Server::start(&world);
    let kept = session(&server.client(), internet()).await;
    let asked = vec!["tcp good.example 80".to_owned(), format!("tcp {NODE} 80")];
    let wanted = ["tcp good.example 80 -> far"];
    reaches(&server.client(), &kept, &asked, &wanted).await;
    server.kill();
    server.again(&world);
    reaches(&server.client(), &kept, &asked, &wanted).await;
    server.client().session_end(&kept.id.to_string()).await.unwrap();
    server.stop();
    assert_eq!(world.links(), ["lo", "uplink"]);
}
