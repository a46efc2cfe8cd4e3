//! `bantam diff`.

use super::output::{counted, note, percent, print, print_json, print_table, real, short, signal_to_noise, table};
use super::{Outcome, Shapes, evaluation_data};
use crate::compare::{agreement, classes_of, difference, layer_errors};
use crate::data::{Dataset, InputSpec};
use crate::subject::Subject;
use clap::Args;
use std::path::PathBuf;

/// Rows over which layers are compared.
const LAYER_ROWS: usize = 64;
/// Most rows of noise.
const MAX_RANDOM_ROWS: usize = 100_000;

/// Compare two models layer by layer on the same data
///
/// Layers are matched by name. Errors are in real units, over the first 64 rows; agreement is over all rows.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A .onnx or .bantam file
    first: PathBuf,
    /// A .onnx or .bantam file
    second: PathBuf,
    /// Inputs (.npz or .npy), or a model folder, for its evaluation data
    #[arg(long, value_name = "DATA", required_unless_present = "random")]
    data: Option<PathBuf>,
    /// Compare on this many rows of seeded noise between -1 and 1 instead of data
    #[arg(long, value_name = "ROWS", conflicts_with = "data", value_parser = parse_rows)]
    random: Option<usize>,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shapes: Shapes,
}

fn parse_rows(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rows| (1..=MAX_RANDOM_ROWS).contains(rows)).ok_or_else(|| {
        format!("expected a number of rows from 1 to {}", super::output::thousands(MAX_RANDOM_ROWS as u64))
    })
}

impl Diff {
    pub fn run(&self) -> Outcome {
        let options = self.shapes.options();
        let (first, second) = (Subject::open(&self.first, &options)?, Subject::open(&self.second, &options)?);
        let specs = first.inputs();
        let elements = |subject: &Subject| subject.inputs().iter().map(InputSpec::elements).collect::<Vec<_>>();
        if elements(&first) != elements(&second) {
            return Err(format!(
                "'{}' and '{}' take inputs of different sizes ({:?} and {:?} elements); compare versions of one model",
                self.first.display(),
                self.second.display(),
                elements(&first),
                elements(&second)
            )
            .into());
        }
        let data = match (&self.data, self.random) {
            (Some(path), _) => Dataset::load(&evaluation_data(path)?, &specs)?,
            (None, rows) => Dataset::random(&specs, rows.unwrap_or(1), self.seed, -1.0, 1.0),
        };
        let (before, after) = (first.run_all(&data)?, second.run_all(&data)?);
        let agreement = agreement(&classes_of(&before), &classes_of(&after));
        let output_error = before
            .iter()
            .flatten()
            .flatten()
            .zip(after.iter().flatten().flatten())
            .fold(0f64, |max, (&a, &b)| max.max(difference(a, b)));
        let layers = layer_errors(&first, &second, &data, LAYER_ROWS)?;
        if layers.is_empty() {
            note("note: no layer of the two has the same name; only outputs are compared");
        }
        if self.json {
            print_json(&serde_json::json!({
                "rows": data.rows(), "agreement": agreement, "output_max_error": output_error, "layers": layers,
            }));
            return Ok(true);
        }
        let mut rows = table(&["layer", "operator", "largest error", "mean error", "signal to noise"], 2..5);
        for layer in &layers {
            rows.add_row([
                short(&layer.name),
                layer.operator.clone(),
                real(layer.max),
                real(layer.mean),
                signal_to_noise(layer),
            ]);
        }
        if !layers.is_empty() {
            print_table(&rows);
            print("");
        }
        let rows = counted(data.rows(), "row");
        print(&format!("same class in {} of {rows}; largest output error {}", percent(agreement), real(output_error)));
        Ok(true)
    }
}
