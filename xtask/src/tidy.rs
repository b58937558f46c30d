//! All checks, one report.

use std::{fs, path::Path, process::ExitCode};

use crate::{arrows, dependencies, licences, sources, workspace::Workspace};

/// Something against the house's conventions: where, and what to do.
pub type Violations = Vec<String>;

/// Prints every violation; succeeds only if there is none.
pub fn run(root: &Path) -> ExitCode {
    let workspace = match Workspace::load(root) {
        Ok(workspace) => workspace,
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::from(2);
        }
    };
    let text = |name: &str| fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"));
    let read = || {
        let files = sources::read(root).map_err(|error| error.to_string())?;
        Ok::<_, String>((files, text(dependencies::MANIFEST)?, text(dependencies::REASONS)?))
    };
    let (files, manifest, reasons) = match read() {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::from(2);
        }
    };
    let mut violations = arrows::check(&workspace);
    violations.extend(licences::check(&workspace));
    violations.extend(dependencies::check(&workspace, &manifest, &reasons));
    violations.extend(sources::check(&files));
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    println!(
        "tidy: {} crates of ours, {} in all, {} source files, {} violations",
        workspace.ours.len(),
        workspace.packages.len(),
        files.len(),
        violations.len()
    );
    ExitCode::from(u8::from(!violations.is_empty()))
}
