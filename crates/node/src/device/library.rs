//! The libraries of the vendor's driver, as the machine's dynamic linker knows them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Libraries that one sandbox is shown.
const LIBRARIES_MAX: usize = 64;
/// Beginnings of their names: what the vendor's own container tools list, without what draws or plays.
const BEGIN: [&str; 5] = ["libcuda.so.", "libcudadebugger.so.", "libnvidia-", "libnvcuvid.so.", "libnvoptix.so."];
/// How the linker's cache names libraries that this program's machine can load.
const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") { "x86-64" } else { "AArch64" };

/// Reads the list, or asks `ldconfig` for it; nothing where there is none. Blocking.
pub(super) fn look(list: Option<&Path>) -> Vec<(String, PathBuf)> {
    let text = match list {
        Some(path) => fs::read(path),
        None => Command::new("ldconfig").arg("-p").output().map(|output| output.stdout),
    };
    match text {
        Ok(text) => read(&String::from_utf8_lossy(&text)),
        Err(error) => {
            tracing::warn!(%error, "the driver's libraries cannot be found");
            Vec::new()
        }
    }
}

/// Name and place of each, from lines like `libcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1`; the first of a name is the linker's choice.
fn read(cache: &str) -> Vec<(String, PathBuf)> {
    let mut found = BTreeMap::new();
    for line in cache.lines() {
        let Some((left, path)) = line.split_once("=>") else { continue };
        let Some((name, kind)) = left.trim().split_once(' ') else { continue };
        if kind.contains(ARCHITECTURE) && BEGIN.iter().any(|begin| name.starts_with(begin)) && !name.contains('/') {
            found.entry(name.to_owned()).or_insert_with(|| PathBuf::from(path.trim()));
        }
    }
    found.into_iter().take(LIBRARIES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_s_libraries_of_this_architecture_are_found() {
        let cache = format!(
            "3 libs found in cache `/etc/ld.so.cache'\n\tlibcuda.so.1 (libc6,{ARCHITECTURE}) => /usr/lib/a/libcuda.so.1\n\
             \tlibcuda.so.1 (libc6,{ARCHITECTURE}) => /usr/lib/b/libcuda.so.1\n\tlibcuda.so.1 (libc6) => /usr/lib32/libcuda.so.1\n\
             \tlibnvidia-ml.so.1 (libc6,{ARCHITECTURE}) => /usr/lib/a/libnvidia-ml.so.1\n\tlibc.so.6 (libc6,{ARCHITECTURE}) => /lib/libc.so.6\n"
        );
        let names: Vec<_> = read(&cache).into_iter().map(|(name, path)| (name, path.display().to_string())).collect();
        let expected =
            [("libcuda.so.1", "/usr/lib/a/libcuda.so.1"), ("libnvidia-ml.so.1", "/usr/lib/a/libnvidia-ml.so.1")];
        assert_eq!(names, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
        assert_eq!(look(Some("/no/such/list".as_ref())), []);
    }
}
