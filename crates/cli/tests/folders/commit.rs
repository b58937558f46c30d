//! A session becomes an image while a folder is mounted that a hostile program has filled: nothing of the folder is in it, nothing leads out.

use std::path::Path;

use madang_public_api::{SessionCommit, SessionCommitted, SessionCreate, SessionView};

use crate::{
    hostile::{PLANT, SECRET, outside, unharmed},
    world::{World, program},
};

/// Only the folder holds it. It looks like a key: whoever read it for an image would have to say so.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";

/// In the work directory, beside the folder: whatever might bring what is in the folder into the image.
const BESIDE: &str = r"
import os
open('d/marked', 'w').write('@KEY')
os.mkdir('a')
for name, target in {'in': 'd/marked', 'also': 'd', 'absolute': '/home/work/d/marked', 'a/up': '../d', 'through': 'also/marked',
                     'far': 'd/out/secret', 'leads': '../../../..@OUT/secret'}.items():
    os.symlink(target, name)
refused = 0
for deed in (lambda: os.rename('d', 'a/d'), lambda: os.link('d/marked', 'hard'), lambda: os.rename('d/marked', 'marked'), lambda: os.rmdir('d')):
    try:
        deed()
    except OSError:
        refused += 1
open('own', 'w').write('what the work directory holds')
held = open('d/marked')
print('planted', refused)
";

/// Puts a directory and a link into the folder in each other's place, as fast as it can.
const SWAP: &str = r"
import os
while True:
    for deed in (lambda: os.rename('a', 'b'), lambda: os.symlink('d', 'a'), lambda: os.remove('a'), lambda: os.symlink('d/marked', 'b/own'),
                 lambda: os.rename('b/own', 'own'), lambda: os.remove('own'), lambda: os.rename('b', 'a')):
        try:
            deed()
        except OSError:
            pass
";

async fn commit(world: &World, session: &SessionView, name: &str) -> SessionCommitted {
    let wanted = SessionCommit { name: name.to_owned(), allow_secrets: false };
    world.client.session_commit(&session.id.to_string(), &wanted).await.unwrap()
}

/// All of an image, as whoever may use it gets it.
async fn exported(world: &World, name: &str) -> Vec<u8> {
    let mut archive = world.client.image_export(name).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = archive.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|piece| piece == text.as_bytes())
}

async fn nothing_of_the_folder(world: &World, made: &SessionCommitted, outside: &Path) -> Vec<u8> {
    let name = &made.image.name;
    assert!(made.secret_count == 0, "{name}: the folder was read: {made:?}");
    let told = made.left_out.iter().any(|left| left.path == "d" && left.what == "a folder is mounted there");
    assert!(told, "{name}: {made:?}");
    let archive = exported(world, name).await;
    for text in [KEY, SECRET, "root:x:0:0", "home/work/d/own", "home/work/d/odd", "bottom", "C:\\x"] {
        assert!(!holds(&archive, text), "{name} holds {text:?}");
    }
    unharmed(outside, name);
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_nothing_of_a_folder_that_a_hostile_program_has_filled() {
    let (world, outside) = (World::new(), outside());
    let host = outside.path().display().to_string();
    let folder = world.folder(serde_json::json!({ "name": "planted" })).await;
    let session = world.session(&folder).await;
    assert_eq!(world.python(&session, &PLANT.replace('@', &host)).await.trim(), "planted 3");
    // The program lies in the work directory too, and is no key.
    let spelt = KEY.replace('\n', "\\n").replace("PRIVATE", "PRI' + 'VATE");
    let beside = BESIDE.replace("@KEY", &spelt).replace("@OUT", &host);
    assert_eq!(world.python(&session, &beside).await.trim(), "planted 4", "a mounted folder stays where it is");
    let made = commit(&world, &session, "whole").await;
    assert!(made.left_out_count == 2 && made.left_out.iter().any(|left| left.path == "leads"), "{made:?}");
    let archive = nothing_of_the_folder(&world, &made, outside.path()).await;
    assert!(holds(&archive, "what the work directory holds"));

    let id = session.id.to_string();
    let swapping = world.client.session_run_begin(&id, &program(SWAP)).await.unwrap();
    for round in 0..10 {
        let made = commit(&world, &session, &format!("swapped-{round}")).await;
        nothing_of_the_folder(&world, &made, outside.path()).await;
    }
    world.client.run_cancel(swapping.id).await.unwrap();
    let seen = world.python(&session, "print(open('d/own').read(), open('d/marked').read()[:10])").await;
    assert_eq!(seen.trim(), "own -----BEGIN", "the folder is as it was");
    world.end(&session).await;

    let begin = SessionCreate {
        language: Some("python".to_owned()),
        image: Some("whole".to_owned()),
        ..SessionCreate::default()
    };
    let next = world.running(&begin).await;
    let look = "import os\nprint(sorted(os.listdir('.')), [name for name in ('in', 'also', 'absolute', 'a/up', 'far') if os.path.exists(name)])";
    let seen = world.python(&next, look).await;
    assert_eq!(
        seen.trim(),
        "['a', 'absolute', 'also', 'far', 'in', 'main.py', 'own', 'through'] []",
        "links into the folder lead nowhere"
    );
    world.end(&next).await;
}
