//! The ONNX importer, the graph executor and the passes, compared with an independent interpreter
//! of the same files.

mod breadth;
mod build;
mod compare;
mod hostile;
mod layouts;
mod models;
mod onnxruntime;
mod operators;
mod options;
mod quantized;
