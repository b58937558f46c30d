//! Images built from recipes and sent to a registry, by the command line, on the real kernel.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use madang_public_api::SessionCreate;

use crate::{
    server::{Server, shared, soon},
    session::{Session, command, told},
};

/// Debian's registry server; it ends with its standard input.
struct Registry {
    address: String,
    input: Option<ChildStdin>,
    script: Child,
}

impl Registry {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/with-registry");
        let mut command = Command::new(script);
        command.args(["--user", "ann:secret", "sh", "-c", "echo $REGISTRY; cat >/dev/null"]);
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(!address.trim().is_empty(), "the registry did not start; run scripts/install-test-tools");
        Self { address: address.trim().to_owned(), input: script.stdin.take(), script }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.input.take());
        self.script.wait().unwrap();
    }
}

fn build(server: &Server, recipe: &str) -> (i32, String, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("recipe.toml");
    fs::write(&path, recipe).unwrap();
    fs::write(place.path().join("beside"), "from beside").unwrap();
    server.madang(&["image", "build", path.to_str().unwrap()])
}

/// Sessions that live and were begun for a build of this image.
async fn building(server: &Server, name: &str) -> usize {
    let sessions = server.client().sessions(Some("live")).await.unwrap();
    sessions.iter().filter(|session| session.tags.get("image-build").is_some_and(|of| of == name)).count()
}

const GOOD: &str = "name = 'built'
env = {WORD = 'said'}
[[file]]
to = 'in/greet.sh'
text = 'echo greeted by $1'
[[file]]
to = 'beside'
from = 'beside'
[[step]]
run = '''
echo working: $WORD
sh in/greet.sh $WORD > out
'''
[[step]]
run = 'rm in/greet.sh && sleep 11'
time = '120s'
";

#[tokio::test]
async fn a_recipe_becomes_an_image_or_says_which_step_failed() {
    let server = shared();
    let (code, out, err) = build(&server, GOOD);
    assert!(code == 0 && out.starts_with("built "), "{code} {out:?} {err:?}");
    assert!(err.contains("step 2 of 2: rm in/greet.sh") && err.contains("working: said"), "{err:?}");
    let session = Session::made(SessionCreate { image: Some("built".to_owned()), ..SessionCreate::default() }).await;
    let seen = session.run(command(&["sh", "-c", "cat out beside; ls in"])).await;
    assert_eq!(seen.whole.stdout.lossy(), "greeted by said\nfrom beside", "{}", told(&seen));
    let (code, _, err) = build(&server, GOOD);
    assert!(code == 122 && err.contains("you have an image called `built`"), "{code} {err:?}");
    let over = "name = 'over'\nbase = 'built'\n[[step]]\nrun = 'cat out; echo of what is wrong >&2; exit 7'\n";
    let (code, out, err) = build(&server, over);
    assert!(code == 124 && out.is_empty(), "{code} {out:?} {err:?}");
    let said = err.contains("greeted by said") && err.contains("of what is wrong");
    assert!(said && err.contains("step 1 of 1 failed (exit code 7): cat out"), "{err:?}");
    let late = "name = 'over'\n[[step]]\nrun = 'true'\n[[step]]\nrun = 'sleep 60'\ntime = '1s'\n";
    let (code, _, err) = build(&server, late);
    assert!(code == 124 && err.contains("step 2 of 2 failed (stopped at the time limit"), "{code} {err:?}");
    let (code, _, err) = build(&server, &GOOD.replace("built", "over").replace("in/greet.sh", "../out"));
    assert!(code == 120 && err.contains("../out") && err.contains("stay below"), "{code} {err:?}");
    let large = "name = 'over'\nmemory = '600MiB'\ndisk = '300MiB'\n[[step]]\nrun = 'head -c 140M /dev/zero > large'\n";
    let (code, _, err) = build(&server, large);
    assert!(code == 122 && err.contains("more than 134217728 bytes"), "no sandbox could begin with it: {code} {err:?}");
    let (_, listed, _) = server.madang(&["image", "ls"]);
    assert!(listed.contains("built") && !listed.contains("over"), "{listed}");
    soon("no session of a build stays", async || {
        let left = (building(&server, "built").await, building(&server, "over").await);
        if left == (0, 0) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    session.client.session_end(&session.id()).await.unwrap();
    server.image_removed("built").await;
}

#[tokio::test]
async fn an_image_of_a_session_goes_to_a_registry_and_comes_from_it() {
    let (server, registry) = (shared(), Registry::start());
    let (code, out, err) = build(&server, "name = 'pushed'\n[[step]]\nrun = 'echo pushed > sent'\n");
    assert!(code == 0, "{code} {err:?}");
    let digest = out.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned();
    let reference = format!("{}/team/pushed:1", registry.address);
    let (code, _, err) = server.madang(&["image", "push", "pushed", &reference]);
    assert!(code == 121 && err.contains("password"), "{code} {err:?}");
    let push = |password: &str| {
        let mut command = server.command(&["image", "push", "pushed", &reference, "--user", "ann"]);
        let done = command.env("MADANG_REGISTRY_PASSWORD", password).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, _, err) = push("not-hers");
    assert!(code == Some(121) && !err.contains("not-hers"), "{code:?} {err:?}");
    let (code, out, err) = push("secret");
    assert!(code == Some(0) && out.contains(&digest), "{code:?} {out:?} {err:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let store = madang_image::ImageStore::open(elsewhere.path()).unwrap();
    let credentials = madang_image::Credentials { user: "ann".to_owned(), password: "secret".to_owned() };
    let options = madang_image::PullOptions { credentials: Some(credentials), ..madang_image::PullOptions::default() };
    let pinned = format!("{}/team/pushed@{digest}", registry.address).parse().unwrap();
    let pulled = store.pull(&pinned, &options, &madang_image::Progress::silent()).await.unwrap();
    assert_eq!(pulled.digest.to_string(), digest);
    server.image_removed("pushed").await;
}
