//! Quotas while sessions write, and after everything was killed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use madang_public_api::{FolderView, SessionView};
use serde_json::{Value, json};

use crate::world::{World, program, soon};

const MIB: u64 = 1 << 20;
const QUOTA: u64 = 100 * MIB;
const BLOCK: u64 = 4096;

/// Eight threads write until there is no space, in smaller and smaller pieces; then all is said that files and directories take.
const FILL: &str = r"
import errno, os, threading
full = []
def fill(number):
    with open(f'd/{number}', 'wb', buffering=0) as file:
        piece = 64 << 10
        while True:
            try:
                file.write(bytes([number]) * piece)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
                if piece <= 4096:
                    full.append(number)
                    return
                piece //= 2
threads = [threading.Thread(target=fill, args=[number]) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert sorted(full) == list(range(8)), full
";

/// What is there, block by block.
const TAKEN: &str = r"
import os
print(os.stat('d').st_blocks * 512 + sum(os.lstat(os.path.join(at, name)).st_blocks * 512
      for at, directories, files in os.walk('d') for name in directories + files))
";

/// Writes, overwrites and removes in eight threads until it is killed.
const CHURN: &str = r"
import os, threading
def churn(number):
    at = 0
    while True:
        at += 1
        try:
            with open(f'd/churn-{number}-{at % 5}', 'wb') as file:
                file.write(bytes([number]) * (at * 7919 % (6 << 20)))
            if at % 7 == 0:
                os.remove(f'd/churn-{number}-{at % 5}')
        except OSError:
            pass
        open('d/begun', 'a').close()
for number in range(8):
    threading.Thread(target=churn, args=[number]).start()
";

async fn taken(world: &World, session: &SessionView) -> u64 {
    world.python(session, TAKEN).await.trim().parse().unwrap()
}

/// The API's counters are what is there: the folder's to the byte, the owner's but for what is staged.
async fn counted(world: &World, folder: &FolderView, held: u64) {
    assert_eq!(world.used(folder).await, held);
    let quota = world.quota().await;
    let used = quota.used_bytes.unwrap();
    assert!(quota.max_bytes == QUOTA && used >= held && used <= QUOTA, "{held} are there: {quota:?}");
    assert!(used - held <= 2 * BLOCK, "{held} are there: {quota:?}");
}

/// The image of the user who has folders: of that quota, unlike the project's. Nothing beside the owners is looked at,
/// for a sandbox's directories go while one walks through them.
fn image(world: &World) -> PathBuf {
    let owners = fs::read_dir(world.home().join("folders/scopes")).unwrap().map(Result::unwrap);
    let user =
        owners.map(|owner| owner.path()).find(|owner| owner.file_name().unwrap().to_string_lossy().starts_with("usr_"));
    user.expect("a user has folders").join("image")
}

/// What the distribution's own program finds in it, which counts every block by who has it.
fn sound(image: &Path) {
    let checked = Command::new("/usr/sbin/e2fsck").arg("-fn").arg(image).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said} {}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_its_quota_to_the_block_and_counters_hold_after_everything_was_killed() {
    let mut world = World::new();
    let _: Value = world.client.put("/api/v1/policies/default", &json!({ "folder_bytes": QUOTA })).await.unwrap();
    let _: Value = world.client.post("/api/v1/projects", &json!({ "name": "next" })).await.unwrap();
    let member = "/api/v1/projects/next/members/administrator";
    let _: Value = world.client.put(member, &json!({})).await.unwrap();
    let own = world.folder(json!({ "name": "own" })).await;
    let beside = world.folder(json!({ "name": "beside", "project": "next" })).await;
    let (session, neighbour) = (world.session(&own).await, world.session(&beside).await);
    world.python(&session, FILL).await;
    let held = taken(&world, &session).await;
    assert!(held.abs_diff(QUOTA) <= BLOCK, "{held} bytes where {QUOTA} are the quota");
    counted(&world, &own, held).await;
    // Nobody else notices: more than that goes into another owner's folder, and a file of an upload does not fit here.
    world
        .python(&neighbour, "with open('d/much', 'wb') as file:\n    for _ in range(150): file.write(bytes(1 << 20))")
        .await;
    assert!(world.files(&own).await.write("one-more", vec![1; 2 * BLOCK as usize].into()).await.is_err());
    world.python(&session, "import os\nfor name in os.listdir('d'): os.remove('d/' + name)").await;
    let churn = world.client.session_run_begin(&session.id.to_string(), &program(CHURN)).await.unwrap();
    let files = world.files(&own).await;
    soon("they write", async || files.stat("begun").await.map(drop).map_err(|error| error.to_string())).await;
    drop((churn, files));
    world.kill_everything().await;
    world.start();
    let session = world.session(&own).await;
    let held = taken(&world, &session).await;
    assert!(held > 0);
    counted(&world, &own, held).await;
    // And the quota holds as before, over what was left.
    world.python(&session, FILL).await;
    let held = taken(&world, &session).await;
    counted(&world, &own, held).await;
    // By now there is a place for uploads too, which is the owner's as well.
    let used = world.quota().await.used_bytes.unwrap();
    assert!(used.abs_diff(QUOTA) <= BLOCK, "{used} bytes where {QUOTA} are the quota");
    world.end(&session).await;
    let image = image(&world);
    world.stop();
    soon("the image is nobody's", async || {
        let serves = |device: fs::DirEntry| {
            let file = fs::read_to_string(device.path().join("loop/backing_file"));
            file.is_ok_and(|file| Path::new(file.trim()) == image)
        };
        let served = fs::read_dir("/sys/block").unwrap().flatten().any(serves);
        if served { Err("a loop device serves it".to_owned()) } else { Ok(()) }
    })
    .await;
    sound(&image);
}
