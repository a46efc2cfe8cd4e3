//! Tensor records: where a tensor's bytes are and what shape they have.

use crate::bytes::{Field, coded, record, size};

/// Most dimensions a tensor can have.
pub const MAX_RANK: usize = 6;

record! {
    /// A tensor: 12 bytes. Its dimensions stand in the pool of [`crate::SectionKind::Dimensions`].
    pub struct TensorRecord {
        /// Byte offset in the arena ([`TensorKind::Arena`], [`TensorKind::State`]) or in the constants section.
        pub location: u32,
        /// Index of the first dimension in the pool.
        pub dimensions: u16,
        /// Number of dimensions, 0 to [`MAX_RANK`].
        pub rank: u8,
        /// Code of [`DataType`].
        pub data_type: u8,
        /// Code of [`TensorKind`].
        pub kind: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

coded! {
    /// Element type.
    pub enum DataType: u8 {
        /// Signed 8-bit integer.
        I8 = 1,
        /// Signed 16-bit integer: activations of 16 bits, which are symmetric.
        I16 = 2,
        /// Signed 32-bit integer.
        I32 = 3,
        /// IEEE 754 binary32.
        F32 = 4,
    }
}

impl DataType {
    /// Whether elements are 16-bit integers. Programs that are compiled with `--cfg bantam_without_int16`, as those that
    /// are downloaded, know none and refuse them.
    pub const fn is_wide(self) -> bool {
        !cfg!(bantam_without_int16) && matches!(self, Self::I16)
    }

    /// Whether elements are 32-bit floats. Programs that are compiled with `--cfg bantam_without_float`, as downloads for
    /// models of integers, know none and refuse them.
    pub const fn is_real(self) -> bool {
        !cfg!(bantam_without_float) && matches!(self, Self::F32)
    }

    /// Size of one element in bytes; also its alignment.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
        }
    }
}

coded! {
    /// Where a tensor lives.
    pub enum TensorKind: u8 {
        /// In the caller's arena, valid from the op that writes it to the last op that reads it.
        Arena = 0,
        /// In the constants section.
        Constant = 1,
        /// In the arena and kept between runs; starts from an initial value.
        State = 2,
    }
}

/// Dimensions, outermost first. Rank 0 is a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    dimensions: [u32; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// A shape of at most [`MAX_RANK`] dimensions; `None` beyond.
    pub fn new(dimensions: &[u32]) -> Option<Self> {
        let mut stored = [1; MAX_RANK];
        for (to, &from) in stored.get_mut(..dimensions.len())?.iter_mut().zip(dimensions) {
            *to = from;
        }
        Some(Self { dimensions: stored, rank: u8::try_from(dimensions.len()).ok()? })
    }

    /// The first `rank` of six dimensions, outermost first; those after them are 1. For constants.
    pub const fn from_array(dimensions: [u32; MAX_RANK], rank: u8) -> Self {
        Self { dimensions, rank }
    }

    /// The dimensions, outermost first.
    pub fn dimensions(&self) -> &[u32] {
        self.dimensions.get(..usize::from(self.rank)).unwrap_or(&[])
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// Dimension `axis`; 1 beyond the rank.
    pub fn dimension(&self, axis: usize) -> usize {
        self.dimensions().get(axis).map_or(1, |&d| size(d))
    }

    /// The innermost dimension; 1 for a scalar.
    pub fn innermost(&self) -> usize {
        self.dimensions().last().map_or(1, |&d| size(d))
    }

    /// Number of elements. Saturates; the parser refuses shapes whose product is beyond 2^31 - 1.
    pub fn elements(&self) -> usize {
        self.dimensions().iter().fold(1usize, |product, &d| product.saturating_mul(size(d)))
    }

    /// The dimensions as six, with ones before the outermost.
    pub fn padded(&self) -> [usize; MAX_RANK] {
        let mut padded = [1; MAX_RANK];
        for (to, &from) in padded.iter_mut().rev().zip(self.dimensions().iter().rev()) {
            *to = size(from);
        }
        padded
    }

    /// How a tensor of this shape is read as one of the shape `output`: the distance in elements from one element to
    /// the next along each of the output's [`Self::padded`] dimensions, 0 where it repeats. `None` where it cannot be.
    pub fn broadcast(&self, output: &Self) -> Option<[usize; MAX_RANK]> {
        let (own, wanted) = (self.padded(), output.padded());
        let mut strides = [0; MAX_RANK];
        let mut stride = 1usize;
        // Each reversed by itself: reversing what is zipped could panic, as far as the compiler can tell.
        let sizes = own.iter().rev().zip(wanted.iter().rev());
        for (to, (own, wanted)) in strides.iter_mut().rev().zip(sizes) {
            if *own != 1 {
                if own != wanted {
                    return None;
                }
                *to = stride;
            }
            stride = stride.saturating_mul(*own);
        }
        Some(strides)
    }

    /// All dimensions but the last `count`, which are left out; `None` where there are fewer.
    pub fn without_last(&self, count: usize) -> Option<Self> {
        Self::new(self.dimensions().get(..self.rank().checked_sub(count)?)?)
    }

    /// `[batch, height, width, channels]` of a rank-4 shape.
    pub fn nhwc(&self) -> Option<[usize; 4]> {
        match *self.dimensions() {
            [n, h, w, c] => Some([size(n), size(h), size(w), size(c)]),
            _ => None,
        }
    }
}

/// A tensor as the accessors give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Element type.
    pub data_type: DataType,
    /// Where it lives.
    pub kind: TensorKind,
    /// Byte offset in the arena or in the constants section.
    pub location: usize,
    /// Dimensions.
    pub shape: Shape,
}

impl Tensor {
    /// What indices beyond the last tensor give: nothing.
    pub const NONE: Self = Self {
        data_type: DataType::I8,
        kind: TensorKind::Constant,
        location: 0,
        shape: Shape::from_array([0, 1, 1, 1, 1, 1], 1),
    };

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.elements().saturating_mul(self.data_type.bytes())
    }

    /// The bytes it occupies in the arena or in the constants section.
    pub fn range(&self) -> core::ops::Range<usize> {
        self.location..self.location.saturating_add(self.bytes())
    }

    /// Whether it is stored in the arena.
    pub fn in_arena(&self) -> bool {
        self.kind != TensorKind::Constant
    }

    /// Whether it has bytes in common with a tensor of the arena.
    pub fn meets(&self, other: &Self) -> bool {
        self.in_arena() && !crate::check::disjoint(&self.range(), &other.range())
    }
}

/// Decodes a record; `None` where a code is unknown or the dimensions lie outside the pool.
pub(crate) fn decode(record: &TensorRecord, pool: &[u8]) -> Option<Tensor> {
    let rank = usize::from(record.rank);
    let mut dimensions = [1u32; MAX_RANK];
    let start = usize::from(record.dimensions).saturating_mul(<u32 as Field>::BYTES);
    let stored = pool.get(start..)?.get(..rank.checked_mul(<u32 as Field>::BYTES)?)?;
    for (dimension, bytes) in dimensions.get_mut(..rank)?.iter_mut().zip(stored.chunks_exact(4)) {
        *dimension = <u32 as Field>::read(bytes, 0);
    }
    Some(Tensor {
        data_type: DataType::from_code(record.data_type)?,
        kind: TensorKind::from_code(record.kind)?,
        location: size(record.location),
        shape: Shape { dimensions, rank: record.rank },
    })
}
