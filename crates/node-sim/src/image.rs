//! Images that were made of simulated sandboxes. What is in them is only counted: sandboxes made of one begin empty.

use std::{
    collections::BTreeMap,
    io::Cursor,
    iter,
    sync::{Mutex, PoisonError},
};

use madang_node_api::{
    ByteStream, CommitSeen, CommitSpec, CommittedImage, FileKind, FileOpened, FileSeen, ImageSeen, NodeError,
    SecretRule, SecretSeen,
};
use tokio::io::AsyncReadExt as _;

pub(crate) type SimImages = Mutex<BTreeMap<String, CommittedImage>>;

pub(crate) fn seen(images: &SimImages) -> Vec<ImageSeen> {
    let host = ImageSeen { name: "host".into(), digest: None, size_bytes: 0, languages: vec!["sim".into()] };
    let committed = images.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = committed.iter().map(|(name, image)| ImageSeen {
        name: name.clone(),
        digest: Some(image.digest.clone()),
        size_bytes: image.size_bytes,
        languages: image.languages.clone(),
    });
    iter::once(host).chain(seen).collect()
}

/// Paths and bytes.
pub(crate) fn sizes(files: &BTreeMap<String, Vec<u8>>) -> Vec<(String, u64)> {
    files.iter().map(|(path, bytes)| (path.clone(), bytes.len() as u64)).collect()
}

/// A file whose name ends in `secret` is one.
pub(crate) fn commit(images: &SimImages, files: &[(String, u64)], spec: CommitSpec) -> Result<CommitSeen, NodeError> {
    let size_bytes = files.iter().map(|(_, bytes)| bytes).sum();
    if size_bytes > spec.bytes_max {
        return Err(NodeError::Limit(format!("it is more than {} bytes", spec.bytes_max)));
    }
    let secret = files.iter().filter(|(path, _)| path.ends_with("secret"));
    let secrets: Vec<SecretSeen> =
        secret.map(|(path, _)| SecretSeen { path: path.clone(), what: "a secret".into() }).collect();
    let mut seen = CommitSeen { secret_count: secrets.len() as u64, secrets, ..CommitSeen::default() };
    if seen.secret_count == 0 || spec.secrets == SecretRule::Allow {
        let digest = format!("sha256:{size_bytes:064x}");
        let image = CommittedImage { digest, size_bytes, languages: vec!["sim".into()] };
        images.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.name, image.clone());
        seen.image = Some(image);
    }
    Ok(seen)
}

/// No archive, but what an archive says: the name and the digest.
pub(crate) fn export(images: &SimImages, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
    let images = images.lock().unwrap_or_else(PoisonError::into_inner);
    let image = images.get(name).ok_or_else(|| NodeError::NotFound(format!("image `{name}`")))?;
    let bytes = format!("{shown} {}", image.digest).into_bytes();
    let seen = FileSeen {
        path: shown.to_owned(),
        kind: FileKind::File,
        size_bytes: bytes.len() as u64,
        mode: 0o644,
        modified_ms: 0,
        tag: 0,
    };
    Ok(FileOpened { seen, bytes: Box::pin(Cursor::new(bytes)) })
}

/// What [`export`] says, taken at its word where the digest is right.
pub(crate) async fn import(
    images: &SimImages,
    (name, digest): (&str, &str),
    mut bytes: ByteStream,
) -> Result<(), NodeError> {
    let mut said = String::new();
    bytes.read_to_string(&mut said).await.map_err(|error| NodeError::Unavailable(error.to_string()))?;
    let size = digest.strip_prefix("sha256:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    match size.filter(|_| said.ends_with(&format!(" {digest}"))) {
        Some(size_bytes) => {
            let image = CommittedImage { digest: digest.to_owned(), size_bytes, languages: vec!["sim".into()] };
            images.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_insert(image);
            Ok(())
        }
        None => Err(NodeError::Invalid(format!("{said:?} is another image than {digest}"))),
    }
}
