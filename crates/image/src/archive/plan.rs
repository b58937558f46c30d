//! What an archive holds: documents read and verified, layers found, nothing unpacked yet.

use std::iter;

use super::files::ArchiveFiles;
use crate::{
    digest::Digest,
    document::{Descriptor, Document, ImageConfig, NESTING_MAX, Platform, SavedImage, check_size, pick},
    error::{ImageError, Refusal},
    limits::ImageLimits,
    store::Origin,
};

/// Images of one archive.
const IMAGES_MAX: usize = 64;

/// An image that is to be added.
pub(super) struct PlannedImage {
    pub names: Vec<String>,
    pub digest: Digest,
    pub layers: Vec<PlannedLayer>,
    pub config: ImageConfig,
}

pub(super) struct PlannedLayer {
    pub path: String,
    pub diff_id: Digest,
    /// Digest and size of the packed layer; old archives promise only the unpacked one.
    promised: Option<(Digest, u64)>,
}

impl PlannedLayer {
    pub(super) fn origin(&self, actual_size: u64) -> Origin {
        match &self.promised {
            Some((digest, size)) => Origin::Promised { digest: digest.clone(), size: *size },
            None => Origin::Unchecked { size: actual_size },
        }
    }
}

/// An archive of today's `docker save` is both an OCI layout and the old form; the layout promises more and is used.
pub(super) fn plan(files: &ArchiveFiles, limits: &ImageLimits) -> Result<Vec<PlannedImage>, ImageError> {
    if files.has("index.json") {
        return plan_layout(files, limits);
    }
    if files.has("manifest.json") {
        return plan_saved(files, limits);
    }
    let neither = Refusal::Missing("index.json (OCI layout) or manifest.json (docker save)".into());
    Err(ImageError::refused("an archive")(neither))
}

fn plan_layout(files: &ArchiveFiles, limits: &ImageLimits) -> Result<Vec<PlannedImage>, ImageError> {
    let bytes = files.document("index.json", limits)?;
    let refused = |refusal| ImageError::refused("index.json")(refusal);
    let Document::Index(tops) = Document::parse(&bytes, limits).map_err(refused)? else {
        let why = "it is no index".into();
        return Err(refused(Refusal::BadDocument { what: "index.json".into(), why }));
    };
    let machine = Platform::here();
    // Several manifests for several machines, without names, are one image.
    let tops = if tops.iter().all(|top| top.name.is_none() && top.platform.is_some()) && tops.len() > 1 {
        vec![pick(&tops, &machine).map_err(refused)?.clone()]
    } else {
        tops
    };
    if tops.len() > IMAGES_MAX {
        let why = format!("it names more than {IMAGES_MAX} images");
        return Err(refused(Refusal::BadDocument { what: "index.json".into(), why }));
    }
    tops.iter().map(|top| layout_image(files, top, &machine, limits)).collect()
}

/// The manifest of a layout's only image, as it was written down, and what it names.
pub(crate) struct LayoutManifest {
    pub promised: Descriptor,
    pub bytes: Vec<u8>,
    /// The configuration and the layers.
    pub blobs: Vec<Descriptor>,
}

/// Of a layout that holds one image, for whichever machine.
pub(crate) fn layout_manifest(files: &ArchiveFiles, limits: &ImageLimits) -> Result<LayoutManifest, ImageError> {
    let bad = |why: &str| {
        let why = why.to_owned();
        ImageError::refused("index.json")(Refusal::BadDocument { what: "a layout".into(), why })
    };
    let bytes = files.document("index.json", limits)?;
    let index = Document::parse(&bytes, limits).map_err(ImageError::refused("index.json"))?;
    let Document::Index(tops) = index else { return Err(bad("it is no index")) };
    let [promised] = <[Descriptor; 1]>::try_from(tops).map_err(|_| bad("it does not hold one image"))?;
    let bytes = verified(files, &promised, limits)?;
    match Document::parse(&bytes, limits).map_err(ImageError::refused(promised.digest.to_string()))? {
        Document::Index(_) => Err(bad("its image is an index")),
        Document::Manifest { config, layers } => {
            Ok(LayoutManifest { promised, bytes, blobs: iter::once(config).chain(layers).collect() })
        }
    }
}

