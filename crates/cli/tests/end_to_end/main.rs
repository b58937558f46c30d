//! Real programs in real sandboxes behind a real server, by the command line. Needs root and the languages of `make test`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use server::Server;

const SUM_CPP: &str = "#include <iostream>\nint main() { long long sum = 0, x; while (std::cin >> x) sum += x; std::cout << sum << '\\n'; }\n";
const TWO_CLASSES: &str = "class Greeter { String word() { return \"two classes\"; } }\n\
                           public class Main { public static void main(String[] a) { System.out.println(new Greeter().word()); } }\n";

#[test]
fn programs_run_with_their_own_output_and_code() {
    let server = Server::start("off");
    for (file, program, expected) in [
        ("one.py", "print(1)\n", "1\n"),
        ("Main.java", TWO_CLASSES, "two classes\n"),
        ("main.rs", "fn main() { println!(\"{}\", (1..=4).product::<u32>()); }\n", "24\n"),
        ("main.hs", "main :: IO ()\nmain = print (sum [1 .. 10 :: Int])\n", "55\n"),
    ] {
        let file = server.file(file, program);
        assert_eq!(server.madang(&["run", &file]).1, expected, "{file}");
    }
    let numbers: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    let numbers = server.file("numbers", &numbers);
    let sum = server.file("sum.cpp", SUM_CPP);
    assert_eq!(server.madang(&["run", &sum, "--stdin", &numbers]), (0, "500000500000\n".to_owned(), String::new()));

    let make = server.file("project/Makefile", "main: part.c\n\t@cc -o main part.c\n");
    server.file("project/part.c", "int main(void) { return 9; }\n");
    let (code, ..) = server.madang(&["run", make.trim_end_matches("/Makefile")]);
    assert_eq!(code, 9);
    server.stop();
}

#[test]
fn input_through_a_pipe_reaches_programs_that_are_built_first() {
    let server = Server::start("off");
    let sum = server.file("sum.cpp", SUM_CPP);
    assert_eq!(server.madang_fed(&["run", &sum, "--time", "20s"], "1 2\n3\n"), (0, "6\n".to_owned(), String::new()));
    server.stop();
}

#[test]
fn a_program_that_asks_twice_is_answered_while_it_runs() {
    let server = Server::start("off");
    let file = server.file("ask.py", "a = input('name? ')\nb = input('age? ')\nprint(a, b)\nraise SystemExit(5)\n");
    let mut child = server.command(&["run", &file]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for (prompt, answer) in [("name? ", "Ada\n"), ("age? ", "36\n")] {
        let mut seen = Vec::new();
        stdout.read_until(b' ', &mut seen).unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), prompt);
        stdin.write_all(answer.as_bytes()).unwrap();
    }
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "Ada 36\n");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    server.stop();
}

#[test]
fn limits_stop_programs_and_say_so() {
    let server = Server::start("off");
    for (program, limit, code, word) in [
        ("while True: pass\n", ["--time", "300ms"], 123, "time limit"),
        ("x = bytearray(10 ** 9)\n", ["--memory", "64MiB"], 123, "memory limit"),
        ("while True: print('x' * 1000)\n", ["--output", "64KiB"], 123, "output limit"),
    ] {
        let file = server.file("limited.py", program);
        let (seen, _, stderr) = server.madang(&["run", &file, limit[0], limit[1]]);
        assert!(seen == code && stderr.contains(word), "{program}: {seen} {stderr}");
    }
    let file = server.file("bad.c", "int main() { return x; }\n");
    let (code, _, stderr) = server.madang(&["run", &file]);
    assert!(code == 124 && stderr.contains("undeclared"), "{code} {stderr}");
    server.stop();
}

#[test]
fn a_session_keeps_its_state_and_its_files() {
    let server = Server::start("on");
    let (code, id, stderr) = server.madang(&["session", "create", "--lang", "python", "--name", "box"]);
    assert!(code == 0 && id.starts_with("ses_"), "{stderr}");
    assert_eq!(server.madang(&["query", "box", "x = 6 * 7"]).1, "");
    assert_eq!(server.madang(&["query", "box", "x"]).1, "42\n");
    let file = server.file("up.txt", "up and down\n");
    assert_eq!(server.madang(&["cp", &file, "box:folder/"]).0, 0);
    assert_eq!(server.madang(&["exec", "box", "--", "cat", "folder/up.txt"]).1, "up and down\n");
    assert_eq!(server.madang(&["cp", "box:folder/up.txt", "-"]).1, "up and down\n");
    assert_eq!(server.madang(&["exec", "box", "--", "sh", "-c", "exit 4"]).0, 4);
    assert_eq!(server.madang(&["session", "restart", "box"]).0, 0);
    assert!(server.madang(&["query", "box", "x"]).2.contains("NameError"));
    assert_eq!(server.madang(&["session", "rm", "box"]).0, 0);
    server.stop();
}

#[test]
fn every_available_language_greets() {
    let server = Server::start("off");
    let (code, stdout, stderr) = server.madang(&["smoke", "--wait", "60s"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    server.stop();
}
