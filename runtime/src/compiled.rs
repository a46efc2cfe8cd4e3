//! What [`include_model!`](crate::include_model!) expands to: the evaluations of [`crate::ops`], called one after the
//! other with constants. Not for use by hand.

pub use crate::ops::compiled::*;
use crate::views::{self, Element};
use bantam_format::Tensor;

/// One op of a schedule in flash.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Inputs, then outputs.
    pub operands: &'static [&'static Tensor],
    /// How many of the operands are inputs.
    pub inputs: usize,
    /// The bytes from its attribute record on.
    pub attributes: &'static [u8],
    /// Whether a banded op walks from the last output row to the first.
    pub walk_down: bool,
}

/// The bytes from `offset` on.
pub const fn from(bytes: &'static [u8], offset: usize) -> &'static [u8] {
    match bytes.split_at_checked(offset) {
        Some((_, rest)) => rest,
        None => &[],
    }
}

/// The array that starts at byte `start`; `None` where it does not fit or is misaligned.
pub fn array<T: Element, const N: usize>(arena: &[u8], start: usize) -> Option<&[T; N]> {
    let bytes = arena.get(start..)?.get(..size_of::<[T; N]>())?;
    views::array(bytes)
}

/// The array that starts at byte `start`, writable; `None` where it does not fit or is misaligned.
pub fn array_mut<T: Element, const N: usize>(arena: &mut [u8], start: usize) -> Option<&mut [T; N]> {
    let bytes = arena.get_mut(start..)?.get_mut(..size_of::<[T; N]>())?;
    views::array_mut(bytes)
}

/// Copies `bytes` bytes of constants into the arena.
pub fn reset(arena: &mut [u8], location: usize, constants: &[u8], offset: usize, bytes: usize) {
    let (to, from) = (arena.iter_mut().skip(location), constants.iter().skip(offset));
    for (to, from) in to.zip(from).take(bytes) {
        *to = *from;
    }
}
