//! Runs a network in every way there is and compares.
//!
//! - The file is imported and its graph executed as imported and after all passes; both agree with tract, which reads
//!   the same file on its own, within [`FLOAT_TOLERANCE`] of the largest result. Where tract cannot load or run a file,
//!   the graph as imported stands in, and the outcome says so.
//! - Lowered to floats, planned and written, the artifact agrees with them as well.
//! - Calibrated on random rows and lowered to 8 bits in both arithmetics, every op and the whole are within the bounds
//!   of [`super::int8`], and give the same bits wherever their tensors lie.

use super::Network;
use super::int8::{self, Measured};
use crate::run::{Values, outputs, set_inputs};
use bantam::{AlignedBytes, DataType, Model, Session, ops};
use bantam_format::{Arithmetic, writer};
use bantam_tools::data::{Dataset, InputSpec};
use bantam_tools::execute::execute;
use bantam_tools::graph::{Graph, Port};
use bantam_tools::import::onnx::{ImportOptions, import};
use bantam_tools::lower::{Precision, Program, lower};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::plan;
use bantam_tools::quantize::{RangeMethod, calibrate};
use bantam_tools::reference::{ReferenceModel, pb::ModelProto};
use bantam_tools::tensor::Tensor;
use prost::Message;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Largest difference of two float results, as a share of the largest of them (or of 1).
pub const FLOAT_TOLERANCE: f32 = 1e-4;
/// Rows that float results are compared on.
const FLOAT_ROWS: usize = 2;
/// Rows that ranges come from.
const CALIBRATION_ROWS: usize = 8;

/// What was found out about a network that is right.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why tract could not tell, where it could not.
    pub no_reference: Option<String>,
    /// Nodes after the passes.
    pub nodes: usize,
    /// Operators of the graph after the passes.
    pub operators: Vec<&'static str>,
    /// What was measured in each arithmetic, or why the tool refused it by name.
    pub int8: Vec<(Arithmetic, Result<Measured, String>)>,
}

/// Checks a network.
///
/// # Errors
/// What is wrong, in words.
pub fn check(network: &Network) -> Result<Outcome, String> {
    let bytes = network.model.encode_to_vec();
    let before = import(&bytes, &ImportOptions::default()).map_err(|error| format!("import: {error}"))?;
    let mut after = before.clone();
    let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
    optimize(&mut after, &options).map_err(|error| format!("passes: {error}"))?;
    let data = Dataset::random(&InputSpec::of_graph(&after), CALIBRATION_ROWS, network.seed, -1.0, 1.0);
    let mut no_reference = None;
    let reference = reference(&network.model).map_err(|reason| no_reference = Some(reason)).ok();
    for row in 0..FLOAT_ROWS {
        let inputs = source(after.inputs(), &data.floats(row))?;
        let stand_in = run(&before, &inputs, "the graph as imported")?;
        let expected = match reference.as_ref().map(|reference| run_reference(reference, &inputs)) {
            Some(Ok(expected)) => expected,
            Some(Err(reason)) => {
                no_reference = Some(reason);
                stand_in.clone()
            }
            None => stand_in.clone(),
        };
        compare(&before, "as imported", &expected, &stand_in)?;
        compare(&after, "after the passes", &expected, &run(&after, &inputs, "the graph after its passes")?)?;
        compare(&after, "as an artifact", &expected, &run_floats(&after, &data, row)?)?;
    }
    let calibration = calibrate(&after, &data, RangeMethod::Mse).map_err(|error| format!("calibration: {error}"))?;
    let mut int8 = Vec::new();
    for arithmetic in [Arithmetic::Onnx, Arithmetic::Tflite] {
        let measured = int8::check(&after, &data, &calibration.ranges, arithmetic)
            .map_err(|error| format!("8 bits, {arithmetic:?} arithmetic: {error}\n{after}"))?;
        int8.push((arithmetic, measured));
    }
    let operators = after.nodes().map(|(_, node)| node.op.name()).collect();
    Ok(Outcome { no_reference, nodes: after.node_count(), operators, int8 })
}

/// tract is not made to be careful: what it panics on, it cannot load.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("tract panics".to_owned()))
}

fn reference(model: &ModelProto) -> Result<ReferenceModel, String> {
    guarded(|| ReferenceModel::from_proto(model, &BTreeMap::new()).map_err(|error| error.to_string()))
}

fn run_reference(reference: &ReferenceModel, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    guarded(|| reference.run(inputs).map_err(|error| error.to_string()))
}

