//! Images from a file: OCI layouts, as a directory or a tar, and what `docker save` writes, old and new.
//!
//! A tar is never unpacked: its entries are found and read in place. Start at [`ImageStore::import`].

mod files;
mod plan;

use std::{fs::File, path::Path};

pub(crate) use files::ArchiveFiles;
pub(crate) use plan::{LayoutManifest, blob_path, check_bytes, layout_manifest, same_count};
use plan::{PlannedImage, plan};

use crate::{
    digest::Digest,
    error::{ImageError, Refusal},
    progress::Progress,
    store::{ImageEntry, ImageRecord, ImageStore, LayerSource, check_name},
};

impl ImageStore {
    /// Adds the images of an archive under the names they have there, or a single one under `name`. Every digest is verified;
    /// what is refused leaves nothing behind. Blocking.
    pub fn import(&self, path: &Path, name: Option<&str>, progress: &Progress) -> Result<Vec<ImageEntry>, ImageError> {
        let shown = path.display().to_string();
        let files = ArchiveFiles::open(path, self.limits(), &self.dir().join("tmp"))?;
        let images = plan(&files, self.limits()).map_err(|error| about(error, &shown))?;
        let named = with_names(images, name, &shown)?;
        let mut entries = Vec::new();
        for (image, names) in named {
            let record = self.add_image(&files, &image, progress).map_err(|error| about(error, &shown))?;
            for name in names {
                entries.push(self.name(&name, &record)?);
            }
        }
        Ok(entries)
    }

    /// Adds the only image of a tar that is not packed, under this name, if it is the one of this digest. Blocking.
    pub fn import_tar(&self, tar: File, name: &str, digest: &Digest) -> Result<ImageEntry, ImageError> {
        check_name(name)?;
        let files = ArchiveFiles::of_tar(tar, self.limits())?;
        let images = plan(&files, self.limits())?;
        let [image] = <[PlannedImage; 1]>::try_from(images)
            .map_err(|images| ImageError::Invalid(format!("an archive of {} images is not of one", images.len())))?;
        if image.digest != *digest {
            let refusal = Refusal::DigestMismatch { expected: digest.clone(), actual: image.digest };
            return Err(ImageError::refused(name)(refusal));
        }
        self.name(name, &self.add_image(&files, &image, &Progress::silent())?)
    }

    fn add_image(
        &self,
        files: &ArchiveFiles,
        image: &PlannedImage,
        progress: &Progress,
    ) -> Result<ImageRecord, ImageError> {
        let _pin = self.pin(image.layers.iter().map(|layer| &layer.diff_id));
        for layer in &image.layers {
            let (stream, size) = files.open_file(&layer.path)?;
            let origin = layer.origin(size);
            self.add_layer(LayerSource { stream, diff_id: layer.diff_id.clone(), origin }, progress)?;
        }
        self.record_of(image.digest.clone(), &image.config)
    }
}

/// Decides what every image will be called before any work is done.
fn with_names(
    images: Vec<PlannedImage>,
    name: Option<&str>,
    shown: &str,
) -> Result<Vec<(PlannedImage, Vec<String>)>, ImageError> {
    let invalid = |text: String| Err(ImageError::Invalid(text));
    if let Some(name) = name {
        check_name(name)?;
        return match <[PlannedImage; 1]>::try_from(images) {
            Ok([only]) => Ok(vec![(only, vec![name.to_owned()])]),
            Err(images) => invalid(format!("{shown} holds {} images; import it without a name", images.len())),
        };
    }
    if images.is_empty() {
        return invalid(format!("{shown} holds no image"));
    }
    let mut named = Vec::new();
    for image in images {
        if image.names.is_empty() {
            return invalid(format!("{shown} does not name its image {}; give a name", image.digest));
        }
        image.names.iter().try_for_each(|name| check_name(name))?;
        let names = image.names.clone();
        named.push((image, names));
    }
    Ok(named)
}

/// Says which archive it was.
fn about(error: ImageError, shown: &str) -> ImageError {
    match error {
        ImageError::Refused { subject, refusal } => {
            ImageError::Refused { subject: format!("{subject} of {shown}"), refusal }
        }
        error => error,
    }
}

fn missing(path: &str) -> Refusal {
    Refusal::Missing(path.to_owned())
}
