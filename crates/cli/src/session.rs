//! `madang session`: environments that live until somebody ends them.

use std::collections::BTreeMap;

use madang_client::Client;
use madang_ids::ByteSize;
use madang_model::MountAccess;
use madang_public_api::{
    ClusterCreate, MountCreate, OnNodeLoss, Resources, SandboxView, SessionCommit, SessionCommitted, SessionCreate,
    SessionKind, SessionState, SessionView,
    session::{SessionSuspended, SuspendWhen},
};
use serde::Serialize;

use crate::{
    args::{SessionArgs, SessionCommand, SessionCreateArgs},
    exit::Failure,
    print,
    print::Cell,
};

pub async fn run(args: SessionArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        SessionCommand::Create(args) => create(&client, *args).await?,
        SessionCommand::Ls { all, filter, json } => {
            let filter = if all { filter } else { format!("live {filter}") };
            list(&client, &filter, json.json).await?;
        }
        SessionCommand::Info { session, json } => show(&client.session_get(&session).await?, json.json)?,
        SessionCommand::Rm { sessions } => {
            for session in sessions {
                client.session_end(&session).await?;
            }
        }
        SessionCommand::Suspend { session, now } => {
            let when = if now { SuspendWhen::Now } else { SuspendWhen::Idle };
            suspended(&client.session_suspend(&session, when).await?)?;
        }
        SessionCommand::Commit { session, name, allow_secrets, json } => {
            committed(&client.session_commit(&session, &SessionCommit { name, allow_secrets }).await?, json.json)?;
        }
        SessionCommand::Resume { session } => drop(client.session_resume(&session).await?),
        SessionCommand::Restart { session, at } => client.session_restart(at.of(&session)).await?,
        SessionCommand::Interrupt { session, at } => client.session_interrupt(at.of(&session)).await?,
    }
    Ok(0)
}

async fn create(client: &Client, args: SessionCreateArgs) -> Result<(), Failure> {
    let request = SessionCreate {
        name: args.name,
        image: args.image,
        language: args.lang,
        resources: Resources {
            cpu: args.cpu,
            memory_bytes: args.memory.map(|size| size.0),
            disk_bytes: args.disk.map(|size| size.0),
            pids: args.pids,
            accelerators: accelerators(args.accelerator)?,
        },
        labels: pairs("--label", args.label)?,
        env: pairs("--env", args.env)?,
        mounts: args.mount.iter().map(|word| mount(word)).collect::<Result<_, _>>()?,
        tags: pairs("--tag", args.tag)?,
        timeout_ms: args.timeout.map(|time| time.0),
        idle_timeout_ms: args.idle_timeout.map(|time| time.0),
        suspend_idle_ms: args.suspend_after.map(|time| time.0),
        app: args.app,
        reuse_if_exists: args.reuse,
        resource_group: args.group,
        priority: args.priority,
        depends_on: args.after,
        wait_timeout_ms: args.wait.map(|time| time.0),
        on_node_loss: if args.restart { OnNodeLoss::Restart } else { OnNodeLoss::End },
        kind: if args.batch.is_some() { SessionKind::Batch } else { SessionKind::Interactive },
        startup_command: args.batch,
        cluster: args.cluster.map(|size| ClusterCreate { size, mode: args.cluster_mode.into() }),
        network: args.network.asked(),
        ..SessionCreate::default()
    };
    let session = client.session_create(&request).await?;
    if let Some(queue) = &session.queue {
        print::complain(&format!("queued: {}", queue.waits_for));
    }
    match args.json {
        true => print::json(&session),
        false => print::say(&format!("{}\n", session.id)),
    }
}

fn suspended(seen: &SessionSuspended) -> Result<(), Failure> {
    let given = ByteSize(seen.before_bytes.saturating_sub(seen.after_bytes));
    print::say(&format!("suspended; {given} of {} given back\n", ByteSize(seen.before_bytes)))
}

pub fn committed(made: &SessionCommitted, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(made);
    }
    let image = &made.image;
    let mut text =
        format!("{} {} {}\n", image.name, ByteSize(image.size_bytes), image.digest.as_deref().unwrap_or("-"));
    for file in &made.left_out {
        text += &format!("left out: {} ({})\n", file.path, file.what);
    }
    let untold = made.left_out_count.saturating_sub(made.left_out.len() as u64);
    if untold > 0 {
        text += &format!("left out: {untold} more\n");
    }
    print::say(&text)
}

/// `FOLDER[:PATH][:ro|:rw]`.
fn mount(word: &str) -> Result<MountCreate, Failure> {
    let wrong = || Failure::usage(format!("--mount {word}: write FOLDER[:PATH][:ro|:rw]"));
    let (rest, access) = match word.rsplit_once(':') {
        Some((rest, "ro")) => (rest, Some(MountAccess::ReadOnly)),
        Some((rest, "rw")) => (rest, Some(MountAccess::ReadWrite)),
        _ => (word, None),
    };
    let (folder, at) = rest.split_once(':').map_or((rest, None), |(folder, at)| (folder, Some(at)));
    if folder.is_empty() || at.is_some_and(|at| at.is_empty() || at.contains(':')) {
        return Err(wrong());
    }
    let at = at.map(|at| at.strip_prefix("/home/work/").unwrap_or(at).to_owned());
    Ok(MountCreate { folder: folder.to_owned(), at, access })
}