/// Tensors in the layout of these ports, in the source's.
fn source(ports: &[Port], tensors: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let arranged = ports.iter().zip(tensors).map(|(port, tensor)| port.layout.to_source(tensor));
    arranged.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Runs a graph on inputs of the source's layout; results in the source's layout too.
fn run(graph: &Graph, inputs: &[Tensor], what: &str) -> Result<Vec<Tensor>, String> {
    let ports = graph.inputs().iter().zip(inputs);
    let inputs: Result<Vec<Tensor>, _> = ports.map(|(port, input)| port.layout.from_source(input)).collect();
    let results = execute(graph, &inputs.map_err(|error| error.to_string())?);
    source(graph.outputs(), &results.map_err(|error| format!("{what}: {error}"))?)
}

fn compare(graph: &Graph, what: &str, expected: &[Tensor], got: &[Tensor]) -> Result<(), String> {
    for ((port, expected), got) in graph.outputs().iter().zip(expected).zip(got) {
        let wrong = |reason: String| format!("output {}, {what}: {reason}\n{graph}", port.name);
        if expected.shape() != got.shape() {
            return Err(wrong(format!("shape {:?} instead of {:?}", got.shape(), expected.shape())));
        }
        let (expected, got) = (floats(expected), floats(got));
        let largest = expected.iter().fold(1f32, |largest, item| largest.max(item.abs()));
        let close = |a: f32, b: f32| (a - b).abs() <= FLOAT_TOLERANCE * largest || (a.is_nan() && b.is_nan()) || a == b;
        if let Some(at) = (0..expected.len()).find(|&at| !close(expected[at], got[at])) {
            return Err(wrong(format!("element {at} is {} instead of {}", got[at], expected[at])));
        }
    }
    Ok(())
}

/// Any tensor as floats.
pub(super) fn floats(tensor: &Tensor) -> Vec<f32> {
    match tensor.as_f32() {
        Ok(items) => items.to_vec(),
        Err(_) => tensor.to_i64().into_iter().map(|item| item as f32).collect(),
    }
}

/// Plans and writes a program, and parses and proves what was written.
pub(super) fn artifact(program: &Program) -> Result<AlignedBytes, String> {
    let bytes = writer::write(&program.description).map_err(|error| format!("not a valid artifact: {error:?}"))?;
    let file = AlignedBytes::copy_of(&bytes);
    let model = Model::parse(file.bytes()).map_err(|error| format!("not a valid artifact: {error:?}"))?;
    plan::verify::verify(&model).map_err(|error| format!("a wrong plan: {error}"))?;
    Ok(file)
}

/// Lowers a graph to floats and runs it; results in the source's layout.
fn run_floats(graph: &Graph, data: &Dataset, row: usize) -> Result<Vec<Tensor>, String> {
    let mut program = lower(graph, Precision::Float).map_err(|error| format!("lowering to floats: {error}"))?;
    plan::plan(&mut program);
    let file = artifact(&program)?;
    let model = Model::parse(file.bytes()).map_err(|error| format!("{error:?}"))?;
    let inputs: Vec<Values> = data.floats(row).iter().map(|tensor| Values::F32(floats(tensor))).collect();
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
    let run = |error: bantam::RunError| format!("running floats: {error:?}");
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).map_err(|error| format!("{error:?}"))?;
    set_inputs(&mut session, &inputs).map_err(run)?;
    session.run().map_err(run)?;
    let results = outputs(&session).map_err(run)?;
    let results = graph.outputs().iter().zip(results).map(|(port, values)| {
        let items = match values {
            Values::F32(items) => items,
            Values::I32(items) => items.into_iter().map(|item| item as f32).collect(),
            Values::I16(items) => items.into_iter().map(f32::from).collect(),
            Values::I8(items) => items.into_iter().map(f32::from).collect(),
        };
        let tensor = Tensor::from_vec(graph.value(port.value).shape.clone(), items);
        tensor.and_then(|tensor| port.layout.to_source(&tensor)).map_err(|error| error.to_string())
    });
    results.collect()
}

/// The elements of a tensor in memory, as reals where they are quantised.
pub(super) fn reals(data_type: DataType, bytes: &[u8], quantization: Option<(f32, i32)>) -> Vec<f32> {
    match Values::from_bytes(data_type, bytes) {
        Values::F32(items) => items,
        Values::I32(items) => items.into_iter().map(|item| item as f32).collect(),
        Values::I16(items) => items.into_iter().map(f32::from).collect(),
        Values::I8(items) => {
            let (scale, zero_point) = quantization.unwrap_or((1.0, 0));
            items.into_iter().map(|item| scale * (i32::from(item) - zero_point) as f32).collect()
        }
    }
}
