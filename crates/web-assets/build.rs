//! Lists what `scripts/build-web` left in `web/dist` as a table of embedded files; an empty one where nothing was built.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// Packed beside the file itself, by the build of the web.
const PACKED: [&str; 2] = ["br", "gz"];

fn main() -> io::Result<()> {
    // Set by cargo for every build script.
    let room = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = room.join("../../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        list(&dist, &mut files)?;
    }
    // As texts, which is how they are searched for: paths are ordered part by part, `a/b` before `a.b`.
    files.sort_by_key(|file| file.display().to_string());
    let mut table = String::from("&[\n");
    for file in files.iter().filter(|file| !is_packed(file)) {
        let path = file.strip_prefix(&dist).unwrap_or(file).display().to_string();
        let [br, gz] = PACKED.map(|ending| packed(file, ending));
        let row = format!("    File {{ path: {path:?}, plain: {}, br: {br}, gz: {gz} }},\n", embedded(file));
        table.write_str(&row).map_err(io::Error::other)?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|ending| PACKED.iter().any(|packed| ending == *packed))
}

fn packed(file: &Path, ending: &str) -> String {
    let mut packed = file.as_os_str().to_owned();
    packed.push(format!(".{ending}"));
    let packed = PathBuf::from(packed);
    if packed.is_file() { format!("Some({})", embedded(&packed)) } else { "None".to_owned() }
}

fn embedded(file: &Path) -> String {
    format!("include_bytes!({:?})", file.display().to_string())
}
