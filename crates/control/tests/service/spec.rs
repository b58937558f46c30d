//! The committed OpenAPI document is the one that the code generates. `MADANG_UPDATE=1` rewrites it.

use std::path::Path;

use serde_json::Value;

#[test]
fn the_document_is_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let generated = serde_json::to_string_pretty(&madang_control::openapi()).unwrap() + "\n";
    if std::env::var_os("MADANG_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "docs/openapi.json is not what the code generates; run with MADANG_UPDATE=1");
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_documents_its_problems() {
    let document = serde_json::to_value(madang_control::openapi()).unwrap();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for status in ["400", "405", "500"] {
                assert!(operation["responses"][status].is_object(), "{method} {path} lacks {status}");
            }
        }
    }
}

fn collect_references(value: &Value, to: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                to.push(reference.to_owned());
            }
            fields.values().for_each(|value| collect_references(value, to));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, to)),
        _ => {}
    }
}
