//! The authorization table against the served contract: no operation without its row, no row without its operation, and the server
//! answers whoever asks as the table says.

use std::collections::BTreeSet;

use madang_model::access::{Rule, table};
use serde_json::Value;

/// Operation ids of the document, and whether they need an identity.
fn operations() -> Vec<(String, bool)> {
    let document = serde_json::to_value(madang_control::openapi()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let operation = |operation: &Value| {
        (operation["operationId"].as_str().expect("an operation id").to_owned(), operation["security"].is_array())
    };
    operations.map(operation).collect()
}

#[test]
fn every_operation_has_its_row_and_every_row_its_operation() {
    let operations = operations();
    let named: BTreeSet<_> = operations.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named.len(), operations.len(), "operation ids are unique");
    let rows: BTreeSet<_> = table::ROWS.iter().map(|row| row.operation).collect();
    let without_row: Vec<_> = named.difference(&rows).collect();
    assert!(without_row.is_empty(), "add rows to crates/model/src/access/table.rs for {without_row:?}");
    let without_operation: Vec<_> = rows.difference(&named).collect();
    assert!(without_operation.is_empty(), "rows for operations that are not there: {without_operation:?}");
    for (name, closed) in &operations {
        let open = table::find(name).is_some_and(|row| row.rule == Rule::Open);
        assert_eq!(open, !closed, "{name}: open in the table, or in the document, but not in both");
    }
}
