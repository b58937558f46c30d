//! Every dependency's licence against the ones we may ship with. The list is the one in deny.toml.

use crate::{tidy::Violations, workspace::Workspace};

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package whose licence is missing or not allowed.
pub fn check(workspace: &Workspace) -> Violations {
    let mut violations = Violations::new();
    for package in &workspace.packages {
        let Some(licence) = &package.license else {
            violations.push(format!("{} {} names no licence", package.name, package.version));
            continue;
        };
        if !allowed(licence) {
            violations.push(format!("{} {}: licence `{licence}` is not on the list", package.name, package.version));
        }
    }
    violations
}

/// Whether an SPDX expression (or the old `A/B`) can be met with allowed licences. AND binds tighter than OR.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&tokens, &mut at);
    met && at == tokens.len()
}

fn any(tokens: &[&str], at: &mut usize) -> bool {
    let mut met = all(tokens, at);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(tokens, at);
    }
    met
}

fn all(tokens: &[&str], at: &mut usize) -> bool {
    let mut met = one(tokens, at);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at);
    }
    met
}

fn one(tokens: &[&str], at: &mut usize) -> bool {
    let Some(token) = tokens.get(*at) else { return false };
    *at += 1;
    if *token == "(" {
        let met = any(tokens, at);
        let closed = tokens.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    if tokens.get(*at) == Some(&"WITH") {
        let with = tokens.get(*at + 1).map(|exception| format!("{token} WITH {exception}"));
        *at += 2;
        return with.is_some_and(|with| ALLOWED.contains(&with.as_str()) || ALLOWED.contains(token));
    }
    ALLOWED.contains(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for met in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 AND ISC",
        ] {
            assert!(allowed(met), "{met}");
        }
        for unmet in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR ISC) AND AGPL-3.0-only", "", "(MIT", "MIT)"] {
            assert!(!allowed(unmet), "{unmet}");
        }
    }
}
