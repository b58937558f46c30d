//! Where results are, and who we are there.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    local::LocalFileSystem,
    path::Path,
};

use super::http::Connector;

/// How long one request is tried again.
const RETRY_MAX: Duration = Duration::from_secs(8);
const RETRIES_MAX: usize = 3;
/// Where objects are, beneath the bucket's prefix or the directory.
const UNDER: &str = "runs";
/// The permission bits of a file of keys that let others read it.
const OTHERS: u32 = 0o007;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Where large results are. Keys of S3 never stand here: they are in a file of their own, or in the environment as AWS's own tools read
/// them (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsConfig {
    /// `s3://bucket/prefix`, or `file:///directory`.
    pub url: String,
    /// Of a store that is not Amazon's, `https://host:port`.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// A file as AWS's tools have them, with `aws_access_key_id = …` and `aws_secret_access_key = …`, that not everybody may read.
    pub key_file: Option<PathBuf>,
    /// Smaller results stay in the database.
    pub beyond_bytes: usize,
    /// How long the store is waited for.
    pub wait_max: Duration,
    /// A store that did not answer is given so long before the end of another run waits for it.
    pub away: Duration,
}

/// The configuration names no store.
#[derive(Debug, thiserror::Error)]
pub enum ResultsConfigError {
    #[error("results are kept at `s3://bucket/prefix` or `file:///directory`, not at `{0}`")]
    Url(String),
    #[error("the store of results at {url}")]
    Open { url: String, source: Cause },
    #[error("the keys of the store of results in {path}")]
    Keys { path: PathBuf, source: Cause },
}

impl ResultsConfig {
    /// The store, and the place in it.
    pub(super) fn place(&self) -> Result<(Arc<dyn ObjectStore>, Path), ResultsConfigError> {
        let failed = |source| ResultsConfigError::Open { url: self.url.clone(), source };
        let (objects, prefix): (Arc<dyn ObjectStore>, _) = match self.url.split_once("://") {
            Some(("file", directory)) if directory.starts_with('/') => {
                (Arc::new(files(directory).map_err(failed)?), "")
            }
            Some(("s3", place)) if !place.is_empty() && !place.starts_with('/') => {
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                (Arc::new(self.s3(bucket)?), prefix)
            }
            _ => return Err(ResultsConfigError::Url(self.url.clone())),
        };
        let under = Path::parse(prefix.trim_matches('/')).map_err(|error| failed(error.into()))?;
        Ok((objects, under.join(UNDER)))
    }

    fn s3(&self, bucket: &str) -> Result<AmazonS3, ResultsConfigError> {
        let failed = |source| ResultsConfigError::Open { url: self.url.clone(), source };
        let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_MAX, ..RetryConfig::default() };
        let connector = Connector::new().map_err(|error| failed(error.into()))?;
        let mut builder =
            AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).with_http_connector(connector);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(path) = &self.key_file {
            let keys = Keys::read(path).map_err(|source| ResultsConfigError::Keys { path: path.clone(), source })?;
            builder = builder.with_access_key_id(keys.id).with_secret_access_key(keys.secret);
        }
        builder.build().map_err(|error| failed(error.into()))
    }
}

/// Only the server reads what people ran, so a directory that is made is closed to others.
fn files(directory: &str) -> Result<LocalFileSystem, Cause> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    Ok(LocalFileSystem::new_with_prefix(directory)?.with_automatic_cleanup(true).with_fsync(true))
}

struct Keys {
    id: String,
    secret: String,
}

impl Keys {
    fn read(path: &std::path::Path) -> Result<Self, Cause> {
        if fs::metadata(path)?.permissions().mode() & OTHERS != 0 {
            return Err("anybody may read it; take that away (chmod 600)".into());
        }
        let text = fs::read_to_string(path)?;
        let find = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            let value = pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned());
            value.filter(|value| !value.is_empty()).ok_or_else(|| io::Error::other(format!("no `{name} = …` in it")))
        };
        Ok(Self { id: find("aws_access_key_id")?, secret: find("aws_secret_access_key")? })
    }
}
