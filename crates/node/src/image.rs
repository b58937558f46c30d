//! Images that are made here, and what becomes of them when nobody wants them any more.
//!
//! The store of images belongs to one process at a time: it is opened for each change, so that an administrator's command can change it too.
//! Whoever makes a sandbox of an image holds `using`; what nobody uses is taken away only while nobody does.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use madang_ids::SandboxId;
use madang_image::{
    CommitLimits, Digest, ImageCatalog, ImageError, ImageStore, Packed, Refusal, RootPlan, host::HOST_IMAGE,
};
use madang_model::Limits;
use madang_node_api::{
    ByteStream, COMMITTED, CommitSeen, CommitSpec, CommittedImage, FileKind, FileOpened, FileSeen, ImageSeen,
    LeftOutSeen, NodeError, SecretRule, SecretSeen,
};
use madang_slot_api::{FileAnswer, FileAsk};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, ReadBuf},
    sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, RwLock, Semaphore},
};

use crate::{
    agent::Agent,
    sandbox::{Sandbox, file_error, unavailable},
    template::{self, Template},
};

/// Files and directories of one commit.
const ENTRIES_MAX: u64 = 1_000_000;
/// Archives that are on their way out and in at once: each is a file as large as its image.
const MOVING_MAX: usize = 4;
/// Of an archive that comes in, at once.
const PIECE_BYTES: usize = 1 << 20;
/// So long another process may be changing images.
const STORE_WAIT: Duration = Duration::from_secs(10);
/// So long a change waits for those before it: what is refused after that can be asked for again, what queues for good cannot be taken back.
const TURN_WAIT: Duration = Duration::from_secs(60);
/// What no commit or export takes of the node's disk: folders and the database live on it too.
const DISK_LEFT_BYTES: u64 = 1 << 30;
/// A commit is on the disk as it was read and once more as a layer, for a moment.
const COPIES: u64 = 2;
const STORE_AGAIN: Duration = Duration::from_millis(50);
/// Whether somebody uses an image that was removed is looked at this often.
const COLLECT_AGAIN: Duration = Duration::from_secs(2);

/// The images of this node.
#[derive(Debug)]
pub(crate) struct Images {
    directory: PathBuf,
    /// One change at a time.
    turn: Arc<Mutex<()>>,
    /// Shared by sandboxes on their way.
    pub using: RwLock<()>,
    moving: Arc<Semaphore>,
}

/// The store, while it is ours.
struct Opened {
    store: ImageStore,
    _turn: OwnedMutexGuard<()>,
}

/// An archive on its way out; its file goes with it.
struct Exporting {
    file: tokio::fs::File,
    _turn: OwnedSemaphorePermit,
}

impl AsyncRead for Exporting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buffer)
    }
}

impl Images {
    pub(crate) fn of(home: &std::path::Path) -> Self {
        Self {
            directory: home.join("images"),
            turn: Arc::default(),
            using: RwLock::default(),
            moving: Arc::new(Semaphore::new(MOVING_MAX)),
        }
    }

    /// Whether so much may be written beside the images.
    fn check_room(&self, bytes: u64) -> Result<(), NodeError> {
        match free_bytes(&self.directory)? < DISK_LEFT_BYTES.saturating_add(bytes) {
            true => Err(NodeError::Capacity("the node has no room for more images".to_owned())),
            false => Ok(()),
        }
    }

    /// As long as there is room for it and for what will be unpacked of it.
    async fn receive(&self, mut bytes: ByteStream) -> Result<File, NodeError> {
        let tmp = self.directory.join("tmp");
        let made = std::fs::create_dir_all(&tmp).and_then(|()| tempfile::tempfile_in(&tmp));
        let failed = |error: io::Error| NodeError::Unavailable(format!("an image on its way here: {error}"));
        let (mut file, mut there) = (tokio::fs::File::from_std(made.map_err(failed)?), 0_u64);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = bytes.read(&mut piece).await.map_err(failed)?;
            if read == 0 {
                break;
            }
            there += read as u64;
            self.check_room(there)?;
            file.write_all(&piece[..read]).await.map_err(failed)?;
        }
        file.rewind().await.map_err(failed)?;
        Ok(file.into_std().await)
    }

    async fn open(&self) -> Result<Opened, NodeError> {
        let late = |_| NodeError::Unavailable("other images are being changed on this node; try again".to_owned());
        let turn = tokio::time::timeout(TURN_WAIT, Arc::clone(&self.turn).lock_owned()).await.map_err(late)?;
        let opening = async {
            loop {
                let directory = self.directory.clone();
                match blocking(move || ImageStore::open(&directory)).await {
                    Err(ImageError::Busy(_)) => tokio::time::sleep(STORE_AGAIN).await,
                    opened => return opened,
                }
            }
        };
        let busy = |_| NodeError::Unavailable("another process is changing the images of this node".to_owned());
        let store = tokio::time::timeout(STORE_WAIT, opening).await.map_err(busy)?.map_err(node_error)?;
        Ok(Opened { store, _turn: turn })
    }
}

