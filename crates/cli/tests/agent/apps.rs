//! Apps in real sandboxes: programs that listen, others that do not, and an agent that goes and comes back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use madang_ids::{AppId, SandboxId};
use madang_model::AppProtocol;
use madang_node_api::{AppSpec, AppState, Node, NodeError, PORT_APP, SandboxSpec};
use madang_testkit::contract::{PYTHON, sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{readings::answer, with_agent};

/// Longer than anything takes on a machine that has much else to do.
const WAIT: Duration = Duration::from_secs(120);

fn app(name: &str, port: Option<u16>) -> AppSpec {
    let (arguments, env) = (Vec::new(), BTreeMap::new());
    AppSpec { id: AppId::new(), name: name.to_owned(), port, protocol: None, arguments, env }
}

/// A sandbox with room for an app.
fn roomy() -> SandboxSpec {
    let mut spec = sandbox(&PYTHON);
    spec.limits.memory_bytes = 1 << 30;
    spec.limits.pids = 256;
    spec.limits.open_files = 1_024;
    spec
}

async fn opened(node: &dyn Node, spec: SandboxSpec) -> SandboxId {
    let id = spec.id;
    node.sandbox_open(spec).await.unwrap();
    id
}

/// The answer to a request, head and body.
async fn get(node: &dyn Node, sandbox: SandboxId, app: AppId, path: &str) -> String {
    let mut connection = node.app_connect(sandbox, app).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(WAIT, connection.read_to_end(&mut answer)).await.expect("it does not answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn jupyterlab_answers_beneath_its_prefix() {
    with_agent(async |home| {
        let node = &home.agent;
        let id = opened(&**node, roomy()).await;
        let lab = node.app_start(id, app("jupyterlab", None)).await.unwrap();
        assert_eq!((lab.protocol, lab.path.as_str(), lab.state), (AppProtocol::Http, "lab", AppState::Running));
        let page = get(&**node, id, lab.id, &format!("/apps/{}/lab", lab.id)).await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("JupyterLab"), "{page}");
        let elsewhere = get(&**node, id, lab.id, "/lab").await;
        assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
        assert_eq!(node.apps(id).await, Ok(vec![lab.clone()]));
        node.app_stop(id, lab.id).await.unwrap();
        assert!(matches!(node.app_connect(id, lab.id).await.map(drop), Err(NodeError::NotFound(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_cannot_start_says_why_in_its_own_words() {
    with_agent(async |home| {
        let node = &home.agent;
        let id = opened(&**node, roomy()).await;
        let mut lab = app("jupyterlab", None);
        lab.arguments = vec!["--no-such-option=1".to_owned()];
        let Err(NodeError::Unavailable(why)) = node.app_start(id, lab).await else { panic!("it starts") };
        assert!(
            why.contains("jupyterlab ended with status") && why.contains("unrecognized arguments: --no-such-option=1"),
            "{why}"
        );
        assert_eq!(node.apps(id).await, Ok(Vec::new()), "nothing of it stays");
        let unknown = node.app_start(id, app("no-such-app", None)).await;
        assert!(matches!(unknown, Err(NodeError::Invalid(_))), "{unknown:?}");
        let Err(NodeError::Unavailable(why)) = node.app_start(id, app(PORT_APP, Some(9_999))).await else {
            panic!("something listens")
        };
        assert!(why.contains("port did not answer on port 9999"), "{why}");
    })
    .await;
}

/// What somebody says first who listens on a port of the machine.
fn on_the_machine(port: u16) -> String {
    use std::io::Read as _;
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut heard = [0; 6];
    let heard = stream.read_exact(&mut heard).map(|()| heard).unwrap_or_default();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_sandbox_and_its_node_reaches_what_listens_in_it() {
    with_agent(async |home| {
        let node = &home.agent;
        let listens = opened(&**node, roomy()).await;
        let other = opened(&**node, roomy()).await;
        let listen = "import socket, threading\ndoor = socket.create_server(('0.0.0.0', 18123))\n\
             def serve():\n    while True:\n        one = door.accept()[0]; one.sendall(b'secret'); one.close()\n\
             threading.Thread(target=serve, daemon=True).start()";
        answer(&home.agent, listens, listen).await;
        let mut heard = String::new();
        node.port_connect(listens, 18_123).await.unwrap().read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "secret");
        // Nobody says that on the machine's own port, whoever has it, and neither has another sandbox one.
        assert_ne!(on_the_machine(18_123), "secret");
        let reach = "import socket\ntry:\n    print(socket.create_connection(('127.0.0.1', 18123), 5).recv(9))\n\
             except OSError as error:\n    print('refused')";
        assert_eq!(answer(&home.agent, other, reach).await, "refused\n");
        assert!(matches!(node.port_connect(other, 18_123).await.map(drop), Err(NodeError::Unavailable(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_connections_holds_up_nobody() {
    with_agent(async |home| {
        let node = &home.agent;
        let id = opened(&**node, roomy()).await;
        // It listens and never accepts: its queue is full after a few.
        let listen = "import socket\ndoor = socket.socket()\ndoor.bind(('127.0.0.1', 18124))\ndoor.listen(0)";
        answer(&home.agent, id, listen).await;
        let mut held = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let node = Arc::clone(node);
            held.spawn(async move { node.port_connect(id, 18_124).await });
        }
        let said = answer(node, id, "print('here')").await;
        assert_eq!(said, "here\n", "init goes on meanwhile");
        // Those that stand are held until all have been tried.
        let connected = held.join_all().await;
        assert!(connected.iter().any(Result::is_ok) && connected.iter().any(Result::is_err));
    })
    .await;
}
