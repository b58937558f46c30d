//! People, policies and the house, from the command line to a server and back.

use serde_json::Value;

use crate::server::Server;

/// A command that ends well; what it printed.
fn done(server: &Server, words: &str) -> String {
    let (code, out, err) = server.madang(&split(words));
    assert_eq!(code, 0, "{words}: {out}{err}");
    out
}

/// What a command prints as JSON.
fn json(server: &Server, words: &str) -> Value {
    serde_json::from_str(&done(server, &format!("{words} --json"))).unwrap()
}

/// A command that is refused with one line that says so.
fn refused(server: &Server, words: &str, code: i32, says: &str) {
    let (seen, out, err) = server.madang(&split(words));
    assert_eq!((seen, out.as_str(), err.lines().count()), (code, "", 1), "{words}: {out}{err}");
    assert!(err.contains(says), "{words}: {err}");
}

/// Words; those in quotes are one.
fn split(words: &str) -> Vec<&str> {
    let pieces = words.split('\'').enumerate();
    pieces
        .flat_map(|(place, piece)| if place % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() })
        .collect()
}

#[test]
fn people_are_made_shown_changed_and_archived() {
    let server = Server::start();
    let school = done(&server, "admin organization create school");
    assert_eq!(json(&server, "admin organization show school")["id"], school.trim());
    done(&server, "admin policy set class --sessions 2 --memory 4GiB --timeout 8h --image host,ml");
    done(&server, "admin project create maths --organization school --policy class");
    let ada = "admin user create ada --organization school --project maths --email ada@school.example";
    let ada = done(&server, ada);
    done(&server, "admin user create ben --organization school");
    let shown = json(&server, "admin user show ada");
    assert_eq!((shown["id"].as_str(), shown["organization"].as_str()), (Some(ada.trim()), Some(school.trim())));
    let table = done(&server, "admin user ls");
    let line = table.lines().find(|line| line.contains(" ada ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[1..], ["ada", "school", "member", "maths", "active"]);

    let maths = json(&server, "admin project ls");
    let maths = maths.as_array().unwrap().iter().find(|one| one["name"] == "maths").unwrap();
    let maths = maths["id"].as_str().unwrap();
    assert!(done(&server, &format!("admin project join {maths} ada --manager")).contains("project-manager"));
    done(&server, &format!("admin project join {maths} ben"));
    assert_eq!(done(&server, &format!("admin project members {maths}")).lines().count(), 3);
    done(&server, &format!("admin project leave {maths} ben"));
    assert!(!done(&server, &format!("admin project members {maths}")).contains("ben"));
    assert!(done(&server, &format!("admin project show {maths}")).contains("class"));
    assert!(done(&server, &format!("admin project set {maths} --name algebra --policy ''")).contains("algebra"));

    let changed = json(&server, "admin user set ada --name lovelace --role organization-administrator --policy class");
    assert_eq!((&changed["name"], &changed["policy"]), (&"lovelace".into(), &"class".into()));
    assert!(done(&server, "admin user suspend ben").contains("suspended"));
    assert!(done(&server, "admin user resume ben").contains("active"));
    done(&server, "admin user rm ben");
    assert!(done(&server, "admin user ls").lines().any(|line| line.contains("archived")));
    done(&server, &format!("admin project rm {maths}"));
    done(&server, "admin organization set school --name academy");
    done(&server, "admin organization rm academy");
    assert!(done(&server, "admin organization ls").contains("archived"));

    refused(&server, "admin user show nobody", 120, "nobody");
    refused(&server, "admin organization rm default", 120, "");
    refused(&server, "admin user set lovelace --role king", 120, "a role is one of");
    refused(&server, "admin user create 'a b'", 120, "name");
}

#[test]
fn policies_say_what_they_bound() {
    let server = Server::start();
    done(&server, "admin policy set class --sessions 2 --cpus 1.5 --memory 4GiB --timeout 8h --image host,ml");
    done(&server, "admin policy set class --runs 3 --without sessions_max");
    let limits = json(&server, "admin policy show class")["limits"].clone();
    let expected = serde_json::json!({"cpu_millis_max": 1500, "memory_bytes_max": 4_u64 << 30, "images": ["host", "ml"],
        "session_timeout_ms_max": 28_800_000, "runs_max": 3});
    assert_eq!(limits, expected);
    let table = done(&server, "admin policy show class");
    assert!(table.contains("4GiB") && table.contains("8h") && table.contains("host,ml"), "{table}");
    assert!(done(&server, "admin policy ls").contains("memory_bytes_max=4GiB"));
    refused(&server, "admin policy set class --without sessions", 120, "there is no limit `sessions`");
    done(&server, "admin policy rm class");
    refused(&server, "admin policy show class", 120, "");
    refused(&server, "admin policy rm default", 120, "");
}

#[test]
fn a_token_is_shown_once_and_revoked() {
    let server = Server::start();
    let made = done(&server, "admin token create ci --scope read,run --expires 1h");
    let secret = made.trim().strip_prefix("MADANG_TOKEN=").unwrap();
    let listed = json(&server, "admin token ls");
    let token = listed.as_array().unwrap().iter().find(|token| token["name"] == "ci").unwrap();
    assert_eq!(token["scopes"], serde_json::json!(["read", "run"]));
    assert!(done(&server, "admin token ls").contains("administrator") && !listed.to_string().contains(secret));
    done(&server, &format!("admin token rm {}", token["id"].as_str().unwrap()));
    assert!(!done(&server, "admin token ls").contains(" ci "));
    refused(&server, "admin token create ci --scope king", 120, "a scope is read, run, manage or secret");
}

#[test]
fn the_house_is_kept() {
    let server = Server::start();
    assert!(done(&server, "admin state show").contains("running"));
    let table = done(&server, "admin state set frozen --reason 'new disks'");
    assert!(table.contains("frozen") && table.contains("new disks") && table.contains("administrator"), "{table}");
    let (code, _, err) = server.madang(&["session", "create", "--lang", "bash"]);
    assert!(code != 0 && err.contains("new disks"), "{err}");
    done(&server, "admin state set running");

    let words = "admin announcement create 'back at nine' --also 'ko=9시에' --level warning --for 1h";
    let id = done(&server, words);
    let listed = json(&server, "admin announcement ls");
    assert_eq!((listed[0]["id"].as_str(), &listed[0]["texts"]["ko"]), (Some(id.trim()), &"9시에".into()));
    assert!(done(&server, "admin announcement ls --all").contains("back at nine"));
    done(&server, &format!("admin announcement rm {}", id.trim()));
    assert!(!done(&server, "admin announcement ls").contains("back at nine"));

    let kept = done(&server, "admin retention set --batch 60 --audit 90");
    assert!(kept.lines().any(|line| line.starts_with("batch") && line.contains("60 days")), "{kept}");
    assert_eq!(json(&server, "admin retention set --audit 0")["settings"], serde_json::json!({"batch_days": 60}));
    refused(&server, "admin retention set --audit 3", 120, "between 30 and");

    let ran = done(&server, "admin task run prune");
    assert!(ran.contains("done") && ran.contains("forgot"), "{ran}");
    let tasks = done(&server, "admin task ls");
    assert!(tasks.contains("prune") && tasks.contains("reconcile"), "{tasks}");
    refused(&server, "admin task run nonsense", 120, "");
    refused(&server, "admin state set asleep", 120, "");
}
