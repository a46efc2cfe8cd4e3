//! `bantam diff`.

use super::output::{counted, note, percent, print, print_json, print_table, real, short, signal_to_noise, table};
use super::{Outcome, Shapes, evaluation_data};
use crate::compare::{agreement, classes_of, difference, layer_errors};
use crate::data::Dataset;
use crate::subject::Subject;
use clap::Args;
use std::path::PathBuf;

/// Rows over which layers are compared.
const LAYER_ROWS: usize = 64;
/// Most rows of noise.
const MAX_RANDOM_ROWS: usize = 100_000;

/// Compare two models layer by layer on the same data
///
/// Layers are matched by name. Errors are in real units, over the first 64 rows; classes are compared over all rows.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A .onnx, .tflite or .bantam file
    first: PathBuf,
    /// A .onnx, .tflite or .bantam file
    second: PathBuf,
    /// Inputs (.npz or .npy), or a model folder, for its evaluation data
    #[arg(long, value_name = "DATA", required_unless_present = "random")]
    data: Option<PathBuf>,
    /// Compare on this many rows of seeded noise instead of data: numbers between -1 and 1, for a quantised input all its
    /// values, for integers 0 and 1
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

/// Elements of each output.
fn lengths(rows: &[Vec<Vec<f32>>]) -> Vec<usize> {
    rows.first().into_iter().flatten().map(Vec::len).collect()
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
        for (path, subject) in [(&self.first, &first), (&self.second, &second)] {
            if let Subject::Source(model) = subject
                && let Some(runner) = model.runner()
            {
                note(&format!("note: '{}' is {runner}", path.display()));
            }
        }
        let specs = first.inputs();
        let shapes = |subject: &Subject| subject.inputs().into_iter().map(|spec| spec.shape).collect::<Vec<_>>();
        if shapes(&first) != shapes(&second) {
            return Err(format!(
                "'{}' and '{}' take inputs of different shapes ({:?} and {:?}); compare versions of one model",
                self.first.display(),
                self.second.display(),
                shapes(&first),
                shapes(&second)
            )
            .into());
        }
        let data = match (&self.data, self.random) {
            (Some(path), _) => Dataset::load(&evaluation_data(path)?, &specs)?,
            (None, rows) => Dataset::noise(&specs, rows.unwrap_or(1), self.seed),
        };
        let (before, after) = (first.run_all(&data)?, second.run_all(&data)?);
        if lengths(&before) != lengths(&after) {
            return Err(format!(
                "'{}' and '{}' give outputs of different sizes ({:?} and {:?} elements); compare versions of one model",
                self.first.display(),
                self.second.display(),
                lengths(&before),
                lengths(&after)
            )
            .into());
        }
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
