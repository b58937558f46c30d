//! Others' crates that ours name: each is used, and each has its reason and its licence in `docs/dependencies.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{tidy::Violations, workspace::Workspace};

/// Where the versions stand, and where the reasons do.
pub const MANIFEST: &str = "Cargo.toml";
pub const REASONS: &str = "docs/dependencies.md";
/// Columns of the table of reasons: crate, for, why, licence.
const COLUMNS: usize = 4;

/// Every dependency without a row, without a use, or whose row says another licence; every row without a dependency.
pub fn check(workspace: &Workspace, manifest: &str, reasons: &str) -> Violations {
    let (declared, rows) = (declared(manifest), rows(reasons));
    let used: BTreeSet<&str> =
        workspace.ours().flat_map(|package| &package.dependencies).map(|used| used.name.as_str()).collect();
    let mut violations = Violations::new();
    for name in &declared {
        if !used.contains(name) {
            violations.push(format!("{MANIFEST}: no crate uses {name}; remove it"));
        }
        match rows.get(name) {
            None => violations.push(format!("{REASONS}: {name} has no row: what for, why this one, its licence")),
            Some(licence) if !is_licence_of(workspace, name, licence) => {
                violations.push(format!("{REASONS}: `{licence}` is not the licence of {name}"));
            }
            Some(_) => {}
        }
    }
    let stale = rows.keys().filter(|name| !declared.contains(*name));
    violations.extend(stale.map(|name| format!("{REASONS}: {name} is no dependency any more")));
    violations
}

/// Names in `[workspace.dependencies]`, but for our own.
fn declared(manifest: &str) -> BTreeSet<&str> {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let names = section.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    names.map(|(name, _)| name.trim()).filter(|name| !name.starts_with('#') && !name.starts_with("madang-")).collect()
}

/// Crate and licence of every row of the table.
fn rows(reasons: &str) -> BTreeMap<&str, &str> {
    let cells = |line| str::split(line, '|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    let lines = reasons.lines().filter(|line| line.starts_with('|')).skip(2).map(cells);
    lines.filter(|cells| cells.len() == COLUMNS).map(|cells| (cells[0], cells[COLUMNS - 1])).collect()
}

fn is_licence_of(workspace: &Workspace, name: &str, said: &str) -> bool {
    let choices = |text: &str| text.replace('/', " OR ").split(" OR ").map(|one| one.trim().to_owned()).collect();
    let said: BTreeSet<String> = choices(said);
    let mut packages = workspace.packages.iter().filter(|package| package.name == name);
    packages.any(|package| package.license.as_deref().map(choices).is_some_and(|real: BTreeSet<String>| real == said))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| crate | for | why | licence |\n| --- | --- | --- | --- |\n";

    fn workspace() -> Workspace {
        let json = r#"{"packages":[
            {"id":"a","name":"madang-a","version":"0.1.0","license":"Apache-2.0","dependencies":[{"name":"serde","kind":null}]},
            {"id":"s","name":"serde","version":"1.0.0","license":"MIT OR Apache-2.0","dependencies":[]}
        ],"workspace_members":["a"]}"#;
        Workspace::parse(json.as_bytes()).unwrap()
    }

    fn violations(dependencies: &str, row: &str) -> usize {
        let manifest =
            format!("[workspace]\n[workspace.dependencies]\nmadang-a = {{}}\n{dependencies}[profile.dev]\nx = 1\n");
        check(&workspace(), &manifest, &format!("{TABLE}{row}")).len()
    }

    #[test]
    fn a_dependency_with_use_and_reason_passes() {
        assert_eq!(violations("serde = \"1\"\n", "| serde | x | y | Apache-2.0/MIT |\n"), 0);
    }

    #[test]
    fn each_rule_bites() {
        assert_eq!(violations("serde = \"1\"\n", ""), 1);
        assert_eq!(violations("serde = \"1\"\n", "| serde | x | y | MIT |\n"), 1);
        assert_eq!(violations("", "| serde | x | y | MIT |\n"), 1);
        assert_eq!(violations("unused = \"1\"\n", "| unused | x | y | MIT |\n"), 2);
    }
}
