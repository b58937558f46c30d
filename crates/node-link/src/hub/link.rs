//! One link from its first word to its last.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{
    Hub,
    remote::{Connected, Greeting, RemoteNode},
    run,
};
use crate::{
    PROTOCOL,
    check::{self, Refused},
    wire::{Answer, Beat, BeatHeard, FromNode, Hello, ToNode, Welcome, from_node, to_node},
};

type Out = mpsc::Sender<Result<ToNode, Status>>;

/// A node that says nothing after dialling is cut off.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// Serves the link until it breaks, another one of the node takes its place, or the node is removed.
pub(super) async fn serve(hub: Arc<Hub>, node: Arc<RemoteNode>, mut said: Streaming<FromNode>, out: Out) {
    let (number, mut replaced) = match begin(&hub, &node, &mut said, &out).await {
        Ok(begun) => begun,
        Err(status) => {
            tracing::warn!(node = %node.id(), %status, "a node's link does not begin");
            // It may be gone already.
            let _ = out.send(Err(status)).await;
            return;
        }
    };
    tracing::info!(node = %node.id(), "a node is here");
    let why = tokio::select! {
        why = listen(&node, &mut said, &out) => why,
        _ = replaced.wait_for(|current| *current != number) => "another link took its place".to_owned(),
    };
    tracing::info!(node = %node.id(), why, "a node's link has ended");
    node.disconnected(number);
}

async fn begin(
    hub: &Hub,
    node: &Arc<RemoteNode>,
    said: &mut Streaming<FromNode>,
    out: &Out,
) -> Result<(u64, tokio::sync::watch::Receiver<u64>), Status> {
    let bad = |refused: Refused| Status::invalid_argument(refused.to_string());
    let hello = match next(said).await? {
        from_node::Body::Hello(hello) => hello,
        _ => return Err(Status::invalid_argument("a link begins with a hello")),
    };
    let Hello { protocol, boot, facts_document, languages_document } = hello;
    if protocol != PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "this control plane speaks protocol {PROTOCOL}, not {protocol}"
        )));
    }
    let facts = check::facts(&facts_document).map_err(bad)?;
    let languages = check::languages(&languages_document).map_err(bad)?;
    let sandboxes = match next(said).await? {
        from_node::Body::Snapshot(snapshot) => check::sandboxes(&snapshot.document).map_err(bad)?,
        _ => return Err(Status::invalid_argument("a hello is followed by what there is")),
    };
    let from_node::Body::Beat(beat) = next(said).await? else {
        return Err(Status::invalid_argument("what there is is followed by a beat"));
    };
    let health = check::health(&beat.health_document).map_err(bad)?;
    let runs = check::runs(&beat.runs_document).map_err(bad)?;
    let ticket_key = hub.config.ticket_key.map(|key| key.to_vec()).unwrap_or_default();
    let welcome = Welcome { node: node.id().to_string(), control: hub.control.clone(), ticket_key: ticket_key.into() };
    let gone = || Status::cancelled("the link is gone");
    send(out, to_node::Body::Welcome(welcome)).await.map_err(|_| gone())?;
    let greeting = Greeting { boot: check::text(&boot), facts, languages, health, runs, sandboxes };
    // Removed, or only let go because another process leads: it hears which when it dials anew.
    let let_go = || Status::unavailable("this node is not known here any more");
    let Connected { number, replaced, orphans } = node.connected(greeting, out.clone()).ok_or_else(let_go)?;
    for order in node.unanswered() {
        send(out, to_node::Body::Order(order)).await.map_err(|_| gone())?;
    }
    for slot in orphans {
        tokio::spawn(run::resume(Arc::clone(node), slot));
    }
    hub.registry.arrived(Arc::clone(node)).await;
    Ok((number, replaced))
}

async fn next(said: &mut Streaming<FromNode>) -> Result<from_node::Body, Status> {
    // Not the node's fault: it, its link or this process may have stood still.
    let silent = || Status::unavailable("nothing was said");
    let message = tokio::time::timeout(HELLO_WAIT, said.message()).await.map_err(|_| silent())??;
    message.ok_or_else(silent)?.body.ok_or_else(|| Status::invalid_argument("a message says nothing"))
}

/// Why it ended.
async fn listen(node: &RemoteNode, said: &mut Streaming<FromNode>, out: &Out) -> String {
    loop {
        let message = match said.message().await {
            Ok(Some(FromNode { body: Some(body) })) => body,
            Ok(Some(_)) => continue,
            Ok(None) => return "the node ended it".to_owned(),
            Err(status) => return check::text(status.message()),
        };
        node.heard();
        if let Err(refused) = hear(node, message, out).await {
            // One bad message is not believed; the link goes on, so that sandboxes stay in sight.
            tracing::warn!(node = %node.id(), %refused, "a node said what cannot be");
        }
    }
}

async fn hear(node: &RemoteNode, message: from_node::Body, out: &Out) -> Result<(), Refused> {
    match message {
        from_node::Body::Beat(Beat { sent_ms, health_document, runs_document }) => {
            // A full stream is a node that does not read: its own clock will tell it.
            let _ = out.try_send(Ok(to(to_node::Body::BeatHeard(BeatHeard { sent_ms }))));
            if !health_document.is_empty() {
                node.health_is(check::health(&health_document)?);
            }
            if !runs_document.is_empty() {
                node.runs_are(check::runs(&runs_document)?);
            }
        }
        from_node::Body::Snapshot(snapshot) => node.sandboxes_are(check::sandboxes(&snapshot.document)?),
        from_node::Body::Change(change) => node.sandbox_is(check::sandbox(&change.document)?),
        from_node::Body::Answer(Answer { order, document }) => node.answered(order, check::told(&document)),
        from_node::Body::Hello(_) => return Err(Refused { what: "hello", why: "it was said already".to_owned() }),
    }
    Ok(())
}

async fn send(out: &Out, body: to_node::Body) -> Result<(), mpsc::error::SendError<Result<ToNode, Status>>> {
    out.send(Ok(to(body))).await
}

pub(super) fn to(body: to_node::Body) -> ToNode {
    ToNode { body: Some(body) }
}
