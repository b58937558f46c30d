//! Large results of runs, beside the database: in a directory, or in any store that speaks S3.
//!
//! What a run has put out is kept with its row as long as it is small. Beyond that it is one object under the run's id and the digest of
//! its content, so that what is read is what was written. An object is written down (`result_object`) before it is made, and stays written
//! down until a run names it or it is gone: whoever dies between leaves none that nobody finds. Start at [`Results::open`].

mod http;
mod place;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use madang_ids::RunId;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use sha2::{Digest as _, Sha256};

use crate::{StoreError, error::corrupt};

pub use place::{ResultsConfig, ResultsConfigError};

/// Results of at most so many bytes stay in the database where nothing else is said.
pub const BEYOND_BYTES: usize = 64 << 10;
/// Nothing that a run puts out comes near.
const RESULT_BYTES_MAX: u64 = 1 << 30;
/// [`ResultsConfig::wait_max`] where nothing else is said.
pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// [`ResultsConfig::away`] where nothing else is said.
pub const AWAY: Duration = Duration::from_secs(30);
/// Objects removed at once.
const REMOVALS: usize = 8;
/// Written to learn whether anything can be.
const PROBE: &str = "probe";
const READING: &str = "reading a result";

/// A store of results, opened.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    objects: Arc<dyn ObjectStore>,
    under: Path,
    beyond_bytes: usize,
    wait_max: Duration,
    away_max: Duration,
    /// Since when it has not taken what it was given.
    away: Arc<Mutex<Option<Instant>>>,
}

impl Results {
    /// Opens the store without asking it anything; makes the directory if it is one.
    pub(crate) fn open(config: &ResultsConfig) -> Result<Self, ResultsConfigError> {
        let (objects, under) = config.place()?;
        let ResultsConfig { beyond_bytes, wait_max, away: away_max, .. } = *config;
        Ok(Self { objects, under, beyond_bytes, wait_max, away_max, away: Arc::default() })
    }

    /// The key of a result that is to be kept here; none of one that stays with its row, for it is small or the store was away just now.
    pub(crate) fn key(&self, run: RunId, content: &[u8]) -> Option<String> {
        (content.len() > self.beyond_bytes && !self.is_away()).then(|| format!("{run}/{}", digest(content)))
    }

    /// Whether it did not take what it was last given, a moment ago.
    pub(crate) fn is_away(&self) -> bool {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| since.elapsed() < self.away_max)
    }

    pub(crate) async fn keep(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let place = self.place(key);
        let kept = self.waiting("keeping a result", self.objects.put(&place, PutPayload::from_bytes(content))).await;
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = kept.is_err().then(Instant::now);
        kept.map(drop)
    }

    /// Whether it takes what it is given.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.keep(PROBE, Bytes::new()).await
    }

    /// Reads a result again, and checks that it is the one that was kept.
    pub(crate) async fn read(&self, key: &str) -> Result<Bytes, StoreError> {
        let place = self.place(key);
        let reading = async {
            let object = match self.objects.get(&place).await {
                Err(Error::NotFound { .. }) => return Ok(Err("it is not where it was kept")),
                object => object?,
            };
            if object.meta.size > RESULT_BYTES_MAX {
                return Ok(Err("it is larger than any result"));
            }
            object.bytes().await.map(Ok)
        };
        let content = self.waiting(READING, reading).await?.map_err(corrupt(READING))?;
        if key.rsplit('/').next() != Some(digest(&content).as_str()) {
            return Err(corrupt(READING)("its content is another's"));
        }
        Ok(content)
    }

    /// Removes results; one that is not there is removed already.
    pub(crate) async fn remove(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let remove = |key: String| async move {
            let place = self.place(&key);
            let removed = async {
                match self.objects.delete(&place).await {
                    Err(Error::NotFound { .. }) => Ok(()),
                    other => other,
                }
            };
            self.waiting("removing a result", removed).await
        };
        stream::iter(keys.into_iter().map(remove)).buffer_unordered(REMOVALS).try_collect().await
    }

    fn place(&self, key: &str) -> Path {
        key.split('/').fold(self.under.clone(), |place, part| place.join(part))
    }

    async fn waiting<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        let failed = |source| StoreError::Results { doing, source };
        match tokio::time::timeout(self.wait_max, work).await {
            Ok(done) => done.map_err(|error| failed(error.into())),
            Err(_) => Err(failed(format!("no answer for {} s", self.wait_max.as_secs()).into())),
        }
    }
}

/// SHA-256 in hexadecimal.
fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
