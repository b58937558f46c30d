//! What cargo knows about the workspace.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde::Deserialize;

/// Packages and their dependencies, ours and others'.
#[derive(Debug)]
pub struct Workspace {
    pub packages: Vec<Package>,
    /// Ids of the packages that live here.
    pub ours: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    pub dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `dev`, `build`, or nothing for the ordinary kind.
    pub kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

impl Workspace {
    pub fn load(root: &Path) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            // Packages for other systems are never built here and may not even be downloaded.
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("running cargo metadata: {error}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Self::parse(&output.stdout)
    }

    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let metadata: Metadata =
            serde_json::from_slice(json).map_err(|error| format!("reading cargo metadata: {error}"))?;
        Ok(Self { packages: metadata.packages, ours: metadata.workspace_members })
    }

    pub fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.ours.contains(&package.id))
    }
}
