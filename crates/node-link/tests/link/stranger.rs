//! Who is no node, or is one no longer: what they cost, and that they get nowhere.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use madang_node_api::{Node as _, Presence};
use madang_node_link::{
    HubConfig, JoinToken, PROTOCOL,
    authority::SERVER_NAME,
    member::MemberError,
    tls::{self, Credential},
    wire::{Beat, FromNode, Hello, JoinRequest, Snapshot, ToNode, from_node, link_client::LinkClient, to_node},
};
use madang_node_sim::SimNode;
use madang_testkit::contract::{self, SIM};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code,
    codegen::Service,
    transport::{Channel, Endpoint},
};

use crate::harness::{WAIT, World, patient, until_here};

type Client = LinkClient<Channel>;

struct Once(Arc<Mutex<Option<TlsStream<TcpStream>>>>);

impl Service<http::Uri> for Once {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let stream = self.0.lock().unwrap().take();
        Box::pin(async { stream.map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()) })
    }
}

async fn shake_hands(world: &World, credential: Option<Credential>) -> TlsStream<TcpStream> {
    let config = tls::client(world.token(1).authority(), credential).unwrap();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    TlsConnector::from(config).connect(name, stream).await.unwrap()
}

/// Somebody who keeps to no rules.
async fn client(world: &World, credential: Option<Credential>) -> Client {
    let stream = shake_hands(world, credential).await;
    let endpoint = Endpoint::from_static("http://control.madang.internal");
    let once = Once(Arc::new(Mutex::new(Some(stream))));
    LinkClient::new(endpoint.connect_with_connector(once).await.unwrap())
}

/// What a member keeps.
fn credential(home: &Path) -> Credential {
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(home.join("node.json")).unwrap()).unwrap();
    let certificate: Vec<u8> = serde_json::from_value(record["certificate"].clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_file(home.join("node.key")).unwrap();
    Credential { certificate: CertificateDer::from(certificate), key: PrivateKeyDer::Pkcs8(key) }
}

fn asked(token: &JoinToken, name: String) -> JoinRequest {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    JoinRequest { secret: token.secret().to_owned(), request: request.der().to_vec().into(), name }
}

async fn wait<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, work).await.unwrap_or_else(|_| panic!("{what}: nothing happens"))
}

/// More than there are places for strangers.
const CROWD: usize = 300;

