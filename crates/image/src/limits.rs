//! How much an image may be. Every amount that an archive or a registry decides has a bound here.

/// Bounds on images. The defaults fit any image that people use and stop every bomb early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Of one layer, unpacked, as a tar stream.
    pub layer_bytes: u64,
    /// Of one file.
    pub file_bytes: u64,
    /// Of one layer.
    pub entries: u64,
    pub layers: usize,
    /// Unpacked bytes for each packed byte, once `ratio_free_bytes` are unpacked.
    pub ratio: u64,
    /// A file of zeros is small when packed; below this size the ratio does not matter.
    pub ratio_free_bytes: u64,
    pub name_bytes: usize,
    pub name_parts: usize,
    /// Of a manifest, an index or a configuration.
    pub document_bytes: u64,
    /// Of an archive or a packed layer on its way in.
    pub archive_bytes: u64,
}

impl Default for ImageLimits {
    fn default() -> ImageLimits {
        ImageLimits {
            layer_bytes: 32 << 30,
            file_bytes: 16 << 30,
            entries: 1_000_000,
            layers: 127,
            ratio: 200,
            ratio_free_bytes: 256 << 20,
            name_bytes: 4095,
            name_parts: 128,
            document_bytes: 4 << 20,
            archive_bytes: 64 << 30,
        }
    }
}
