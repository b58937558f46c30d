//! The spawner alone, for tests of this crate; `madang spawner` is the same thing.

fn main() {
    std::process::exit(madang_sandbox::spawner::serve());
}
