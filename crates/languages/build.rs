//! Lists the files of `languages/` and `apps/` for `include_bytes!`; a new recipe or driver needs no change here.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let crate_dir =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("no CARGO_MANIFEST_DIR"))?);
    let mut list = String::from("&[\n");
    for (directory, below) in [("languages", ""), ("apps", "apps")] {
        let root = crate_dir.join("../..").join(directory).canonicalize()?;
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        for file in files {
            let name = Path::new(below).join(file.strip_prefix(&root).map_err(io::Error::other)?);
            writeln!(list, "({:?}, include_bytes!({:?})),", name, file).map_err(io::Error::other)?;
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
    fs::write(out.join("files.rs"), list)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
