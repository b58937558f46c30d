//! What a client asks for before it starts a program: a terminal, an environment. And signals, by name and by number.

use std::{collections::BTreeMap, mem::discriminant};

use madang_model::TerminalSize;
use russh::Sig;

/// Variables of one channel.
const VARIABLES_MAX: usize = 32;
/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 1_024;
/// What clients may set: how to write to people, and nothing that changes what a program is or loads.
const NAMES: [&str; 6] = ["LANG", "LANGUAGE", "TZ", "COLORTERM", "NO_COLOR", "TERM_PROGRAM"];
const PREFIX: &str = "LC_";
/// Where a client says nothing.
const SIZE: TerminalSize = TerminalSize { rows: 24, cols: 80 };
const TERM: &str = "xterm-256color";

/// What was asked for so far on a channel.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    env: BTreeMap<String, String>,
    terminal: Option<TerminalSize>,
}

impl Wishes {
    /// Whether the variable is one that may be set.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let plain = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let known = NAMES.contains(&name) || (name.starts_with(PREFIX) && plain);
        let fits = self.env.len() < VARIABLES_MAX && name.len() <= 64 && value.len() <= VALUE_BYTES_MAX;
        let good = known && fits && !value.contains('\0');
        if good {
            self.env.insert(name.to_owned(), value.to_owned());
        }
        good
    }

    /// A terminal of this kind and size.
    pub fn terminal(&mut self, term: &str, cols: u32, rows: u32) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
        let good = !term.is_empty() && term.len() <= 64 && term.bytes().all(plain);
        self.env.insert("TERM".to_owned(), if good { term } else { TERM }.to_owned());
        self.terminal = Some(size(cols, rows));
    }

    /// The environment and the terminal of a program.
    pub fn into_parts(self) -> (BTreeMap<String, String>, Option<TerminalSize>) {
        (self.env, self.terminal)
    }
}

/// A terminal's size as a client says it; 0 is no size.
pub fn size(cols: u32, rows: u32) -> TerminalSize {
    let of = |said: u32, else_: u16| match u16::try_from(said) {
        Ok(0) => else_,
        Ok(said) => said,
        Err(_) => u16::MAX,
    };
    TerminalSize { rows: of(rows, SIZE.rows), cols: of(cols, SIZE.cols) }
}

/// The protocol's names, in the order of `NUMBERS`.
const NUMBERS: [(i32, Sig); 12] = [
    (1, Sig::HUP),
    (2, Sig::INT),
    (3, Sig::QUIT),
    (4, Sig::ILL),
    (6, Sig::ABRT),
    (8, Sig::FPE),
    (9, Sig::KILL),
    (10, Sig::USR1),
    (11, Sig::SEGV),
    (13, Sig::PIPE),
    (14, Sig::ALRM),
    (15, Sig::TERM),
];
const SIGUSR2: i32 = 12;

/// The number of a signal that a client names.
pub fn number(signal: &Sig) -> Option<i32> {
    if matches!(signal, Sig::Custom(name) if name == "USR2") {
        return Some(SIGUSR2);
    }
    NUMBERS.iter().find(|(_, known)| discriminant(known) == discriminant(signal)).map(|(number, _)| *number)
}

/// The name of a signal that ended a program.
pub fn name(number: i32) -> Sig {
    let known = NUMBERS.iter().find(|(known, _)| *known == number).map(|(_, signal)| signal.clone());
    known.unwrap_or_else(|| match number {
        SIGUSR2 => Sig::Custom("USR2".to_owned()),
        other => Sig::Custom(format!("{other}@madang")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_of_the_list_are_set() {
        let mut wishes = Wishes::default();
        assert!(wishes.set("LANG", "ko_KR.UTF-8") && wishes.set("LC_ALL", "C"));
        for (name, value) in [("PATH", "/tmp"), ("LD_PRELOAD", "/tmp/x.so"), ("LC_=\n", "x"), ("LANG", "a\0b")] {
            assert!(!wishes.set(name, value), "{name}");
        }
        assert!(!wishes.set("TZ", &"x".repeat(2_000)));
        for number in 0..100 {
            wishes.set(&format!("LC_{number}"), "x");
        }
        wishes.terminal("xterm\n", 0, 1_000_000);
        let (env, terminal) = wishes.into_parts();
        assert_eq!(env.len(), VARIABLES_MAX + 1);
        assert_eq!(env["TERM"], TERM);
        assert_eq!(terminal, Some(TerminalSize { rows: u16::MAX, cols: 80 }));
    }

    #[test]
    fn signals_have_the_numbers_of_this_system() {
        for number_of in 1..=15 {
            let name = name(number_of);
            assert!(
                matches!(&name, Sig::Custom(name) if name.ends_with("@madang")) || number(&name) == Some(number_of)
            );
        }
        assert_eq!(number(&Sig::Custom("NONSENSE".to_owned())), None);
    }
}
