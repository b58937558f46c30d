//! A folder that is given to another owner while somebody uploads to it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use madang_client::FolderFiles;
use madang_public_api::FolderView;
use serde_json::{Value, json};

use crate::world::{World, soon};

const LARGE: usize = 96 << 20;
const UPLOADERS: usize = 3;
/// Uploads that are waited for before and after.
const SOME: usize = 20;

/// Names that were acknowledged, and the uploads that were refused.
#[derive(Default)]
struct Told {
    kept: Mutex<BTreeSet<String>>,
    refused: Mutex<Vec<String>>,
    end: AtomicBool,
}

impl Told {
    async fn upload(self: Arc<Self>, files: FolderFiles, who: usize) {
        for number in 0.. {
            if self.end.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("up-{who}-{number}");
            match files.write(&name, name.clone().into()).await {
                Ok(_) => drop(self.kept.lock().unwrap().insert(name)),
                Err(error) => self.refused.lock().unwrap().push(error.to_string()),
            }
        }
    }

    async fn more(&self) {
        let before = self.kept.lock().unwrap().len();
        soon("uploads go on", async || {
            let now = self.kept.lock().unwrap().len();
            let refused = self.refused.lock().unwrap().last().cloned();
            if now >= before + SOME { Ok(()) } else { Err(format!("{now} of {before}, refused {refused:?}")) }
        })
        .await;
    }
}

async fn give(world: &World, folder: &FolderView, to: Value) -> FolderView {
    let path = format!("/api/v1/folders/{}", folder.id);
    let _: FolderView = world.client.post(&format!("{path}/owner"), &to).await.unwrap();
    let given = soon("the folder is given", async || {
        let seen: FolderView = world.client.get(&path).await.map_err(|error| error.to_string())?;
        if seen.state == "ready" { Ok(seen) } else { Err(format!("{seen:?}")) }
    })
    .await;
    assert_ne!(given.owner_name, folder.owner_name, "{given:?}");
    given
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_given_to_another_owner_and_no_upload_to_it_is_lost() {
    let world = World::new();
    let _: Value = world.client.post("/api/v1/projects", &json!({ "name": "next" })).await.unwrap();
    let member = "/api/v1/projects/next/members/administrator";
    let _: Value = world.client.put(member, &json!({})).await.unwrap();
    // Of whoever has no folder at all nothing is counted.
    world.folder(json!({ "name": "notes" })).await;
    let folder = world.folder(json!({ "name": "thesis" })).await;
    let large: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    world.files(&folder).await.write("large", large.clone().into()).await.unwrap();
    let told = Arc::new(Told::default());
    let mut uploads = Vec::new();
    for who in 0..UPLOADERS {
        uploads.push(tokio::spawn(Arc::clone(&told).upload(world.files(&folder).await, who)));
    }
    told.more().await;
    let given = give(&world, &folder, json!({ "project": "next" })).await;
    assert_eq!(given.owner_name, "next");
    // With the tickets of before, which name the folder.
    told.more().await;
    told.end.store(true, Ordering::Relaxed);
    for upload in uploads {
        upload.await.unwrap();
    }
    let kept = told.kept.lock().unwrap().clone();
    // As a member of the project that has it now, from inside.
    let session = world.session(&given).await;
    let list = world.python(&session, "import os\nfor name in os.listdir('d'): print(name, open('d/' + name).read(99)[:99] if name != 'large' else '')");
    let list = list.await;
    let seen: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, text)| name == text)
        .map(|line| line.0)
        .collect();
    let lost: Vec<_> = kept.iter().filter(|name| !seen.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} uploads are lost, {lost:?}", lost.len(), kept.len());
    let sum = "import hashlib\nprint(hashlib.sha256(open('d/large', 'rb').read()).hexdigest())";
    let sum = world.python(&session, sum).await;
    let expected =
        "import hashlib\nprint(hashlib.sha256((bytes(range(251)) * (96 * 2**20 // 251 + 1))[:96 * 2**20]).hexdigest())";
    assert_eq!(sum, world.python(&session, expected).await);
    world.end(&session).await;
    soon("the former owner's room is free again", async || {
        let used = world.quota().await.used_bytes.unwrap_or(u64::MAX);
        if used < 1 << 20 { Ok(()) } else { Err(format!("{used} bytes")) }
    })
    .await;
    // And back, while a session has just let go of it.
    let back = soon("nobody mounts it", async || {
        let path = format!("/api/v1/folders/{}/owner", given.id);
        let asked: Result<FolderView, _> = world.client.post(&path, &json!({ "user": "administrator" })).await;
        asked.map_err(|error| error.to_string())
    })
    .await;
    soon("it is the user's again", async || {
        let seen: FolderView =
            world.client.get(&format!("/api/v1/folders/{}", back.id)).await.map_err(|error| error.to_string())?;
        if seen.state == "ready" && seen.owner_name == "administrator" { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    assert_eq!(world.files(&back).await.stat("large").await.unwrap().size_bytes, LARGE as u64);
}
