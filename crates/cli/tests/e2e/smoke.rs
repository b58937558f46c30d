//! Every language that is there greets.

use serde_json::Value;

use crate::server::shared;

#[test]
fn every_installed_language_greets() {
    let server = shared();
    let (code, stdout, stderr) = server.madang(&["smoke", "--json", "--wait", "60s"]);
    let table: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0, "{stdout}{stderr}");
    let greeted = table["greeted"].as_array().unwrap();
    for row in greeted {
        assert_eq!(row["ok"], true, "{row}");
        assert_eq!(row["result"]["verdict"], "ok", "{row}");
    }
    let missing: Vec<_> = table["unavailable"].as_array().unwrap().iter().collect();
    assert!(missing.iter().all(|language| language["unavailable"].is_string()), "{missing:?}");
    if std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_some() {
        // Debian 12 has no Julia.
        let unexpected: Vec<_> = missing.iter().filter(|language| language["id"] != "julia").collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }
}
