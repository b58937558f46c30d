//! What a simulated node knows.

use std::collections::BTreeMap;

use madang_model::Limits;
use madang_node_api::{LanguageSeen, ServiceSeen};

/// One that runs, one that is not installed.
pub(crate) fn languages() -> Vec<LanguageSeen> {
    let language = |id: &str, unavailable: Option<&str>| LanguageSeen {
        id: id.into(),
        name: id.to_uppercase(),
        version: Some("1.0".into()),
        unavailable: unavailable.map(str::to_owned),
        modes: vec!["query".into(), "batch".into(), "command".into()],
        extensions: vec!["sim".into()],
        main: "main.sim".into(),
        greeting: "print Hello".into(),
        limits: Limits::default(),
        service: unavailable.is_none().then(|| ServiceSeen {
            name: "simls".into(),
            unavailable: None,
            argv: vec!["cat".into()],
            env: BTreeMap::new(),
        }),
    };
    vec![language("sim", None), language("absent", Some("it is not installed"))]
}
