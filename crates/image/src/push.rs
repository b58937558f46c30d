//! Images to a registry, out of the archive that [`crate::ImageStore::export`] writes. Start at [`push`].

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc::{self, Sender},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    archive::{ArchiveFiles, LayoutManifest, blob_path, layout_manifest},
    digest::Digest,
    document::Descriptor,
    error::ImageError,
    limits::ImageLimits,
    progress::Progress,
    pull::PullOptions,
    reference::Reference,
    registry::{Pieces, Registry},
};

/// Of one request. A registry has [`crate::registry`]'s patience for each.
const PIECE_BYTES: u64 = 4 << 20;
/// Read ahead of the one that is being sent.
const PIECES_WAITING: usize = 1;

/// An image that a registry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub reference: String,
    /// Of its manifest: what a pull can be pinned to.
    pub digest: Digest,
    /// Without what the registry had already.
    pub sent_bytes: u64,
}

/// Sends the only image of an archive, an OCI layout in a tar that is not packed, to where the reference says. Blobs first, the name last:
/// what is cut leaves no image.
pub async fn push(
    archive: File,
    reference: &Reference,
    options: &PullOptions,
    progress: &Progress,
) -> Result<Pushed, ImageError> {
    if reference.digest.is_some() {
        return Err(ImageError::Invalid(format!("{reference}: an image is pushed to a tag; its digest is its own")));
    }
    let registry = Registry::new(reference, options)?;
    let opened = spawn_blocking(move || {
        let limits = ImageLimits::default();
        let files = ArchiveFiles::of_tar(archive, &limits)?;
        let manifest = layout_manifest(&files, &limits)?;
        Ok((Arc::new(files), manifest))
    });
    let (files, manifest) = opened.await.unwrap_or_else(|error| Err(ImageError::Unavailable(error.to_string())))?;
    let seconds = options.deadline.as_secs();
    let pushed = timeout(options.deadline, send(&registry, reference, (files, manifest), progress)).await;
    pushed.unwrap_or_else(|_| Err(ImageError::Unavailable(format!("{reference} took longer than {seconds} s"))))
}

async fn send(
    registry: &Registry,
    reference: &Reference,
    (files, manifest): (Arc<ArchiveFiles>, LayoutManifest),
    progress: &Progress,
) -> Result<Pushed, ImageError> {
    let LayoutManifest { promised, bytes, blobs } = manifest;
    let mut sent_bytes = 0;
    for blob in &blobs {
        sent_bytes += registry.upload(&reference.repository, blob, || pieces(&files, blob), progress).await?;
    }
    registry.put_manifest(&reference.repository, &reference.version(), &promised.media_type, bytes).await?;
    Ok(Pushed { reference: reference.to_string(), digest: promised.digest, sent_bytes })
}

/// Reads on a thread of its own, at most so far ahead.
fn pieces(files: &Arc<ArchiveFiles>, blob: &Descriptor) -> Pieces {
    let (to, pieces) = mpsc::channel(PIECES_WAITING);
    let (files, path) = (Arc::clone(files), blob_path(&blob.digest));
    spawn_blocking(move || {
        if let Err(error) = read(&files, &path, &to) {
            // Nobody to tell: the push was given up.
            let _ = to.blocking_send(Err(error));
        }
    });
    pieces
}

fn read(files: &ArchiveFiles, path: &str, to: &Sender<Result<Bytes, ImageError>>) -> Result<(), ImageError> {
    let (mut stream, _) = files.open_file(path)?;
    loop {
        let mut piece = Vec::new();
        let taken: io::Result<usize> = (&mut stream).take(PIECE_BYTES).read_to_end(&mut piece);
        taken.map_err(ImageError::io("read", Path::new(path)))?;
        if piece.is_empty() || to.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}
