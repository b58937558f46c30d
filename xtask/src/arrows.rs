//! Which crate may know which: the picture in ARCHITECTURE.md as a table.

use crate::{tidy::Violations, workspace::Workspace};

/// A room and the rooms it may name. Tests may name more, see [`TESTS_MAY_NAME`].
const ARROWS: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("model", &["ids"]),
    ("schedule", &["ids", "model"]),
    ("languages", &["ids", "model"]),
    ("public-api", &["ids", "model"]),
    ("node-api", &["ids", "model"]),
    ("trace", &[]),
    ("web-assets", &[]),
    ("ticket", &["ids", "model"]),
    ("proxy", &["ids", "model", "ticket"]),
    ("gateway", &["model", "node-api"]),
    ("otlp", &["trace"]),
    ("node-link", &["ids", "model", "node-api", "trace"]),
    ("slot-api", &["ids", "model"]),
    ("sandbox", &["ids", "model", "slot-api"]),
    ("slot", &["ids", "slot-api"]),
    ("image", &["ids", "model"]),
    ("network", &["model"]),
    ("store", &["ids", "model"]),
    ("storage", &["ids", "model", "sandbox", "ticket"]),
    ("node", &["ids", "model", "node-api", "slot-api", "sandbox", "image", "languages", "network", "storage", "trace"]),
    (
        "control",
        &[
            "ids",
            "model",
            "public-api",
            "node-api",
            "node-link",
            "store",
            "schedule",
            "gateway",
            "ticket",
            "trace",
            "web-assets",
        ],
    ),
    ("client", &["ids", "model", "public-api"]),
    ("node-sim", &["ids", "model", "node-api"]),
    ("testkit", &["ids", "model", "node-api", "node-sim", "public-api", "client"]),
    ("bench", &["ids", "model", "public-api", "client", "schedule", "node-link", "node-sim"]),
    (
        "cli",
        &[
            "ids",
            "model",
            "public-api",
            "node-api",
            "node-link",
            "sandbox",
            "image",
            "languages",
            "storage",
            "store",
            "node",
            "node-sim",
            "proxy",
            "ticket",
            "control",
            "client",
            "bench",
            "trace",
            "otlp",
        ],
    ),
    ("xtask", &[]),
];
/// What any crate's tests may name besides.
const TESTS_MAY_NAME: &[&str] = &["testkit"];
/// What one crate's tests may name, beyond that: a sandbox is tried with the host image as its root, a link
/// with nodes whose clocks a simulation holds, traces with whatever they go through.
const TEST_ARROWS: &[(&str, &str)] =
    &[("sandbox", "image"), ("node-link", "node-sim"), ("otlp", "control"), ("otlp", "node-link"), ("otlp", "store")];
/// Rooms that only compute.
const PURE: &[&str] = &["ids", "model", "schedule", "slot-api", "languages"];
/// What a room that only computes must not name.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "async-trait",
    "axum",
    "hyper",
    "hyper-util",
    "http",
    "tower",
    "sqlx",
    "sea-orm",
    "reqwest",
    "rustix",
];

/// Every arrow that is not drawn, every pure room that names IO.
pub fn check(workspace: &Workspace) -> Violations {
    let mut violations = Violations::new();
    for package in workspace.ours() {
        let room = room(&package.name);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            violations.push(format!("crate {room} is in no table: add it to xtask/src/arrows.rs and ARCHITECTURE.md"));
            continue;
        };
        for dependency in &package.dependencies {
            let test = dependency.kind.as_deref() == Some("dev");
            let other = room_of_ours(&dependency.name);
            let undrawn = other.is_some_and(|other| !allowed.contains(&other));
            let for_tests = |other| TESTS_MAY_NAME.contains(&other) || TEST_ARROWS.contains(&(room, other));
            if undrawn && !(test && other.is_some_and(for_tests)) {
                violations.push(format!("{room} may not depend on {}: no such arrow is drawn", dependency.name));
            }
            if !test && PURE.contains(&room) && IMPURE.contains(&dependency.name.as_str()) {
                violations.push(format!("{room} only computes and may not depend on {}", dependency.name));
            }
        }
    }
    violations
}

fn room(package: &str) -> &str {
    room_of_ours(package).unwrap_or(package)
}

fn room_of_ours(package: &str) -> Option<&str> {
    package.strip_prefix("madang-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(name: &str, dependency: &str, kind: &str) -> Workspace {
        let json = format!(
            r#"{{"packages":[{{"id":"a","name":"{name}","version":"0.1.0","license":"Apache-2.0",
            "dependencies":[{{"name":"{dependency}","kind":{kind}}}]}}],"workspace_members":["a"]}}"#
        );
        Workspace::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn drawn_arrows_pass() {
        assert_eq!(check(&workspace("madang-node", "madang-sandbox", "null")), Violations::new());
        assert_eq!(check(&workspace("madang-model", "madang-testkit", "\"dev\"")), Violations::new());
        assert_eq!(check(&workspace("madang-sandbox", "madang-image", "\"dev\"")), Violations::new());
        assert_eq!(check(&workspace("madang-store", "tokio", "null")), Violations::new());
    }

    #[test]
    fn others_are_named() {
        assert_eq!(check(&workspace("madang-control", "madang-node", "null")).len(), 1);
        assert_eq!(check(&workspace("madang-node", "madang-testkit", "null")).len(), 1);
        assert_eq!(check(&workspace("madang-sandbox", "madang-image", "null")).len(), 1);
        assert_eq!(check(&workspace("madang-model", "tokio", "null")).len(), 1);
        assert_eq!(check(&workspace("madang-misc", "serde", "null")).len(), 1);
    }
}
