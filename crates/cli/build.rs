//! How the program is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Fifty thousand relocations of 24 bytes each were read at every start of a command; packed they are fourteen kilobytes. Needs
    // glibc 2.36; linkers for other processors learnt it later.
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if (target("ARCH").as_str(), target("ENV").as_str()) == ("x86_64", "gnu") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
