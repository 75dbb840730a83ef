//! The parts that the signatures share: a canonical form, written piece by piece, and its hash.

use sha2::{Digest, Sha256};

use crate::encode::LOWER_HEX;

/// Writes the elements of a list with `between` between them.
pub(super) fn write_joined<'a>(parts: impl IntoIterator<Item = &'a str>, between: &str, sink: &mut dyn FnMut(&str)) {
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            sink(between);
        }
        sink(part);
    }
}

/// Writes sorted headers, a line each: several values under one name in one line, with commas between them.
pub(super) fn write_headers(headers: &[(impl AsRef<str>, &str)], sink: &mut dyn FnMut(&str)) {
    let mut previous = None;
    for (name, value) in headers {
        let name = name.as_ref();
        if previous == Some(name) {
            sink(",");
        } else {
            if previous.is_some() {
                sink("\n");
            }
            sink(name);
            sink(":");
        }
        sink(value);
        previous = Some(name);
    }
    if previous.is_some() {
        sink("\n");
    }
}

/// A SHA-256, or an HMAC by it, in hexadecimal.
pub(super) struct HexSha256([u8; Self::LENGTH]);

impl HexSha256 {
    pub(super) const LENGTH: usize = 64;

    /// The hash of what `write` writes.
    pub(super) fn of(write: impl FnOnce(&mut dyn FnMut(&str))) -> Self {
        let mut hasher = Sha256::new();
        write(&mut |piece| hasher.update(piece.as_bytes()));
        Self::from_bytes(hasher.finalize().into())
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut hex = [b'0'; Self::LENGTH];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
            pair[0] = LOWER_HEX[usize::from(byte >> 4)];
            pair[1] = LOWER_HEX[usize::from(byte & 15)];
        }
        Self(hex)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
