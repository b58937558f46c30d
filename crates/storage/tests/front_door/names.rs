//! Names: listed, looked for, made, moved, removed; and whom tickets let do it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt},
    sync::atomic::Ordering,
};

use madang_ids::{AppId, FolderId, SandboxId};
use madang_model::{AppPrefix, AppProtocol};
use madang_ticket::{FolderMay, Right};

use crate::{
    ground::{Ground, own},
    resume::until,
};

/// After so long a request has its folder swept again, and a ticket lasts for so many of that.
const SWEPT_AGAIN_MS: u64 = 3_600_000;
const SWEEPS_A_TICKET: u32 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_a_page_in_the_order_of_names() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    for number in 0..25 {
        ground.write(&format!("d/{number:02}"), "x");
    }
    let (mut seen, mut target) = (Vec::new(), "list/d?limit=10".to_owned());
    loop {
        let page = client.get(&target, &[]).await.expect(200).json();
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 10);
        seen.extend(entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
        let Some(after) = page["more_after"].as_str() else { break };
        target = format!("list/d?limit=10&after={after}");
    }
    assert_eq!(seen, (0..25).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    client.get("list/nowhere", &[]).await.expect(404);
    client.get("list/d/01", &[]).await.expect(404);
    client.get("list/d?limit=x", &[]).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_bytes_travel() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    let every: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let escaped: String = every.iter().map(|byte| format!("%{byte:02x}")).collect();
    client.put(&format!("files/{escaped}"), b"odd").await.expect(201);
    assert_eq!(fs::read(ground.path("").join(OsStr::from_bytes(&every))).unwrap(), b"odd");
    let page = client.get("list/", &[]).await.expect(200).json();
    let entry = &page["entries"][0];
    assert!(entry["name_base64"].is_string(), "{entry}");
    let path = entry["path"].as_str().unwrap();
    assert_eq!(client.get(&format!("files/{path}"), &[]).await.expect(200).body, b"odd");
    client.send("DELETE", &format!("files/{path}"), &[], b"").await.expect(204);
    assert_eq!(client.get("list/", &[]).await.json()["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_moved_found_and_removed() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    let post = async |target: &str| client.send("POST", target, &[], b"").await;
    post("directories/a/b/c").await.expect(404);
    post("directories/a/b/c?parents").await.expect(201);
    post("directories/a/b/c").await.expect(409);
    post("directories/a/b/c?exist_ok").await.expect(201);
    client.put("files/a/b/Read.me", b"x").await.expect(201);
    client.put("files/a/b/other", b"y").await.expect(201);
    post("directories/a/b/other?exist_ok").await.expect(409);
    let found = client.get("search/?name=read", &[]).await.expect(200).json();
    assert_eq!((found["entries"][0]["path"].as_str(), found["complete"].as_bool()), (Some("a/b/Read.me"), Some(true)));
    assert_eq!(client.get("search/a?name=*e*&limit=1", &[]).await.json()["complete"], false);
    client.get("search/", &[]).await.expect(400);
    post("move/a/b/Read.me?to=a/b/other").await.expect(409);
    let moved = post("move/a/b/Read.me?to=a/b/other&replace").await.expect(200);
    assert_eq!(moved.json()["path"], "a/b/other");
    assert_eq!(fs::read(ground.path("a/b/other")).unwrap(), b"x");
    post("move/a?to=a/b/inside").await.expect(409);
    post("move/a?to=../out").await.expect(400);
    post("move/nothing?to=x").await.expect(404);
    client.send("DELETE", "files/a", &[], b"").await.expect(409);
    client.send("DELETE", "files/a?recursive", &[], b"").await.expect(204);
    client.send("DELETE", "files/a?recursive", &[], b"").await.expect(404);
    client.send("DELETE", "files/?recursive", &[], b"").await.expect(409);
    assert!(!ground.path("a").exists() && ground.staged().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_closed_and_large_directories_are_removed() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    let mut at = ground.path("top");
    for depth in 0..150 {
        fs::create_dir(&at).unwrap();
        fs::write(at.join("file"), "x").unwrap();
        own(&at);
        at = at.join(format!("d{depth}"));
    }
    for number in 0..3_000 {
        fs::write(ground.path(&format!("top/{number}")), "").unwrap();
    }
    ground.write("top/closed/file", "x");
    let closed: fs::Permissions = PermissionsExt::from_mode(0o000);
    fs::set_permissions(ground.path("top/closed"), closed.clone()).unwrap();
    fs::set_permissions(ground.path("top"), closed).unwrap();
    client.get("list/top", &[]).await.expect(403);
    client.send("DELETE", "files/top?recursive", &[], b"").await.expect(204);
    assert!(!ground.path("top").exists());
    until("what was removed is gone", || ground.staged().is_empty()).await;
}

/// Removals that were cut off are swept away now and then, and one that is under way looks like them.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_and_a_sweep_do_not_mind_one_another() {
    let ground = Ground::new().await;
    for round in 0..20 {
        for number in 0..400 {
            ground.write(&format!("top/{number}/file"), "x");
        }
        ground.write(&format!("top/{}file", "d/".repeat(60)), "x");
        let client = ground.client(FolderMay::Delete);
        let remover = client.clone();
        let removal = tokio::spawn(async move { remover.send("DELETE", "files/top?recursive", &[], b"").await });
        for _ in 0..SWEEPS_A_TICKET {
            ground.now_ms.fetch_add(SWEPT_AGAIN_MS, Ordering::Relaxed);
            client.get("list/", &[]).await.expect(200);
        }
        let removed = removal.await.unwrap();
        assert_eq!(removed.status, 204, "in round {round}: {}", String::from_utf8_lossy(&removed.body));
        assert!(!ground.path("top").exists());
        until("what was removed is gone", || ground.staged().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_goes_as_far_as_it_says() {
    let ground = Ground::new().await;
    ground.write("a/x", "x");
    ground.write("ab", "x");
    let none = ground.client_with("");
    let refused = none.get("files/a/x", &[]).await.expect(401);
    assert_eq!(
        (refused.head("content-type"), refused.head("www-authenticate")),
        ("application/problem+json", "Bearer")
    );
    none.get(&format!("files/a/x?ticket={}", ground.ticket("a", FolderMay::Read)), &[]).await.expect(200);
    let reader = ground.client_with(&ground.ticket("a", FolderMay::Read));
    reader.get("files/a/x", &[]).await.expect(200);
    reader.get("files/ab", &[]).await.expect(403);
    reader.get("list/", &[]).await.expect(403);
    reader.put("files/a/x", b"y").await.expect(403);
    let writer = ground.client_with(&ground.ticket("a", FolderMay::Write));
    writer.put("files/a/y", b"y").await.expect(201);
    writer.send("DELETE", "files/a/y", &[], b"").await.expect(403);
    writer.send("POST", "move/a/y?to=a/z", &[], b"").await.expect(403);
    let remover = ground.client_with(&ground.ticket("a", FolderMay::Delete));
    remover.send("POST", "move/a/y?to=z", &[], b"").await.expect(403);
    remover.send("POST", "move/a/y?to=a/z", &[], b"").await.expect(200);
    let now = ground.now_ms.load(Ordering::Relaxed);
    let right = |folder| Right::Folder { folder, path: String::new(), may: FolderMay::Delete };
    let app = Right::App {
        app: AppId::new(),
        sandbox: SandboxId::new(),
        protocol: AppProtocol::Http,
        prefix: AppPrefix::default(),
    };
    for (right, expires, status) in
        [(right(ground.folder), now, 401), (right(FolderId::new()), now + 1_000, 403), (app, now + 1_000, 403)]
    {
        ground.client_with(&ground.sign(right, expires)).get("files/a/x", &[]).await.expect(status);
    }
    ground.client_with("nonsense").get("files/a/x", &[]).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_serves_is_said_so() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    client.get("nothing/x", &[]).await.expect(404);
    client.send("TRACE", "files/x", &[], b"").await.expect(405);
    assert_eq!(client.send("POST", "list/", &[], b"").await.expect(405).head("allow"), "GET");
    client.get("files/%2e%2e/x", &[]).await.expect(400);
    client.get("files/x%00", &[]).await.expect(400);
    let odd = crate::client::Client { folder: "fld_nonsense".to_owned(), ..client };
    let gone = odd.get("files/x", &[]).await.expect(404);
    assert_eq!(gone.json()["code"], "not-found");
    assert_eq!(gone.json()["request_id"], gone.head("x-request-id"));
}
