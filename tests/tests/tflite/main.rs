//! TensorFlow Lite models against TensorFlow Lite Micro's own answers.

mod hostile;
mod hybrid;
mod metadata;
mod models;
mod operators;
mod speech;
