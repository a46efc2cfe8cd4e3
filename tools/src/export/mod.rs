//! Quantised models in other formats.

pub mod onnx;
mod proto;
