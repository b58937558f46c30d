//! Apps of sessions on a real server: JupyterLab with a kernel, and services that outlive the server.

use std::sync::Arc;

use madang_client::{Client, Said};
use madang_model::Verdict;
use madang_public_api::{AppCreate, SessionCreate, app::AppLife};
use tempfile::TempDir;

use crate::{
    server::{Server, ended, shared, soon},
    session::{Session, app_opened, command, query, told},
};

/// Asks the server at `argv[1]` for a kernel, runs a line in it and prints what the line printed.
const KERNEL: &str = r#"
import http.cookiejar, json, sys, urllib.request, uuid, websocket
base, jar = sys.argv[1], http.cookiejar.CookieJar()
site = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
site.open(f"http://{base}lab", timeout=60).read()
xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf")
ask = urllib.request.Request(f"http://{base}api/kernels", data=b'{"name": "python3"}', headers={"X-XSRFToken": xsrf}, method="POST")
kernel = json.load(site.open(ask, timeout=60))["id"]
channels = websocket.create_connection(f"ws://{base}api/kernels/{kernel}/channels", timeout=60)
header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
content = {"code": sys.argv[2], "silent": False}
channels.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
left = {"replied", "idle"}
while left:
    said = json.loads(channels.recv())
    if said["parent_header"].get("msg_id") != header["msg_id"]:
        continue
    if said["msg_type"] == "stream":
        print(said["content"]["text"], end="")
    if said["msg_type"] == "display_data":
        print(*sorted(said["content"]["data"]))
    if said["msg_type"] == "error":
        sys.exit("\n".join(said["content"]["traceback"]))
    if said["msg_type"] == "execute_reply":
        left.discard("replied")
    if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
        left.discard("idle")
"#;

#[tokio::test]
async fn a_kernel_of_jupyterlab_has_the_environment_and_the_packages_of_its_session() {
    let env = [("MADANG_TEST".to_owned(), "a b=마당".to_owned())].into();
    let app = Some("jupyterlab".to_owned());
    let session = Session::made(SessionCreate { app, env, ..SessionCreate::default() }).await;
    let create = AppCreate { name: "jupyterlab".into(), ..AppCreate::default() };
    let lab = app_opened(&session.client, &session.id(), &create).await;
    assert_eq!(lab.state, AppLife::Running);
    let base = format!("127.0.0.1:{}/apps/{}/", lab.port, lab.id);
    let code = "import os, matplotlib, sys; print(os.environ['MADANG_TEST'], os.getcwd(), sys.version_info[0])";
    let argv = ["/opt/jupyterlab/bin/python3", "-c", KERNEL, &base, code];
    let run = session.run(command(&argv)).await;
    assert_eq!(run.whole.stdout.lossy(), "a b=마당 /home/work 3\n", "{}", told(&run));
    // A second one comes from the same forge; the first cell of a kernel shows its figures.
    let plot = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()";
    let run = session.run(command(&["/opt/jupyterlab/bin/python3", "-c", KERNEL, &base, plot])).await;
    assert_eq!(run.whole.stdout.lossy(), "image/png text/plain\n", "{}", told(&run));
}

