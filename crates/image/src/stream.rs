//! A packed layer as a stream of unpacked bytes: gzip, zstd or plain, told apart by their first bytes, counted, hashed and bounded.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use sha2::{Digest as _, Sha256};

use crate::{digest::Digest, error::Refusal, limits::ImageLimits};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BUFFER_BYTES: usize = 128 << 10;

/// Packed bytes as they pass by.
struct Packed {
    hash: Sha256,
    bytes: u64,
}

/// Counts and hashes what is read through it.
struct Watched<R> {
    stream: R,
    packed: Rc<RefCell<Packed>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let mut packed = self.packed.borrow_mut();
        packed.hash.update(&buffer[..read]);
        packed.bytes += read as u64;
        Ok(read)
    }
}

enum Decoder<R: Read> {
    Plain(BufReader<Watched<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Watched<R>>>>),
    Zstd(Box<ZstdFrames<BufReader<Watched<R>>>>),
}

/// The unpacked bytes of a layer. Read it to the end with [`LayerStream::finish`] to learn both digests.
pub struct LayerStream<'a, R: Read> {
    decoder: Decoder<R>,
    packed: Rc<RefCell<Packed>>,
    hash: Sha256,
    bytes: u64,
    limits: &'a ImageLimits,
}

/// What a layer was, once read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRead {
    pub packed: Digest,
    pub packed_bytes: u64,
    /// Of the unpacked stream: what a configuration calls `diff_id`.
    pub unpacked: Digest,
    pub unpacked_bytes: u64,
}

impl<'a, R: Read> LayerStream<'a, R> {
    pub fn new(stream: R, limits: &'a ImageLimits) -> io::Result<LayerStream<'a, R>> {
        let packed = Rc::new(RefCell::new(Packed { hash: Sha256::new(), bytes: 0 }));
        let mut stream = BufReader::with_capacity(BUFFER_BYTES, Watched { stream, packed: packed.clone() });
        let magic = stream.fill_buf()?;
        let decoder = if magic.starts_with(GZIP_MAGIC) {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(stream)))
        } else if magic.starts_with(ZSTD_MAGIC) {
            Decoder::Zstd(Box::new(ZstdFrames::new(stream)))
        } else {
            Decoder::Plain(stream)
        };
        Ok(LayerStream { decoder, packed, hash: Sha256::new(), bytes: 0, limits })
    }

    /// Packed bytes taken from the source so far.
    pub fn packed_bytes(&self) -> u64 {
        self.packed.borrow().bytes
    }

    /// Reads what is left. Decoders stop at their end only when the source ends too, so nothing hides behind it.
    pub fn finish(mut self) -> io::Result<LayerRead> {
        io::copy(&mut self, &mut io::sink())?;
        let packed = self.packed.borrow();
        Ok(LayerRead {
            packed: Digest::finish(packed.hash.clone()),
            packed_bytes: packed.bytes,
            unpacked: Digest::finish(self.hash.clone()),
            unpacked_bytes: self.bytes,
        })
    }

    fn check_amount(&self) -> Result<(), Refusal> {
        if self.bytes > self.limits.layer_bytes {
            return Err(Refusal::TooLarge(self.limits.layer_bytes));
        }
        let packed = self.packed_bytes();
        if self.bytes > self.limits.ratio_free_bytes && self.bytes / self.limits.ratio > packed {
            return Err(Refusal::CompressionBomb(self.limits.ratio));
        }
        Ok(())
    }
}

impl<R: Read> Read for LayerStream<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(stream) => stream.read(buffer),
            Decoder::Gzip(stream) => stream.read(buffer),
            Decoder::Zstd(stream) => stream.read(buffer),
        }?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        self.check_amount()?;
        Ok(read)
    }
}

/// Zstd frames one after another, skippable ones skipped.
struct ZstdFrames<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    /// Between its header and its end.
    inside: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> ZstdFrames<R> {
        ZstdFrames { source, decoder: FrameDecoder::new(), inside: false }
    }

    fn begin_frame(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => self.inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = u64::from(length);
                if io::copy(&mut Read::by_ref(&mut self.source).take(length), &mut io::sink())? < length {
                    return Err(Refusal::Truncated.into());
                }
            }
            Err(error) => return Err(bad_zstd(&error)),
        }
        Ok(())
    }

    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
            let wanted = BlockDecodingStrategy::UptoBytes(buffer.len() - self.decoder.can_collect());
            self.decoder.decode_blocks(&mut self.source, wanted).map_err(|error| bad_zstd(&error))?;
        }
        self.decoder.read(buffer)
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if self.inside {
                match self.read_frame(buffer)? {
                    0 => self.inside = false,
                    read => return Ok(read),
                }
            } else if self.source.fill_buf()?.is_empty() {
                break;
            } else {
                self.begin_frame()?;
            }
        }
        Ok(0)
    }
}

/// The decoder does not tell a stream cut short from a broken one.
fn bad_zstd(error: &FrameDecoderError) -> io::Error {
    Refusal::BadCompression(error.to_string()).into()
}
