//! Every driver against the protocol, outside any sandbox: started with its five pipes, asked, and listened to.
//!
//! A language that is not installed is named on stdout; with MADANG_REQUIRE_LANGUAGES=1 its absence is a failure.

#![allow(clippy::unwrap_used, reason = "all of it is test code, also what no test attribute marks")]

mod cases;
mod talk;

use cases::{Case, cases};
use talk::{Answer, Talk};

/// As much output as several pipes hold.
const LARGE: usize = 1 << 20;

fn every_installed(test: impl Fn(&Case)) {
    let recipes = madang_languages::embedded().unwrap();
    let required = std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_some_and(|value| value == "1");
    let mut tried = 0;
    for case in cases() {
        let recipe = recipes.iter().find(|recipe| recipe.id == case.id).unwrap();
        match recipe.requires.iter().find(|path| !std::path::Path::new(path).exists()) {
            // No package of Debian 12 brings it.
            Some(path) if case.id == "julia" => println!("julia: not tried, {path} is not there"),
            Some(path) if required => panic!("{}: {path} is required here and not there", case.id),
            Some(path) => println!("{}: not tried, {path} is not there", case.id),
            None => {
                test(&case);
                tried += 1;
            }
        }
    }
    assert!(tried > 0, "no language is installed");
}

#[test]
fn every_recipe_with_a_driver_has_a_case() {
    let mut with_driver: Vec<_> = madang_languages::embedded()
        .unwrap()
        .into_iter()
        .filter(|recipe| recipe.driver.is_some())
        .map(|recipe| recipe.id)
        .collect();
    let mut tried: Vec<_> = cases().iter().map(|case| case.id.to_owned()).collect();
    with_driver.sort();
    tried.sort();
    assert_eq!(tried, with_driver);
}

#[test]
fn values_are_shown_and_state_is_kept() {
    every_installed(|case| {
        let mut talk = Talk::start(case.id);
        talk.expect(case.value.0, case.value.1, "ok");
        talk.expect(case.set, "", "ok");
        talk.expect(case.get.0, case.get.1, "ok");
    });
}

#[test]
fn errors_are_told_and_survived() {
    every_installed(|case| {
        let mut talk = Talk::start(case.id);
        talk.expect(case.set, "", "ok");
        let answer = talk.exec(case.error.0);
        assert_eq!(answer.status, "error", "{}: {answer:?}", case.id);
        assert!(answer.err.contains(case.error.1), "{}: {answer:?}", case.id);
        assert!(!answer.err.contains("driver"), "{}: the driver shows: {answer:?}", case.id);
        talk.expect(case.get.0, case.get.1, "ok");
    });
}

#[test]
fn text_is_utf_8() {
    every_installed(|case| {
        let answer = Talk::start(case.id).exec(case.unicode);
        assert_eq!((answer.out.trim_end(), answer.status.as_str()), ("안녕 ☃", "ok"), "{}", case.id);
    });
}

#[test]
fn an_endless_loop_is_interrupted_and_state_is_kept() {
    every_installed(|case| {
        let mut talk = Talk::start(case.id);
        talk.expect(case.set, "", "ok");
        talk.ask(case.endless);
        talk.interrupt_when_busy();
        let answer = talk.answer();
        assert_eq!(answer.status, "interrupted", "{}: {answer:?}", case.id);
        talk.expect(case.get.0, case.get.1, "ok");
    });
}

#[test]
fn a_wait_for_input_is_announced() {
    every_installed(|case| {
        let Some((code, shown)) = case.input else { return };
        let mut talk = Talk::start(case.id);
        talk.lines.push(vec!["한 줄\n".to_owned()]);
        let Answer { out, inputs, status, .. } = talk.exec(code);
        assert_eq!((out.trim_end(), inputs, status.as_str()), (shown, 1, "ok"), "{}", case.id);
    });
}

