//! Manifests, indexes and configurations: what OCI and Docker write down about images. Pure; everything is checked on the way in.

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;

use crate::{digest::Digest, error::Refusal, limits::ImageLimits, store::Base};

/// An index within an index within an index is nobody's honest image.
pub(crate) const NESTING_MAX: usize = 4;

/// Entries of one index.
const INDEX_ENTRIES_MAX: usize = 1000;

/// Bytes of all environment variables of an image together.
const ENV_BYTES_MAX: usize = 128 << 10;

/// The media types that are asked for, in order of preference.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What a machine must be to run an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

impl Platform {
    /// Of this machine.
    pub fn here() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "x86" => "386",
            other => other,
        };
        Platform { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    /// Whether what is written for `self` runs on `machine`. Variants above the first are not looked for.
    fn runs_on(&self, machine: &Platform) -> bool {
        let variant = matches!(self.variant.as_deref(), None | Some("" | "v1" | "v8"));
        self.os == machine.os && self.architecture == machine.architecture && variant
    }

    fn shown(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }
}

/// Points at content by digest and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub digest: Digest,
    pub size: u64,
    pub media_type: String,
    pub platform: Option<Platform>,
    /// The name that an archive gives the image it points at.
    pub name: Option<String>,
}

impl TryFrom<RawDescriptor> for Descriptor {
    type Error = Refusal;

    fn try_from(raw: RawDescriptor) -> Result<Descriptor, Refusal> {
        let name = NAME_ANNOTATIONS.iter().find_map(|key| raw.annotations.get(*key)).cloned();
        Ok(Descriptor {
            digest: Digest::from_str(&raw.digest)?,
            size: raw.size,
            media_type: raw.media_type,
            platform: raw.platform,
            name,
        })
    }
}

/// A manifest or an index. What is both is neither: two readers could take it for two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Index(Vec<Descriptor>),
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: u32,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
}

impl Document {
    pub fn parse(bytes: &[u8], limits: &ImageLimits) -> Result<Document, Refusal> {
        let raw: RawDocument = json("a manifest", bytes, limits)?;
        let bad = |why: &str| Refusal::BadDocument { what: "a manifest".into(), why: why.into() };
        if raw.schema_version != 2 {
            return Err(bad("its schema version is not 2"));
        }
        let all = |raw: Vec<RawDescriptor>| raw.into_iter().map(Descriptor::try_from).collect::<Result<Vec<_>, _>>();
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if manifests.len() <= INDEX_ENTRIES_MAX => {
                Ok(Document::Index(all(manifests)?))
            }
            (Some(_), None, None) => Err(bad("it lists too many manifests")),
            (None, Some(config), Some(layers)) => {
                if layers.len() > limits.layers {
                    return Err(Refusal::TooManyLayers(limits.layers));
                }
                let layers = all(layers)?;
                layers.iter().try_for_each(|layer| check_layer(layer, limits))?;
                let config = Descriptor::try_from(config)?;
                check_size(&config, limits.document_bytes)?;
                Ok(Document::Manifest { config, layers })
            }
            _ => Err(bad("it is neither an index nor an image")),
        }
    }
}

fn check_layer(layer: &Descriptor, limits: &ImageLimits) -> Result<(), Refusal> {
    check_size(layer, limits.archive_bytes)?;
    let media = layer.media_type.as_str();
    // Foreign layers are to be fetched from addresses that the manifest chooses, encrypted ones cannot be read.
    let known = media.contains("tar")
        && !media.contains("foreign")
        && !media.contains("nondistributable")
        && !media.contains("encrypted");
    if known { Ok(()) } else { Err(Refusal::UnsupportedMedia(media.chars().take(200).collect())) }
}

pub(crate) fn check_size(content: &Descriptor, max: u64) -> Result<(), Refusal> {
    if content.size > max {
        return Err(Refusal::FileTooLarge { name: content.digest.to_string(), max });
    }
    Ok(())
}

