//! How long statements take, for whoever counts it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use sea_orm::DatabaseConnection;

/// A statement that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// `select`, `insert`, `update`, `delete` or `other`.
    pub statement: &'static str,
    pub elapsed: Duration,
    pub failed: bool,
}

type Watcher = Box<dyn Fn(Asked) + Send + Sync>;

/// Whoever wants to know, once somebody does.
#[derive(Clone, Default)]
pub(crate) struct Observer(Arc<OnceLock<Watcher>>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Observer").field(&self.0.get().is_some()).finish()
    }
}

impl Observer {
    pub fn watch(&self, connection: &mut DatabaseConnection) {
        let watcher = Arc::clone(&self.0);
        connection.set_metric_callback(move |info| {
            let Some(watcher) = watcher.get() else { return };
            let statement = kind(&info.statement.sql);
            watcher(Asked { statement, elapsed: info.elapsed, failed: info.failed });
        });
    }

    pub fn set(&self, watcher: impl Fn(Asked) + Send + Sync + 'static) {
        // The first one stays.
        let _ = self.0.set(Box::new(watcher));
    }
}

fn kind(sql: &str) -> &'static str {
    let word = sql.split_ascii_whitespace().next().unwrap_or_default();
    let known = ["select", "insert", "update", "delete"];
    known.into_iter().find(|known| word.eq_ignore_ascii_case(known)).unwrap_or("other")
}
