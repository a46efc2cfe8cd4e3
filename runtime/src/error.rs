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
