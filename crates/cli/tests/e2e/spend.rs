//! Money on a real kernel: what programs use is counted, costs what its price says, and ends with its budget.

use serde_json::Value;

use crate::server::{Server, eventually};

/// A second of processor time costs 0.01.
const PRICE: [&str; 6] = ["admin", "price", "set", "cpu-hour", "36", "EUR"];
const SPIN: &str = "while True: pass";

fn done(server: &Server, words: &[&str]) -> String {
    let (code, out, err) = server.madang(words);
    assert_eq!(code, 0, "{words:?}: {out}{err}");
    out.trim().to_owned()
}

fn json(server: &Server, words: &[&str]) -> Value {
    serde_json::from_str(&done(server, &[words, &["--json"]].concat())).unwrap()
}

/// Microseconds of processor time that were counted, and what they cost.
fn counted(server: &Server) -> (u64, u64) {
    let sums = json(server, &["admin", "usage"]);
    let number = |field: &str| sums["items"][0][field].as_u64().unwrap_or(0);
    (number("cpu_user_us") + number("cpu_system_us"), number("cost_micro"))
}

#[test]
fn a_session_that_spends_is_throttled_and_then_ended_and_a_run_is_cancelled() {
    let server = Server::start();
    done(&server, &PRICE);
    let budget = done(&server, &["admin", "budget", "set", "0.03", "--per", "total", "--throttle", "60"]);
    let session = done(&server, &["session", "create", "--lang", "python"]);
    // Its interpreter is interrupted at the time limit of a run: it goes on until its budget ends it.
    let ended = eventually("its budget ends the session", || {
        server.madang(&["query", &session, SPIN]);
        let view = json(&server, &["session", "info", &session]);
        if view["state"] == "ended" { Ok(view) } else { Err(view.to_string()) }
    });
    assert!(ended["why"].as_str().unwrap().contains(&budget), "{ended}");
    let log = std::fs::read_to_string(server.home().join("log")).unwrap();
    assert!(log.contains("a session has another share of its processors"), "{log}");
    let itself = &ended["usage"];
    let kernel = itself["cpu_user_us"].as_u64().unwrap() + itself["cpu_system_us"].as_u64().unwrap();
    eventually("all of it is counted", || {
        let (cpu_us, cost_micro) = counted(&server);
        // What the end of the sandbox itself takes may be counted in one and not in the other.
        let near = cpu_us.abs_diff(kernel) < 500_000 && cost_micro.abs_diff(cpu_us / 100) <= 1;
        if near { Ok(()) } else { Err(format!("{cpu_us} us counted, {kernel} us used, {cost_micro} spent")) }
    });
    assert!((3_000_000..30_000_000).contains(&kernel), "three seconds were paid for, {kernel} us were used");
    let file = server.file("a.py", SPIN);
    let (code, _, err) = server.madang(&["run", &file]);
    assert!(code != 0 && err.contains(&budget), "{err}");
    done(&server, &["admin", "budget", "rm", &budget]);
    let (before, _) = counted(&server);
    done(&server, &["admin", "budget", "set", &format!("{}.{:06}", 0, before / 100 + 10_000), "--per", "total"]);
    let (code, _, err) = server.madang(&["run", "--time", "60s", &file]);
    assert!(code != 0 && err.contains("cancelled"), "{err}");
    let (after, _) = counted(&server);
    assert!(
        (before + 1_000_000..before + 50_000_000).contains(&after),
        "one second was left, a minute was asked for, {} us were used",
        after - before
    );
}