fn layout_image(
    files: &ArchiveFiles,
    top: &Descriptor,
    machine: &Platform,
    limits: &ImageLimits,
) -> Result<PlannedImage, ImageError> {
    let mut reached = top.clone();
    for _ in 0..NESTING_MAX {
        let bytes = verified(files, &reached, limits)?;
        let refused = |refusal| ImageError::refused(format!("manifest {}", reached.digest))(refusal);
        match Document::parse(&bytes, limits).map_err(refused)? {
            Document::Index(entries) => reached = pick(&entries, machine).map_err(refused)?.clone(),
            Document::Manifest { config, layers } => {
                let config = verified(files, &config, limits)?;
                let config = ImageConfig::parse(&config, machine, limits).map_err(refused)?;
                let layers = pair(&config, &layers).map_err(refused)?;
                let names = top.name.clone().into_iter().collect();
                return Ok(PlannedImage { names, digest: reached.digest, layers, config });
            }
        }
    }
    let why = format!("it is nested more than {NESTING_MAX} deep");
    Err(ImageError::refused("an index")(Refusal::BadDocument { what: top.digest.to_string(), why }))
}

fn pair(config: &ImageConfig, layers: &[Descriptor]) -> Result<Vec<PlannedLayer>, Refusal> {
    same_count(config, layers.len())?;
    let planned = |(diff_id, layer): (&Digest, &Descriptor)| PlannedLayer {
        path: blob_path(&layer.digest),
        diff_id: diff_id.clone(),
        promised: Some((layer.digest.clone(), layer.size)),
    };
    Ok(config.diff_ids.iter().zip(layers).map(planned).collect())
}

/// Configuration and manifest must agree on how many layers there are.
pub(crate) fn same_count(config: &ImageConfig, layers: usize) -> Result<(), Refusal> {
    if config.diff_ids.len() == layers {
        return Ok(());
    }
    let why = format!("it lists {} layers, the manifest {layers}", config.diff_ids.len());
    Err(Refusal::BadDocument { what: "an image configuration".into(), why })
}

fn plan_saved(files: &ArchiveFiles, limits: &ImageLimits) -> Result<Vec<PlannedImage>, ImageError> {
    let bytes = files.document("manifest.json", limits)?;
    let refused = |refusal| ImageError::refused("manifest.json")(refusal);
    let images = SavedImage::parse_all(&bytes, limits).map_err(refused)?;
    if images.len() > IMAGES_MAX {
        let why = format!("it names more than {IMAGES_MAX} images");
        return Err(refused(Refusal::BadDocument { what: "manifest.json".into(), why }));
    }
    images.into_iter().map(|image| saved_image(files, image, limits)).collect()
}

fn saved_image(files: &ArchiveFiles, image: SavedImage, limits: &ImageLimits) -> Result<PlannedImage, ImageError> {
    let bytes = files.document(&image.config, limits)?;
    let refused = |refusal| ImageError::refused(image.config.clone())(refusal);
    let digest = Digest::of(&bytes);
    // The configuration's file is called by its digest; where it is, the name must be right.
    let last = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(expected) = format!("sha256:{last}").parse::<Digest>()
        && expected != digest
    {
        return Err(refused(Refusal::DigestMismatch { expected, actual: digest }));
    }
    let config = ImageConfig::parse(&bytes, &Platform::here(), limits).map_err(refused)?;
    same_count(&config, image.layers.len()).map_err(refused)?;
    let planned = |(diff_id, path): (&Digest, &String)| PlannedLayer {
        path: path.clone(),
        diff_id: diff_id.clone(),
        promised: None,
    };
    let layers = config.diff_ids.iter().zip(&image.layers).map(planned).collect();
    Ok(PlannedImage { names: image.repo_tags.unwrap_or_default(), digest, layers, config })
}

/// Reads a document that a descriptor points at and checks that it is what was promised.
fn verified(files: &ArchiveFiles, promised: &Descriptor, limits: &ImageLimits) -> Result<Vec<u8>, ImageError> {
    let path = blob_path(&promised.digest);
    let refused = |refusal| ImageError::refused(path.clone())(refusal);
    check_size(promised, limits.document_bytes).map_err(refused)?;
    let bytes = files.document(&path, limits)?;
    check_bytes(&bytes, promised).map_err(refused)?;
    Ok(bytes)
}

/// Whether some bytes are what a descriptor promised.
pub(crate) fn check_bytes(bytes: &[u8], promised: &Descriptor) -> Result<(), Refusal> {
    if bytes.len() as u64 != promised.size {
        return Err(Refusal::SizeMismatch { expected: promised.size });
    }
    let actual = Digest::of(bytes);
    if actual != promised.digest {
        return Err(Refusal::DigestMismatch { expected: promised.digest.clone(), actual });
    }
    Ok(())
}

pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
