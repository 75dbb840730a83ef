//! What the signatures have in common: a canonical form, written piece by piece, and its hash.

use std::borrow::Cow;

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
pub(super) fn write_headers(headers: &[(Cow<'_, str>, &str)], sink: &mut dyn FnMut(&str)) {
    let mut previous = None;
    for (name, value) in headers {
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
pub(super) struct HexSha256([u8; 64]);

impl HexSha256 {
    /// The hash of what `write` writes.
    pub(super) fn of(write: impl FnOnce(&mut dyn FnMut(&str))) -> Self {
        let mut hasher = Sha256::new();
        // Pieces are short, and to hash a piece costs as much as to copy ten.
        let (mut gathered, mut used) = ([0; 256], 0);
        write(&mut |piece| {
            let piece = piece.as_bytes();
            if piece.len() > gathered.len() - used {
                hasher.update(&gathered[..used]);
                used = 0;
            }
            match gathered.get_mut(used..used + piece.len()) {
                Some(free) => {
                    free.copy_from_slice(piece);
                    used += piece.len();
                }
                None => hasher.update(piece),
            }
        });
        hasher.update(&gathered[..used]);
        Self::from_bytes(hasher.finalize().into())
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut hex = [b'0'; 64];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_are_hashed_as_one_text() {
        let text = "0123456789".repeat(200);
        for lengths in [&[1, 1, 254, 1, 255][..], &[256, 1, 256, 0, 3], &[257, 2, 300, 255], &[2000], &[5, 600, 5, 251]]
        {
            let (mut rest, mut pieces) = (text.as_str(), Vec::new());
            for length in lengths {
                let (piece, after) = rest.split_at(*length);
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let hash = HexSha256::of(|sink| pieces.iter().for_each(|piece| sink(piece)));
            let whole = HexSha256::from_bytes(Sha256::digest(text.as_bytes()).into());
            assert_eq!(hash.as_str(), whole.as_str(), "{lengths:?}");
        }
    }
}
