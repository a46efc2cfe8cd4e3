//! What a network says before it is made probabilities.

use crate::data::Dataset;
use crate::execute::execute_observed;
use crate::graph::{Graph, NodeId, Op, ValueId};
use crate::lower::Program;
use crate::plan;
use crate::subject::{ArtifactFile, Runner};
use std::ops::Range;

/// Most rows over which results of programs are compared with the float network's.
const MOST_ROWS: usize = 256;

/// Logits of some rows, in real numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Logits {
    name: String,
    rows: Vec<usize>,
    values: Vec<Vec<f32>>,
    power: f64,
}

/// The operand of the softmax that makes the first output, or that output itself, before it is reshaped.
#[must_use]
pub fn logits(graph: &Graph) -> Option<ValueId> {
    let output = graph.outputs().first()?.value;
    let mut value = output_softmax(graph).and_then(|node| graph.node(node)).map_or(output, |node| node.inputs[0]);
    // A program has no tensor for the result of a reshape: it is the operand's.
    while let Some(node) = graph.producer(value).and_then(|node| graph.node(node))
        && matches!(node.op, Op::Reshape(_))
    {
        value = node.inputs[0];
    }
    Some(value)
}

impl Logits {
    /// Those of the float network.
    pub fn of(graph: &Graph, data: &Dataset) -> Self {
        let Some(value) = logits(graph) else { return Self::default() };
        let count = data.rows().min(MOST_ROWS);
        let rows: Vec<usize> = (0..count).map(|index| index * data.rows() / count).collect();
        let run = |index: usize| {
            let mut seen = Vec::new();
            let result = execute_observed(graph, &data.inputs(graph, rows[index]), |id, tensor| {
                if id == value {
                    seen = tensor.as_f32().unwrap_or(&[]).to_vec();
                }
            });
            result.map(|_| seen)
        };
        // Rows that cannot be run are reported by calibration.
        let values = crate::parallel::map_rows(rows.len(), run).unwrap_or_default();
        let power = values.iter().flatten().map(|x| f64::from(*x).powi(2)).sum();
        Self { name: graph.value(value).name.clone(), rows, values, power }
    }

    /// The mean squared change in a program, in parts of their power; none for a program that does not run.
    pub fn error(&self, program: &Program, data: &Dataset) -> Option<f64> {
        let got = run(program, &self.name, data, &self.rows)?;
        let pairs = got.iter().flatten().zip(self.values.iter().flatten());
        let squared = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        Some(squared / self.power.max(f64::MIN_POSITIVE))
    }
}

/// The softmax whose result is the first output.
fn output_softmax(graph: &Graph) -> Option<NodeId> {
    let mut value = graph.outputs().first()?.value;
    loop {
        let id = graph.producer(value)?;
        let node = graph.node(id)?;
        match node.op {
            Op::Softmax(_) => return Some(id),
            Op::Reshape(_) | Op::Quantize(_) | Op::Dequantize(_) => value = node.inputs[0],
            _ => return None,
        }
    }
}

/// Divides the logits by a temperature, in the softmax's own factor; false where there is none.
pub(super) fn set_temperature(graph: &mut Graph, temperature: f64) -> bool {
    let Some(id) = output_softmax(graph) else { return false };
    match graph.op_mut(id) {
        Some(Op::Softmax(softmax)) => {
            softmax.beta = (f64::from(softmax.beta) / temperature) as f32;
            true
        }
        _ => false,
    }
}

/// The values of this name in a program, for every row.
pub(super) fn of_program(program: &Program, name: &str, data: &Dataset) -> Option<Vec<Vec<f32>>> {
    let rows: Vec<usize> = (0..data.rows()).collect();
    run(program, name, data, &rows).filter(|rows| rows.iter().all(|row| !row.is_empty()))
}

fn run(program: &Program, name: &str, data: &Dataset, rows: &[usize]) -> Option<Vec<Vec<f32>>> {
    let program = plan::apart(program.clone());
    let bytes = bantam_format::writer::write(&program.description).ok()?;
    let artifact = ArtifactFile::from_bytes(&bytes).ok()?;
    let model = artifact.model();
    let part = |part: Range<usize>| {
        let mut got = Vec::with_capacity(part.len());
        let wanted = |known: &str| known == name;
        Runner::new(&model).run_rows(data, &rows[part], wanted, |_, layer| got.push(layer.values), |_| {})?;
        Ok::<_, (usize, String)>(got)
    };
    crate::parallel::map_parts(rows.len(), part).ok().filter(|values| values.len() == rows.len())
}
