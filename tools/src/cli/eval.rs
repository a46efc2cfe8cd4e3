//! `bantam eval`.

use super::output::{counted, note, percent, print, print_json, print_table, real, short, table, thousands};
use super::{Outcome, Shapes, evaluation_data};
use crate::compare::{Truth, agreement, classes_of, mean_absolute_error, truth};
use crate::data::{DataError, Dataset};
use crate::subject::Subject;
use clap::Args;
use std::path::PathBuf;

/// Score a model on labelled data
///
/// A .onnx model is run by an independent engine (tract) on the original float network; a quantised one by bantam's
/// own executor, a quantised .tflite model in its own integers. Where the labels are floats that are no classes, the score is the mean absolute error.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// A .bantam, .onnx or .tflite file
    model: PathBuf,
    /// A .npz with the inputs, and classes or float numbers to be met as `y`; or a model folder, for its evaluation data
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shapes: Shapes,
}

impl Eval {
    pub fn run(&self) -> Outcome {
        let subject = Subject::open(&self.model, &self.shapes.options())?;
        let path = evaluation_data(&self.data)?;
        let data = Dataset::load(&path, &subject.inputs())?;
        let data = if matches!(subject, Subject::Artifact(_)) { data.quantized() } else { data };
        if !data.has_labels() {
            return Err(DataError::NoLabels(path).into());
        }
        let outputs = subject.run_all(&data)?;
        if let Subject::Source(model) = &subject
            && let Some(runner) = model.runner()
        {
            note(&format!("note: {runner}"));
        }
        let labels = match truth(&data, &outputs)? {
            Truth::Classes(labels) => labels,
            Truth::Values(values) => {
                let error = mean_absolute_error(&outputs, &values);
                if self.json {
                    print_json(&serde_json::json!({ "rows": data.rows(), "mae": error }));
                } else {
                    let rows = counted(data.rows(), "row");
                    print(&format!("mean absolute error {} on {rows} of {}", real(error), path.display()));
                }
                return Ok(true);
            }
        };
        let classes = classes_of(&outputs);
        let top1 = agreement(&classes, &labels);
        let names: Vec<String> = match &subject {
            Subject::Artifact(artifact) => artifact.model().labels().map(str::to_owned).collect(),
            Subject::Source(_) => vec![],
        };
        let per_class = per_class(&labels, &classes);
        if self.json {
            let classes: Vec<_> = per_class
                .iter()
                .map(|&(class, rows, right)| {
                    serde_json::json!({ "class": class, "label": names.get(class), "rows": rows, "top1": right as f64 / rows as f64 })
                })
                .collect();
            print_json(&serde_json::json!({ "rows": data.rows(), "top1": top1, "classes": classes }));
            return Ok(true);
        }
        print(&format!("accuracy {} on {} of {}", percent(top1), counted(data.rows(), "row"), path.display()));
        print("");
        let mut rows = table(&["class", "rows", "correct", "accuracy"], 1..4);
        for (class, count, right) in per_class {
            let name = names.get(class).map_or_else(|| class.to_string(), |name| short(name));
            let accuracy = percent(right as f64 / count as f64);
            rows.add_row([name, thousands(count as u64), thousands(right as u64), accuracy]);
        }
        print_table(&rows);
        Ok(true)
    }
}

/// For each class that occurs: the class, its rows, those that are right.
fn per_class(labels: &[usize], classes: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut known: Vec<usize> = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    let count = |class: usize| {
        let rows = labels.iter().zip(classes).filter(|&(&label, _)| label == class);
        (class, rows.clone().count(), rows.filter(|&(label, class)| label == class).count())
    };
    known.into_iter().map(count).collect()
}
