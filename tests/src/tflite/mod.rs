//! TensorFlow Lite models, their artifacts, and what TensorFlow Lite Micro answers: for the tests of the import, and for
//! the comparison with other targets.

pub mod models;
pub mod operators;

use crate::run::{Values, run_many};
use bantam::{AlignedBytes, Model};
use bantam_format::Arithmetic;
use bantam_tools::import::tflite;
use bantam_tools::lower::{Precision, lower};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::shrink::finish;

/// The artifact of a model, without names and card.
///
/// # Errors
/// Why there is none.
pub fn artifact(file: &[u8]) -> Result<Vec<u8>, String> {
    let mut graph = tflite::import(file).map_err(|error| error.to_string())?;
    optimize(&mut graph, &PassOptions::default()).map_err(|error| error.to_string())?;
    let quantized = graph.is_quantized();
    let precision = if quantized { Precision::Quantized { arithmetic: Arithmetic::Tflite } } else { Precision::Float };
    let mut program = lower(&graph, precision).map_err(|error| error.to_string())?;
    program.description.debug = false;
    Ok(finish(program).map_err(|error| error.to_string())?.bytes().to_vec())
}

/// The outputs of a run for each list of inputs, as raw bytes; state is kept between them.
///
/// # Panics
/// The artifact is not valid, or a run writes outside its arena.
pub fn run(artifact: &[u8], rows: &[Vec<Vec<u8>>]) -> Vec<Vec<Vec<u8>>> {
    let file = AlignedBytes::copy_of(artifact);
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let inputs = |row: &Vec<Vec<u8>>| {
        model.inputs().zip(row).map(|(io, bytes)| Values::from_bytes(io.tensor.data_type, bytes)).collect()
    };
    let rows: Vec<Vec<Values>> = rows.iter().map(inputs).collect();
    run_many(&model, &rows).iter().map(|outputs| outputs.iter().map(Values::bytes).collect()).collect()
}

/// `count` bytes: xorshift32, the top byte of each step.
#[must_use]
pub fn xorshift(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..count).map(|_| step()).collect()
}
