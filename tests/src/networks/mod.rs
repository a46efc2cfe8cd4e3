//! Random small networks, as ONNX files: the same seed makes the same network.
//!
//! A network is a chain of steps, each taking a value made before (mostly the newest) and making another one: a
//! convolution of some kind, a residual block, an attention, a slice. Weights are scaled so that activations keep
//! their size, and functions with a narrow domain are led into it, so that every number stays meaningful. What nothing
//! reads becomes an output. [`check`] runs a network in every way there is and compares.

pub mod campaign;
pub mod check;
mod general;
mod images;
mod int8;
mod sketch;

use crate::random::Random;
use bantam_tools::reference::pb::ModelProto;
use sketch::{Sketch, Value};

/// A step: takes a value and makes one, or says that it does not fit.
type Step = fn(&mut Sketch, &Value) -> Option<Value>;

/// The steps, each as often as it is to be tried.
const STEPS: &[(usize, &str, Step)] = &[
    (12, "convolution", images::convolution),
    (3, "transposed convolution", images::transposed_convolution),
    (6, "pooling", images::pooling),
    (1, "global pooling", images::global_pooling),
    (2, "batch normalisation", images::batch_normalization),
    (2, "normalisation", images::normalization),
    (3, "channel shuffle", images::channel_shuffle),
    (3, "gate", images::gate),
    (4, "residual", images::residual),
    (3, "branches", images::branches),
    (3, "split", images::split),
    (2, "resize", images::resize),
    (2, "blocks", images::blocks),
    (3, "classifier", images::classifier),
    (8, "function", general::function),
    (5, "with a constant", general::with_constant),
    (6, "with a value", general::with_value),
    (3, "reduction", general::reduction),
    (2, "softmax", general::softmax),
    (6, "movement", general::movement),
    (1, "computed shape", general::computed_shape),
    (3, "slice", general::slice),
    (2, "pad", general::pad),
    (2, "gather", general::gather),
    (2, "repeat", general::repeat),
    (3, "concat", general::concat),
    (1, "arg max", general::arg_max),
    (1, "comparison", general::comparison),
    (1, "written-out normalisation", general::written_out_normalization),
    (3, "matrix product", general::matrix_product),
    (3, "attention", general::attention),
    (2, "layer normalisation", general::layer_normalization),
    (1, "cumulative sum", general::cumulative_sum),
    (2, "scaled product", general::scaled_product),
    (1, "shift", general::shift),
];

/// Most steps of a network.
const MAX_STEPS: usize = 9;

/// A network and how it came to be.
#[derive(Clone, Debug)]
pub struct Network {
    /// What makes it again.
    pub seed: u64,
    /// The file.
    pub model: ModelProto,
    /// Its steps.
    pub steps: Vec<&'static str>,
}

/// The network of this seed.
pub fn network(seed: u64) -> Network {
    shortened(seed, usize::MAX)
}

/// The network of this seed with at most so many of its steps.
pub fn shortened(seed: u64, most: usize) -> Network {
    let mut sketch = Sketch::new(seed);
    let mut plan = Random::new(seed.wrapping_add(1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let wanted = plan.within(1..MAX_STEPS + 1);
    let total: usize = STEPS.iter().map(|(weight, _, _)| weight).sum();
    let mut steps = Vec::new();
    // A step that does not fit is another one instead; a chain that nothing fits ends early.
    for _ in 0..wanted * 20 {
        if steps.len() == wanted.min(most) {
            break;
        }
        let mut at = plan.within(0..total);
        let chosen = STEPS.iter().find(|(weight, _, _)| {
            let here = at < *weight;
            at = at.wrapping_sub(*weight);
            here
        });
        let Some(&(_, name, step)) = chosen else { continue };
        let value = sketch.pick_live();
        let nodes = sketch.model.graph().node.len();
        if let Some(made) = step(&mut sketch, &value) {
            sketch.live.push(made);
        }
        if sketch.model.graph().node.len() > nodes {
            steps.push(name);
        }
    }
    Network { seed, model: sketch.finish().0, steps }
}
