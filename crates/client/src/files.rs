//! Bytes of a file, as they arrive.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::{ClientError, transport::Lease};

/// A file on its way out of a session.
#[derive(Debug)]
pub struct FileBytes {
    body: Incoming,
    // Held so that the connection lives as long as the body is read.
    _lease: Lease,
}

impl FileBytes {
    pub(crate) fn new(body: Incoming, lease: Lease) -> Self {
        Self { body, _lease: lease }
    }

    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| ClientError::broken("reading the file", error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
