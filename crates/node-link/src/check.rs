//! What control believes of what a node says: sizes, ranges, names. A node may be in an enemy's hand.
//!
//! Each function takes a document as it came and gives a value that is safe to keep, to show and to compute with, or says why not.
//! What is too much is cut where a shorter text says the same, and refused where it does not.

use madang_model::{FolderUsage, Reading, Usage};
use madang_node_api::{
    AppOffered, AppSeen, CommitSeen, DeviceSeen, FileSeen, ImageSeen, LanguageSeen, LeftOutSeen, NodeFacts, NodeHealth,
    READINGS_MAX, RunSeen, SandboxSeen, SandboxState, SecretSeen, VolumeSeen,
};
use serde::de::DeserializeOwned;

use crate::order::Told;

/// A document that is not one, or one that no honest node would send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Refused {
    pub what: &'static str,
    pub why: String,
}

/// Sandboxes of one node; more than one machine's ids allow.
pub const SANDBOXES_MAX: usize = 20_000;
/// Text for a person.
const TEXT_CHARS_MAX: usize = 2_000;
/// A name of anything.
const NAME_CHARS_MAX: usize = 255;
const PATH_CHARS_MAX: usize = 4_096;
/// Files that a commit names, of each kind.
const COMMIT_TOLD_MAX: usize = 100;
const LANGUAGES_MAX: usize = 500;
const IMAGES_MAX: usize = 10_000;
const FILES_MAX: usize = 100_001;
const DEVICES_MAX: usize = 64;
const SHARES_MAX: u32 = 64;
const LABELS_MAX: usize = 64;
const POOLS_MAX: usize = 1_000;
const NOTES_MAX: usize = 50;
const STARTS_MAX: usize = 1_000;
/// Of one sandbox, or that one node knows.
const APPS_MAX: usize = 256;
const ITEMS_MAX: usize = 10_000;
/// No number of a node is larger: sums over many of them still fit 64 bits.
pub const NUMBER_MAX: u64 = 1 << 50;
/// CPUs of the largest machine we believe in, thousandths.
const CPU_MILLIS_MAX: u64 = 8_192_000;

type Checked<T> = Result<T, Refused>;

fn refused<T>(what: &'static str, why: impl ToString) -> Checked<T> {
    Err(Refused { what, why: why.to_string() })
}

fn parse<T: DeserializeOwned>(what: &'static str, document: &[u8]) -> Checked<T> {
    serde_json::from_slice(document).or_else(|error| refused(what, error))
}

fn at_most<T>(what: &'static str, all: &[T], max: usize) -> Checked<()> {
    if all.len() > max { refused(what, format!("{} where {max} are the most", all.len())) } else { Ok(()) }
}

fn number(what: &'static str, number: u64) -> Checked<()> {
    if number > NUMBER_MAX { refused(what, format!("{number} is no number of a machine")) } else { Ok(()) }
}

/// A text for a person: one line, no control characters, not too long.
pub fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

fn name(what: &'static str, name: &str) -> Checked<()> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return refused(what, "a name is 1 to 255 characters, none of them a control character");
    }
    Ok(())
}

/// Numbers that only grow and never overflow a sum.
pub fn usage(usage: Usage) -> Checked<Usage> {
    let Usage { wall_us, cpu_user_us, cpu_system_us, memory_peak_bytes, memory_kib_ms, read_bytes, .. } = usage;
    let Usage { written_bytes, received_bytes, sent_bytes, accelerator_us, .. } = usage;
    let bytes = [memory_peak_bytes, read_bytes, written_bytes, received_bytes, sent_bytes];
    [wall_us, cpu_user_us, cpu_system_us, accelerator_us]
        .into_iter()
        .chain(bytes)
        .try_for_each(|n| number("usage", n))?;
    // KiB · ms of a terabyte for a year is 2^65; nothing we run lives so long with so much.
    if memory_kib_ms > u64::MAX >> 4 {
        return refused("usage", format!("{memory_kib_ms} KiB·ms is no sandbox's"));
    }
    Ok(usage)
}

