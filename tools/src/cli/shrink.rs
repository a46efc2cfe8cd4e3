//! `bantam shrink`.

use super::inspect::{cost_json, known_target};
use super::output::{
    Progress, bytes, counted, note, percent, print, print_json, print_table, real, short, signal_to_noise, table,
    thousands,
};
use super::{Outcome, Shapes, check_output};
use crate::compare::worst;
use crate::cost::{Coefficients, Prediction, has_float_unit};
use crate::fit::Limits;
use crate::folder::ModelFolder;
use crate::quantize::{FloatWeights, RangeMethod};
use crate::report::{Context, DataSource, page};
use crate::search::{Goal, front};
use crate::shrink::{ShrinkOptions, Shrunk, shrink};
use crate::subject::is_tflite;
use bantam_format::{Arithmetic, MAJOR_VERSION, MINOR_VERSION};
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
    /// [default: that of the model's format; as TensorFlow Lite Micro for a --target without a float unit]
    #[arg(long, value_enum, conflicts_with = "float")]
    arithmetic: Option<ArithmeticChoice>,
    /// The microcontroller it is for, whose instructions are estimated: cortex-m0, cortex-m3, cortex-m4f, cortex-m33,
    /// cortex-m55 or riscv32imc
    #[arg(long, value_name = "CORE", value_parser = known_target)]
    target: Option<String>,
    /// How activation ranges are chosen from the calibration data
    #[arg(long, value_enum, default_value = "mse", conflicts_with = "float")]
    ranges: RangeMethod,
    /// Keep 32-bit floats instead of quantising
    #[arg(long)]
    float: bool,
    /// How the weights of layers that are computed in floats are stored [default: in 16 bits where --flash or --max-drop asks for
    /// a smaller file and allows the loss, or where they fit exactly]
    #[arg(long, value_enum, value_name = "TYPE")]
    weights: Option<WeightChoice>,
    /// Memory there is for the arena; k is 1024
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    ram: Option<usize>,
    /// Memory there is for the file: where 8-bit weights do not fit, the layers that lose least get 4-bit ones; k is 1024
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    flash: Option<usize>,
    /// Most multiply-accumulates of a run; k is 1000, M is 1000000
    #[arg(long, value_name = "NUMBER", value_parser = parse_count)]
    macs: Option<u64>,
    /// Largest loss of accuracy on the evaluation data, such as 0.5%. Without --flash the smallest file within it is made,
    /// with 4-bit weights wherever they lose little enough; where 8-bit activations lose more, some get 16 bits (not with
    /// --arithmetic onnx)
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    max_drop: Option<f64>,
    /// Write a page that shows what was done and what it cost
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Tell accuracy apart by the values of this column of the evaluation data; may be repeated
    #[arg(long = "slice", value_name = "COLUMN")]
    slices: Vec<String>,
    /// Fit a temperature on the labelled evaluation rows and store it, so that probabilities mean what they say
    #[arg(long)]
    temperature: bool,
    /// Write the linear model that the network is compared with, as an artifact
    #[arg(long, value_name = "FILE")]
    emit_baseline: Option<PathBuf>,
    /// Write the quantised network as ONNX, with QuantizeLinear and DequantizeLinear around every operator
    #[arg(long, value_name = "FILE", conflicts_with = "float")]
    emit_onnx: Option<PathBuf>,
    /// Leave out names, labels and the model card
    #[arg(long)]
    strip: bool,
    /// Chooses what is drawn at random: rows for intervals, windows that weights are rounded by
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WeightChoice {
    F16,
    F32,
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
        let mut taken: Vec<&Path> = read.into_iter().flatten().map(PathBuf::as_path).collect();
        for path in [Some(&output), self.report.as_ref(), self.emit_baseline.as_ref(), self.emit_onnx.as_ref()]
            .into_iter()
            .flatten()
        {
            check_output(path, &taken)?;
            if taken.contains(&path.as_path()) {
                return Err(format!("'{}' is named for two outputs; give each its own file", path.display()).into());
            }
            taken.push(path);
        }
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
            float_unit: self.arithmetic.is_some() || self.target.as_deref().is_none_or(has_float_unit),
            ranges: self.ranges,
            float_weights: match self.weights {
                Some(WeightChoice::F16) => FloatWeights::Half,
                Some(WeightChoice::F32) => FloatWeights::Single,
                None => FloatWeights::Chosen,
            },
            strip: self.strip,
            may_widen: !matches!(self.arithmetic, Some(ArithmeticChoice::Onnx)),
            goal: Goal {
                limits: Limits { ram: self.ram, flash: self.flash },
                macs: self.macs,
                max_drop: self.max_drop,
            },
            explore: self.report.is_some(),
            temperature: self.temperature,
            slices: self.slices.clone(),
            baseline: self.emit_baseline.is_some(),
            onnx: self.emit_onnx.is_some(),
            seed: self.seed,
        };
        let progress = Progress::new();
        let shrunk = shrink(&options, &|what| progress.step(what))?;
        drop(progress);
        let cost = self.target.as_deref().and_then(|name| {
            let cost = Coefficients::built_in().predict(name, &shrunk.artifact.model())?;
            Some((name.to_owned(), cost))
        });
        let told = self.report.is_some() || self.json;
        let data = if told { data_sources(&options.folder) } else { [None, None] };
        let page = self.report.as_ref().map(|_| page(&shrunk, &context(&options, &shrunk, data.clone(), cost.clone())));
        let baseline = shrunk.baseline.as_ref().map(|baseline| baseline.bytes());
        let written = [
            (Some(&output), Some(shrunk.artifact.bytes())),
            (self.report.as_ref(), page.as_ref().map(String::as_bytes)),
            (self.emit_baseline.as_ref(), baseline),
            (self.emit_onnx.as_ref(), shrunk.onnx.as_deref()),
        ];
        for (path, bytes) in written {
            if let (Some(path), Some(bytes)) = (path, bytes) {
                crate::files::write_whole(path, bytes)
                    .map_err(|error| format!("cannot write '{}': {error}", path.display()))?;
            }
        }
        for text in &shrunk.notes {
            note(&format!("note: {text}"));
        }
        if self.json {
            let mut value = json(&options, &shrunk, &data, &output);
            if let Some((name, cost)) = &cost {
                value["target"] = cost_json(name, cost);
            }
            print_json(&value);
        } else {
            summary(&options, &shrunk, cost.as_ref(), &output);
            for path in [&self.report, &self.emit_baseline, &self.emit_onnx].into_iter().flatten() {
                print(&format!("written to {}", path.display()));
            }
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

/// A number, or thousands or millions with `k` or `M` behind.
fn parse_count(text: &str) -> Result<u64, String> {
    let unit = match text.as_bytes().last() {
        Some(b'k' | b'K') => 1_000,
        Some(b'm' | b'M') => 1_000_000,
        _ => 1,
    };
    let digits = text.strip_suffix(['k', 'K', 'm', 'M']).unwrap_or(text);
    let count = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    count.ok_or_else(|| "expected a whole number, such as 500k or 2M".to_owned())
}

/// A share of 1, or a percentage with `%` behind.
fn parse_share(text: &str) -> Result<f64, String> {
    let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share =
        digits.trim().parse::<f64>().ok().map(|number| number / unit).filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share such as 0.5% or 0.005".to_owned())
}

/// What the report tells of the command.
fn context(
    options: &ShrinkOptions,
    shrunk: &Shrunk,
    data: [Option<DataSource>; 2],
    target: Option<(String, Prediction)>,
) -> Context {
    let folder = &options.folder;
    let arithmetic = match shrunk.artifact.model().artifact().arithmetic() {
        Arithmetic::Tflite if !shrunk.point.sixteen_bit_layers.is_empty() => {
            "8- and 16-bit integers, rounded as TensorFlow Lite Micro does"
        }
        Arithmetic::Float => "32-bit floats",
        Arithmetic::Tflite => "8-bit integers, rounded as TensorFlow Lite Micro does",
        _ => "8-bit integers, rounded as ONNX Runtime does",
    };
    Context {
        name: folder.name.clone(),
        source: folder.model.display().to_string(),
        labels: folder.labels.clone(),
        data,
        arithmetic: arithmetic.into(),
        seed: options.seed,
        target,
        command: std::env::args().collect(),
    }
}

/// Calibration and evaluation data.
fn data_sources(folder: &ModelFolder) -> [Option<DataSource>; 2] {
    [&folder.calibration, &folder.evaluation].map(|path| path.as_deref().map(DataSource::of))
}

fn summary(options: &ShrinkOptions, shrunk: &Shrunk, cost: Option<&(String, Prediction)>, output: &Path) {
    let model = shrunk.artifact.model();
    let numbers = match options.arithmetic {
        Arithmetic::Float if shrunk.point.float_weight_bits == Some(16) => {
            "32-bit floats, weights of 16 bits".to_owned()
        }
        Arithmetic::Float => "32-bit floats".to_owned(),
        _ if shrunk.calibration_rows == 0 => "the 8-bit integers it already has".to_owned(),
        _ if !shrunk.point.sixteen_bit_layers.is_empty() => {
            format!("8- and 16-bit integers, ranges from {}", counted(shrunk.calibration_rows, "calibration row"))
        }
        _ => format!("8-bit integers, ranges from {}", counted(shrunk.calibration_rows, "calibration row")),
    };
    print(&format!("{}: {} to {numbers}", options.folder.name, options.folder.model.display()));
    print("");
    let mut rows = table(&["", "before", "after", ""], 1..3);
    if let Some(score) = &shrunk.score {
        if let (Some(before), Some(after)) = (score.float_top1, score.top1) {
            let change = format!("{:+.2} points on {}", (after - before) * 100.0, counted(score.rows, "held-out row"));
            rows.add_row(["accuracy", &percent(before), &percent(after), &change]);
            if let Some(interval) = score.top1_interval {
                let range =
                    format!("95 % sure: {:.1} to {:.1} % on other rows", interval.low * 100.0, interval.high * 100.0);
                rows.add_row(["", "", "", &range]);
            }
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
    if let Some(baselines) = &shrunk.baselines {
        let majority = "baseline: always the most frequent class";
        rows.add_row(["", &percent(baselines.majority), "", majority]);
        if let Some(linear) = baselines.linear {
            rows.add_row(["", &percent(linear), "", "baseline: logistic regression, no network"]);
        }
    }
    let artifact_bytes = shrunk.artifact.bytes().len();
    let share = percent(artifact_bytes as f64 / shrunk.source_bytes as f64);
    rows.add_row(["file", &bytes(shrunk.source_bytes), &bytes(artifact_bytes), &format!("{share} of the original")]);
    rows.add_row(["arena", "", &bytes(model.arena_bytes()), "all the memory a run needs"]);
    rows.add_row(["work", "", &thousands(model.artifact().macs()), "multiply-accumulates per run"]);
    if let Some((name, cost)) = cost {
        let figure = cost.compiled_instructions().map_or("not known".to_owned(), thousands);
        let about = format!("instructions per run, compiled for a {name}, give or take {:.1} %", 100.0 * cost.error);
        rows.add_row(["", "", &figure, &about]);
    }
    print_table(&rows);
    if !shrunk.point.sixteen_bit_layers.is_empty() {
        let names: Vec<String> = shrunk.point.sixteen_bit_layers.iter().map(|name| short(name)).collect();
        print("");
        print(&format!("  16-bit activations in {}", names.join(", ")));
    }
    if !shrunk.point.four_bit_layers.is_empty() {
        let names: Vec<String> = shrunk.point.four_bit_layers.iter().map(|name| short(name)).collect();
        print("");
        print(&format!("  4-bit weights in {}", names.join(", ")));
    }
    if let (Some(fitted), true) = (&shrunk.temperature, shrunk.temperature_stored) {
        print("");
        print(&format!(
            "  temperature {:.3}: expected calibration error {} before, {} after, on {}",
            fitted.temperature,
            percent(fitted.before.expected_calibration_error),
            percent(fitted.after.expected_calibration_error),
            counted(fitted.rows[1], "row"),
        ));
    }
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
fn json(options: &ShrinkOptions, shrunk: &Shrunk, data: &[Option<DataSource>; 2], output: &Path) -> serde_json::Value {
    let model = shrunk.artifact.model();
    let score = shrunk.score.as_ref();
    let [calibration_data, evaluation_data] = data;
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
        "top1_interval": score.and_then(|score| score.top1_interval),
        "change_interval": score.and_then(|score| score.change_interval),
        "float_mae": score.and_then(|score| score.float_mae),
        "mae": score.and_then(|score| score.mae),
        "layers": shrunk.layers,
        "choice": shrunk.point,
        "choices": shrunk.tried,
        "front": front(&shrunk.tried),
        "judged_rows": shrunk.judged_rows,
        "sensitivities": shrunk.sensitivities,
        "baselines": shrunk.baselines,
        "temperature": shrunk.temperature,
        "temperature_stored": shrunk.temperature_stored,
        "details": shrunk.details,
        "source_sha256": shrunk.source_sha256,
        "calibration_data": calibration_data,
        "calibration_rows": shrunk.calibration_rows,
        "evaluation_data": evaluation_data,
        "seed": options.seed,
        "version": env!("CARGO_PKG_VERSION"),
        "format_version": [MAJOR_VERSION, MINOR_VERSION],
        "notes": shrunk.notes,
    })
}
