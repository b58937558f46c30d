//! An image that is made of a session on one machine, brought to another, used and removed there.

use std::path::PathBuf;

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::{ImagePrefetch, SessionCommit, SessionCommitted, SessionCreate, node::NodeView};

use crate::process::{Role, control, here, node, nodes, patient, running, says, session, soon};

/// Files called `made` in the layers that a node has.
fn made(node: &Role) -> Vec<PathBuf> {
    let layers = std::fs::read_dir(node.home().join("images/layers/sha256")).into_iter().flatten().flatten();
    layers.map(|layer| layer.path().join("fs/home/work/made")).filter(|made| made.exists()).collect()
}

async fn committed(client: &Client, session: &str, wanted: &SessionCommit) -> SessionCommitted {
    soon("it is committed", async || client.session_commit(session, wanted).await.map_err(|error| error.to_string()))
        .await
}

async fn drain(control: &Role, name: &str) {
    let (code, _, complaint) = control.madang(&["admin", "node", "cordon", name]);
    assert_eq!(code, 0, "{complaint}");
}

#[tokio::test]
async fn an_image_is_brought_from_one_machine_to_another() {
    let control = control(None, "");
    let client = control.client();
    let first = node(None, &control, "first");
    here(&client, 1).await;
    let origin = session(&client).await.id.to_string();
    assert_eq!(says(&client, &origin, "open('made', 'w').write('x' * 3_000_000)").await, "3000000\n");
    let wanted = SessionCommit { name: "carried".to_owned(), allow_secrets: false };
    let image = committed(&client, &origin, &wanted).await.image;
    client.session_end(&origin).await.unwrap();
    assert_eq!(made(&first).len(), 1);

    let second = node(None, &control, "second");
    here(&client, 2).await;
    soon("it is brought to the second", async || {
        let (code, said, complaint) = control.madang(&["image", "prefetch", "carried", "second"]);
        if code == 0 && said.contains("second") { Ok(()) } else { Err(format!("{code} {said} {complaint}")) }
    })
    .await;
    assert_eq!(made(&second).len(), 1);
    soon("it is on both", async || {
        let again =
            client.image_prefetch("carried", &ImagePrefetch::default()).await.map_err(|error| error.to_string())?;
        let well = again.nodes.len() == 2 && again.nodes.iter().all(|node| node.problem.is_none());
        if well { Ok(()) } else { Err(format!("{again:?}")) }
    })
    .await;

    drain(&control, "first").await;
    let create =
        SessionCreate { language: Some("python".into()), image: Some("carried".into()), ..SessionCreate::default() };
    let next = client.session_create(&create).await.unwrap().id.to_string();
    running(&client, &next).await;
    assert_eq!(says(&client, &next, "len(open('made').read())").await, "3000000\n");
    let on: Vec<NodeView> = nodes(&client).await.unwrap().into_iter().filter(|node| node.sessions > 0).collect();
    assert!(on.len() == 1 && on[0].name == "second", "{on:?}");
    let once = serde_json::json!({"language": "python", "code": "print(len(open('made').read()))", "image": "carried", "limits": patient(), "wait": true});
    let run: madang_public_api::RunView = client.post("/api/v1/run", &once).await.unwrap();
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{run:?}");
    // It has the same digest there: what is committed over it on the second machine lies on the same layers.
    assert_eq!(says(&client, &next, "open('more', 'w').write('y')").await, "1\n");
    let over = committed(&client, &next, &SessionCommit { name: "over".to_owned(), allow_secrets: false }).await;
    assert_eq!(over.image.committed.unwrap().base, format!("commit/{}", image.committed.unwrap().id));

    client.session_end(&next).await.unwrap();
    for name in ["carried", "over"] {
        soon("it is removed", async || client.image_remove(name).await.map_err(|error| error.to_string())).await;
    }
    // A slot of theirs may have come into its pool a moment ago.
    soon("nothing of them is on either machine", async || match [made(&first), made(&second)].concat() {
        none if none.is_empty() => Ok(()),
        held => Err(format!("{held:?}")),
    })
    .await;
}
