//! Images: pull, import, unpack, the host image.
