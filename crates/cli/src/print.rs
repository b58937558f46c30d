//! What people and programs read: tables, JSON, complaints.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::exit::Failure;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// How a cell looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plain,
    Good,
    Bad,
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    look: Look,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), look: Look::Plain }
    }
}

/// Text that shows whether it is good news.
pub fn judged(text: impl Into<String>, good: bool) -> Cell {
    Cell { text: text.into(), look: if good { Look::Good } else { Look::Bad } }
}

/// One line about what went wrong.
pub fn complain(line: &str) {
    // If stderr is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "madang: {line}");
}

/// A line for whoever started this process, which goes on whether anybody reads it or not.
pub fn greeting(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints `value` as one JSON document.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::internal(format!("writing JSON: {error}")))?;
    say(&format!("{text}\n"))
}

/// Prints to stdout; a reader who has left is no reason to panic.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(format!("writing to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints rows under headings, columns aligned; headings in bold and judgements in colour on a terminal.
pub fn table(headings: &[&str], rows: &[Vec<Cell>]) -> Result<(), Failure> {
    say(&layout(headings, rows, colours()))
}

fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn layout(headings: &[&str], rows: &[Vec<Cell>], colours: bool) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    let mut text = String::new();
    let cells = headings.iter().map(|heading| (*heading, BOLD));
    line(&mut text, &widths, cells, colours);
    for row in rows {
        let cells = row.iter().map(|cell| (cell.text.as_str(), colour(cell.look)));
        line(&mut text, &widths, cells, colours);
    }
    text
}

fn colour(look: Look) -> &'static str {
    match look {
        Look::Plain => "",
        Look::Good => GREEN,
        Look::Bad => RED,
    }
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = (&'a str, &'a str)>, colours: bool) {
    let start = text.len();
    for ((cell, colour), width) in cells.zip(widths) {
        let pad = " ".repeat(width - cell.chars().count().min(*width) + 2);
        match colours && !colour.is_empty() {
            true => text.extend([colour, cell, PLAIN, &pad]),
            false => text.extend([cell, &pad]),
        }
    }
    let end = start + text[start..].trim_end().len();
    text.truncate(end);
    text.push('\n');
}

/// Microseconds as milliseconds with one decimal.
pub fn millis(us: u64) -> String {
    format!("{:.1}", us as f64 / 1_000.0)
}

/// The first line of a program's output without control characters, cut to `chars_max`.
pub fn first_line(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(chars_max).collect();
    if line.chars().count() > chars_max || text.lines().nth(1).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_where_the_text_does() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "".into()]];
        assert_eq!(layout(&["x", "y"], &rows, false), "x    y\na    bb\nccc\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let rows = [vec![judged("ok", true), "1".into()]];
        assert_eq!(
            layout(&["verdict", "n"], &rows, true),
            "\x1b[1mverdict\x1b[0m  \x1b[1mn\x1b[0m\n\x1b[32mok\x1b[0m       1\n"
        );
    }

    #[test]
    fn output_of_strangers_cannot_move_the_cursor() {
        assert_eq!(first_line("a\x1b[2Jb\nc", 10), "a[2Jb…");
        assert_eq!(first_line("abcdef", 3), "abc…");
    }
}