/// Picks what runs on this machine from an index.
pub(crate) fn pick<'a>(manifests: &'a [Descriptor], machine: &Platform) -> Result<&'a Descriptor, Refusal> {
    let fits = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.runs_on(machine));
    // An index with a single manifest often does not say what for; its configuration will.
    let only = || if let [only] = manifests { Some(only).filter(|only| only.platform.is_none()) } else { None };
    manifests.iter().find(fits).or_else(only).ok_or_else(|| Refusal::NoPlatform {
        wanted: machine.shown(),
        found: manifests
            .iter()
            .filter_map(|entry| entry.platform.as_ref())
            .map(Platform::shown)
            .take(20)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// What the configuration of an image says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    pub diff_ids: Vec<Digest>,
    pub env: BTreeMap<String, String>,
    /// What the layers lie on.
    pub base: Base,
    /// Whether the topmost layer is the whole of a work directory.
    pub home: bool,
}

/// An image that holds nothing but a work directory and is used over the machine's own image.
pub(crate) const HOST_LABEL: &str = "org.madang.image.host";
/// The topmost layer is a whole work directory.
pub(crate) const HOME_LABEL: &str = "org.madang.image.home";

#[derive(Deserialize)]
struct RawConfig {
    architecture: String,
    os: String,
    rootfs: RawRootfs,
    #[serde(default)]
    config: Option<RawRuntime>,
}

#[derive(Deserialize)]
struct RawRootfs {
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct RawRuntime {
    #[serde(rename = "Env", default)]
    env: Option<Vec<String>>,
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl ImageConfig {
    pub fn parse(bytes: &[u8], machine: &Platform, limits: &ImageLimits) -> Result<ImageConfig, Refusal> {
        let raw: RawConfig = json("an image configuration", bytes, limits)?;
        if raw.os != machine.os || raw.architecture != machine.architecture {
            let found = format!("{}/{}", raw.os, raw.architecture).chars().take(100).collect();
            return Err(Refusal::NoPlatform { wanted: machine.shown(), found });
        }
        if raw.rootfs.diff_ids.len() > limits.layers {
            return Err(Refusal::TooManyLayers(limits.layers));
        }
        let diff_ids = raw.rootfs.diff_ids.iter().map(|id| id.parse()).collect::<Result<Vec<Digest>, _>>()?;
        let (env, labels) = raw.config.map(|config| (config.env, config.labels)).unwrap_or_default();
        let (env, labels) = (environment(env.unwrap_or_default())?, labels.unwrap_or_default());
        let base = if labels.contains_key(HOST_LABEL) { Base::Host } else { Base::Layers };
        Ok(ImageConfig { diff_ids, env, base, home: labels.contains_key(HOME_LABEL) })
    }
}

fn environment(variables: Vec<String>) -> Result<BTreeMap<String, String>, Refusal> {
    let bad = |why: &str| Refusal::BadDocument { what: "an image configuration".into(), why: why.into() };
    if variables.iter().map(String::len).sum::<usize>() > ENV_BYTES_MAX {
        return Err(bad("its environment is too large"));
    }
    variables
        .iter()
        .map(|variable| match variable.split_once('=') {
            Some((key, value)) if !key.is_empty() && !variable.contains('\0') => Ok((key.to_owned(), value.to_owned())),
            _ => Err(bad("its environment is not of the form KEY=VALUE")),
        })
        .collect()
}

/// One image of a `docker save` archive as its `manifest.json` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SavedImage {
    pub config: String,
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    pub layers: Vec<String>,
}

impl SavedImage {
    pub fn parse_all(bytes: &[u8], limits: &ImageLimits) -> Result<Vec<SavedImage>, Refusal> {
        let images: Vec<SavedImage> = json("manifest.json", bytes, limits)?;
        if images.iter().any(|image| image.layers.len() > limits.layers) {
            return Err(Refusal::TooManyLayers(limits.layers));
        }
        Ok(images)
    }
}

fn json<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8], limits: &ImageLimits) -> Result<T, Refusal> {
    let bad = |why: String| Refusal::BadDocument { what: what.to_owned(), why };
    if bytes.len() as u64 > limits.document_bytes {
        return Err(bad(format!("it is larger than {} bytes", limits.document_bytes)));
    }
    serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: u8) -> String {
        Digest::of(&[of]).to_string()
    }

    fn document(text: &str) -> Result<Document, Refusal> {
        Document::parse(text.as_bytes(), &ImageLimits::default())
    }

    #[test]
    fn what_is_both_index_and_manifest_is_refused() {
        let descriptor =
            format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":1}}"#, digest(1));
        let manifest = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]}}"#);
        assert!(matches!(document(&manifest), Ok(Document::Manifest { .. })));
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],"config":{descriptor},"layers":[{descriptor}]}}"#);
        assert!(matches!(document(&both), Err(Refusal::BadDocument { .. })));
        assert!(matches!(document(r#"{"schemaVersion":1,"manifests":[]}"#), Err(Refusal::BadDocument { .. })));
        let foreign = manifest.replace("image.layer.v1.tar", "image.layer.nondistributable.v1.tar");
        assert!(matches!(document(&foreign), Err(Refusal::UnsupportedMedia(_))));
        let huge = manifest.replace(r#""size":1"#, r#""size":99999999999999"#);
        assert!(matches!(document(&huge), Err(Refusal::FileTooLarge { .. })));
    }

    #[test]
    fn the_machine_s_own_platform_is_picked() {
        let entry = |of: u8, architecture: &str, os: &str| Descriptor {
            digest: Digest::of(&[of]),
            size: 1,
            media_type: String::new(),
            platform: Some(Platform { os: os.into(), architecture: architecture.into(), variant: None }),
            name: None,
        };
        let machine = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
        let all = [entry(1, "unknown", "unknown"), entry(2, "arm64", "linux"), entry(3, "amd64", "linux")];
        assert_eq!(pick(&all, &machine).unwrap().digest, Digest::of(&[3]));
        assert!(matches!(pick(&all[..2], &machine), Err(Refusal::NoPlatform { .. })));
    }

    #[test]
    fn environment_must_be_pairs() {
        let config = |env: &str| {
            let here = Platform::here();
            let text = format!(
                r#"{{"architecture":"{}","os":"linux","rootfs":{{"diff_ids":["{}"]}},"config":{{"Env":[{env}]}}}}"#,
                here.architecture,
                digest(1)
            );
            ImageConfig::parse(text.as_bytes(), &here, &ImageLimits::default())
        };
        assert_eq!(config(r#""A=b=c""#).unwrap().env["A"], "b=c");
        for bad in [r#""A""#, r#""=b""#, r#""A=\u0000""#] {
            assert!(matches!(config(bad), Err(Refusal::BadDocument { .. })), "{bad}");
        }
    }
}
