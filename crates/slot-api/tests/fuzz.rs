//! Throws changed messages at what reads them: a hostile init speaks to the node, a hostile driver to init.
//!
//! `MADANG_FUZZ_SECONDS` says how long each target runs (2 by default); `MADANG_FUZZ_SEED` repeats a run.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

use madang_slot_api::{
    Bind, DriverSeen, Entry, EntryKind, Exit, FRAME_BYTES_MAX, FileAnswer, FileAsk, FromSlot, Keep, RunKept, Start,
    Stream, ToSlot, decode, driver::Reader, encode,
};
use madang_testkit::{Dice, Fuzz};

/// Most a driver's payload may be here.
const PAYLOAD_BYTES_MAX: u64 = 10_000;

/// Changes one of `seeds` again and again until the time is over.
fn fuzz(target: &str, seeds: &[Vec<u8>], mut check: impl FnMut(&[u8])) {
    let mut fuzz = Fuzz::begin(target);
    while fuzz.goes_on() {
        let mut bytes = fuzz.dice.one(seeds).clone();
        for _ in 0..=fuzz.dice.below(6) {
            change(&mut bytes, &mut fuzz.dice);
        }
        check(&bytes);
    }
}

fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(5) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b'9'][dice.below(8)],
        2 => bytes.truncate(at),
        3 => bytes.insert(at, dice.roll() as u8),
        _ => {
            let end = (at + dice.below(16)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

fn from_slot() -> Vec<Vec<u8>> {
    let entry = Entry { path: "a/b".into(), kind: EntryKind::File, size: 7, mode: 0o644, modified_ms: 1, tag: 9 };
    let exit = Exit {
        status: -9,
        cause: None,
        cpu_user_us: 1,
        cpu_system_us: 2,
        memory_peak_kib: 3,
        read_bytes: 4,
        written_bytes: 5,
    };
    let messages = [
        FromSlot::Output { run: 1, stream: Stream::Stdout, bytes: vec![7; 300] },
        FromSlot::Media { run: 2, mime: "image/png".into(), bytes: vec![1; 40], last: true },
        FromSlot::Completions { run: 3, start: 4, items: vec!["one".into(), "two".into()] },
        FromSlot::Exited { run: 4, exit },
        FromSlot::Runs {
            driver: DriverSeen::Serving { run: 9 },
            runs: vec![RunKept { run: 9, first: 300, next: 301 }; 3],
        },
        FromSlot::File { ask: 5, answer: Ok(FileAnswer::Listed { entries: vec![entry], more: true }) },
    ];
    messages.iter().map(|message| encode(message).unwrap()).collect()
}

fn to_slot() -> Vec<Vec<u8>> {
    let start = Start {
        run: 1,
        argv: vec!["/bin/sh".into(), "-c".into(), "true".into()],
        env: vec!["A=b".into()],
        terminal: Some((24, 80)),
        wall_ms: 1000,
        output_bytes: 1000,
    };
    let put = FileAsk::Put { path: "a".into(), bytes: vec![9; 100] };
    let bind = Bind {
        hostname: "madang".into(),
        cpus: vec![0, 1],
        disk_bytes: Some(4096),
        keep: Keep::UntilConfirmed,
        ..Bind::default()
    };
    let messages = [
        ToSlot::Start(start),
        ToSlot::File { ask: 1, what: put },
        ToSlot::Bind(bind),
        ToSlot::KillAll,
        ToSlot::Runs,
        ToSlot::Resume { run: 3, after: 1 << 40 },
        ToSlot::Confirm { run: 3, upto: u64::MAX },
    ];
    messages.iter().map(|message| encode(message).unwrap()).collect()
}

/// Whatever is read is a message that can be said again, and means the same.
fn says_the_same<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<T>(bytes) {
        let again = encode(&message).unwrap();
        assert!(again.len() <= FRAME_BYTES_MAX);
        assert_eq!(decode::<T>(&again).unwrap(), message);
    }
}

#[test]
fn fuzz_messages_from_a_slot() {
    fuzz("from_slot", &from_slot(), says_the_same::<FromSlot>);
}

#[test]
fn fuzz_messages_to_a_slot() {
    fuzz("to_slot", &to_slot(), says_the_same::<ToSlot>);
}

#[test]
fn fuzz_what_a_driver_says() {
    let seeds = [
        b"ready 0\nout 5\nhellodone 0 ok\n".to_vec(),
        b"media 4 image/png\n\x89PNGinput 2 echo\n> completions 8 3\none\ntwo\ndone 0 error\n".to_vec(),
        b"err 3\nabclog 4\nnotedone 0 interrupted\n".to_vec(),
    ];
    fuzz("driver", &seeds, |bytes| {
        let mut whole = Reader::default();
        whole.push(bytes);
        let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
        while let Ok(Some(event)) = whole.next(PAYLOAD_BYTES_MAX) {
            at_once.push(event);
        }
        let mut pieces = Reader::default();
        'all: for byte in bytes {
            pieces.push(&[*byte]);
            loop {
                match pieces.next(PAYLOAD_BYTES_MAX) {
                    Ok(Some(event)) => in_pieces.push(event),
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
        }
        // How it arrives changes nothing.
        assert_eq!(at_once, in_pieces);
    });
}