/// One change.
pub fn sandbox(document: &[u8]) -> Checked<SandboxSeen> {
    seen(parse("sandbox", document)?)
}

fn seen(mut sandbox: SandboxSeen) -> Checked<SandboxSeen> {
    sandbox.usage = usage(sandbox.usage)?;
    number("app_bytes", sandbox.app_bytes)?;
    if let SandboxState::Ended { why } = &mut sandbox.state {
        *why = text(why);
    }
    Ok(sandbox)
}

/// All that there are; two of one id are none.
pub fn sandboxes(document: &[u8]) -> Checked<Vec<SandboxSeen>> {
    let all: Vec<SandboxSeen> = parse("sandboxes", document)?;
    at_most("sandboxes", &all, SANDBOXES_MAX)?;
    let mut ids: Vec<_> = all.iter().map(|sandbox| sandbox.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return refused("sandboxes", "one of them twice");
    }
    all.into_iter().map(seen).collect()
}

/// Runs that the node holds.
pub fn runs(document: &[u8]) -> Checked<Vec<RunSeen>> {
    let all: Vec<RunSeen> = parse("runs", document)?;
    at_most("runs", &all, SANDBOXES_MAX)?;
    all.iter().try_for_each(|run| number("runs", run.events).and_then(|()| number("runs", run.wall_ms)))?;
    Ok(all)
}

fn reading(reading: &Reading) -> Checked<()> {
    number("reading", reading.sequence)?;
    number("reading", reading.at_ms)?;
    usage(reading.usage).map(drop)
}

/// The machine.
pub fn facts(document: &[u8]) -> Checked<NodeFacts> {
    let facts: NodeFacts = parse("facts", document)?;
    at_most("devices", &facts.devices, DEVICES_MAX)?;
    if facts.labels.len() > LABELS_MAX || facts.cpu_millis > CPU_MILLIS_MAX {
        return refused("facts", "too many labels or CPUs");
    }
    number("memory", facts.memory_bytes)?;
    at_most("apps", &facts.apps, APPS_MAX)?;
    facts.apps.iter().try_for_each(app_offered)?;
    let mut ids: Vec<_> = facts.devices.iter().map(|device| device.id.as_str()).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return refused("devices", "one of them twice");
    }
    facts.devices.iter().try_for_each(device)?;
    facts.labels.iter().try_for_each(|(key, value)| {
        name("label", key)?;
        if value.is_empty() { Ok(()) } else { name("label", value) }
    })?;
    let short = |word: &str| word.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    Ok(NodeFacts {
        version: short(&facts.version),
        hostname: short(&facts.hostname),
        os: short(&facts.os),
        os_version: short(&facts.os_version),
        arch: short(&facts.arch),
        volume: facts.volume.map(|volume| VolumeSeen { note: text(&volume.note), ..volume }),
        ..facts
    })
}

fn device(device: &DeviceSeen) -> Checked<()> {
    name("device", &device.id)?;
    name("device", &device.kind)?;
    number("device", device.memory_bytes)?;
    if device.shares == 0 || device.shares > SHARES_MAX {
        return refused("device", format!("{} shares", device.shares));
    }
    Ok(())
}

/// What it can run.
pub fn languages(document: &[u8]) -> Checked<Vec<LanguageSeen>> {
    let all: Vec<LanguageSeen> = parse("languages", document)?;
    at_most("languages", &all, LANGUAGES_MAX)?;
    all.iter().try_for_each(|language| {
        name("language", &language.id)?;
        name("language", &language.name)?;
        at_most("language", &language.modes, NAME_CHARS_MAX)?;
        at_most("language", &language.extensions, NAME_CHARS_MAX)?;
        let Some(service) = &language.service else { return Ok(()) };
        name("language", &service.name)?;
        at_most("language", &service.argv, NAME_CHARS_MAX)?;
        if service.env.len() > NAME_CHARS_MAX {
            return refused("language", "its server's environment is too large");
        }
        Ok(())
    })?;
    Ok(all)
}