impl Agent {
    pub(crate) async fn commit(&self, id: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        check_name(&spec.name)?;
        let sandbox = self.find(id)?;
        let agent = self.me.upgrade().ok_or_else(|| NodeError::Unavailable("the node stops".to_owned()))?;
        // In a task of its own: whoever asked may go away, and nothing stands still for good.
        let committing = tokio::spawn(async move { agent.commit_sandbox(&sandbox, spec).await });
        committing.await.map_err(|error| NodeError::Internal(error.to_string()))?
    }

    async fn commit_sandbox(&self, sandbox: &Arc<Sandbox>, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        let opened = self.images.open().await?;
        let home = home_of(sandbox).await?;
        let bytes = self.commit_bytes_max(sandbox, &spec)?;
        let (store, limits) = (opened.store.clone(), CommitLimits { bytes, entries: ENTRIES_MAX });
        let read = move || store.pack(home, &limits);
        let (packed, still) = match self.shop.cgroups.can_freeze() {
            true => sandbox.still(read).await?,
            // Then each file is what it was when it was opened, and not all of them are of one moment.
            false => (blocking(read).await, Duration::ZERO),
        };
        let packed = packed.map_err(node_error)?;
        let mut seen = seen(&packed, still);
        if seen.secret_count > 0 && spec.secrets == SecretRule::Refuse {
            return Ok(seen);
        }
        let (store, base, host) = (opened.store.clone(), sandbox.spec.image.clone(), self.host_plan());
        let (recipes, template) = (self.shop.recipes.clone(), sandbox.template.clone());
        let commit = move || {
            check_base(&store, &base, &template)?;
            let entry = store.commit(&spec.name, &base, packed)?;
            let plan = store.catalog().resolve_over(&spec.name, &host)?;
            let languages = Template::look(plan, &recipes).languages(&recipes);
            Ok(CommittedImage { digest: entry.digest.to_string(), size_bytes: entry.size_bytes, languages })
        };
        seen.image = Some(blocking(commit).await.map_err(node_error)?);
        Ok(seen)
    }

    /// A file of holes says that it is larger than its disk, and would be written out whole.
    fn commit_bytes_max(&self, sandbox: &Sandbox, spec: &CommitSpec) -> Result<u64, NodeError> {
        // Slots are made before anybody says how much they shall hold: what does not go into one could be made and never be used.
        let begun_with = Limits::default().disk_bytes;
        let held = spec.bytes_max.min(sandbox.spec.limits.disk_bytes).min(begun_with);
        self.images.check_room(held.saturating_mul(COPIES))?;
        Ok(held)
    }

    /// The archive is written whole before anybody hears of it: images can be changed again, however slowly it is read.
    pub(crate) async fn export_image(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
        check_name(name)?;
        let full = |_| NodeError::Capacity(format!("{MOVING_MAX} images are on their way; try again"));
        let turn = Arc::clone(&self.images.moving).try_acquire_owned().map_err(full)?;
        let opened = self.images.open().await?;
        let (store, name, shown_as) = (opened.store.clone(), name.to_owned(), shown.to_owned());
        let entry = store.list().map_err(node_error)?.into_iter().find(|entry| entry.name == name);
        self.images.check_room(entry.map_or(0, |entry| entry.size_bytes))?;
        let export = move || store.export_nameless(&name, &shown_as);
        let (file, exported) = blocking(export).await.map_err(node_error)?;
        let size_bytes = exported.size_bytes;
        let seen =
            FileSeen { path: shown.to_owned(), kind: FileKind::File, size_bytes, mode: 0o644, modified_ms: 0, tag: 0 };
        let bytes = Box::pin(Exporting { file: tokio::fs::File::from_std(file), _turn: turn });
        Ok(FileOpened { seen, bytes })
    }

