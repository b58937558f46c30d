//! A directory as a tar stream (POSIX ustar with pax headers for long names), written as it is read.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use madang_ids::SandboxId;
use madang_node_api::{Depth, FileKind, FileSeen};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::io::ReaderStream;

use super::Shared;
use crate::app::{App, Failure};

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;
/// What may wait between the node and the client.
const PIPE_BYTES: usize = 256 << 10;
/// The largest size that a ustar header can say in octal.
const SIZE_MAX: u64 = (1 << 33) - 1;

/// Everything below `path`, with names relative to `/home/work`.
pub(super) async fn directory(app: &Shared, sandbox: SandboxId, path: String) -> Result<Response, Failure> {
    let entries = app.node.file_list(sandbox, &path, Depth::All).await?;
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let app = Arc::clone(app);
    tokio::spawn(async move {
        // A client that goes away ends the copy; a file that changes meanwhile breaks the archive off, so nobody takes it for whole.
        if let Err(error) = copy(&app, sandbox, entries, writer).await {
            tracing::debug!(%error, "an archive was broken off");
        }
    });
    let kind = HeaderValue::from_static("application/x-tar");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(ReaderStream::new(reader))).into_response())
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error("writing the archive")]
    Write(#[from] std::io::Error),
    #[error("reading {path}: {why}")]
    Read { path: String, why: String },
}

async fn copy(app: &App, sandbox: SandboxId, entries: Vec<FileSeen>, mut to: DuplexStream) -> Result<(), CopyError> {
    for entry in entries {
        let failed = |why: String| CopyError::Read { path: entry.path.clone(), why };
        match entry.kind {
            FileKind::Directory => {
                let name = format!("{}/", entry.path);
                to.write_all(&headers(&name, &entry, b'5', 0)).await?;
            }
            FileKind::File => {
                let opened =
                    app.node.file_read(sandbox, &entry.path).await.map_err(|error| failed(error.to_string()))?;
                let size = opened.seen.size_bytes;
                if size > SIZE_MAX {
                    return Err(failed("too large for an archive".into()));
                }
                to.write_all(&headers(&entry.path, &entry, b'0', size)).await?;
                let copied = tokio::io::copy(&mut opened.bytes.take(size), &mut to).await?;
                if copied != size {
                    return Err(failed("it shrank meanwhile".into()));
                }
                to.write_all(padding(size)).await?;
            }
            // Links and devices may lead anywhere; they stay behind.
            FileKind::Symlink | FileKind::Other => {}
        }
    }
    to.write_all(&[0; 2 * BLOCK]).await?;
    to.shutdown().await?;
    Ok(())
}

fn padding(size: u64) -> &'static [u8] {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    &[0; BLOCK][..(BLOCK - over) % BLOCK]
}

/// The header of an entry, after a pax header with its name where that is long.
fn headers(name: &str, entry: &FileSeen, kind: u8, size: u64) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(BLOCK);
    if name.len() > NAME_BYTES {
        let record = pax_record("path", name);
        blocks.extend(header("pax", 0o644, 0, record.len() as u64, b'x'));
        blocks.extend_from_slice(record.as_bytes());
        blocks.extend_from_slice(padding(record.len() as u64));
    }
    blocks.extend(header(name, entry.mode, entry.modified_ms / 1_000, size, kind));
    blocks
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn header(name: &str, mode: u32, modified_s: u64, size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name.as_bytes()[..name.len().min(NAME_BYTES)]);
    put(100, format!("{:07o}\0", mode & 0o7777).as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", modified_s.min(SIZE_MAX)).as_bytes());
    // The checksum counts its own field as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_lengths_count_themselves() {
        for length in [1, 90, 91, 92, 93, 980, 990, 995, 4_096] {
            let record = pax_record("path", &"x".repeat(length));
            let (said, _) = record.split_once(' ').unwrap();
            assert_eq!(said.parse::<usize>().unwrap(), record.len());
        }
    }
}
