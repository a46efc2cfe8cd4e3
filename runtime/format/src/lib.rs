//! The `.bantam` artifact: records, parser, writer and reject rules.
//!
//! One file holds a network ready to run: integer (or float) parameters, an operator schedule and a memory plan.
//! The bytes are the same on every target and are read in place. `runtime/SPEC.md` is the contract; this crate is
//! its only implementation: the runtime, the host tool and the compile-time macro share it.
//!
//! [`Artifact::parse`] checks untrusted bytes once, in time linear in the file. What it accepts can be read with
//! accessors that cannot fail.
//!
//! Feature `alloc` adds the [`writer`]; `std` adds `std::error::Error`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(target_pointer_width = "16")]
compile_error!("bantam needs a target with pointers of at least 32 bits");

#[cfg(feature = "alloc")]
mod aligned;
mod artifact;
mod bytes;
mod check;
mod checksum;
mod error;
mod header;
mod io;
mod limits;
mod op;
pub mod ops;
pub mod overlap;
mod preprocessing;
mod real;
pub mod strings;
mod tensor;
#[cfg(feature = "alloc")]
pub mod writer;

#[cfg(feature = "alloc")]
pub use aligned::AlignedBytes;
pub use artifact::Artifact;
pub use checksum::checksum;
pub use error::{LoadError, Rule};
pub use header::{
    Arithmetic, FILE_ALIGNMENT, HEADER_BYTES, Header, MAGIC, MAJOR_VERSION, MINOR_VERSION, SectionEntry, SectionKind,
};
pub use io::{IoRecord, IoRole, SourceLayout, StateRecord};
pub use limits::{ChecksumPolicy, Limits};
pub use op::{Op, OpRecord, Opcode};
pub use preprocessing::{
    ImageChannels, ImageFilter, ImageFit, MAX_IMAGE_SIDE, Preprocessing, PreprocessingKind, PreprocessingRecord,
};
pub use tensor::{DataType, MAX_RANK, Shape, Tensor, TensorKind, TensorRecord};

/// The offset that stands for "absent" where a constant is optional.
pub const ABSENT: u32 = u32::MAX;
