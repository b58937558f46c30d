//! What the server itself costs: `cargo run --release -p madang-control --example hot_path`.
//!
//! The simulated node answers at once, so what is measured is HTTP, control and the store.

use std::{collections::BTreeMap, error::Error, net::SocketAddr, sync::Arc, time::Instant};

use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use madang_control::{ControlConfig, Server};
use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{Blob, Limits, RunSpec, Stdin, Work};
use madang_node_api::{Network, Node, SandboxSpec};
use madang_testkit::SimNode;
use serde_json::{Value, json};
use tokio::net::TcpStream;

type Failed = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 2_000;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let home = tempfile::tempdir()?;
    let mut config = ControlConfig::new(home.path());
    config.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::build(config, Some(Arc::new(SimNode::new()))).await?;
    let address = server.address().ok_or("no address")?;
    let token = std::fs::read_to_string(server.admin_token_path())?.trim().to_owned();
    let running = server.spawn();
    let stop = running.handle();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    node_alone().await?;
    let one_shot = json!({"language": "sim", "code": "print 1", "wait": true});
    report("POST /run", &mut sender, "/api/v1/run", &token, &one_shot).await?;
    let session = post(&mut sender, "/api/v1/sessions", &token, &json!({"language": "sim"})).await?;
    let path = format!("/api/v1/sessions/{}/runs", session["id"].as_str().ok_or("no id")?);
    let query = json!({"code": "print 1", "wait": true});
    report("POST /sessions/{id}/runs", &mut sender, &path, &token, &query).await?;
    let bad = json!({"language": "none", "code": ""});
    report("POST /run, refused", &mut sender, "/api/v1/run", &token, &bad).await?;
    drop(sender);
    stop.stop_now();
    Ok(running.wait().await?)
}

/// The simulated node by itself, to subtract.
async fn node_alone() -> Result<(), Failed> {
    let node = SimNode::new();
    let mut times_us = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let limits = Limits::default();
        let (id, session) = (SandboxId::new(), SessionId::new());
        let (image, env, network) = ("host".into(), BTreeMap::new(), Network::None);
        let sandbox = SandboxSpec {
            id,
            session,
            image,
            language: None,
            limits,
            devices: vec![],
            env: env.clone(),
            network,
            lease_ms: None,
            mounts: Vec::new(),
            app: None,
            peer: None,
        };
        let work = Work::Query { code: "print 1".into() };
        let stdin = Stdin::Whole { bytes: Blob::default() };
        let run = RunSpec { id: RunId::new(), work, files: vec![], stdin, inputs: vec![], env, limits };
        let began = Instant::now();
        let mut handle = node.run_once(sandbox, run).await?;
        while handle.events.recv().await.is_some() {}
        times_us.push(began.elapsed().as_micros());
    }
    print("the simulated node alone", times_us);
    Ok(())
}

async fn report(
    name: &str,
    sender: &mut SendRequest<Full<Bytes>>,
    path: &str,
    token: &str,
    body: &Value,
) -> Result<(), Failed> {
    let mut times_us = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        post(sender, path, token, body).await?;
        times_us.push(began.elapsed().as_micros());
    }
    print(name, times_us);
    Ok(())
}

fn print(name: &str, mut times_us: Vec<u128>) {
    times_us.sort_unstable();
    let at = |share: usize| times_us[(ROUNDS - 1) * share / 100];
    println!("{name:<28} p50 {:>6} µs  p90 {:>6} µs  p99 {:>6} µs", at(50), at(90), at(99));
}

async fn post(sender: &mut SendRequest<Full<Bytes>>, path: &str, token: &str, body: &Value) -> Result<Value, Failed> {
    let request = Request::post(path)
        .header(header::HOST, "bench")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::new(Bytes::from(body.to_string())))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}
