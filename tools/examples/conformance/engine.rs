//! What runs imported graphs. Another engine is one more variant here.

use bantam_tools::execute::execute;
use bantam_tools::graph::Graph;
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::tensor::Tensor;
use clap::ValueEnum;

/// An engine, chosen by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
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

impl Engine {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executor => "executor",
            Self::Passes => "passes",
        }
    }

    /// Runs a graph as the importer made it. Inputs and results are in the layout of the source model.
    pub fn run(self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Stop> {
        match self {
            Self::Executor => run_ports(graph, inputs),
            Self::Passes => {
                let mut graph = graph.clone();
                let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
                optimize(&mut graph, &options).map_err(|error| Stop::Failed(format!("passes: {error}")))?;
                run_ports(&graph, inputs)
            }
        }
    }
}

fn run_ports(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Stop> {
    let failed = |error: String| Stop::Failed(error);
    let inputs = inputs
        .iter()
        .zip(graph.inputs())
        .map(|(input, port)| port.layout.from_source(input))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    let outputs = execute(graph, &inputs).map_err(|error| failed(error.to_string()))?;
    outputs
        .iter()
        .zip(graph.outputs())
        .map(|(output, port)| port.layout.to_source(output))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))
}
