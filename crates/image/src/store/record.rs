//! What the store writes down about an image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Of the manifest; of the configuration where an old archive has no manifest.
    pub digest: Digest,
    /// Digests of unpacked layers, lowest first, as often as the image applies them.
    pub layers: Vec<Digest>,
    pub env: BTreeMap<String, String>,
    pub size_bytes: u64,
    #[serde(default)]
    pub base: Base,
    /// The topmost layer, where it is the whole of a work directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Digest>,
}

/// What the layers of an image lie on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Base {
    /// Nothing: they are all of it.
    #[default]
    Layers,
    /// The image `host` of whichever machine it is used on. The one layer holds a work directory.
    Host,
}

impl ImageRecord {
    /// Every layer once. Overlayfs refuses to stack a directory twice; the higher of two equal layers hides all that the
    /// lower one does and shows all that it shows.
    pub(super) fn layers_once(&self) -> Vec<&Digest> {
        let is_last = |at: usize| !self.layers[at + 1..].contains(&self.layers[at]);
        (0..self.layers.len()).filter(|at| is_last(*at)).map(|at| &self.layers[at]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_layer_counts_where_it_is_highest() {
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let record = ImageRecord {
            digest: Digest::of(b"image"),
            layers: vec![a.clone(), b.clone(), a.clone()],
            env: BTreeMap::new(),
            size_bytes: 0,
            base: Base::Layers,
            home: None,
        };
        assert_eq!(record.layers_once(), [&b, &a]);
    }
}