/// What a service that says `hello` and hangs up says.
async fn hello(client: &Client, session: &str, port: u16) -> Result<String, String> {
    let mut tunnel = client.session_port(session, port).await.map_err(|error| error.to_string())?;
    let mut heard = Vec::new();
    while let Ok(Some(Said::Bytes(bytes))) = tunnel.output.next().await {
        if bytes.is_empty() {
            break;
        }
        heard.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

const SERVICE: &str = "
import socket, threading
door = socket.create_server(('127.0.0.1', 18300))
def serve():
    while True:
        one = door.accept()[0]
        one.sendall(b'hello')
        one.close()
threading.Thread(target=serve, daemon=True).start()
";

#[tokio::test]
async fn apps_go_on_while_the_server_is_gone() {
    let home = Arc::new(TempDir::with_prefix("madang-apps-").unwrap());
    let server = Server::start_in(home);
    let request =
        SessionCreate { name: Some("keeps".into()), language: Some("python".into()), ..SessionCreate::default() };
    let session = server.client().session_create(&request).await.unwrap().id.to_string();
    let run = server.client().session_run(&session, &query(SERVICE)).await.unwrap();
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
    let create = AppCreate { name: "port".into(), port: Some(18_300), ..AppCreate::default() };
    let app = app_opened(&server.client(), &session, &create).await;
    assert_eq!(hello(&server.client(), &session, 18_300).await.as_deref(), Ok("hello"));
    let server = Server::start_in(server.kill());
    let client = server.client();
    let apps =
        soon("the session is taken up", async || client.apps(&session).await.map_err(|error| error.to_string())).await;
    assert_eq!(apps.iter().map(|app| app.id).collect::<Vec<_>>(), [app.id]);
    assert_eq!(hello(&client, &session, 18_300).await.as_deref(), Ok("hello"));
    client.session_end(&session).await.unwrap();
    drop(server);
}

#[tokio::test]
async fn the_first_session_finds_an_app_that_is_kept_started_ahead() {
    let home = Arc::new(TempDir::with_prefix("madang-ahead-").unwrap());
    let server = Server::start_with(home, "[[apps.ahead]]\napp = \"jupyterlab\"\nslots = 1\n");
    let client = server.client();
    soon("one waits", async || {
        let metrics = client.text("/metrics").await.unwrap();
        let pool = metrics.lines().find(|line| line.contains("pool=\"host/plain+jupyterlab\"")).unwrap_or_default();
        if pool.ends_with(" 1") { Ok(()) } else { Err(pool.to_owned()) }
    })
    .await;
    let request = SessionCreate { app: Some("jupyterlab".to_owned()), ..SessionCreate::default() };
    let session = client.session_create(&request).await.unwrap().id.to_string();
    // Nobody has opened it: it was there.
    let apps = client.apps(&session).await.unwrap();
    assert_eq!(
        apps.iter().map(|app| (app.name.as_str(), app.state)).collect::<Vec<_>>(),
        [("jupyterlab", AppLife::Running)]
    );
    let create = AppCreate { name: "jupyterlab".into(), ..AppCreate::default() };
    let lab = app_opened(&client, &session, &create).await;
    assert_eq!(lab.id, apps[0].id);
    client.session_end(&session).await.unwrap();
}

#[test]
fn an_app_that_cannot_be_kept_started_is_refused_when_the_server_starts() {
    for (ahead, why) in [
        ("app = \"no-such-app\"", "there is no app `no-such-app`"),
        ("app = \"desktop\"", "`desktop` is started when it is opened only"),
        ("app = \"jupyterlab\"\nlanguage = \"c\"", "no interpreter of `c` waits"),
    ] {
        let home = TempDir::with_prefix("madang-ahead-").unwrap();
        let file = home.path().join("test.toml");
        std::fs::write(&file, format!("[[apps.ahead]]\n{ahead}\n")).unwrap();
        let mut up = std::process::Command::new(env!("CARGO_BIN_EXE_madang"));
        up.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(home.path().join("home")).env("MADANG_CONFIG", file);
        let (code, _, said) = ended(up.output().unwrap());
        assert!(code == 120 && said.contains(why), "{code} {said}");
    }
}

#[tokio::test]
async fn the_command_line_opens_lists_and_ends_apps() {
    let server = shared();
    let (code, offers, _) = server.madang(&["app", "ls"]);
    assert!(code == 0 && offers.contains("jupyterlab") && offers.contains("port"), "{offers}");
    let session = Session::of("python").await;
    assert_eq!(session.run(query(&SERVICE.replace("18300", "18301"))).await.whole.verdict, Some(Verdict::Ok));
    let id = session.id();
    let (code, made, said) = server.madang(&["app", &id, "port", "--port", "18301", "--json"]);
    assert!(code == 0 && made.contains("18301"), "{made} {said}");
    let (code, listed, _) = server.madang(&["app", "ls", &id]);
    assert!(code == 0 && listed.contains("running"), "{listed}");
    let (code, _, said) = server.madang(&["app", "rm", &id, "port"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = server.madang(&["app", &id, "port", "--port", "18309"]);
    assert!(code != 0 && said.contains("18309"), "{said}");
}
