//! What every node keeps about folders: made once, held to a quota, copied whole, never removed from under a sandbox.

use madang_ids::{FolderId, UserId};
use madang_model::{FolderMount, FolderOwner, FolderPlace, FolderQuota, MountAccess};
use madang_node_api::{MOUNTS_MAX, Node, NodeError, SandboxSpec};

use super::{Dialect, in_time, sandbox};

const QUOTA: FolderQuota = FolderQuota { bytes: 8 << 20, files: 100 };
const LARGER: FolderQuota = FolderQuota { bytes: 16 << 20, files: 200 };

/// A node without a place for folders says so, whatever it is asked.
pub(super) async fn check(node: &dyn Node, dialect: &Dialect) {
    let owner = FolderOwner::User(UserId::new());
    if node.facts().volume.is_none() {
        let (one, other) = (place(owner), place(owner));
        let refused = [
            node.folder_owner_set(owner, QUOTA).await,
            node.folder_owner_usage(owner).await.map(drop),
            node.folder_make(owner, one.folder).await,
            node.folder_remove(owner, one.folder).await,
            node.folder_usage(owner, one.folder).await.map(drop),
            node.folder_clone(one, other).await,
        ];
        return refused.iter().for_each(|asked| assert!(matches!(asked, Err(NodeError::Unavailable(_))), "{asked:?}"));
    }
    quotas_are_set(node, owner).await;
    folders_come_and_go(node, owner).await;
    what_is_mounted_stays(node, owner, dialect).await;
    a_folder_goes_to_another_owner(node, owner, dialect).await;
}

fn place(owner: FolderOwner) -> FolderPlace {
    FolderPlace { owner, folder: FolderId::new() }
}

async fn quotas_are_set(node: &dyn Node, owner: FolderOwner) {
    let unknown = node.folder_owner_usage(owner).await;
    assert!(matches!(unknown, Err(NodeError::NotFound(_))), "{unknown:?}");
    let roomless = node.folder_make(owner, FolderId::new()).await;
    assert!(matches!(roomless, Err(NodeError::NotFound(_))), "{roomless:?}");
    for quota in [QUOTA, QUOTA, LARGER] {
        in_time("a quota", node.folder_owner_set(owner, quota)).await.expect("it is set");
        let seen = node.folder_owner_usage(owner).await.expect("it is told");
        assert_eq!(seen.quota, quota);
        assert!(seen.used.bytes <= quota.bytes && seen.used.files <= quota.files, "{seen:?}");
    }
}

async fn folders_come_and_go(node: &dyn Node, owner: FolderOwner) {
    let (from, to) = (place(owner), place(owner));
    for _ in 0..2 {
        in_time("a folder", node.folder_make(owner, from.folder)).await.expect("it is made");
    }
    node.folder_usage(owner, from.folder).await.expect("it is there");
    for _ in 0..2 {
        in_time("a copy", node.folder_clone(from, to)).await.expect("it is copied");
    }
    node.folder_usage(owner, to.folder).await.expect("so is the copy");
    let nothing = node.folder_clone(place(owner), place(owner)).await;
    assert!(matches!(nothing, Err(NodeError::NotFound(_))), "{nothing:?}");
    for _ in 0..2 {
        in_time("removing", node.folder_remove(owner, from.folder)).await.expect("it is removed");
    }
    let gone = node.folder_usage(owner, from.folder).await;
    assert!(matches!(gone, Err(NodeError::NotFound(_))), "{gone:?}");
    in_time("removing", node.folder_remove(owner, to.folder)).await.expect("the copy too");
}

async fn what_is_mounted_stays(node: &dyn Node, owner: FolderOwner, dialect: &Dialect) {
    let there = place(owner);
    node.folder_make(owner, there.folder).await.expect("it is made");
    let mount = |place: FolderPlace, at: &str| {
        let FolderPlace { owner, folder } = place;
        FolderMount { folder, owner, at: at.to_owned(), access: MountAccess::ReadOnly }
    };
    let unknown = SandboxSpec { mounts: vec![mount(place(owner), "a")], ..sandbox(dialect) };
    let opened = in_time("opening", node.sandbox_open(unknown)).await;
    assert!(matches!(opened, Err(NodeError::NotFound(_))), "{opened:?}");
    let many = (0..=MOUNTS_MAX).map(|number| mount(there, &format!("a{number}"))).collect();
    let opened = in_time("opening", node.sandbox_open(SandboxSpec { mounts: many, ..sandbox(dialect) })).await;
    assert!(matches!(opened, Err(NodeError::Invalid(_))), "{opened:?}");

    let spec = SandboxSpec { mounts: vec![mount(there, "shared")], ..sandbox(dialect) };
    let (id, session) = (spec.id, spec.session);
    in_time("opening", node.sandbox_open(spec)).await.expect("it opens with a folder");
    match node.folder_remove(owner, there.folder).await {
        Err(NodeError::Conflict(why)) => assert!(why.contains(&session.to_string()), "{why}"),
        other => panic!("{other:?}"),
    }
    node.folder_usage(owner, there.folder).await.expect("it is there still");
    node.sandbox_close(id).await.expect("it closes");
    in_time("removing", node.folder_remove(owner, there.folder)).await.expect("now it may go");
}

async fn a_folder_goes_to_another_owner(node: &dyn Node, owner: FolderOwner, dialect: &Dialect) {
    let (from, other) = (place(owner), FolderOwner::User(UserId::new()));
    let to = FolderPlace { owner: other, ..from };
    node.folder_make(owner, from.folder).await.expect("it is made");
    node.folder_owner_set(other, QUOTA).await.expect("there is room for the other's");
    let taken = node.folder_make(other, from.folder).await;
    assert!(matches!(taken, Err(NodeError::Conflict(_))), "{taken:?}");
    let mount = |place: FolderPlace| {
        let FolderPlace { owner, folder } = place;
        let mount = FolderMount { folder, owner, at: "shared".to_owned(), access: MountAccess::ReadOnly };
        SandboxSpec { mounts: vec![mount], ..sandbox(dialect) }
    };
    let spec = mount(from);
    let id = spec.id;
    in_time("opening", node.sandbox_open(spec)).await.expect("it opens with a folder");
    let mounted = node.folder_clone(from, to).await;
    assert!(matches!(mounted, Err(NodeError::Conflict(_))), "{mounted:?}");
    node.sandbox_close(id).await.expect("it closes");
    for _ in 0..2 {
        in_time("going to another owner", node.folder_clone(from, to)).await.expect("it goes");
    }
    for _ in 0..2 {
        in_time("removing", node.folder_remove(owner, from.folder)).await.expect("what the first had is removed");
    }
    node.folder_usage(other, to.folder).await.expect("it is the other's");
    let taken = node.folder_make(owner, from.folder).await;
    assert!(matches!(taken, Err(NodeError::Conflict(_))), "{taken:?}");
    let (before, now) = (mount(from), mount(to));
    let opened = in_time("opening", node.sandbox_open(before)).await;
    assert!(matches!(opened, Err(NodeError::NotFound(_))), "{opened:?}");
    let id = now.id;
    in_time("opening", node.sandbox_open(now)).await.expect("it opens with the other's folder");
    node.sandbox_close(id).await.expect("it closes");
    in_time("removing", node.folder_remove(other, to.folder)).await.expect("it is removed");
}
