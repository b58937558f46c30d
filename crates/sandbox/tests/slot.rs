//! A slot from the outside: made, bound, used, killed. Needs root.

mod bench;

use std::collections::BTreeSet;

use bench::Bench;
use madang_slot_api::{FileAnswer, FileAsk, FromSlot, ToSlot};

#[test]
fn a_program_runs_as_nobody_special() {
    let mut bench = Bench::new();
    let out = bench.run(&[
        "/bin/sh",
        "-c",
        "id; pwd; hostname; cat /proc/1/comm; touch x && ls; nproc; grep MemTotal /proc/meminfo",
    ]);
    assert_eq!(out.exit, 0, "{out:?}");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines[0], "uid=1000(work) gid=1000(work) groups=1000(work)");
    assert_eq!(lines[1], "/home/work");
    assert_eq!(lines[2], "test");
    assert_eq!(lines[4], "x");
    assert_eq!(lines[5], "1");
    assert_eq!(lines[6].split_whitespace().nth(1), Some("65536"), "{out:?}");
}

#[test]
fn files_go_in_and_come_out_and_never_outside() {
    let mut bench = Bench::new();
    let put = |path: &str| FileAsk::Put { path: path.to_owned(), bytes: b"hello".to_vec() };
    assert_eq!(bench.file(put("a/b/c.txt")), Ok(FileAnswer::Done));
    let out = bench.run(&[
        "/bin/sh",
        "-c",
        "cat a/b/c.txt; ln -s /etc/passwd p; ln -s .. up; ln -s /proc/self/root r; mkfifo f",
    ]);
    assert_eq!((out.exit, out.stdout.as_str()), (0, "hello"), "{out:?}");
    for path in ["p", "up/x", "r/etc/passwd", "../x", "/etc/passwd", "f", ".", "a", ""] {
        assert!(bench.file(FileAsk::Read { path: path.to_owned() }).is_err(), "{path}");
    }
    for path in ["up/x", "r/tmp/x", "../x", "..", "."] {
        assert!(bench.file(put(path)).is_err(), "{path}");
    }
}

#[test]
fn killing_init_ends_everything() {
    let mut bench = Bench::new();
    bench.start(&["/bin/sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & wait"]);
    bench.wait_for(|message| matches!(message, FromSlot::Started { .. }));
    bench.slot.kill();
    assert!(bench.slot.wait_ended(bench::PATIENCE).unwrap());
    assert_eq!(bench.slot.cgroup.processes(), BTreeSet::new());
}

#[test]
fn an_output_flood_is_cut_at_its_limit() {
    let mut bench = Bench::new();
    let out = bench.run(&["/usr/bin/yes"]);
    assert_eq!(out.stdout.len(), bench::OUTPUT_BYTES as usize);
    assert_eq!(out.cause, Some(madang_slot_api::Cause::Output));
}

#[test]
fn who_writes_on_after_a_program_has_ended_keeps_it_from_nothing() {
    let mut bench = Bench::new();
    bench.output_bytes = u64::MAX;
    let out = bench.run(&["/bin/sh", "-c", "yes & exit 7"]);
    assert_eq!(out.exit, 7);
    assert_eq!(bench.run(&["/bin/sh", "-c", "echo on"]).stdout, "on\n");
}

#[test]
fn a_late_program_is_ended_with_its_children() {
    let mut bench = Bench::new();
    bench.wall_ms = 200;
    let out = bench.run(&["/bin/sh", "-c", "setsid sleep 1000 & sleep 1000"]);
    assert_eq!(out.cause, Some(madang_slot_api::Cause::WallTime));
    // They are killed together with it; the kernel may take a moment to let go of them.
    let deadline = std::time::Instant::now() + bench::PATIENCE;
    bench.wall_ms = bench::PATIENCE.as_millis() as u64;
    loop {
        let out = bench.run(&["/bin/sh", "-c", "cat /proc/[0-9]*/comm"]);
        if !out.stdout.contains("sleep") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "still there: {out:?}");
    }
}

#[test]
fn a_terminal_is_a_terminal() {
    let mut bench = Bench::new();
    bench.terminal = Some((33, 77));
    let run = bench.start(&["/bin/sh", "-c", "tty; stty size; read line; echo got $line"]);
    bench.send(&ToSlot::Stdin { run, bytes: b"hi\n".to_vec() });
    let out = bench.collect(run);
    assert_eq!(out.exit, 0);
    assert!(
        out.stdout.contains("/dev/pts/0") && out.stdout.contains("33 77") && out.stdout.contains("got hi"),
        "{out:?}"
    );
}
