//! `bantam diff`.

use super::output::{note, percent, print, print_json, print_table, real, table, thousands};
use super::{Outcome, Shapes};
use crate::compare::{agreement, classes_of, layer_errors};
use crate::data::Dataset;
use crate::subject::Subject;
use clap::Args;
use std::path::PathBuf;

/// Rows over which layers are compared.
const LAYER_ROWS: usize = 64;

/// Compare two models layer by layer on the same data
///
/// Layers are matched by name. Errors are in real units, over the first 64 rows; agreement is over all rows.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A .onnx or .bantam file
    first: PathBuf,
    /// A .onnx or .bantam file
    second: PathBuf,
    /// Inputs (.npz or .npy)
    #[arg(long, value_name = "DATA", required_unless_present = "random")]
    data: Option<PathBuf>,
    /// Compare on this many rows of seeded noise between -1 and 1 instead of data
    #[arg(long, value_name = "ROWS", conflicts_with = "data")]
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

impl Diff {
    pub fn run(&self) -> Outcome {
        let options = self.shapes.options();
        let (first, second) = (Subject::open(&self.first, &options)?, Subject::open(&self.second, &options)?);
        let specs = first.inputs();
        let data = match (&self.data, self.random) {
            (Some(path), _) => Dataset::load(path, &specs)?,
            (None, rows) => Dataset::random(&specs, rows.unwrap_or(1).max(1), self.seed, -1.0, 1.0),
        };
        let elements = |subject: &Subject| subject.inputs().iter().map(|spec| spec.elements()).collect::<Vec<_>>();
        if elements(&first) != elements(&second) {
            return Err(format!(
                "'{}' and '{}' take inputs of different sizes",
                self.first.display(),
                self.second.display()
            )
            .into());
        }
        let (before, after) = (first.run_all(&data)?, second.run_all(&data)?);
        let agreement = agreement(&classes_of(&before), &classes_of(&after));
        let output_error = before
            .iter()
            .flatten()
            .flatten()
            .zip(after.iter().flatten().flatten())
            .fold(0f64, |max, (a, b)| max.max(f64::from((a - b).abs())));
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
                layer.name.clone(),
                layer.operator.clone(),
                real(layer.max),
                real(layer.mean),
                layer.signal_to_noise_db.map_or_else(|| "equal".into(), |db| format!("{db:.1} dB")),
            ]);
        }
        print_table(&rows);
        print("");
        print(&format!(
            "top-1 agreement {} on {} rows; largest output error {}",
            percent(agreement),
            thousands(data.rows() as u64),
            real(output_error)
        ));
        Ok(true)
    }
}
