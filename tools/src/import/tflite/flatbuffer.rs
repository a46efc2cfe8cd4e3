//! A checked reader of FlatBuffers: no offset of the file is trusted, and no read takes more time or memory than a
//! small multiple of the file's size.
//!
//! A FlatBuffer is a tree of tables. A table starts with the distance back to its vtable, a list of half-words: its own
//! size, the table's size, then for each field its place in the table, 0 where it is left out. Vectors and strings are
//! a length and the elements; what is not a scalar is reached through an offset that counts from where it stands.
//! (Format: flatbuffers.dev, "FlatBuffers binary format".)

use std::cell::Cell;
use thiserror::Error;

/// What is wrong with the bytes of a FlatBuffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlatbufferError {
    /// Something lies outside the file.
    #[error("{what} at byte {at} does not lie inside the file of {length} bytes: the file is damaged or cut off")]
    Outside {
        /// What was read.
        what: &'static str,
        /// Where it was expected.
        at: u64,
        /// The length of the file.
        length: usize,
    },
    /// A field does not lie inside its table, or a table's own record contradicts itself.
    #[error("the table at byte {at} is not a valid FlatBuffer table: the file is damaged")]
    Table {
        /// Where the table starts.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("the string at byte {at} is not UTF-8: the file is damaged")]
    Text {
        /// Where the string starts.
        at: usize,
    },
    /// Parts of the file are used again and again, so that reading it would take much longer than its size suggests.
    #[error("the file of {length} bytes refers to the same parts again and again; reading it would take too long")]
    Shared {
        /// The length of the file.
        length: usize,
    },
}

/// How many times its own bytes a file may be read.
const READS_PER_BYTE: usize = 8;
/// Bytes that may be read beyond that, for very small files.
const SPARE_READS: usize = 1 << 16;

/// The bytes of a file and how much of them may still be read.
#[derive(Debug)]
pub struct Flatbuffer<'a> {
    bytes: &'a [u8],
    left: Cell<usize>,
}

impl<'a> Flatbuffer<'a> {
    /// Wraps the bytes of a file.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, left: Cell::new(bytes.len().saturating_mul(READS_PER_BYTE).saturating_add(SPARE_READS)) }
    }

    /// The root table and the four letters of the file's kind.
    ///
    /// # Errors
    /// [`FlatbufferError`].
    pub fn root(&self) -> Result<(Table<'_, 'a>, [u8; 4]), FlatbufferError> {
        let at = self.word(0, "the offset of the root table")?;
        let kind = self.word(4, "the kind of the file")?.to_le_bytes();
        Ok((Table::at(self, at as usize)?, kind))
    }

    fn slice(&self, at: usize, size: usize, what: &'static str) -> Result<&'a [u8], FlatbufferError> {
        let length = self.bytes.len();
        let found = at.checked_add(size).and_then(|end| self.bytes.get(at..end));
        let found = found.ok_or(FlatbufferError::Outside { what, at: at as u64, length })?;
        let left = self.left.get().checked_sub(size).ok_or(FlatbufferError::Shared { length })?;
        self.left.set(left);
        Ok(found)
    }

    fn word(&self, at: usize, what: &'static str) -> Result<u32, FlatbufferError> {
        let bytes = self.slice(at, 4, what)?;
        Ok(bytes.first_chunk().map_or(0, |&word| u32::from_le_bytes(word)))
    }
}

/// A table whose extent was checked.
#[derive(Clone, Copy, Debug)]
pub struct Table<'f, 'a> {
    file: &'f Flatbuffer<'a>,
    at: usize,
    size: usize,
    fields: &'a [u8],
}

/// A read that can fail.
type Read<T> = Result<T, FlatbufferError>;

