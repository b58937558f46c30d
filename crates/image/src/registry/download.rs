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

/// A file that is being filled.
struct Download<'a> {
    registry: &'a Registry,
    path: &'a str,
    size: u64,
    file: File,
    /// Bytes that are there.
    there: u64,
    what: String,
    progress: &'a Progress,
}

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
        let what = format!("download {}", promised.digest);
        let size = promised.size;
        let mut download = Download { registry: self, path, size, file: opened, there: before, what, progress };
        match download.run().await {
            Ok(()) => Ok(before),
            Err(Stop::Remote(error)) => Err(error),
            Err(Stop::Disk(error)) => Err(failed("write")(error)),
            Err(Stop::TooLong) => {
                tokio::fs::remove_file(file).await.map_err(failed("remove"))?;
                Err(ImageError::refused(promised.digest.to_string())(Refusal::SizeMismatch { expected: size }))
            }
        }
    }
}

impl Download<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        let mut tries = Tries::default();
        self.tell();
        while self.there < self.size {
            let start = self.there;
            let outcome = self.part().await;
            self.file.flush().await?;
            if self.there > start {
                tries.progress_made();
            }
            match outcome {
                Err(Stop::Remote(ImageError::Unavailable(why))) => tries.again(why).await?,
                outcome => outcome?,
            }
        }
        Ok(self.file.sync_data().await?)
    }

    /// One request: appends to the file what the registry sends, from where the file ends.
    async fn part(&mut self) -> Result<(), Stop> {
        let there = self.there;
        let range =
            (there > 0).then(|| HeaderValue::from_str(&format!("bytes={there}-")).expect("digits are a header value"));
        let response = self.registry.get(self.path, range).await?;
        let start = start_of(&response);
        if start != Some(there) {
            // The registry does not resume, or not there: from the beginning. It must at least begin there.
            self.file.set_len(0).await?;
            self.there = 0;
            if start != Some(0) {
                return Err(ImageError::Unavailable("the registry answers with another range".into()).into());
            }
        }
        self.file.seek(SeekFrom::Start(self.there)).await?;
        let mut body = response.into_body();
        while let Some(bytes) = next_bytes(&mut body).await? {
            if self.there + bytes.len() as u64 > self.size {
                return Err(Stop::TooLong);
            }
            self.file.write_all(&bytes).await?;
            self.there += bytes.len() as u64;
            self.tell();
        }
        if self.there < self.size {
            return Err(ImageError::Unavailable("the registry stopped before the end".into()).into());
        }
        Ok(())
    }

    fn tell(&self) {
        self.progress.tell(&self.what, self.there, self.size);
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

enum Stop {
    Remote(ImageError),
    Disk(std::io::Error),
    /// More came than was promised.
    TooLong,
}

impl From<ImageError> for Stop {
    fn from(error: ImageError) -> Stop {
        Stop::Remote(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Disk(error)
    }
}
