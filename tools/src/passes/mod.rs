//! Rewrites that make a graph smaller without changing what it computes.
//!
//! One file per pass. Each has a function that walks the graph once and returns how many changes
//! it made; [`optimize`] repeats them until none has anything left to do.

mod activation;
mod affine;
mod constants;
mod patterns;
mod pooling;
mod ports;
mod quantized;
mod reshape;
mod simplify;
mod transpose;

use crate::graph::{Graph, GraphError};

/// What [`optimize`] may change at the borders of the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassOptions {
    /// Whether an NCHW image input that only NHWC operators read becomes an NHWC input; its port
    /// says so.
    pub channels_last_inputs: bool,
    /// Whether an NCHW output that an NHWC operator makes becomes an NHWC output; its port says
    /// so.
    pub channels_last_outputs: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Changes by pass, in the order the passes run.
    pub changes: Vec<(&'static str, usize)>,
}

impl PassReport {
    fn add(&mut self, name: &'static str, count: usize) {
        match self.changes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => self.changes.push((name, count)),
        }
    }

    /// All changes together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.changes.iter().map(|(_, count)| count).sum()
    }
}

/// A pass: walks the graph once and returns the number of changes.
pub type Pass = fn(&mut Graph) -> Result<usize, GraphError>;

/// The passes in the order they run.
pub const PASSES: &[(&str, Pass)] = &[
    ("fold constants", constants::run),
    ("simplify", simplify::run),
    ("move transposes", transpose::run),
    ("merge reshapes", reshape::run),
    ("keep integers", quantized::run),
    ("fold affine", affine::run),
    ("pooling", pooling::run),
    ("fuse activations", activation::run),
    ("recognise functions", patterns::run),
    ("remove dead nodes", remove_dead),
];

/// Rounds after which rewriting stops, beyond one per node. Each change moves the graph towards
/// its final form, so that a bound is only there for safety.
const SPARE_ROUNDS: usize = 64;

/// Runs the passes until nothing changes, then numbers values and nodes anew.
///
/// # Errors
/// [`GraphError`] if a rewrite breaks a rule of graphs: an error in a pass, not in the model.
pub fn optimize(graph: &mut Graph, options: &PassOptions) -> Result<PassReport, GraphError> {
    let mut report = PassReport::default();
    if options.channels_last_inputs {
        report.add("channels-last inputs", ports::channels_last_inputs(graph)?);
    }
    let mut rounds = graph.node_count() + SPARE_ROUNDS;
    while rounds > 0 {
        rounds -= 1;
        let mut changed = 0;
        for &(name, pass) in PASSES {
            let count = pass(graph)?;
            report.add(name, count);
            changed += count;
            if cfg!(debug_assertions) {
                graph.validate()?;
            }
        }
        if changed > 0 {
            continue;
        }
        // Only what could neither cancel nor move any further is settled.
        let mut settled = 0;
        if options.channels_last_outputs {
            let count = ports::channels_last_outputs(graph);
            report.add("channels-last outputs", count);
            settled += count;
        }
        let count = transpose::unit_transposes(graph)?;
        report.add("unit transposes", count);
        if settled + count == 0 {
            break;
        }
    }
    graph.remove_dead();
    graph.compact();
    graph.validate()?;
    Ok(report)
}

fn remove_dead(graph: &mut Graph) -> Result<usize, GraphError> {
    Ok(graph.remove_dead())
}

/// Lets the users of `node`'s only result use `value`, which takes over the name, and removes the
/// node.
fn bypass(graph: &mut Graph, node: crate::graph::NodeId, value: crate::graph::ValueId) {
    let Some(output) = graph.node(node).map(crate::graph::Node::output) else { return };
    let name = graph.value(output).name.clone();
    if graph.producer(value).is_some() {
        graph.rename(value, name);
    }
    graph.replace_uses(output, value);
    graph.remove_node(node);
}

#[cfg(test)]
mod testing {
    //! What the tests of the passes share.

    use super::{Graph, Pass};
    use crate::execute::execute;
    use crate::tensor::{DataType, Tensor};

    /// Numbers between -2 and 2, always the same.
    pub(super) fn numbers(shape: &[usize], seed: u64) -> Tensor {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let count: usize = shape.iter().product();
        let items = (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1u64 << 22) as f32 - 2.0
            })
            .collect();
        Tensor::from_vec(shape.to_vec(), items).unwrap()
    }

    /// Inputs for a graph, in its source layout.
    pub(super) fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
        graph
            .inputs()
            .iter()
            .enumerate()
            .map(|(index, port)| {
                let value = graph.value(port.value);
                assert_eq!(value.dtype, DataType::F32);
                numbers(&port.layout.source_shape(&value.shape), seed + index as u64)
            })
            .collect()
    }

    /// Results in the source layout.
    pub(super) fn run(graph: &Graph, seed: u64) -> Vec<Tensor> {
        graph.validate().unwrap();
        let inputs: Vec<Tensor> = inputs(graph, seed)
            .iter()
            .zip(graph.inputs())
            .map(|(input, port)| port.layout.from_source(input).unwrap())
            .collect();
        execute(graph, &inputs)
            .unwrap()
            .iter()
            .zip(graph.outputs())
            .map(|(output, port)| port.layout.to_source(output).unwrap())
            .collect()
    }

    /// Checks that both graphs compute the same, up to rounding.
    pub(super) fn assert_same(before: &Graph, after: &Graph) {
        for seed in 1..4 {
            let (expected, got) = (run(before, seed), run(after, seed));
            assert_eq!(expected.len(), got.len());
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(expected.shape(), got.shape(), "{after}");
                if expected.data_type() != DataType::F32 {
                    assert_eq!(expected, got);
                    continue;
                }
                for (a, b) in expected.as_f32().unwrap().iter().zip(got.as_f32().unwrap()) {
                    assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{a} {b}\n{after}");
                }
            }
        }
    }

    /// Runs a pass until it does nothing, checks the results, and returns the number of changes.
    pub(super) fn apply(graph: &mut Graph, pass: Pass) -> usize {
        let before = graph.clone();
        let mut changes = 0;
        loop {
            let count = pass(graph).unwrap();
            graph.remove_dead();
            graph.validate().unwrap();
            if count == 0 {
                break;
            }
            changes += count;
            assert!(changes < 1000, "no end in sight:\n{graph}");
        }
        assert_same(&before, graph);
        changes
    }

    /// The operators in order.
    pub(super) fn operators(graph: &Graph) -> Vec<&'static str> {
        graph.nodes().map(|(_, node)| node.op.name()).collect()
    }
}