/// Keeps as many silent connections from another address as there will be taken, and counts those that it made.
async fn crowd(target: SocketAddr, made: watch::Sender<usize>) {
    let one = || async {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let Ok(mut stream) = socket.connect(target).await else { continue };
            made.send_modify(|made| *made += 1);
            // Says nothing, until it is shown the door.
            let _ = stream.read(&mut [0]).await;
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join_all((0..CROWD).map(|_| one())).await;
}

#[tokio::test]
async fn silent_connections_keep_no_node_out() {
    let (world, homes) = (World::new().await, [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let before = world.node(homes[0].path()).await;
    let made = watch::Sender::new(0);
    let mut many = made.subscribe();
    let crowd = tokio::spawn(crowd(world.address, made));
    wait("the crowd", many.wait_for(|made| *made >= CROWD)).await.unwrap();
    let after = world.node(homes[1].path()).await;
    assert!(!crowd.is_finished());
    for node in [&before, &after] {
        until_here(&node.remote).await;
        node.remote.sandbox_open(contract::sandbox(&SIM)).await.unwrap();
    }
    crowd.abort();
}

#[tokio::test]
async fn who_asks_for_nothing_is_shown_the_door() {
    // The second shakes hands meanwhile.
    let config = HubConfig { handshake_ms: 20_000, ask_ms: 5_000, ..patient() };
    let world = World::with(config).await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut shaken = shake_hands(&world, None).await;
    let closed = |read: io::Result<usize>| read.map_or(true, |count| count == 0);
    assert!(closed(wait("a silent socket", silent.read(&mut [0])).await));
    // The server's HTTP begins by itself.
    let ended = async { while !closed(shaken.read(&mut [0; 1024]).await) {} };
    wait("a connection with TLS", ended).await;
}

#[tokio::test]
async fn a_strangers_long_message_is_not_read() {
    let world = World::new().await;
    let token = world.token(1);
    let mut client = client(&world, None).await;
    let long = client.join(asked(&token, "n".repeat(20_000))).await.unwrap_err();
    assert_eq!(long.code(), Code::OutOfRange, "{long}");
    // What is far too long is not even taken off the wire.
    let longer = client.join(asked(&token, "n".repeat(32 << 20))).await.unwrap_err();
    assert!(
        matches!(longer.code(), Code::OutOfRange | Code::Unknown | Code::Unavailable | Code::Cancelled),
        "{longer}"
    );
    let mut other = self::client(&world, None).await;
    other.join(asked(&token, "a node".to_owned())).await.unwrap();
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let world = World::new().await;
    let (good, bad) = (world.token(1), JoinToken::make(world.token(1).authority()).unwrap());
    let mut client = client(&world, None).await;
    let mut refused = 0;
    let error = loop {
        let error = client.join(asked(&bad, "a node".to_owned())).await.unwrap_err();
        if error.code() != Code::PermissionDenied {
            break error;
        }
        refused += 1;
    };
    assert_eq!((error.code(), refused), (Code::ResourceExhausted, 20), "{error}");
    // Also with a token that is good: it would say that it is.
    let error = client.join(asked(&good, "a node".to_owned())).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_node_removed_by_another_process_is_cut_off() {
    let config = HubConfig { registry_ms: 100, ..patient() };
    let (world, home) = (World::with(config).await, tempfile::tempdir().unwrap());
    let mut node = world.node(home.path()).await;
    // This process is not told.
    world.registry.forget(node.id);
    let why = wait("the node hears it", &mut node.served).await.unwrap();
    assert!(matches!(&why, MemberError::Refused(why) if why.contains("no longer")), "{why:?}");
    assert_ne!(*node.remote.presence().borrow(), Presence::Here);
}

fn from(body: from_node::Body) -> FromNode {
    FromNode { body: Some(body) }
}

fn hello(node: &SimNode) -> FromNode {
    use madang_node_api::Node;
    let facts_document = serde_json::to_vec(&node.facts()).unwrap().into();
    let languages_document = serde_json::to_vec(&node.languages()).unwrap().into();
    from(from_node::Body::Hello(Hello { protocol: PROTOCOL, boot: "b".to_owned(), facts_document, languages_document }))
}

#[tokio::test]
async fn a_node_removed_before_its_hello_is_over_is_not_let_in() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let (member, node) = (world.join(home.path(), Some(world.token(1))).await.unwrap(), SimNode::new());
    let id = member.id();
    let mut client = client(&world, Some(credential(home.path()))).await;
    let (say, said) = mpsc::channel(8);
    say.send(hello(&node)).await.unwrap();
    let mut answers = client.talk(ReceiverStream::new(said)).await.unwrap().into_inner();
    world.remove(id);
    let health_document = serde_json::to_vec(&node.health()).unwrap().into();
    let beat = Beat { sent_ms: 1, health_document, runs_document: b"[]".to_vec().into() };
    // Its connection may be gone already.
    let _ = say.send(from(from_node::Body::Snapshot(Snapshot { document: b"[]".to_vec().into() }))).await;
    let _ = say.send(from(from_node::Body::Beat(beat))).await;
    let answered = async {
        loop {
            match answers.message().await {
                Ok(Some(ToNode { body: Some(to_node::Body::Welcome(_)) })) => {}
                other => break other,
            }
        }
    };
    let answer = wait("the link ends", answered).await;
    assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
    assert_eq!(*world.registry.arrivals.borrow(), 0);
    assert_ne!(*world.hub.node(id).presence().borrow(), Presence::Here);
}
