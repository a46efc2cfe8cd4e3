//! `bantam eval`.

use super::output::{percent, print, print_json, print_table, table, thousands};
use super::{Outcome, Shapes};
use crate::compare::{agreement, classes_of};
use crate::data::Dataset;
use crate::folder::ModelFolder;
use crate::subject::Subject;
use clap::Args;
use std::path::PathBuf;

/// Score a model on labelled data
///
/// A .onnx model is run by an independent engine (tract) on the original float network.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// A .bantam or .onnx file
    model: PathBuf,
    /// A .npz with the inputs, and labels as `y`; or a model folder, for its evaluation data
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
        let path = if self.data.is_dir() {
            let folder = ModelFolder::open(&self.data)?;
            folder.evaluation.ok_or_else(|| format!("'{}' names no evaluation data", self.data.display()))?
        } else {
            self.data.clone()
        };
        let data = Dataset::load(&path, &subject.inputs())?;
        let labels = data.labels()?;
        let classes = classes_of(&subject.run_all(&data)?);
        let top1 = agreement(&classes, labels);
        let names: Vec<String> = match &subject {
            Subject::Artifact(artifact) => artifact.model().labels().map(str::to_owned).collect(),
            Subject::Onnx(_) => vec![],
        };
        let per_class = per_class(labels, &classes);
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
        print(&format!("accuracy {} on {} rows of {}", percent(top1), thousands(data.rows() as u64), path.display()));
        print("");
        let mut rows = table(&["class", "rows", "right", ""], 1..4);
        for (class, count, right) in per_class {
            let name = names.get(class).cloned().unwrap_or_else(|| class.to_string());
            rows.add_row([name, count.to_string(), right.to_string(), percent(right as f64 / count as f64)]);
        }
        print_table(&rows);
        if let Subject::Onnx(model) = &subject
            && let Some(reason) = &model.no_reference
        {
            print(&format!("run by bantam's own executor, as tract cannot load the model: {reason}"));
        }
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
