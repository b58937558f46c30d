//! Events of a run as they happen: one JSON object a line.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use madang_ids::RunId;
use madang_model::RunEventBody;
use madang_public_api::StreamEvent;

use crate::{
    ClientError,
    transport::{Lease, Pool},
};

/// The longest line we take: a full output limit in base64 and then some.
const LINE_MAX: usize = 64 << 20;
const DOING: &str = "reading the run's events";

/// A run in progress as its reader sees it. Dropping it closes the connection.
#[derive(Debug)]
pub struct RunStream {
    id: Option<RunId>,
    body: Incoming,
    buffer: BytesMut,
    finished: bool,
    lease: Option<Lease>,
    pool: Arc<Pool>,
}

impl RunStream {
    pub(crate) fn new(id: Option<RunId>, body: Incoming, lease: Lease, pool: Arc<Pool>) -> Self {
        Self { id, body, buffer: BytesMut::new(), finished: false, lease: Some(lease), pool }
    }

    /// The run's id, where the server said it.
    pub fn id(&self) -> Option<RunId> {
        self.id
    }

    /// The next event; none after `finished`. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        loop {
            if let Some(event) = self.buffered()? {
                self.finished = matches!(event.body, RunEventBody::Finished { .. });
                return Ok(Some(event));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => return Err(ClientError::broken(DOING, error)),
                None => return self.end(),
            }
            if self.buffer.len() > LINE_MAX {
                return Err(ClientError::answer(DOING, format_args!("a line is longer than {LINE_MAX} bytes")));
            }
        }
    }

    /// A whole line that is already here, parsed; empty lines keep the connection alive and say nothing.
    fn buffered(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
            let line = self.buffer.split_to(end);
            self.buffer.advance(1);
            if !line.is_empty() {
                return serde_json::from_slice(&line).map(Some).map_err(|error| ClientError::answer(DOING, error));
            }
        }
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        if !self.finished {
            return Err(ClientError::broken(DOING, "the server closed it before the run finished"));
        }
        if let Some(lease) = self.lease.take() {
            self.pool.keep(lease);
        }
        Ok(None)
    }
}
