//! Images from a registry. Start at [`ImageStore::pull`].

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking, time::timeout};

use crate::{
    archive::{check_bytes, same_count},
    digest::Digest,
    document::{Descriptor, Document, ImageConfig, NESTING_MAX, Platform, check_size, pick},
    error::{ImageError, Refusal},
    progress::Progress,
    reference::Reference,
    registry::{Credentials, Registry},
    store::{ImageEntry, ImageStore, LayerSource, Origin, Pin, check_name},
};

/// Layers on their way in at once.
const LAYERS_AT_ONCE: usize = 3;

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS, but plain HTTP on this machine's own loopback.
    #[default]
    Auto,
    /// TLS, always.
    Tls,
    /// Plain HTTP: whoever is between can read the credentials. Digests still hold, if the reference names one.
    Plain,
}

/// What a pull or a push needs besides the reference.
#[derive(Debug, Clone)]
pub struct PullOptions {
    pub credentials: Option<Credentials>,
    pub transport: Transport,
    /// A PEM file of the certificate authorities to trust instead of the machine's.
    pub authorities: Option<PathBuf>,
    /// Of the whole.
    pub deadline: Duration,
    /// Of a pull: the image's name here; the reference where there is none.
    pub name: Option<String>,
}

impl Default for PullOptions {
    fn default() -> PullOptions {
        PullOptions {
            credentials: None,
            transport: Transport::Auto,
            authorities: None,
            deadline: Duration::from_secs(3600),
            name: None,
        }
    }
}

/// The one who may write a partial download, by digest.
#[derive(Debug, Default)]
pub(crate) struct Downloading {
    turns: Mutex<Vec<(Digest, Weak<tokio::sync::Mutex<()>>)>>,
}

impl Downloading {
    async fn turn(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|(_, turn)| turn.strong_count() > 0);
            let known = turns.iter().find(|(of, _)| of == digest).and_then(|(_, turn)| turn.upgrade());
            known.unwrap_or_else(|| {
                let turn = Arc::new(tokio::sync::Mutex::new(()));
                turns.push((digest.clone(), Arc::downgrade(&turn)));
                turn
            })
        };
        turn.lock_owned().await
    }
}

/// A layer of the image that is being pulled.
struct PulledLayer {
    blob: Descriptor,
    diff_id: Digest,
}

/// What one pull works with.
struct Pull<'a> {
    store: &'a ImageStore,
    registry: Registry,
    reference: &'a Reference,
    progress: &'a Progress,
}

impl ImageStore {
    /// Gets an image from a registry and names it. What arrived of a layer before an interruption is not asked for again, also
    /// by a later pull. Dropping the future stops the pull; what is unpacking finishes by itself.
    pub async fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &Progress,
    ) -> Result<ImageEntry, ImageError> {
        let name = options.name.clone().unwrap_or_else(|| reference.to_string());
        check_name(&name)?;
        let registry = Registry::new(reference, options)?;
        let pull = Pull { store: self, registry, reference, progress };
        match timeout(options.deadline, pull.run(&name)).await {
            Ok(done) => done,
            Err(_) => {
                Err(ImageError::Unavailable(format!("{reference} took longer than {} s", options.deadline.as_secs())))
            }
        }
    }
}

