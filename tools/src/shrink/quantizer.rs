//! A float network, ready to become 8-bit programs whose weights are as wide as asked for.

use super::{ShrinkError, ShrinkOptions};
use crate::data::Dataset;
use crate::execute::execute_observed;
use crate::graph::{Graph, Op, ValueId};
use crate::lower::{Precision, Program, activation_parameters, lower};
use crate::plan;
use crate::quantize::equalize::equalize;
use crate::quantize::layers::{Layer, Twin, quantize_layers};
use crate::quantize::{Calibration, Parameters, WeightBits, calibrate, normalize_inputs};
use crate::subject::{ArtifactFile, Runner};
use std::collections::{BTreeMap, BTreeSet};

/// Width of the weights of the layer that makes a value; 8 bits for others.
pub type Widths = BTreeMap<ValueId, WeightBits>;

/// Most rows over which results of programs are compared with the float network's.
const MOST_ROWS: usize = 256;

/// A calibrated network.
#[derive(Debug)]
pub struct Quantizer<'a> {
    /// The network, normalised and equalised: in real numbers it computes what the source model does.
    pub graph: Graph,
    /// What calibration found.
    pub calibration: Calibration,
    /// Whether the fields of the input are normalised in floating point.
    pub normalizes: bool,
    /// Pairs of layers between which channels were equalised.
    pub equalized_pairs: usize,
    data: &'a Dataset,
    options: &'a ShrinkOptions,
    floats: BTreeSet<ValueId>,
    parameters: BTreeMap<ValueId, Parameters>,
    logits: Logits,
}

/// What the network says before it is made probabilities, in real numbers, for some rows.
#[derive(Clone, Debug, Default)]
struct Logits {
    name: String,
    rows: Vec<usize>,
    values: Vec<Vec<f32>>,
    power: f64,
}

impl<'a> Quantizer<'a> {
    /// Normalises tabular inputs, chooses ranges, and equalises channels where that brings an 8-bit program nearer to the float one.
    ///
    /// # Errors
    /// [`ShrinkError::Normalize`], [`ShrinkError::Calibration`], [`ShrinkError::Lower`].
    pub fn new(graph: &Graph, data: &'a Dataset, options: &'a ShrinkOptions) -> Result<Self, ShrinkError> {
        let path = || data.path().to_owned();
        let mut graph = graph.clone();
        let floats = normalize_inputs(&mut graph, data)
            .map_err(|error| ShrinkError::Normalize { path: path(), error: Box::new(error) })?;
        let logits = Logits::of(&graph, data);
        let calibrated = |graph: Graph, equalized_pairs: usize| -> Result<Self, ShrinkError> {
            let calibration = calibrate(&graph, data, options.ranges)
                .map_err(|error| ShrinkError::Calibration { path: path(), error: Box::new(error) })?;
            let parameters = activation_parameters(&graph, &calibration.ranges, options.arithmetic)
                .map_err(|error| ShrinkError::Lower { path: options.folder.model.clone(), error })?;
            let (floats, logits, normalizes) = (floats.clone(), logits.clone(), !floats.is_empty());
            Ok(Self { graph, calibration, normalizes, equalized_pairs, data, options, floats, parameters, logits })
        };
        let mut equalized = graph.clone();
        let pairs = equalize(&mut equalized);
        let plain = calibrated(graph, 0)?;
        if pairs == 0 {
            return Ok(plain);
        }
        let other = calibrated(equalized, pairs)?;
        let error = |this: &Self| this.program(&this.layers(&Widths::new())?).map(|program| this.error(&program));
        Ok(if error(&other)? < error(&plain)? { other } else { plain })
    }

    /// Chooses the integers of every layer with weights.
    ///
    /// # Errors
    /// [`ShrinkError::Calibration`].
    pub fn layers(&self, widths: &Widths) -> Result<BTreeMap<ValueId, Layer>, ShrinkError> {
        let twin = Twin { parameters: &self.parameters, floats: &self.floats, bits: widths, seed: self.options.seed };
        quantize_layers(&self.graph, self.data, twin)
            .map_err(|error| ShrinkError::Calibration { path: self.data.path().to_owned(), error: Box::new(error) })
    }

    /// The program with these integers.
    ///
    /// # Errors
    /// [`ShrinkError::Lower`].
    pub fn program(&self, layers: &BTreeMap<ValueId, Layer>) -> Result<Program, ShrinkError> {
        let weights = layers.iter().map(|(&value, layer)| (value, layer.weights.clone())).collect();
        let precision = Precision::Int8 {
            ranges: &self.calibration.ranges,
            floats: &self.floats,
            weights: &weights,
            arithmetic: self.options.arithmetic,
        };
        lower(&self.graph, precision)
            .map_err(|error| ShrinkError::Lower { path: self.options.folder.model.clone(), error })
    }

    /// The mean squared change of the logits in parts of their own power; infinite for a program that does not run.
    #[must_use]
    pub fn error(&self, program: &Program) -> f64 {
        self.logits.error(program, self.data).unwrap_or(f64::INFINITY)
    }

    /// Layers whose results are all the same number in every row of the calibration data.
    #[must_use]
    pub fn silent_layers(&self) -> Vec<String> {
        let silent = |value: &ValueId| self.calibration.ranges.get(value).is_some_and(|(low, high)| low == high);
        let layers = self.graph.nodes().filter(|(_, node)| {
            matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_)) && silent(&node.output())
        });
        layers.map(|(_, node)| node.name.clone()).collect()
    }
}

impl Logits {
    fn of(graph: &Graph, data: &Dataset) -> Self {
        let Some(port) = graph.outputs().first() else { return Self::default() };
        let producer = |value| graph.producer(value).and_then(|node| graph.node(node));
        let value = match producer(port.value) {
            Some(node) if matches!(node.op, Op::Softmax(_)) => node.inputs[0],
            _ => port.value,
        };
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

    fn error(&self, program: &Program, data: &Dataset) -> Option<f64> {
        let program = plan::apart(program.clone());
        let bytes = bantam_format::writer::write(&program.description).ok()?;
        let artifact = ArtifactFile::from_bytes(&bytes).ok()?;
        let model = artifact.model();
        let squared = crate::parallel::map_rows(self.values.len(), |index| {
            let mut got = Vec::new();
            let wanted = |name: &str| name == self.name;
            Runner::new(&model).run(data, self.rows[index], wanted, |layer| got = layer.values)?;
            let pairs = got.iter().zip(&self.values[index]);
            Ok::<f64, String>(pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum())
        });
        Some(squared.ok()?.iter().sum::<f64>() / self.power.max(f64::MIN_POSITIVE))
    }
}