    /// What another node has sent out. Its bytes come first, into a file without a name: meanwhile images can be changed.
    pub(crate) async fn import_image(&self, name: &str, digest: &str, bytes: ByteStream) -> Result<(), NodeError> {
        check_name(name)?;
        let digest: Digest =
            digest.parse().map_err(|_| NodeError::Invalid(format!("{digest:?} is no digest of an image")))?;
        let full = |_| NodeError::Capacity(format!("{MOVING_MAX} images are on their way; try again"));
        let _turn = Arc::clone(&self.images.moving).try_acquire_owned().map_err(full)?;
        let file = self.images.receive(bytes).await?;
        let opened = self.images.open().await?;
        let (store, name) = (opened.store.clone(), name.to_owned());
        let import = move || match store.list()?.iter().any(|entry| entry.name == name) {
            true => Ok(()),
            false => store.import_tar(file, &name, &digest).map(drop),
        };
        blocking(import).await.map_err(node_error)
    }

    pub(crate) async fn remove_image(&self, name: &str) -> Result<(), NodeError> {
        check_name(name)?;
        let opened = self.images.open().await?;
        let _nobody_begins = self.images.using.write().await;
        let (store, name) = (opened.store.clone(), name.to_owned());
        let remove = move || {
            let digest = match store.remove(&name) {
                Ok(digest) => digest,
                Err(ImageError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            let named = store.list()?.into_iter().any(|entry| entry.digest == digest);
            Ok((!named).then(|| digest.to_string()))
        };
        let unnamed = blocking(remove).await.map_err(node_error)?;
        for ready in unnamed.iter().flat_map(|digest| self.shop.pools.forget(digest)) {
            self.shop.retirement.retire(ready.slot);
        }
        let in_use = self.images_in_use();
        if let Some(digest) = unnamed.and_then(|digest| digest.parse().ok()).filter(|digest| in_use.contains(digest)) {
            tokio::spawn(collect_later(self.me.clone(), digest));
        }
        collect(&opened.store, in_use).await
    }

    /// Of sandboxes that live, and of slots that wait.
    fn images_in_use(&self) -> BTreeSet<Digest> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let live: Vec<String> = sandboxes.values().map(|sandbox| sandbox.template.clone()).collect();
        let alone = self.alone.all().into_iter().map(|sandbox| sandbox.template.clone());
        let catalog = ImageCatalog::of(&self.images.directory);
        let named = catalog.list().unwrap_or_default();
        let digest = |image: String| {
            let by_name = || named.iter().find(|entry| entry.name == image).map(|entry| entry.digest.clone());
            image.parse().ok().or_else(by_name)
        };
        live.into_iter().chain(alone).chain(self.shop.pools.images()).filter_map(digest).collect()
    }

    /// The machine's own image, which others may be made over.
    pub(crate) fn host_plan(&self) -> RootPlan {
        self.shop.templates().get(HOST_IMAGE).map(|template| template.plan.clone()).unwrap_or_default()
    }

    pub(crate) async fn images_seen(&self) -> Result<Vec<ImageSeen>, NodeError> {
        let available = self.languages.iter().filter(|seen| seen.unavailable.is_none());
        let languages = available.map(|seen| seen.id.clone()).collect();
        let mut all = vec![ImageSeen { name: HOST_IMAGE.to_owned(), digest: None, size_bytes: 0, languages }];
        let (directory, recipes, host) = (self.images.directory.clone(), self.shop.recipes.clone(), self.host_plan());
        let listed = blocking(move || template::stored_images(&directory, &recipes, &host)).await;
        all.extend(listed.map_err(|error| NodeError::Unavailable(error.to_string()))?);
        Ok(all)
    }

    /// The plan of an image in the store, and the key of its template.
    pub(crate) async fn image_plan(&self, image: &str) -> Result<(String, Template), NodeError> {
        let (directory, name, recipes) = (self.images.directory.clone(), image.to_owned(), self.shop.recipes.clone());
        let host = self.host_plan();
        let look = move || {
            let plan = ImageCatalog::of(&directory).resolve_over(&name, &host)?;
            let key = plan.digest.clone().unwrap_or(name);
            Ok((key, Template::look(plan, &recipes)))
        };
        blocking(look).await.map_err(|error| NodeError::Invalid(format!("image `{image}`: {error}")))
    }
}

/// Once nobody uses an image any more that has no name: a run that ends just now, a slot that came into its pool a moment too late.
async fn collect_later(agent: Weak<Agent>, digest: Digest) {
    loop {
        tokio::time::sleep(COLLECT_AGAIN).await;
        let Some(agent) = agent.upgrade() else { return };
        if agent.images_in_use().contains(&digest) {
            continue;
        }
        // Somebody else may be changing images for long.
        let Ok(opened) = agent.images.open().await else { continue };
        let _nobody_begins = agent.images.using.write().await;
        let in_use = agent.images_in_use();
        if in_use.contains(&digest) {
            continue;
        }
        if let Err(error) = collect(&opened.store, in_use).await {
            tracing::warn!(%error, "what a removed image leaves stays until another is removed");
        }
        return;
    }
}

async fn collect(store: &ImageStore, in_use: BTreeSet<Digest>) -> Result<(), NodeError> {
    let store = store.clone();
    let gone = blocking(move || store.gc(&in_use)).await.map_err(node_error)?;
    tracing::info!(layers = gone.layers, bytes = gone.bytes, "what no image needs was removed");
    Ok(())
}

/// Only what was made of a session is made and removed this way.
fn check_name(name: &str) -> Result<(), NodeError> {
    match name.strip_prefix(COMMITTED).is_some_and(|rest| !rest.is_empty()) {
        true => Ok(()),
        false => Err(NodeError::Invalid(format!("an image of a session is called `{COMMITTED}…`, not {name:?}"))),
    }
}

/// What was read lies over the image that the sandbox was made of, not over another that has its name by now.
fn check_base(store: &ImageStore, base: &str, template: &str) -> Result<(), ImageError> {
    // A claim of an agent that did not write the digest down has the name.
    if base == template || store.list()?.iter().any(|entry| entry.name == base && entry.digest.to_string() == template)
    {
        return Ok(());
    }
    Err(ImageError::Invalid(format!("the image `{base}` is another now than the one that the session was made of")))
}

/// The work directory, opened by init: no path of the guest's is followed from here.
async fn home_of(sandbox: &Sandbox) -> Result<OwnedFd, NodeError> {
    let _awake = sandbox.awake().await?;
    let (answer, descriptor) = sandbox.link.file(FileAsk::Home).await.map_err(unavailable)?;
    match (answer.map_err(|fault| file_error("the work directory", &fault))?, descriptor) {
        (FileAnswer::Opened(_), Some(descriptor)) => {
            let file = File::from(descriptor);
            let is_directory = file.metadata().is_ok_and(|seen| seen.is_dir());
            is_directory.then(|| file.into()).ok_or_else(misfit)
        }
        _ => Err(misfit()),
    }
}

/// That programs without privilege may take.
fn free_bytes(directory: &Path) -> Result<u64, NodeError> {
    let failed = |errno| NodeError::Internal(format!("cannot see how much disk is left: {errno}"));
    let seen = rustix::fs::statvfs(directory).map_err(failed)?;
    Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
}

fn misfit() -> NodeError {
    NodeError::Internal("the sandbox answered something else".to_owned())
}

fn seen(packed: &Packed, still: Duration) -> CommitSeen {
    let left_out = packed.left_out.items.iter();
    let secrets = packed.secrets.items.iter();
    CommitSeen {
        image: None,
        left_out: left_out.map(|one| LeftOutSeen { path: one.path.clone(), why: one.why.to_owned() }).collect(),
        left_out_count: packed.left_out.count,
        secrets: secrets.map(|one| SecretSeen { path: one.path.clone(), what: one.what.clone() }).collect(),
        secret_count: packed.secrets.count,
        frozen_ms: u64::try_from(still.as_millis()).unwrap_or(u64::MAX),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ImageError::Unavailable(format!("the work was stopped: {error}"))))
}

fn node_error(error: ImageError) -> NodeError {
    let text = error.to_string();
    match error {
        ImageError::Refused { refusal: Refusal::TooLarge(_) | Refusal::TooManyEntries(_), .. } => {
            NodeError::Limit(text)
        }
        ImageError::Refused { .. } | ImageError::Invalid(_) => NodeError::Invalid(text),
        ImageError::NotFound(image) => NodeError::NotFound(format!("image `{image}`")),
        ImageError::Busy(_) | ImageError::Denied(_) | ImageError::Unavailable(_) => NodeError::Unavailable(text),
        ImageError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            NodeError::Capacity("the node has no room for more images".to_owned())
        }
        ImageError::Io { .. } => NodeError::Internal(text),
    }
}
