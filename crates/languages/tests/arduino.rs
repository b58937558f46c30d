//! Sketches are compiled and run on the simulated board by the recipe's own steps, outside any sandbox.
//!
//! Where Arduino is not installed this says so; with MADANG_REQUIRE_LANGUAGES=1 its absence is a failure.

#![allow(clippy::unwrap_used, reason = "all of it is test code, also what no test attribute marks")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use madang_languages::{check, embedded, extract_to, plan_batch};
use madang_model::Steps;

/// What came of a sketch.
struct Made {
    build: Output,
    run: Output,
}

/// Builds `sketch` beside the other `files` and runs it for some `seconds` of the board with `typed` into it.
fn made(sketch: &str, files: &[(&str, &str)], typed: &str, seconds: &str) -> Option<Made> {
    let required = std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_some_and(|value| value == "1");
    let recipe = embedded().unwrap().into_iter().find(|recipe| recipe.id == "arduino").unwrap();
    if let Some(why) = check(&recipe, Path::new("/")).unavailable {
        assert!(!required, "{why}");
        println!("not tried, {why}");
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    let extracted = extract_to(home.path()).unwrap();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    for (name, text) in files.iter().chain([&("my \"blink.ino", sketch)]) {
        fs::write(work.join(name), text).unwrap();
    }
    // All of it is there when the board begins, which waits for nobody.
    let input = home.path().join("typed");
    fs::write(&input, typed).unwrap();
    let plan = plan_batch(&recipe, &["my \"blink.ino"], &Steps::default(), None);
    let step = |command: &str| {
        let command = command.replace("/opt/madang/languages", extracted.to_str().unwrap());
        Command::new("/bin/sh")
            .args(["-c", &command, "sh", seconds])
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("MAIN", &plan.main)])
            .env("TMPDIR", home.path())
            .current_dir(&work)
            .stdin(fs::File::open(&input).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap()
    };
    Some(Made { build: step(plan.steps.build.as_ref().unwrap()), run: step(plan.steps.exec.as_ref().unwrap()) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_sketch_blinks_talks_and_may_call_what_comes_later() {
    let sketch = r#"#include <EEPROM.h>
struct Beat { int ms; };
void setup() { Serial.begin(9600); pinMode(LED_BUILTIN, OUTPUT); EEPROM.write(1, 7); }
void loop() {
  Beat beat = { 250 };
  blink(beat);
  while (Serial.available()) say(Serial.read());
}
void blink(Beat &beat) { digitalWrite(LED_BUILTIN, HIGH); delay(beat.ms); digitalWrite(LED_BUILTIN, LOW); delay(beat.ms); }
static void say(char letter) { Serial.write(louder(letter)); }
"#;
    let beside = [
        ("louder.h", "char louder(char);"),
        ("louder.cpp", "#include <ctype.h>\nchar louder(char c) { return toupper(c); }"),
    ];
    let Some(Made { build, run }) = made(&format!("#include \"louder.h\"\n{sketch}"), &beside, "안 ab\n", "3") else {
        return;
    };
    assert!(build.status.success() && build.stderr.is_empty(), "{build:?}");
    assert!(text(&build.stdout).contains("of 32256 bytes of program"), "{build:?}");
    assert_eq!(text(&run.stdout), "안 AB\n", "{run:?}");
    assert_eq!(text(&run.stderr), "pin 13: switched on 6 times, on for 1.500 s of 3.000 s\n");
    assert!(run.status.success());
}

#[test]
fn an_error_names_the_line_of_the_sketch() {
    let sketch = "int one() { return 1; }\nvoid setup() {\n  pinMode(13, OUTPUT);\n  pear();\n}\nvoid loop() {}\n";
    let Some(Made { build, run }) = made(sketch, &[], "", "1") else { return };
    assert!(
        text(&build.stderr).contains("my \"blink.ino:4:8: error: ‘pear’ was not declared"),
        "{}",
        text(&build.stderr)
    );
    assert_eq!(build.status.code(), Some(1));
    assert!(text(&run.stderr).contains("was it built?"), "{run:?}");
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn what_is_too_large_for_the_board_is_refused() {
    let sketch = "char much[2500];\nvoid setup() { Serial.begin(9600); }\nvoid loop() { much[millis() % 2500] = 1; Serial.write(much[3]); }\n";
    let Some(Made { build, .. }) = made(sketch, &[], "", "1") else { return };
    assert_eq!(text(&build.stderr), "It is too large for an Arduino Uno.\n");
    assert_eq!(build.status.code(), Some(1));
}

#[test]
fn a_sketch_that_ends_ends_the_run() {
    let sketch = "void setup() { pinMode(13, OUTPUT); digitalWrite(13, HIGH); delay(250); exit(0); }\nvoid loop() {}\n";
    let Some(Made { build, run }) = made(sketch, &[], "", "3600") else { return };
    assert!(build.status.success() && run.status.success(), "{build:?} {run:?}");
    let said = text(&run.stderr);
    assert!(said.starts_with("pin 13: switched on 1 times, on for 0.25") && said.contains(" of 0.25"), "{said}");
}

#[test]
fn a_servo_gets_the_pulses_of_its_angle() {
    let sketch = "#include <Servo.h>\nServo one, two;\nvoid setup() { one.attach(9); two.attach(6); one.write(0); two.write(180); delay(1010); Serial.begin(9600); Serial.println(two.read()); Serial.flush(); one.detach(); two.detach(); exit(0); }\nvoid loop() {}\n";
    let Some(Made { build, run }) = made(sketch, &[], "", "3") else { return };
    assert!(build.status.success() && build.stderr.is_empty(), "{build:?}");
    assert_eq!(text(&run.stdout), "180\r\n");
    // Fifty pulses a second, of 544 µs and of 2400 µs.
    let said = text(&run.stderr);
    assert!(said.contains("pin 9: switched on 51 times, on for 0.028 s"), "{said}");
    assert!(said.contains("pin 6: switched on 50 times, on for 0.121 s"), "{said}");
}
