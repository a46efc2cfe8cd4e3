//! Importers: source formats to [`crate::graph::Graph`].

pub mod onnx;