/// How it does.
pub fn health(document: &[u8]) -> Checked<NodeHealth> {
    let mut health: NodeHealth = parse("health", document)?;
    if health.pool_ready.len() > POOLS_MAX {
        return refused("health", "too many pools");
    }
    health.pool_ready.keys().try_for_each(|pool| name("pool", pool))?;
    for each in health.pool_ready.values().chain([&health.sandboxes, &health.pool_hits, &health.pool_misses]) {
        number("health", *each)?;
    }
    for (_, count) in health.drift.by_kind() {
        number("health", count)?;
    }
    health.notes.truncate(NOTES_MAX);
    health.notes.iter_mut().for_each(|note| *note = text(note));
    health.starts_us.truncate(STARTS_MAX);
    health.starts_us.iter_mut().for_each(|start| *start = (*start).min(NUMBER_MAX));
    Ok(health)
}

/// An answer to an order.
pub fn told(document: &[u8]) -> Checked<Told> {
    let told: Told = parse("answer", document)?;
    match &told {
        Told::Used { usage: used } => usage(*used).map(drop)?,
        Told::Opened { seen } => file(seen)?,
        Told::Listed { files } => {
            at_most("files", files, FILES_MAX)?;
            files.iter().try_for_each(file)?;
        }
        Told::Images { images } => {
            at_most("images", images, IMAGES_MAX)?;
            images.iter().try_for_each(image)?;
        }
        Told::Completed { completions } => {
            at_most("completions", &completions.items, ITEMS_MAX)?;
            number("completions", completions.start as u64)?;
        }
        Told::Read { readings } => {
            at_most("readings", readings, READINGS_MAX)?;
            readings.iter().try_for_each(reading)?;
        }
        // Its tag is no number that anybody counts with.
        Told::Written { seen } => number("file", seen.size_bytes)?,
        Told::FolderUsed { usage } => folder(*usage)?,
        Told::FolderOwnerUsed { usage } => {
            folder(usage.used)?;
            folder(FolderUsage { bytes: usage.quota.bytes, files: usage.quota.files })?;
        }
        Told::Frozen { seen } => {
            number("memory", seen.before_bytes)?;
            number("memory", seen.after_bytes)?;
        }
        Told::Failed { kind, text: why } => return Ok(Told::Failed { kind: *kind, text: text(why) }),
        Told::AppStarted { app: started } => app(started)?,
        Told::Apps { apps } => {
            at_most("apps", apps, APPS_MAX)?;
            apps.iter().try_for_each(app)?;
        }
        Told::Committed { seen } => return Ok(Told::Committed { seen: committed(seen)? }),
        Told::Done | Told::RunStarted { .. } | Told::Connected => {}
    }
    Ok(told)
}

/// What the guest called its files is shown to people.
fn committed(seen: &CommitSeen) -> Checked<CommitSeen> {
    at_most("files left out", &seen.left_out, COMMIT_TOLD_MAX)?;
    at_most("secrets", &seen.secrets, COMMIT_TOLD_MAX)?;
    for count in [seen.left_out_count, seen.secret_count, seen.frozen_ms] {
        number("commit", count)?;
    }
    if let Some(made) = &seen.image {
        name("digest", &made.digest)?;
        number("image", made.size_bytes)?;
        at_most("languages", &made.languages, LANGUAGES_MAX)?;
        made.languages.iter().try_for_each(|language| name("language", language))?;
    }
    let left_out = seen.left_out.iter().map(|one| LeftOutSeen { path: text(&one.path), why: text(&one.why) });
    let secrets = seen.secrets.iter().map(|one| SecretSeen { path: text(&one.path), what: text(&one.what) });
    Ok(CommitSeen { left_out: left_out.collect(), secrets: secrets.collect(), ..seen.clone() })
}

fn folder(usage: FolderUsage) -> Checked<()> {
    number("folder", usage.bytes)?;
    number("folder", usage.files)
}

/// Its path stands in a URL.
fn app(app: &AppSeen) -> Checked<()> {
    name("app", &app.name)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-?=&%".contains(c);
    if app.path.len() > NAME_CHARS_MAX || app.path.starts_with('/') || !app.path.chars().all(plain) {
        return refused("app", "its path is none of a URL");
    }
    Ok(())
}

