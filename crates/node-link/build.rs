//! Rust from `proto/link.proto`, with a compiler for it that is a crate: nothing to install.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/link.proto");
    let described = protox::compile(["link.proto"], ["proto"])?;
    tonic_prost_build::configure().bytes(".").emit_rerun_if_changed(false).compile_fds(described)?;
    Ok(())
}
