//! What the node can run, remembered for a moment: requests must not pay for the question.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use madang_node_api::{LanguageSeen, Node};
use madang_public_api::bounds::IMAGE_CHARS_MAX;

use super::Failure;

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(2);

type Table = Arc<BTreeMap<String, LanguageSeen>>;

#[derive(Debug, Default)]
pub(crate) struct Languages {
    cached: Mutex<Option<(Instant, Table)>>,
}

impl Languages {
    pub fn table(&self, node: &dyn Node) -> Table {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, table)) = &*cached
            && at.elapsed() < FRESH
        {
            return Arc::clone(table);
        }
        let table: Table = Arc::new(node.languages().into_iter().map(|seen| (seen.id.clone(), seen)).collect());
        // Whoever knows none has heard no node yet, and will in a moment.
        if !table.is_empty() {
            *cached = Some((Instant::now(), Arc::clone(&table)));
        }
        table
    }

    /// A language that can run here, or why not.
    pub fn find(&self, node: &dyn Node, id: &str) -> Result<LanguageSeen, Failure> {
        if id.chars().count() > IMAGE_CHARS_MAX {
            return Err(Failure::invalid("language", "no language has so long an id"));
        }
        let table = self.table(node);
        let seen = table.get(id).ok_or_else(|| {
            let known: Vec<_> = table.keys().map(String::as_str).collect();
            Failure::invalid("language", format!("there is no language {id:?}; known are {}", known.join(" ")))
        })?;
        match &seen.unavailable {
            Some(why) => Err(Failure::invalid("language", format!("{id} cannot run here: {why}"))),
            None => Ok(seen.clone()),
        }
    }
}
