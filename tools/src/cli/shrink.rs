//! `bantam shrink`.

use super::output::{
    Progress, bytes, counted, note, percent, print, print_json, print_table, real, short, signal_to_noise, table,
    thousands,
};
use super::{Outcome, Shapes, check_output};
use crate::compare::worst;
use crate::fit::Limits;
use crate::folder::ModelFolder;
use crate::quantize::RangeMethod;
use crate::shrink::{ShrinkOptions, Shrunk, shrink};
use crate::subject::is_tflite;
use bantam_format::Arithmetic;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Layers named in the summary.
const WORST_LAYERS: usize = 3;

/// Turn a trained model into one small .bantam file and score it
///
/// MODEL is a .onnx or .tflite file, or a folder with a `bantam.toml` that names the model and its data. The model is folded,
/// calibrated, quantised to 8-bit integers and given a memory plan; the result is checked, written and scored beside
/// the original. The same input gives the same bytes.
#[derive(Debug, Args)]
pub(super) struct Shrink {
    /// An ONNX or TensorFlow Lite file, or a model folder
    model: PathBuf,
    /// Sample inputs (.npz or .npy) from which activation ranges are taken; labels are not needed
    #[arg(long, value_name = "DATA")]
    calibrate: Option<PathBuf>,
    /// Held-out data to score on: inputs, and labels as `y`
    #[arg(long, value_name = "DATA")]
    eval: Option<PathBuf>,
    /// Where to write [default: target/NAME.bantam for a folder, NAME.bantam for a file]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How 8-bit results are rounded: as ONNX Runtime does, or as TensorFlow Lite Micro does (no float unit needed)
    /// [default: that of the model's format]
    #[arg(long, value_enum, conflicts_with = "float")]
    arithmetic: Option<ArithmeticChoice>,
    /// How activation ranges are chosen from the calibration data
    #[arg(long, value_enum, default_value = "mse", conflicts_with = "float")]
    ranges: RangeMethod,
    /// Keep 32-bit floats instead of quantising
    #[arg(long)]
    float: bool,
    /// Refuse a model whose arena needs more bytes than this; k is 1024
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    ram: Option<usize>,
    /// Refuse a model whose file has more bytes than this; k is 1024
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    flash: Option<usize>,
    /// Leave out names, labels and the model card
    #[arg(long)]
    strip: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shapes: Shapes,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArithmeticChoice {
    Onnx,
    Tflite,
}

impl Shrink {
    pub fn run(&self) -> Outcome {
        let mut folder = ModelFolder::open(&self.model)?;
        if self.calibrate.is_some() {
            folder.calibration.clone_from(&self.calibrate);
        }
        if self.eval.is_some() {
            folder.evaluation.clone_from(&self.eval);
        }
        let output = self.output.clone().unwrap_or_else(|| {
            let name = format!("{}.bantam", folder.name);
            if self.model.is_dir() { Path::new("target").join(name) } else { name.into() }
        });
        let read = [Some(&folder.model), folder.calibration.as_ref(), folder.evaluation.as_ref()];
        check_output(&output, &read.into_iter().flatten().map(PathBuf::as_path).collect::<Vec<_>>())?;
        let arithmetic = match self.arithmetic {
            _ if self.float => Arithmetic::Float,
            Some(ArithmeticChoice::Onnx) => Arithmetic::Onnx,
            Some(ArithmeticChoice::Tflite) => Arithmetic::Tflite,
            None if is_tflite(&folder.model) => Arithmetic::Tflite,
            None => Arithmetic::Onnx,
        };
        let options = ShrinkOptions {
            folder,
            shapes: self.shapes.options(),
            arithmetic,
            ranges: self.ranges,
            strip: self.strip,
            limits: Limits { ram: self.ram, flash: self.flash },
        };
        let progress = Progress::new();
        let shrunk = shrink(&options, &|what| progress.step(what))?;
        drop(progress);
        crate::files::write_whole(&output, shrunk.artifact.bytes())
            .map_err(|error| format!("cannot write '{}': {error}", output.display()))?;
        for text in &shrunk.notes {
            note(&format!("note: {text}"));
        }
        if self.json {
            print_json(&json(&shrunk, &output));
        } else {
            summary(&options, &shrunk, &output);
        }
        Ok(true)
    }
}

/// A number of bytes, or of units of 1024 with a `k` behind.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = text.strip_suffix(['k', 'K']).map_or((text, 1), |digits| (digits, 1024));
    let bytes = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "expected a number of bytes, such as 40k or 40960".to_owned())
}

