//! The section `[folders]`: where this machine has its folders, and whether other machines have theirs there too.

use std::path::PathBuf;

use madang_node::{FoldersConfig, Sharing};

use super::Section;

pub(super) fn read(section: &mut Section) -> FoldersConfig {
    let path = section.checked("path", "an absolute path", |path| path.starts_with('/')).map(PathBuf::from);
    let (shared, writable) = (section.flag("shared").unwrap_or(false), section.flag("writable"));
    if shared && path.is_none() {
        section.problem("shared", "needs a `path`, the one where all those machines have mounted it");
    }
    if !shared && writable.is_some() {
        section.problem("writable", "is said of a `shared` place only: others are held to quotas");
    }
    match (path, shared) {
        (Some(path), true) => FoldersConfig::Shared(path, Sharing { writable: writable.unwrap_or(false) }),
        (Some(path), false) => FoldersConfig::At(path),
        (None, _) => FoldersConfig::Home,
    }
}
