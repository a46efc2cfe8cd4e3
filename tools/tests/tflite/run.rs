//! From a .tflite file to the bytes that its artifact answers.

use bantam::{AlignedBytes, DataType, Model, Session, ops};
use bantam_format::Arithmetic;
use bantam_tools::fit::Limits;
use bantam_tools::import::tflite;
use bantam_tools::lower::{Precision, lower};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::shrink::finish;

/// The artifact of a model, without names and card; why not, otherwise.
pub fn artifact(file: &[u8]) -> Result<Vec<u8>, String> {
    let mut graph = tflite::import(file).map_err(|error| error.to_string())?;
    optimize(&mut graph, &PassOptions::default()).map_err(|error| error.to_string())?;
    let quantized = graph.is_quantized();
    let precision = if quantized { Precision::Quantized { arithmetic: Arithmetic::Tflite } } else { Precision::Float };
    let mut program = lower(&graph, precision).map_err(|error| error.to_string())?;
    program.description.debug = false;
    Ok(finish(program, Limits::default()).map_err(|error| error.to_string())?.bytes().to_vec())
}

/// The outputs of a run for each list of inputs, as raw bytes; state is kept between them.
pub fn run(artifact: &[u8], rows: &[Vec<Vec<u8>>]) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let file = AlignedBytes::copy_of(artifact);
    let model = Model::parse(file.bytes()).unwrap();
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).unwrap();
    let mut answers = Vec::new();
    for row in rows {
        for (index, (io, bytes)) in model.inputs().zip(row).enumerate() {
            let words = || bytes.as_chunks::<4>().0.iter();
            match io.tensor.data_type {
                DataType::I8 => {
                    let values: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
                    session.input_mut::<i8>(index).unwrap().copy_from_slice(&values);
                }
                DataType::F32 => {
                    let values: Vec<f32> = words().map(|&word| f32::from_le_bytes(word)).collect();
                    session.input_mut::<f32>(index).unwrap().copy_from_slice(&values);
                }
                _ => {
                    let values: Vec<i32> = words().map(|&word| i32::from_le_bytes(word)).collect();
                    session.input_mut::<i32>(index).unwrap().copy_from_slice(&values);
                }
            }
        }
        session.run().map_err(|error| format!("the run fails: {error}"))?;
        let output = |(index, io): (usize, bantam::IoTensor)| match io.tensor.data_type {
            DataType::I8 => session.output::<i8>(index).unwrap().iter().map(|value| value.cast_unsigned()).collect(),
            DataType::F32 => {
                session.output::<f32>(index).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            _ => session.output::<i32>(index).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        answers.push(model.outputs().enumerate().map(output).collect());
    }
    Ok(answers)
}

/// `count` bytes: xorshift32, the top byte of each step.
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
