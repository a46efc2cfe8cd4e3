//! What the tests that cross crates share: small models of every opcode, a deterministic generator, an arena with
//! guard bytes, and independent oracles written another way than the kernels.

#![forbid(unsafe_code)]

pub mod accumulating;
pub mod artifacts;
pub mod build;
pub mod canary;
pub mod chain;
pub mod fixtures;
pub mod hostile;
pub mod models;
pub mod naive;
pub mod networks;
#[path = "../../tools/tests/import/build.rs"]
pub mod onnx;
pub mod parts;
pub mod programs;
pub mod quantization;
pub mod random;
pub mod random_models;
pub mod repository;
pub mod run;
pub mod single;
pub mod tflite;
pub mod wide;
