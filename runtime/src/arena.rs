//! Working memory of a fixed size, and its splitting into disjoint parts.

use core::ops::Range;

/// `N` bytes at an address that is a multiple of 16: a static, or a local, for [`crate::Session::new`].
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// Zeros.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, writable.
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Bytes at an address that is a multiple of 16, as [`crate::Model::parse`] asks for: a file built into a program.
///
/// ```
/// # macro_rules! include_bytes { ($file:literal) => { b"BNTM" } }
/// use bantam::Aligned;
/// static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("digits.bantam"));
/// # assert_eq!(FILE.0.as_ptr().addr() % 16, 0);
/// let bytes: &[u8] = &FILE.0;
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<B: ?Sized>(pub B);

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// What an op reads and writes, borrowed from one arena: everything outside `output` can be read.
pub(crate) struct Split<'a> {
    before: &'a [u8],
    after: &'a [u8],
    after_start: usize,
    /// The bytes written.
    pub output: &'a mut [u8],
}

impl<'a> Split<'a> {
    /// Takes `output` out of the arena.
    pub fn new(arena: &'a mut [u8], output: Range<usize>) -> Option<Self> {
        let (rest, after) = arena.split_at_mut_checked(output.end)?;
        let (before, out) = rest.split_at_mut_checked(output.start)?;
        Some(Self { before, after, after_start: output.end, output: out })
    }

    /// What can be read, and the bytes written.
    pub fn parts(self) -> (Self, &'a mut [u8]) {
        let Self { before, after, after_start, output } = self;
        (Self { before, after, after_start, output: &mut [] }, output)
    }

    /// Bytes of the arena that have none in common with the output.
    pub fn input(&self, range: Range<usize>) -> Option<&'a [u8]> {
        match range.start.checked_sub(self.after_start) {
            Some(start) => self.after.get(start..range.end.checked_sub(self.after_start)?),
            None => self.before.get(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_give_everything_but_the_output() {
        let mut arena = [0u8, 1, 2, 3, 4, 5, 6, 7];
        let split = Split::new(&mut arena, 3..5).unwrap();
        assert_eq!(split.output, [3, 4]);
        assert_eq!(split.input(0..3), Some(&[0, 1, 2][..]));
        assert_eq!(split.input(5..8), Some(&[5, 6, 7][..]));
        for overlapping in [2..4, 3..5, 4..6, 0..8] {
            assert_eq!(split.input(overlapping), None);
        }
        assert!(Split::new(&mut arena, 7..9).is_none());
    }
}