/// `KIND=AMOUNT` words as a map. What an amount may be is the server's to say.
fn accelerators(words: Vec<String>) -> Result<BTreeMap<String, f64>, Failure> {
    let amount = |(kind, amount): (String, String)| match amount.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((kind, number)),
        _ => Err(Failure::usage(format!("--accelerator {kind}={amount}: the amount is a number, as in cuda=0.5"))),
    };
    pairs("--accelerator", words)?.into_iter().map(amount).collect()
}

/// `NAME=VALUE` words as a map.
fn pairs(flag: &str, words: Vec<String>) -> Result<BTreeMap<String, String>, Failure> {
    let split = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("{flag} {word}: write NAME=VALUE"))),
    };
    words.into_iter().map(split).collect()
}

async fn list(client: &Client, filter: &str, json: bool) -> Result<(), Failure> {
    let sessions = client.sessions(Some(filter)).await?;
    if json {
        return print::json(&sessions);
    }
    let rows: Vec<Vec<Cell>> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.to_string().into(),
                session.name.clone().into(),
                print::judged(word(&session.state), !matches!(session.state, SessionState::Refused)),
                session.language.clone().unwrap_or_default().into(),
                session.image.clone().into(),
                session.created_at.to_string().into(),
            ]
        })
        .collect();
    print::table(&["ID", "NAME", "STATE", "LANGUAGE", "IMAGE", "CREATED"], &rows)
}

fn show(session: &SessionView, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(session);
    }
    let mut rows: Vec<(&str, String)> = vec![
        ("id", session.id.to_string()),
        ("name", session.name.clone()),
        ("state", word(&session.state)),
        ("image", session.image.clone()),
        ("created", session.created_at.to_string()),
    ];
    rows.extend(session.language.clone().map(|language| ("language", language)));
    for device in &session.devices {
        rows.push(("device", format!("{} of {}", device.amount, device.id)));
    }
    for mount in &session.mounts {
        let access = if mount.access == MountAccess::ReadOnly { " (read-only)" } else { "" };
        rows.push(("mount", format!("{} at {}{access}", mount.name, mount.at)));
    }
    rows.extend(session.started_at.map(|at| ("started", at.to_string())));
    rows.extend(session.suspended_at.map(|at| ("suspended", at.to_string())));
    rows.extend(session.ended_at.map(|at| ("ended", at.to_string())));
    rows.extend(session.outcome.clone().map(|outcome| ("outcome", outcome)));
    rows.extend(session.cluster.iter().flat_map(|cluster| &cluster.sandboxes).map(sandbox));
    if let Some(queue) = &session.queue {
        rows.extend(queue.position.map(|position| ("place", position.to_string())));
        rows.push(("waits for", queue.waits_for.clone()));
        rows.extend(queue.may_start_at.map(|at| ("may start", at.to_string())));
    }
    rows.extend(session.why.clone().map(|why| ("why", why)));
    rows.push(("may", session.allowed_actions.join(", ")));
    let lines: String = rows.iter().map(|(name, value)| format!("{name:10}{value}\n")).collect();
    print::say(&lines)
}

fn sandbox(view: &SandboxView) -> (&'static str, String) {
    let node = view.node.map_or_else(|| "-".to_owned(), |node| node.to_string());
    ("sandbox", format!("{} {node}", view.name))
}

/// A value's name on the wire.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_first_equals_sign() {
        let map = pairs("--env", vec!["A=b=c".to_owned(), "E=".to_owned()]).unwrap();
        assert_eq!(map.get("A").map(String::as_str), Some("b=c"));
        assert_eq!(map.get("E").map(String::as_str), Some(""));
        assert_eq!(accelerators(vec!["cuda=0.5".to_owned()]).unwrap(), BTreeMap::from([("cuda".to_owned(), 0.5)]));
        assert!(accelerators(vec!["cuda=many".to_owned()]).unwrap_err().line.contains("--accelerator cuda=many"));
        let wanted = |folder: &str, at: Option<&str>, access| MountCreate {
            folder: folder.into(),
            at: at.map(str::to_owned),
            access,
        };
        assert_eq!(mount("own").unwrap(), wanted("own", None, None));
        assert_eq!(mount("own:a/b:ro").unwrap(), wanted("own", Some("a/b"), Some(MountAccess::ReadOnly)));
        assert_eq!(mount("own:/home/work/a").unwrap(), wanted("own", Some("a"), None));
        assert_eq!(mount("own:rw").unwrap(), wanted("own", None, Some(MountAccess::ReadWrite)));
        for word in ["", ":a", "own:", "own:a:b", ":ro"] {
            assert!(mount(word).unwrap_err().line.contains("--mount"), "{word}");
        }
        assert!(pairs("--env", vec!["A".to_owned()]).unwrap_err().line.contains("--env A"));
    }
}
