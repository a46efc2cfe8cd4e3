//! TensorFlow Lite models against TensorFlow Lite Micro's own answers.

mod hostile;
mod models;
mod operators;
mod speech;
