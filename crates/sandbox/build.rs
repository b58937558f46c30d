//! Builds the slot init as a static program, to be carried inside the binary that this crate is linked into.
//!
//! A build of its own, because only this program is to be linked statically: flags for it must not reach anything else.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let crates = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    for watched in ["slot/src", "slot/Cargo.toml", "slot-api/src"] {
        println!("cargo:rerun-if-changed={}", crates.join(watched).display());
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let built = build(&crates, &out);
    fs::copy(&built, out.join("madang-slot")).expect("the program was just built");
}

fn build(crates: &Path, out: &Path) -> PathBuf {
    let target = env::var("TARGET").expect("cargo sets it");
    let directory = out.join("slot-target");
    let flags = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-Cpanic=abort", "-Cstrip=symbols"];
    let status = Command::new(env::var("CARGO").expect("cargo sets it"))
        .args(["build", "--release", "--quiet", "--package", "madang-slot", "--target", &target, "--target-dir"])
        .arg(&directory)
        .current_dir(crates)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo runs, it is running us");
    assert!(status.success(), "the slot init did not build");
    directory.join(target).join("release/madang-slot")
}
