//! Runs `.bantam` artifacts: no_std, no allocation, no panic after parse, the same integers on every target.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let file = bantam::doc_example();
//! use bantam::{Model, Session, ops};
//!
//! let model = Model::parse(file.bytes())?; // checks untrusted bytes once
//! let mut arena = bantam::Arena::<64>::new(); // all the memory a run needs
//! let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL)?;
//! session.input_mut::<i8>(0)?.copy_from_slice(&[1, -2, 3]);
//! session.run()?;
//! assert_eq!(session.output::<i8>(0)?, [1, 0, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Model::parse`] is the only door for untrusted bytes. [`Session`] runs a parsed model in memory the caller gives,
//! through a static table of operators: [`ops::ALL`], or one made by [`ops!`]; what is not in the table is not linked.
//!
//! [`include_model!`] makes a type of a file that is known when a program is compiled: nothing is parsed on the device.
//!
//! Features: `alloc` adds [`AlignedBytes`], `std` adds nothing but conveniences of the format crate.
#![no_std]
#![deny(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("bantam reads little-endian artifacts in place; big-endian targets are not supported");

mod arena;
#[cfg(all(test, feature = "std"))]
mod backend_tests;
#[doc(hidden)]
pub mod compiled;
mod error;
pub mod kernels;
mod model;
pub mod ops;
mod prepare;
mod quantization;
mod session;
mod views;

pub use arena::{Aligned, Arena};
#[cfg(feature = "alloc")]
pub use bantam_format::AlignedBytes;
pub use bantam_format::{
    Arithmetic, Artifact, ChecksumPolicy, DataType, Limits, LoadError, MAX_IMAGE_SIDE, Opcode, Preprocessing, Rule,
    SectionKind, Shape, SourceLayout, Tensor, TensorKind,
};
pub use bantam_macros::include_model;
pub use error::{PrepareError, RunError, SessionError};
pub use kernels::dispatch::Backend;
pub use model::{IoTensor, Model};
pub use ops::{Operator, Operators};
pub use prepare::Image;
pub use quantization::Quantization;
pub use session::{Session, Step};
pub use views::Element;

/// The artifact of the example above: one 8-bit clamp of three values to 0 and more.
#[doc(hidden)]
#[cfg(feature = "std")]
pub fn doc_example() -> AlignedBytes {
    use bantam_format::writer::{ModelDescription, OpDescription, TensorDescription, write};
    let tensor = |name: &str| TensorDescription {
        name: name.into(),
        data_type: DataType::I8,
        kind: TensorKind::Arena,
        location: 0,
        dimensions: [1, 3].into(),
        quantization: Some((1.0, 0)),
    };
    let mut attributes = std::vec::Vec::new();
    bantam_format::ops::IntegerClamp { clamp_min: 0, clamp_max: 127, reserved: [0; 2] }.write(&mut attributes);
    let io = |role, tensor| bantam_format::IoRecord { tensor, role, source_layout: 0, scale: 1.0, zero_point: 0 };
    let description = ModelDescription {
        arithmetic: Arithmetic::Onnx,
        tensors: [tensor("x"), tensor("y")].into(),
        ops: [OpDescription {
            name: "clamp".into(),
            opcode: Opcode::Clamp,
            walk_down: false,
            inputs: [0].into(),
            outputs: [1].into(),
            attributes,
        }]
        .into(),
        constants: [].into(),
        io: [io(0, 0), io(1, 1)].into(),
        states: [].into(),
        macs: 0,
        preprocessing: [].into(),
        labels: [].into(),
        card: "".into(),
        debug: false,
    };
    AlignedBytes::copy_of(&write(&description).unwrap_or_default())
}
