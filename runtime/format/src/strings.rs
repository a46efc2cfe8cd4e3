//! String lists: each string is a `u16` length followed by that many bytes of UTF-8.

use crate::bytes::Field;

/// Iterates over the strings of a section. Ends early where the bytes are malformed: such sections are optional, no
/// device reads them, and a bad one costs names, not safety.
#[derive(Clone, Debug)]
pub struct Strings<'a>(pub(crate) &'a [u8]);

impl<'a> Strings<'a> {
    /// The bytes of the strings that are left.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (text, rest) = rest.split_at_checked(usize::from(u16::read(length, 0)))?;
        self.0 = rest;
        core::str::from_utf8(text).ok()
    }
}

/// Encodes a string list. Strings beyond 65,535 bytes are cut at a character boundary.
#[cfg(feature = "alloc")]
pub fn encode<'s>(strings: impl IntoIterator<Item = &'s str>) -> alloc::vec::Vec<u8> {
    let mut out = alloc::vec::Vec::new();
    for text in strings {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let text = text.get(..end).unwrap_or("");
        u16::try_from(text.len()).unwrap_or(u16::MAX).write(&mut out);
        out.extend_from_slice(text.as_bytes());
    }
    out
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn strings_round_trip_and_malformed_ends() {
        let bytes = encode(["", "conv_1", "größer"]);
        assert_eq!(Strings(&bytes).collect::<Vec<_>>(), ["", "conv_1", "größer"]);
        assert_eq!(Strings(&bytes[..bytes.len() - 1]).collect::<Vec<_>>(), ["", "conv_1"]);
        assert_eq!(Strings(&[2, 0, 0xff, 0xff]).next(), None);
    }
}
