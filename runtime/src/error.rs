//! Errors of sessions. Loading has its own, [`crate::LoadError`].

use bantam_format::{Arithmetic, DataType, Opcode};

/// Why a session cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The arena has fewer bytes than the model needs.
    ArenaTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The arena does not start at a multiple of 16.
    ArenaMisaligned {
        /// Its address modulo 16.
        remainder: usize,
    },
    /// The buffer for packed weights has fewer bytes than the model needs.
    PackTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The operator table lacks an opcode of the model.
    OperatorNotLinked {
        /// Position in the schedule.
        op: u32,
        /// The missing opcode.
        opcode: Opcode,
    },
    /// The operator table lacks the model's arithmetic.
    ArithmeticNotLinked {
        /// The missing arithmetic.
        arithmetic: Arithmetic,
    },
    /// The operator table lacks a type of the model's elements.
    TypeNotLinked {
        /// The missing type.
        data_type: DataType,
    },
}

/// Why a call on a session failed. None of these happens in [`crate::Session::run`] on a parsed model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// There is no input or output with this index.
    NoSuchTensor {
        /// The index asked for.
        index: usize,
    },
    /// The tensor has another element type.
    ElementType {
        /// The tensor's type.
        expected: DataType,
        /// The type asked for.
        given: DataType,
    },
    /// The number of elements is not the tensor's.
    Length {
        /// Elements of the tensor.
        expected: usize,
        /// Elements given.
        given: usize,
    },
    /// An op's operands are not where the parser found them. A bug in this crate, reported instead of a panic.
    Inconsistent {
        /// Position in the schedule.
        op: u32,
    },
}

/// Why data could not be prepared for an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// The file does not prepare this input from images.
    NotAnImage {
        /// The input's index.
        index: usize,
    },
    /// The file does not prepare this input from numbers.
    NotFields {
        /// The input's index.
        index: usize,
    },
    /// A side of the image is 0 or above [`bantam_format::MAX_IMAGE_SIDE`].
    ImageSize {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The image has not 1, 3 or 4 bytes per pixel.
    ImageBytes {
        /// Pixels of the image.
        pixels: usize,
        /// Bytes given.
        bytes: usize,
    },
    /// The number of values is not that of the input's elements.
    Length {
        /// Elements of the input.
        expected: usize,
        /// Values given.
        given: usize,
    },
    /// A value is not a number.
    NotANumber {
        /// Its position.
        position: usize,
    },
    /// The input cannot be reached.
    Run(RunError),
}

impl core::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::fmt::Display for SessionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::fmt::Display for RunError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::error::Error for SessionError {}
impl core::error::Error for RunError {}
impl core::error::Error for PrepareError {}
