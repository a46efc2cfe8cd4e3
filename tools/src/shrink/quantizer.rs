//! A float network, ready to become 8-bit programs whose weights are as wide as asked for.

use super::logits::Logits;
use super::{ShrinkError, ShrinkOptions};
use crate::data::Dataset;
use crate::graph::{Graph, NodeId, Op, ValueId};
use crate::lower::{Precision, Program, activation_parameters, lower};
use crate::quantize::equalize::{Reach, equalize};
use crate::quantize::layers::{Layer, Twin, quantize_layers};
use crate::quantize::widen::{Widened, widen};
use crate::quantize::{Calibration, Parameters, QuantizedWeights, WeightBits, calibrate, normalize_inputs};
use bantam_format::Arithmetic;
use std::collections::{BTreeMap, BTreeSet};

/// Width of the weights of the layer that makes a value; 8 bits for others.
pub type Widths = BTreeMap<ValueId, WeightBits>;

/// The share of the error that bounds of single channels may leave, to be worth an op behind each such layer.
const WORTH_CLIPS: f64 = 0.9;

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
    /// How accumulators are requantised.
    pub arithmetic: Arithmetic,
    /// What was asked for.
    pub options: &'a ShrinkOptions,
    /// Activations that stay in floating point.
    pub floats: BTreeSet<ValueId>,
    /// Activations of 16 bits.
    pub wide: BTreeSet<ValueId>,
    /// Scale and zero point of each activation.
    pub parameters: BTreeMap<ValueId, Parameters>,
    logits: Logits,
    /// The layers with 8-bit weights, where they are known already.
    eight_bit: Option<BTreeMap<ValueId, Layer>>,
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
            let wide = BTreeSet::new();
            let parameters = activation_parameters(&graph, &calibration.ranges, &wide, options.arithmetic)
                .map_err(|error| ShrinkError::Lower { path: options.folder.model.clone(), error })?;
            let (floats, logits, normalizes) = (floats.clone(), logits.clone(), !floats.is_empty());
            Ok(Self {
                graph,
                calibration,
                normalizes,
                equalized_pairs,
                data,
                arithmetic: options.arithmetic,
                options,
                floats,
                wide,
                parameters,
                logits,
                eight_bit: None,
            })
        };
        let mut equalized = Vec::new();
        // Minima of integers are taken of the real numbers that they stand for.
        let reaches = if options.float_unit { &[Reach::Free, Reach::WithClips][..] } else { &[Reach::Free] };
        for &reach in reaches {
            let mut other = graph.clone();
            let pairs = equalize(&mut other, reach)
                .map_err(|error| ShrinkError::Normalize { path: path(), error: Box::new(error.into()) })?;
            if pairs > equalized.last().map_or(0, |&(_, known, _)| known) {
                equalized.push((other, pairs, if reach == Reach::Free { 1.0 } else { WORTH_CLIPS }));
            }
        }
        let mut best = calibrated(graph, 0)?;
        if equalized.is_empty() {
            return Ok(best);
        }
        let error = |this: &mut Self| -> Result<f64, ShrinkError> {
            let layers = this.layers(&Widths::new())?;
            let error = this.error(&this.program(&layers)?);
            this.eight_bit = Some(layers);
            Ok(error)
        };
        let mut least = error(&mut best)?;
        for (graph, pairs, share) in equalized {
            let mut other = calibrated(graph, pairs)?;
            let found = error(&mut other)?;
            if found < share * least {
                (best, least) = (other, found);
            }
        }
        Ok(best)
    }

    /// The same network with 16-bit activations where these nodes write them, in the arithmetic that has such.
    ///
    /// # Errors
    /// [`ShrinkError::Lower`]; [`ShrinkError::Normalize`]: a bug in the pass.
    pub fn widened(&self, nodes: &BTreeSet<NodeId>) -> Result<Self, ShrinkError> {
        let Widened { graph, wide, converted } = widen(&self.graph, nodes, &self.floats).map_err(|error| {
            ShrinkError::Normalize { path: self.data.path().to_owned(), error: Box::new(error.into()) }
        })?;
        let mut calibration = self.calibration.clone();
        for (&conversion, value) in &converted {
            let known = (self.calibration.ranges.get(value), self.calibration.histograms.get(value));
            if let (Some(&range), Some(histogram)) = known {
                calibration.ranges.insert(conversion, range);
                calibration.histograms.insert(conversion, histogram.clone());
            }
        }
        // There are integers enough for all that was seen.
        for value in &wide {
            if let Some(histogram) = calibration.histograms.get(value) {
                calibration.ranges.insert(*value, histogram.bounds());
            }
        }
        let arithmetic = Arithmetic::Tflite;
        let parameters = activation_parameters(&graph, &calibration.ranges, &wide, arithmetic)
            .map_err(|error| ShrinkError::Lower { path: self.options.folder.model.clone(), error })?;
        let (floats, logits) = (self.floats.clone(), self.logits.clone());
        Ok(Self { graph, calibration, arithmetic, floats, wide, parameters, logits, eight_bit: None, ..*self })
    }

    /// The integers of layers beside other activations.
    #[must_use]
    pub fn rescaled(&self, layers: &BTreeMap<ValueId, Layer>) -> BTreeMap<ValueId, QuantizedWeights> {
        let input_scale = |value: ValueId| {
            let node = self.graph.node(self.graph.producer(value)?)?;
            Some(self.parameters.get(&node.inputs[0])?.scale)
        };
        let weights = |(&value, layer): (&ValueId, &Layer)| Some((value, layer.reading(input_scale(value)?)));
        layers.iter().filter_map(weights).collect()
    }

    /// Chooses the integers of every layer with weights.
    ///
    /// # Errors
    /// [`ShrinkError::Calibration`].
    pub fn layers(&self, widths: &Widths) -> Result<BTreeMap<ValueId, Layer>, ShrinkError> {
        if let (true, Some(known)) = (widths.is_empty(), &self.eight_bit) {
            return Ok(known.clone());
        }
        self.quantized(widths, false)
    }

    /// The same with narrow weights rounded anew where that serves a layer's results better.
    ///
    /// # Errors
    /// [`ShrinkError::Calibration`].
    pub fn refined_layers(&self, widths: &Widths) -> Result<BTreeMap<ValueId, Layer>, ShrinkError> {
        self.quantized(widths, true)
    }

    fn quantized(&self, widths: &Widths, refines: bool) -> Result<BTreeMap<ValueId, Layer>, ShrinkError> {
        let (parameters, floats, seed) = (&self.parameters, &self.floats, self.options.seed);
        let twin = Twin { parameters, floats, bits: widths, refines, seed };
        quantize_layers(&self.graph, self.data, twin)
            .map_err(|error| ShrinkError::Calibration { path: self.data.path().to_owned(), error: Box::new(error) })
    }

    /// The program with these integers.
    ///
    /// # Errors
    /// [`ShrinkError::Lower`].
    pub fn program(&self, layers: &BTreeMap<ValueId, Layer>) -> Result<Program, ShrinkError> {
        self.program_of(layers.iter().map(|(&value, layer)| (value, layer.weights.clone())).collect())
    }

    /// The program with these weights.
    ///
    /// # Errors
    /// [`ShrinkError::Lower`].
    pub fn program_of(&self, weights: BTreeMap<ValueId, QuantizedWeights>) -> Result<Program, ShrinkError> {
        let precision = Precision::Int8 {
            ranges: &self.calibration.ranges,
            wide: &self.wide,
            floats: &self.floats,
            weights: &weights,
            arithmetic: self.arithmetic,
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