#[test]
fn a_line_that_comes_in_pieces_is_asked_for_once() {
    every_installed(|case| {
        // JavaScript's program takes what comes, a line or not.
        let Some((code, shown)) = case.input.filter(|_| case.id != "javascript") else { return };
        let mut talk = Talk::start(case.id);
        talk.lines.push(["한", " 줄", "\n"].map(str::to_owned).to_vec());
        let Answer { out, inputs, status, .. } = talk.exec(code);
        assert_eq!((out.trim_end(), inputs, status.as_str()), (shown, 1, "ok"), "{}", case.id);
    });
}

#[test]
fn an_environment_that_comes_late_is_seen() {
    every_installed(|case| {
        let Some((code, shown)) = case.environment else { return };
        let mut talk = Talk::start(case.id);
        talk.send("env", "MADANG_A=1\0MADANG_TEST=b c=d\0");
        talk.expect(code, shown, "ok");
    });
}

#[test]
fn large_output_arrives_whole_before_done() {
    every_installed(|case| {
        let answer = Talk::start(case.id).exec(&case.large.replace("SIZE", &LARGE.to_string()));
        assert_eq!((answer.out.trim_end().len(), answer.status.as_str()), (LARGE, "ok"), "{}", case.id);
    });
}

#[test]
fn a_program_that_exits_ends_the_driver_with_its_code() {
    every_installed(|case| {
        let Some(code) = case.exit else { return };
        let mut talk = Talk::start(case.id);
        talk.ask(code);
        assert_eq!(talk.exit_code(), Some(3), "{}", case.id);
    });
}

#[test]
fn a_script_is_as_if_the_command_had_run_it() {
    every_installed(|case| {
        let recipe = madang_languages::embedded().unwrap().into_iter().find(|recipe| recipe.id == case.id).unwrap();
        assert_eq!(
            recipe.answers(madang_languages::Mode::Script),
            case.script.is_some(),
            "{}: modes and cases differ",
            case.id
        );
        for source in case.script.into_iter().flatten() {
            let mut talk = Talk::start(case.id);
            talk.write(&recipe.main, source);
            talk.send("script", &format!("{}\0a b\0c", recipe.main));
            let ours = talk.end("one\ntwo\n");
            let theirs = talk.run_command(&recipe, &["a b", "c"], "one\ntwo\n");
            assert_eq!(ours, theirs, "{}: {source}", case.id);
        }
    });
}

#[test]
fn figures_are_pictures_and_tables_are_html() {
    let has = |module: &str| std::path::Path::new("/usr/lib/python3/dist-packages").join(module).exists();
    every_installed(|case| match case.id {
        "python" if has("matplotlib") && has("pandas") => {
            let mut talk = Talk::start("python");
            let figure =
                talk.exec("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2, 4])\nplt.show()\nprint('after')");
            assert_eq!(
                (figure.media, figure.out.as_str()),
                (vec!["image/png".to_owned()], "after\n"),
                "{}",
                figure.err
            );
            assert_eq!(talk.exec("_ = plt.plot([3])").media, ["image/png"], "a figure left open is shown at the end");
            let table = talk.exec("import pandas\npandas.DataFrame({'a': [1, 2]})");
            assert_eq!(table.media, ["text/html"], "{}", table.err);
        }
        "python" => println!("python: figures and tables not tried, matplotlib or pandas is not there"),
        "r" => assert_eq!(Talk::start("r").exec("plot(1:3)").media, ["image/png"]),
        _ => {}
    });
}

#[test]
fn words_are_completed_from_the_state() {
    every_installed(|case| {
        let wanted = match case.id {
            "python" => ("number = 5", "number.bit_l", "number.bit_length"),
            "javascript" => ("const number = 5", "number.toFi", "number.toFixed"),
            "ruby" => ("number = 5", "number.bit_l", "number.bit_length"),
            _ => return,
        };
        let mut talk = Talk::start(case.id);
        talk.exec(wanted.0);
        assert!(talk.complete(wanted.1).iter().any(|found| found == wanted.2), "{}", case.id);
        assert!(talk.complete("numb").iter().any(|found| found == "number"), "{}", case.id);
    });
}
