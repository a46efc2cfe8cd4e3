//! What runs imported graphs. Another engine is one more variant here.

use bantam_tools::device::{Device, DeviceError, Stream};
use bantam_tools::execute::execute;
use bantam_tools::graph::Graph;
use bantam_tools::lower::{LowerError, Unsupported};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::tensor::Tensor;
use clap::ValueEnum;

/// An engine, chosen by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The runtime, on an artifact in 32-bit floats.
    Runtime,
    /// The f32 executor on the graph as imported.
    Executor,
    /// The f32 executor after the passes, with channels-last inputs and outputs.
    Passes,
}

/// How a run ended without results.
pub enum Stop {
    /// The engine cannot express the graph, and says why.
    Refused(String),
    /// It should have been able to.
    Failed(String),
}

/// One run of an artifact.
pub struct Record {
    /// The artifact.
    pub device: Device,
    /// What it was given.
    pub inputs: Vec<Stream>,
    /// What it gave.
    pub outputs: Vec<Stream>,
}

impl From<DeviceError> for Stop {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Lower(LowerError::Unsupported(nodes)) => Self::Refused(summary(&nodes)),
            DeviceError::Lower(_) | DeviceError::Beyond(_) => Self::Refused(error.to_string()),
            other => Self::failed(other),
        }
    }
}

/// The first reason without the name of the node, so that equal ones can be counted.
fn summary(nodes: &[Unsupported]) -> String {
    nodes.first().map_or_else(String::new, |node| format!("{}: {}", node.operator, node.reason))
}

impl Stop {
    /// A failure for this reason.
    pub fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Engine {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Executor => "executor",
            Self::Passes => "passes",
        }
    }

    /// Runs a graph as the importer made it, once. Inputs and results are in the layout of the source model. The
    /// runtime's run is recorded.
    pub fn run(self, graph: &Graph, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Option<Record>), Stop> {
        let mut graph = graph.clone();
        if self != Self::Executor {
            let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
            optimize(&mut graph, &options).map_err(|error| Stop::Failed(format!("passes: {error}")))?;
        }
        match self {
            Self::Runtime => {
                let device = Device::new(&graph)?;
                let inputs = device.inputs(inputs)?;
                let outputs = device.run_streams(&inputs)?;
                Ok((device.outputs(&outputs)?, Some(Record { device, inputs, outputs })))
            }
            Self::Executor | Self::Passes => Ok((run_graph(&graph, inputs)?, None)),
        }
    }
}

fn run_graph(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Stop> {
    let inputs = inputs.iter().zip(graph.inputs()).map(|(input, port)| port.layout.from_source(input));
    let inputs = inputs.collect::<Result<Vec<_>, _>>().map_err(Stop::failed)?;
    let outputs = execute(graph, &inputs).map_err(Stop::failed)?;
    let outputs = outputs.iter().zip(graph.outputs()).map(|(output, port)| port.layout.to_source(output));
    outputs.collect::<Result<Vec<_>, _>>().map_err(Stop::failed)
}
