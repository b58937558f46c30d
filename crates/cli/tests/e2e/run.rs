//! `madang run`: real programs, their output, and every exit code.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::server::{ended, eventually, shared};

const SUM: &str = "#include <cstdio>\nint main() { long long sum = 0, x, n = 0; while (scanf(\"%lld\", &x) == 1) { sum += x; n++; }\n\
                   printf(\"%lld numbers, %lld\\n\", n, sum); }\n";
const ASKS: &str =
    "first = input('first? ')\nsecond = input('second? ')\nprint(f'{first} and {second}')\nraise SystemExit(7)\n";

fn numbers() -> String {
    (1..=1_000_000).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_million_integers_reach_a_program_as_a_file_and_as_a_pipe() {
    let server = shared();
    let (program, numbers) = (server.file("sum/sum.cpp", SUM), server.file("sum/numbers", numbers()));
    let wanted = (0, "1000000 numbers, 500000500000\n".to_owned(), String::new());
    assert_eq!(server.madang(&["run", &program, "--stdin", &numbers]), wanted);
    // cat keeps it a pipe: a file would travel with the request.
    let mut cat = Command::new("cat").arg(&numbers).stdout(Stdio::piped()).spawn().unwrap();
    let piped = server.command(&["run", &program]).stdin(cat.stdout.take().unwrap()).output().unwrap();
    assert!(cat.wait().unwrap().success());
    assert_eq!(ended(piped), wanted);
}

#[test]
fn several_files_make_one_program() {
    let server = shared();
    let main = "public class Main { public static void main(String[] a) { System.out.println(new Greeter(a[0]).greeting()); } }\n";
    let greeter = "class Greeter { final String name; Greeter(String name) { this.name = name; }\n  String greeting() { return \"hi \" + name; } }\n";
    let (main, greeter) = (server.file("java/Main.java", main), server.file("java/Greeter.java", greeter));
    assert_eq!(server.madang(&["run", &main, &greeter, "--arg", "마당"]), (0, "hi 마당\n".to_owned(), String::new()));
}

#[test]
fn compiled_programs_end_with_their_own_code() {
    let server = shared();
    let rust = "use std::collections::BTreeMap;\nfn main() { let m: BTreeMap<_, _> = [(2, 'b'), (1, 'a')].into(); println!(\"{m:?}\"); std::process::exit(5) }\n";
    let haskell = "import System.Exit\nmain :: IO ()\nmain = interact (show . sum . map read . lines) >> exitWith (ExitFailure 6)\n";
    let rust = server.file("rust/main.rs", rust);
    assert_eq!(server.madang(&["run", &rust]), (5, "{1: 'a', 2: 'b'}\n".to_owned(), String::new()));
    let (haskell, input) = (server.file("haskell/main.hs", haskell), server.file("haskell/input", "20\n22\n"));
    assert_eq!(server.madang(&["run", &haskell, "--stdin", &input]), (6, "42".to_owned(), String::new()));
}

#[test]
fn a_makefile_wins() {
    let server = shared();
    let make = "main: part.o main.o\n\tcc -o $@ $^\nrun:\n\techo no\n";
    server.file("make/Makefile", make);
    server.file("make/part.c", "int part(void) { return 20; }\n");
    let folder = server.file(
        "make/main.c",
        "#include <stdio.h>\nint part(void);\nint main(void) { printf(\"%d\\n\", part() + 22); }\n",
    );
    let (code, stdout, stderr) = server.madang(&["run", folder.trim_end_matches("/main.c")]);
    // What make says while it builds is no output of the program.
    assert_eq!((code, stdout.as_str()), (0, "42\n"), "{stderr}");
}

/// Reads from `from` until it has said `wanted`; gives all of it.
fn until(from: &mut impl std::io::Read, wanted: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        match from.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            ended => panic!("{wanted:?} never came: {:?} {ended:?}", String::from_utf8_lossy(&seen)),
        }
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_program_that_asks_is_answered_line_by_line_through_a_pipe() {
    let server = shared();
    let program = server.file("ask/pipe.py", ASKS);
    let mut child = server.command(&["run", &program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    assert_eq!(until(&mut stdout, "first? "), "first? ");
    stdin.write_all("하나\n".as_bytes()).unwrap();
    assert_eq!(until(&mut stdout, "second? "), "second? ");
    stdin.write_all(b"two\n").unwrap();
    assert_eq!(until(&mut stdout, "\n"), "하나 and two\n");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

/// A terminal: (the person's side, the program's side).
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    tcsetwinsize(&ours, Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let theirs = File::options().read(true).write(true).open(ptsname(&ours, Vec::new()).unwrap().to_str().unwrap());
    (File::from(ours), theirs.unwrap().into())
}

#[test]
fn a_program_that_asks_is_answered_on_a_terminal() {
    let server = shared();
    let program = server.file("ask/terminal.py", ASKS);
    let (mut person, side) = terminal();
    let mut command = server.command(&["run", &program]);
    command.stdin(side.try_clone().unwrap()).stdout(side.try_clone().unwrap()).stderr(side);
    let mut child = command.spawn().unwrap();
    // The command holds our copies of the program's side.
    drop(command);
    until(&mut person, "first? ");
    person.write_all(b"one\n").unwrap();
    until(&mut person, "second? ");
    person.write_all(b"two\n").unwrap();
    until(&mut person, "one and two");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn exit_code_120_is_for_bad_input() {
    let server = shared();
    for words in [&["run", "/nowhere/at/all.py"][..], &["run"], &["run", "--lang", "cobol", "Cargo.toml"]] {
        let (code, _, stderr) = server.madang(words);
        assert!(code == 120 && !stderr.is_empty(), "{words:?}: {code} {stderr}");
    }
}

#[test]
fn exit_code_121_is_for_a_server_that_is_not_there_or_does_not_know_us() {
    let server = shared();
    let program = server.file("code/one.py", "print(1)\n");
    let nowhere = server.command(&["run", &program]).env("MADANG_HOME", "/nowhere").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(121), "{}", String::from_utf8_lossy(&nowhere.stderr));
    let stranger = server
        .command(&["run", &program])
        .env("MADANG_ENDPOINT", server.url())
        .env("MADANG_TOKEN", "not-the-token")
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(121), "{}", String::from_utf8_lossy(&stranger.stderr));
    // The right token opens the same door.
    let known = server.command(&["run", &program]).env("MADANG_ENDPOINT", server.url()).output().unwrap();
    assert_eq!(ended(known), (0, "1\n".to_owned(), String::new()));
}

#[test]
fn exit_code_122_is_for_what_a_limit_refuses() {
    let server = shared();
    let program = server.file("code/large.py", "print(1)\n");
    let (code, _, stderr) = server.madang(&["run", &program, "--memory", "100000GiB"]);
    assert!(code == 122 && stderr.contains("memory_bytes"), "{code} {stderr}");
}

#[test]
fn exit_code_123_is_for_what_the_sandbox_stops() {
    let server = shared();
    for (program, limit, word) in [
        ("while True: pass\n", ["--time", "300ms"], "time limit"),
        ("import time\ntime.sleep(60)\n", ["--time", "300ms"], "time limit"),
        ("x = bytearray(10 ** 9)\n", ["--memory", "64MiB"], "memory limit"),
        ("while True: print('x' * 1000)\n", ["--output", "64KiB"], "output limit"),
    ] {
        let file = server.file("code/stopped.py", program);
        let (code, _, stderr) = server.madang(&["run", &file, limit[0], limit[1]]);
        assert!(code == 123 && stderr.contains(word), "{program}: {code} {stderr}");
    }
}

#[test]
fn exit_code_124_is_for_a_build_that_fails() {
    let server = shared();
    for (name, program, word) in [
        ("bad.c", "int main(void) { return x; }\n", "undeclared"),
        ("bad.rs", "fn main() { let x: u8 = \"\"; }\n", "mismatched types"),
        ("bad.hs", "main = putStrLn 1\n", "error"),
        ("Bad.java", "class Bad { int x = \"\"; }\n", "incompatible types"),
        ("bad.go", "package main\nfunc main() { x }\n", "undefined"),
        ("bad.ts", "const x: number = '';\n", "not assignable"),
    ] {
        let file = server.file(name, program);
        let (code, stdout, stderr) = server.madang(&["run", &file]);
        assert!(code == 124 && stderr.contains(word) && stdout.is_empty(), "{name}: {code} {stdout} {stderr}");
    }
}

#[test]
fn exit_code_125_is_for_a_sandbox_that_is_lost() {
    let server = shared();
    // Bash runs as a process of its own, so that what it starts can be told by its name.
    let program = server.file("code/long.sh", "echo up\nsleep 61.2517\n");
    let mut child = server.command(&["run", &program]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(child.stdout.as_mut().unwrap(), "up\n");
    kill_init_above("sleep\x0061.2517\0");
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(125), "{stderr}");
    assert!(stderr.contains("lost"), "{stderr}");
}

/// Kills the init of the slot in which a process with this command line runs.
fn kill_init_above(command_line: &str) {
    let mut pid = eventually("the program runs", || process(command_line).ok_or_else(|| "not there".to_owned()));
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        // Number 1 in the innermost of its namespaces.
        if field("NSpid:").ends_with("\t1") {
            break kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
        pid = field("PPid:").parse().unwrap();
        assert!(pid > 1, "no init above the program");
    }
}

fn process(command_line: &str) -> Option<i32> {
    let mut pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == command_line.as_bytes()))
}