impl<'f, 'a> Table<'f, 'a> {
    fn at(file: &'f Flatbuffer<'a>, at: usize) -> Read<Self> {
        let broken = FlatbufferError::Table { at };
        let back = file.word(at, "a table")?.cast_signed();
        let vtable = i64::try_from(at).ok().and_then(|at| usize::try_from(at - i64::from(back)).ok()).ok_or(broken)?;
        let head = file.slice(vtable, 4, "the record of a table's fields")?;
        let (length, size) = match *head {
            [a, b, c, d] => (usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d]))),
            _ => return Err(broken),
        };
        let record = file.slice(vtable, length, "the record of a table's fields")?;
        let fields = record.get(4..).ok_or(broken)?;
        if size < 4 || file.bytes.len().checked_sub(size).is_none_or(|last| at > last) {
            return Err(broken);
        }
        Ok(Self { file, at, size, fields })
    }

    /// The place in the file of a field of `size` bytes, unless it is left out.
    fn field(&self, index: usize, size: usize) -> Read<Option<usize>> {
        let Some(place) = self.fields.chunks_exact(2).nth(index) else { return Ok(None) };
        let place = usize::from(u16::from_le_bytes([place[0], place[1]]));
        match place {
            0 => Ok(None),
            _ if place < 4 || place + size > self.size => Err(FlatbufferError::Table { at: self.at }),
            _ => Ok(Some(self.at + place)),
        }
    }

    fn scalar<const N: usize>(&self, index: usize) -> Read<Option<[u8; N]>> {
        let Some(at) = self.field(index, N)? else { return Ok(None) };
        Ok(self.file.slice(at, N, "a field")?.first_chunk().copied())
    }

    /// Where the thing starts that a field's offset leads to.
    fn target(&self, index: usize) -> Read<Option<usize>> {
        let Some(at) = self.field(index, 4)? else { return Ok(None) };
        let offset = self.file.word(at, "an offset")?;
        Ok(Some(at.saturating_add(offset as usize)))
    }

    /// A byte, or `default` where it is left out.
    pub(super) fn byte(&self, index: usize, default: u8) -> Read<u8> {
        Ok(self.scalar::<1>(index)?.map_or(default, |[byte]| byte))
    }

    /// A truth value, false where it is left out.
    pub(super) fn flag(&self, index: usize) -> Read<bool> {
        Ok(self.byte(index, 0)? != 0)
    }

    /// A signed word, or `default` where it is left out.
    pub(super) fn int(&self, index: usize, default: i32) -> Read<i32> {
        Ok(self.scalar(index)?.map_or(default, i32::from_le_bytes))
    }

    /// An unsigned word, or 0 where it is left out.
    pub(super) fn index(&self, index: usize) -> Read<usize> {
        Ok(self.scalar(index)?.map_or(0, |word| u32::from_le_bytes(word) as usize))
    }

    /// An unsigned double word, or 0 where it is left out.
    pub(super) fn long(&self, index: usize) -> Read<u64> {
        Ok(self.scalar(index)?.map_or(0, u64::from_le_bytes))
    }

    /// A float, 0 where it is left out.
    pub(super) fn float(&self, index: usize) -> Read<f32> {
        Ok(self.scalar(index)?.map_or(0.0, f32::from_le_bytes))
    }

    /// A table, unless it is left out.
    pub(super) fn table(&self, index: usize) -> Read<Option<Self>> {
        self.target(index)?.map(|at| Self::at(self.file, at)).transpose()
    }

    /// The elements of a vector as bytes, `size` each, and where they start; nothing where it is left out.
    fn elements(&self, index: usize, size: usize) -> Read<(usize, &'a [u8])> {
        let Some(at) = self.target(index)? else { return Ok((0, &[])) };
        let count = self.file.word(at, "a vector's length")? as usize;
        let start = at + 4;
        let what = "a vector";
        let outside = FlatbufferError::Outside { what, at: start as u64, length: self.file.bytes.len() };
        Ok((start, self.file.slice(start, count.checked_mul(size).ok_or(outside)?, what)?))
    }

    /// A vector of bytes; empty where it is left out.
    pub(super) fn bytes(&self, index: usize) -> Read<&'a [u8]> {
        Ok(self.elements(index, 1)?.1)
    }

    /// A vector of signed words; empty where it is left out.
    pub(super) fn ints(&self, index: usize) -> Read<Vec<i32>> {
        let (_, bytes) = self.elements(index, 4)?;
        Ok(bytes.as_chunks().0.iter().map(|&word| i32::from_le_bytes(word)).collect())
    }

    /// A vector of signed double words; empty where it is left out.
    pub(super) fn longs(&self, index: usize) -> Read<Vec<i64>> {
        let (_, bytes) = self.elements(index, 8)?;
        Ok(bytes.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect())
    }

    /// A vector of floats; empty where it is left out.
    pub(super) fn floats(&self, index: usize) -> Read<Vec<f32>> {
        let (_, bytes) = self.elements(index, 4)?;
        Ok(bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect())
    }

    /// A string; empty where it is left out.
    pub(super) fn text(&self, index: usize) -> Read<&'a str> {
        let (at, bytes) = self.elements(index, 1)?;
        std::str::from_utf8(bytes).map_err(|_| FlatbufferError::Text { at })
    }

    /// A vector of tables; empty where it is left out.
    pub(super) fn tables(&self, index: usize) -> Read<Vec<Self>> {
        let (start, bytes) = self.elements(index, 4)?;
        let offsets = bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word) as usize);
        (start..).step_by(4).zip(offsets).map(|(at, offset)| Self::at(self.file, at.saturating_add(offset))).collect()
    }

    /// Bytes of the file outside any table, at an absolute place.
    pub(super) fn absolute(&self, at: u64, size: u64) -> Read<&'a [u8]> {
        let what = "the content of a buffer";
        let outside = FlatbufferError::Outside { what, at, length: self.file.bytes.len() };
        let (start, size) = (usize::try_from(at).map_err(|_| outside)?, usize::try_from(size).map_err(|_| outside)?);
        self.file.slice(start, size, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root table with a word, a vector of words, and a string.
    fn sample() -> Vec<u8> {
        let mut file = vec![];
        file.extend(20u32.to_le_bytes()); // 0: root
        file.extend(b"TEST"); // 4
        for half in [10u16, 16, 4, 8, 12, 0] {
            file.extend(half.to_le_bytes()); // 8: vtable of three fields, two bytes to align
        }
        file.extend(12i32.to_le_bytes()); // 20: back to 8
        file.extend((-7i32).to_le_bytes()); // 24: a word
        file.extend(8u32.to_le_bytes()); // 28: vector at 36
        file.extend(16u32.to_le_bytes()); // 32: string at 48
        for word in [2u32, 5, 6] {
            file.extend(word.to_le_bytes()); // 36
        }
        file.extend(3u32.to_le_bytes()); // 48
        file.extend(b"abc");
        file
    }

    fn read(bytes: &[u8]) -> Read<(i32, Vec<i32>, String, i32)> {
        let file = Flatbuffer::new(bytes);
        let (root, _) = file.root()?;
        Ok((root.int(0, 0)?, root.ints(1)?, root.text(2)?.to_owned(), root.int(3, 9)?))
    }

    #[test]
    fn fields_are_found_and_what_is_left_out_has_its_default() {
        let bytes = sample();
        assert_eq!(read(&bytes).unwrap(), (-7, vec![5, 6], "abc".to_owned(), 9));
        assert_eq!(&Flatbuffer::new(&bytes).root().unwrap().1, b"TEST");
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_an_answer() {
        let bytes = sample();
        for length in 0..bytes.len() {
            read(&bytes[..length]).unwrap_err();
        }
        for at in 0..bytes.len() {
            for value in 0..=255u8 {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }

    #[test]
    fn reading_one_part_again_and_again_ends() {
        let bytes = sample();
        let file = Flatbuffer::new(&bytes);
        let ended = (0..1 << 20).find_map(|_| file.root().err());
        assert_eq!(ended, Some(FlatbufferError::Shared { length: bytes.len() }));
    }
}
