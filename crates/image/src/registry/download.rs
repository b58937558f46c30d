//! Content of any size into a file, going on where an earlier attempt stopped.

use std::{io::SeekFrom, path::Path};

use hyper::{
    HeaderMap, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_RANGE, HeaderValue},
};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{Registry, Tries, next_bytes};
use crate::{
    document::Descriptor,
    error::{ImageError, Refusal},
    progress::Progress,
};

impl Registry {
    /// Fills a file up to the promised size. Returns how many bytes were there before. The digest is for the caller to check.
    pub(crate) async fn download(
        &self,
        path: &str,
        promised: &Descriptor,
        file: &Path,
        progress: &Progress,
    ) -> Result<u64, ImageError> {
        let failed = |action| ImageError::io(action, file);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut opened = options.open(file).await.map_err(failed("open"))?;
        let mut before = opened.seek(SeekFrom::End(0)).await.map_err(failed("seek in"))?;
        if before > promised.size {
            // What an earlier pull left cannot be the beginning of this.
            opened.set_len(0).await.map_err(failed("cut"))?;
            before = 0;
        }
        let mut there = before;
        let mut tries = Tries::default();
        let what = format!("download {}", promised.digest);
        loop {
            if there > promised.size {
                tokio::fs::remove_file(file).await.map_err(failed("remove"))?;
                return Err(ImageError::refused(promised.digest.to_string())(Refusal::SizeMismatch {
                    expected: promised.size,
                }));
            }
            progress.tell(&what, there, promised.size);
            if there == promised.size {
                opened.sync_data().await.map_err(failed("sync"))?;
                return Ok(before);
            }
            let start = there;
            let outcome = self
                .part(path, &mut opened, &mut there, promised.size, &|done| progress.tell(&what, done, promised.size))
                .await;
            opened.flush().await.map_err(failed("write"))?;
            if there > start {
                tries.progress_made();
            }
            match outcome {
                Ok(()) => {}
                Err(PartError::Remote(ImageError::Unavailable(why))) => tries.again(why).await?,
                Err(PartError::Remote(error)) => return Err(error),
                Err(PartError::Disk(error)) => return Err(failed("write")(error)),
            }
        }
    }

    /// One request: appends to the file what the registry sends, from where the file ends.
    async fn part(
        &self,
        path: &str,
        file: &mut File,
        there: &mut u64,
        size: u64,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), PartError> {
        let range =
            (*there > 0).then(|| HeaderValue::from_str(&format!("bytes={there}-")).expect("digits are a header value"));
        let response = self.get(path, range).await?;
        let start = start_of(&response);
        if start != Some(*there) {
            // The registry does not resume, or not there: from the beginning. It must at least begin there.
            file.set_len(0).await?;
            *there = 0;
            if start != Some(0) {
                return Err(ImageError::Unavailable("the registry answers with another range".into()).into());
            }
        }
        file.seek(SeekFrom::Start(*there)).await?;
        let mut body = response.into_body();
        while let Some(bytes) = next_bytes(&mut body).await? {
            if *there + bytes.len() as u64 > size {
                // One byte too many is enough to know; nothing more is taken.
                *there = size + 1;
                return Ok(());
            }
            file.write_all(&bytes).await?;
            *there += bytes.len() as u64;
            told(*there);
        }
        if *there < size {
            return Err(ImageError::Unavailable("the registry stopped before the end".into()).into());
        }
        Ok(())
    }
}

/// Where the body begins within the content.
fn start_of(response: &Response<Incoming>) -> Option<u64> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => content_range_start(response.headers()),
        _ => Some(0),
    }
}

fn content_range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

enum PartError {
    Remote(ImageError),
    Disk(std::io::Error),
}

impl From<ImageError> for PartError {
    fn from(error: ImageError) -> PartError {
        PartError::Remote(error)
    }
}

impl From<std::io::Error> for PartError {
    fn from(error: std::io::Error) -> PartError {
        PartError::Disk(error)
    }
}
