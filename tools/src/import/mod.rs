//! Importers: source formats to [`crate::graph::Graph`].

mod emit;
mod error;
pub mod onnx;
pub mod tflite;

pub use error::{ConstantError, Reason, UnsupportedNode};

use emit::{Emitter, State, byte_size};