fn summary(options: &ShrinkOptions, shrunk: &Shrunk, output: &Path) {
    let model = shrunk.artifact.model();
    let numbers = match options.arithmetic {
        Arithmetic::Float => "32-bit floats".to_owned(),
        _ if shrunk.calibration_rows == 0 => "the 8-bit integers it already has".to_owned(),
        _ => format!("8-bit integers, ranges from {}", counted(shrunk.calibration_rows, "calibration row")),
    };
    print(&format!("{}: {} to {numbers}", options.folder.name, options.folder.model.display()));
    print("");
    let mut rows = table(&["", "before", "after", ""], 1..3);
    if let Some(score) = &shrunk.score {
        if let (Some(before), Some(after)) = (score.float_top1, score.top1) {
            let change = format!("{:+.2} points on {}", (after - before) * 100.0, counted(score.rows, "held-out row"));
            rows.add_row(["accuracy", &percent(before), &percent(after), &change]);
        }
        if let (Some(before), Some(after)) = (score.float_mae, score.mae) {
            let rows_scored = format!("on {}", counted(score.rows, "held-out row"));
            rows.add_row(["mean absolute error", &real(before), &real(after), &rows_scored]);
        }
        if let Some(agreement) = score.agreement {
            let same = match score.rows {
                1 => "of 1 row gets the same answer".into(),
                rows => format!("of {} rows get the same answer", thousands(rows as u64)),
            };
            rows.add_row(["agreement", "", &percent(agreement), &same]);
        }
    }
    let artifact_bytes = shrunk.artifact.bytes().len();
    let share = percent(artifact_bytes as f64 / shrunk.source_bytes as f64);
    rows.add_row(["file", &bytes(shrunk.source_bytes), &bytes(artifact_bytes), &format!("{share} of the original")]);
    rows.add_row(["arena", "", &bytes(model.arena_bytes()), "all the memory a run needs"]);
    rows.add_row(["work", "", &thousands(model.artifact().macs()), "multiply-accumulates per run"]);
    print_table(&rows);
    let worst = worst(&shrunk.layers, WORST_LAYERS);
    if !worst.is_empty() && options.arithmetic != Arithmetic::Float {
        print("");
        let mut rows = table(&["layers that lose most", "operator", "signal to noise", "largest error"], 2..4);
        for layer in worst {
            rows.add_row([short(&layer.name), layer.operator.clone(), signal_to_noise(layer), real(layer.max)]);
        }
        print_table(&rows);
    }
    print("");
    print(&format!("written to {}", output.display()));
}

/// What is unknown, such as the accuracy without labels, is null.
fn json(shrunk: &Shrunk, output: &Path) -> serde_json::Value {
    let model = shrunk.artifact.model();
    let score = shrunk.score.as_ref();
    serde_json::json!({
        "artifact": output,
        "file_bytes": shrunk.artifact.bytes().len(),
        "source_bytes": shrunk.source_bytes,
        "arena_bytes": model.arena_bytes(),
        "macs": model.artifact().macs(),
        "rows": score.map(|score| score.rows),
        "agreement": score.and_then(|score| score.agreement),
        "float_top1": score.and_then(|score| score.float_top1),
        "top1": score.and_then(|score| score.top1),
        "float_mae": score.and_then(|score| score.float_mae),
        "mae": score.and_then(|score| score.mae),
        "layers": shrunk.layers,
        "notes": shrunk.notes,
    })
}
