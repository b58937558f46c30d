//! One message, one packet: postcard over a sequenced-packet socket.

use serde::{Serialize, de::DeserializeOwned};

/// Largest packet either side sends; a longer one is a protocol error.
pub const FRAME_BYTES_MAX: usize = 96 << 10;

/// Why bytes are not a message, or a message is not a packet.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a packet of {bytes} bytes is over {FRAME_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("not a message: {0}")]
    Malformed(#[from] postcard::Error),
    #[error("{bytes} bytes follow the message")]
    Trailing { bytes: usize },
}

/// A message as the bytes of one packet.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let bytes = postcard::to_stdvec(message)?;
    match bytes.len() {
        len if len > FRAME_BYTES_MAX => Err(FrameError::TooLong { bytes: len }),
        _ => Ok(bytes),
    }
}

/// The message that one packet holds, all of it.
pub fn decode<T: DeserializeOwned>(packet: &[u8]) -> Result<T, FrameError> {
    if packet.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { bytes: packet.len() });
    }
    let (message, rest) = postcard::take_from_bytes(packet)?;
    match rest.len() {
        0 => Ok(message),
        bytes => Err(FrameError::Trailing { bytes }),
    }
}
