//! Commands of a test that no busy machine ends.

const TIME: &str = "120s";

/// The words of a command; one that runs something and does not say how long it may take says so.
pub fn timed<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut words = words.to_vec();
    let ours = words.split(|word| *word == "--").next().unwrap_or_default();
    if ours.first().is_some_and(|verb| ["run", "exec", "query"].contains(verb)) && !ours.contains(&"--time") {
        words.splice(1..1, ["--time", TIME]);
    }
    words
}