impl Pull<'_> {
    async fn run(&self, name: &str) -> Result<ImageEntry, ImageError> {
        let (digest, config, layers) = self.manifest().await?;
        let bytes =
            self.registry.document(&self.path("blobs", &config.digest.to_string()), self.store.limits()).await?;
        let refused = |refusal| self.refused(refusal);
        check_bytes(&bytes, &config).map_err(refused)?;
        let config = ImageConfig::parse(&bytes, &Platform::here(), self.store.limits()).map_err(refused)?;
        same_count(&config, layers.len()).map_err(refused)?;
        let pin = Arc::new(self.store.pin(config.diff_ids.iter().chain(layers.iter().map(|layer| &layer.digest))));
        let pulled =
            config.diff_ids.iter().zip(layers).map(|(diff_id, blob)| PulledLayer { blob, diff_id: diff_id.clone() });
        stream::iter(pulled.map(|layer| self.layer(layer, pin.clone())))
            .buffer_unordered(LAYERS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let (store, name) = (self.store.clone(), name.to_owned());
        blocking(move || {
            let record = store.record_of(digest, &config)?;
            let entry = store.name(&name, &record);
            drop(pin);
            entry
        })
        .await
    }

    /// The manifest for this machine: its digest, its configuration and its layers.
    async fn manifest(&self) -> Result<(Digest, Descriptor, Vec<Descriptor>), ImageError> {
        let limits = self.store.limits();
        let mut bytes = self.registry.document(&self.path("manifests", &self.reference.version()), limits).await?;
        let mut digest = Digest::of(&bytes);
        if let Some(expected) = self.reference.digest.as_ref().filter(|expected| **expected != digest) {
            return Err(self.refused(Refusal::DigestMismatch { expected: expected.clone(), actual: digest }));
        }
        for _ in 0..NESTING_MAX {
            match Document::parse(&bytes, limits).map_err(|refusal| self.refused(refusal))? {
                Document::Manifest { config, layers } => return Ok((digest, config, layers)),
                Document::Index(entries) => {
                    let picked = pick(&entries, &Platform::here()).map_err(|refusal| self.refused(refusal))?;
                    check_size(picked, limits.document_bytes).map_err(|refusal| self.refused(refusal))?;
                    bytes = self.registry.document(&self.path("manifests", &picked.digest.to_string()), limits).await?;
                    check_bytes(&bytes, picked).map_err(|refusal| self.refused(refusal))?;
                    digest = picked.digest.clone();
                }
            }
        }
        let why = format!("it is nested more than {NESTING_MAX} deep");
        Err(self.refused(Refusal::BadDocument { what: "an index".into(), why }))
    }

    async fn layer(&self, layer: PulledLayer, pin: Arc<Pin>) -> Result<(), ImageError> {
        let mut turn = self.store.downloading().turn(&layer.blob.digest).await;
        let file = self.store.dir().join("downloads").join(layer.blob.digest.hex());
        for fresh in [false, true] {
            if self.store.has_layer(&layer.diff_id) {
                return Ok(());
            }
            let before = self
                .registry
                .download(&self.path("blobs", &layer.blob.digest.to_string()), &layer.blob, &file, self.progress)
                .await?;
            let done = self.unpack(&layer, file.clone(), (turn, pin.clone())).await;
            match done {
                // What an earlier pull left may have been damaged; what came now in one piece was not.
                Err(ImageError::Refused { .. }) if before > 0 && !fresh => {
                    turn = self.store.downloading().turn(&layer.blob.digest).await
                }
                done => return done,
            }
        }
        Ok(())
    }

    /// Unpacks a download and removes it, whether it was good or refused. The guards go along, since the work goes on when the
    /// pull is dropped.
    async fn unpack(
        &self,
        layer: &PulledLayer,
        file: PathBuf,
        guards: (OwnedMutexGuard<()>, Arc<Pin>),
    ) -> Result<(), ImageError> {
        let (store, progress, diff_id) = (self.store.clone(), self.progress.clone(), layer.diff_id.clone());
        let origin = Origin::Promised { digest: layer.blob.digest.clone(), size: layer.blob.size };
        blocking(move || {
            let stream = File::open(&file).map_err(ImageError::io("open", &file))?;
            let added = store.add_layer(LayerSource { stream, diff_id, origin }, &progress);
            if matches!(added, Ok(()) | Err(ImageError::Refused { .. })) {
                std::fs::remove_file(&file).map_err(ImageError::io("remove", &file))?;
            }
            drop(guards);
            added
        })
        .await
        .map_err(|error| match error {
            ImageError::Refused { subject, refusal } => {
                ImageError::Refused { subject: format!("{subject} of {}", self.reference), refusal }
            }
            error => error,
        })
    }

    fn path(&self, kind: &str, version: &str) -> String {
        format!("/v2/{}/{kind}/{version}", self.reference.repository)
    }

    fn refused(&self, refusal: Refusal) -> ImageError {
        ImageError::refused(self.reference.to_string())(refusal)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(ImageError::Unavailable(format!("the work was stopped: {error}"))),
    }
}