fn app_offered(app: &AppOffered) -> Checked<()> {
    name("app", &app.name)?;
    name("app", &app.title)?;
    number("app", app.memory_bytes)
}

fn image(image: &ImageSeen) -> Checked<()> {
    name("image", &image.name)?;
    at_most("image", &image.languages, LANGUAGES_MAX)?;
    number("image", image.size_bytes)
}

/// Names end up in archives and on other machines: only those that stay where they are put.
fn file(file: &FileSeen) -> Checked<()> {
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    let path = std::path::Path::new(&file.path);
    if file.path.len() > PATH_CHARS_MAX || file.path.contains('\0') || !path.components().all(plain) {
        return refused("file", "its path does not stay below /home/work");
    }
    number("file", file.size_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use madang_ids::{SandboxId, SessionId};
    use proptest::prelude::*;

    use super::*;

    fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
        serde_json::to_vec(value).unwrap()
    }

    fn sandbox_seen(wall_us: u64) -> SandboxSeen {
        let state = SandboxState::Ended { why: "a\nb".repeat(5_000) };
        let usage = Usage { wall_us, ..Usage::default() };
        SandboxSeen { id: SandboxId::new(), session: SessionId::new(), state, usage, frozen: false, app_bytes: 0 }
    }

    #[test]
    fn texts_are_cut_and_tamed() {
        let seen = sandbox(&json(&sandbox_seen(1))).unwrap();
        let SandboxState::Ended { why } = seen.state else { panic!("{seen:?}") };
        assert!(why.chars().count() <= TEXT_CHARS_MAX && !why.contains('\n'));
    }

    #[test]
    fn impossible_numbers_and_doubles_are_refused() {
        assert!(sandbox(&json(&sandbox_seen(u64::MAX))).is_err());
        let one = sandbox_seen(1);
        assert!(sandboxes(&json(&vec![one.clone(), one.clone()])).is_err());
        assert_eq!(sandboxes(&json(&vec![one])).unwrap().len(), 1);
        assert!(
            told(&json(&Told::Written { seen: madang_node_api::WriteSeen { size_bytes: u64::MAX, tag: 0 } })).is_err()
        );
        assert!(told(&json(&Told::FolderUsed { usage: FolderUsage { bytes: 1, files: u64::MAX } })).is_err());
        let facts_of = |shares| NodeFacts {
            devices: vec![DeviceSeen { id: "a".into(), kind: "fake".into(), shares, ..DeviceSeen::default() }],
            ..NodeFacts::default()
        };
        assert!(facts(&json(&facts_of(0))).is_err());
        assert!(facts(&json(&facts_of(1))).is_ok());
        let pools = NodeHealth { pool_ready: BTreeMap::from([("a\nb".into(), 1)]), ..NodeHealth::default() };
        assert!(health(&json(&pools)).is_err());
    }

    #[test]
    fn paths_that_leave_are_refused() {
        let at = |path: &str| {
            let kind = madang_node_api::FileKind::File;
            let files = vec![FileSeen { path: path.into(), kind, size_bytes: 1, mode: 0, modified_ms: 0, tag: 0 }];
            told(&json(&Told::Listed { files }))
        };
        assert!(at("a/b.txt").is_ok());
        for path in ["../a", "/etc/passwd", "a/../../b", "a\0b"] {
            assert!(at(path).is_err(), "{path}");
        }
    }

    proptest! {
        /// Whatever bytes come, nothing panics; what is believed is within bounds.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (sandbox(&bytes), sandboxes(&bytes), facts(&bytes), languages(&bytes), health(&bytes), told(&bytes));
        }

        /// Documents that are nearly right: one byte of an honest one is another.
        #[test]
        fn nearly_right(at in 0usize..400, byte in any::<u8>(), wall_us in any::<u64>()) {
            let mut bytes = json(&vec![sandbox_seen(wall_us)]);
            let place = at % bytes.len();
            bytes[place] = byte;
            if let Ok(all) = sandboxes(&bytes) {
                for sandbox in all {
                    prop_assert!(sandbox.usage.wall_us <= NUMBER_MAX);
                }
            }
        }
    }
}
