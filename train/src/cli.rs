//! The command line: arguments in, tables or JSON out.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. With `--json` standard output is one JSON document; notes and progress go to standard
//! error, progress only on a terminal.

use crate::augment::Augmentation;
use crate::distil::{Aware, Distilled, Options, Standing, Student, Watch, distil};
use crate::error::TrainError;
use crate::recordings::{DATA_SETS, prepare};
use crate::structure::Size;
use crate::study::{self, Study};
use crate::training::loss::Loss;
use crate::training::{Epoch, Schedule};
use bantam_format::Arithmetic;
use bantam_tools::files::write_whole;
use bantam_tools::folder::ModelFolder;
use bantam_tools::import::onnx::ImportOptions;
use bantam_tools::quantize::WeightBits;
use clap::{Args, Parser, Subcommand, ValueEnum};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Makes smaller networks of trained ones: takes channels away, lets the student learn from its teacher, fine-tunes with the integers of
/// the device.
#[derive(Debug, Parser)]
#[command(name = "bantam-train", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Distil(Box<Distil>),
    Study(Box<StudyArguments>),
    Features(Features),
}

/// Where recordings are.
#[derive(Debug, Args)]
struct DataSets {
    /// The folder of data sets in which the archive of a model's recordings lies
    #[arg(long, value_name = "FOLDER", default_value = DATA_SETS)]
    data_sets: PathBuf,
}

/// What students are made of and how they are trained; the same for every run of a study.
#[derive(Debug, Args)]
struct Training {
    /// Keep this share of the channels of every group, such as 0.5
    #[arg(long, value_name = "SHARE", value_parser = parse_share, group = "size")]
    width: Option<f64>,
    /// Take channels away where that costs least, until this share of the multiply-accumulates is left, such as 50%macs
    #[arg(long, value_name = "SHARE", value_parser = parse_macs, group = "size")]
    prune_to: Option<f64>,
    /// Take channels away in so many rounds, each followed by its part of the epochs
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,
    /// Begin with weights drawn at random instead of the teacher's
    #[arg(long)]
    fresh: bool,
    /// Times that all rows are seen
    #[arg(long, value_name = "NUMBER", default_value_t = 40)]
    epochs: usize,
    /// Rows in a step
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = parse_count)]
    batch: usize,
    /// The largest share of their size by which weights move in a step
    #[arg(long, value_name = "NUMBER", default_value_t = 2e-2, value_parser = parse_positive)]
    rate: f64,
    /// Share of the rate by which weights decay in each step
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-3, value_parser = parse_weight)]
    decay: f64,
    /// End after so many epochs without a better one; 0 for never
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    patience: usize,
    /// What logits are divided by before student and teacher are compared
    #[arg(long, value_name = "NUMBER", default_value_t = 4.0, value_parser = parse_positive)]
    temperature: f64,
    /// Weight of the labels beside the teacher's answers
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = parse_weight)]
    labels: f64,
    /// Weight of where layers of the same name are active
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = parse_weight)]
    features: f64,
    /// How rows are changed: none, images, sound, or parts such as rows=2,columns=2,flip,crop=0.1,gain=8,noise=4,mix=0.5,cutmix=0.25
    /// [default: sound for models of recordings, none for others]
    #[arg(long, value_name = "PARTS")]
    augment: Option<Augmentation>,
    /// Share of the rows by which the best epoch is told
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = parse_share)]
    hold_out: f64,
    /// Then train so many epochs with the integers of the artifact
    #[arg(long, value_name = "EPOCHS", default_value_t = 0)]
    aware: usize,
    /// The largest rate there
    #[arg(long, value_name = "NUMBER", default_value_t = 2e-3, value_parser = parse_positive)]
    aware_rate: f64,
    /// Width of the weights there
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = ["4", "8"])]
    bits: String,
    /// How 8-bit results are rounded: as ONNX Runtime does, or as TensorFlow Lite Micro does
    #[arg(long, value_enum, default_value = "onnx")]
    arithmetic: ArithmeticChoice,
    /// Leave names, labels and the model card out of artifacts
    #[arg(long)]
    strip: bool,
    /// Chooses orders, augmentation and the rows held out
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// Make a smaller student of a trained model, let it learn from it, and write it as an artifact
///
/// MODEL is a .onnx file, or a folder with a `bantam.toml`. Labels are not needed: the student learns the teacher's answers. A run that was
/// killed goes on where it was when the same command is given again.
#[derive(Debug, Args)]
struct Distil {
    /// An ONNX file, or a model folder
    model: PathBuf,
    /// Rows to train on (.npz): inputs, and labels as `y` where there are any [default: the folder's recordings or calibration data]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// Sample inputs from which activation ranges are taken [default: those trained on]
    #[arg(long, value_name = "DATA")]
    calibrate: Option<PathBuf>,
    /// Held-out data to score on: inputs, and labels as `y`
    #[arg(long, value_name = "DATA")]
    eval: Option<PathBuf>,
    /// Train this model instead of a part of the teacher
    #[arg(long, value_name = "ONNX", group = "size")]
    student: Option<PathBuf>,
    #[command(flatten)]
    training: Training,
    /// Where to write [default: target/NAME-student.bantam]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the student in floats as ONNX
    #[arg(long, value_name = "FILE")]
    emit_onnx: Option<PathBuf>,
    /// Write a page that shows what was done
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the state of the run is kept until it ends [default: beside the output]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    data_sets: DataSets,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Train the same student by its teacher and by labels alone, over several seeds, and compare
#[derive(Debug, Args)]
struct StudyArguments {
    /// A model folder with labelled data
    model: PathBuf,
    /// Train both on so many rows only, drawn for each seed: labels are often few
    #[arg(long, value_name = "NUMBER", value_parser = parse_count)]
    rows: Option<usize>,
    /// How many seeds
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    seeds: u16,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    data_sets: DataSets,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Write what the recordings of a model folder become, for `bantam shrink` and `bantam eval`
#[derive(Debug, Args)]
struct Features {
    /// A model folder with recordings
    model: PathBuf,
    /// The folder to write training.npz, calibration.npz and evaluation.npz to [default: target/NAME]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    data_sets: DataSets,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArithmeticChoice {
    Onnx,
    Tflite,
    Float,
}

/// Parses the arguments of the process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Distil(command) => command.run(),
        Command::Study(command) => command.run(),
        Command::Features(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the features of a folder are kept.
fn features_folder(folder: &ModelFolder) -> PathBuf {
    Path::new("target").join(&folder.name)
}

/// Makes features of a folder's recordings and names them as its data; gives the rows to train on.
fn with_recordings(folder: &mut ModelFolder, data_sets: &Path) -> Result<Option<PathBuf>, TrainError> {
    let Some(recordings) = &folder.recordings else { return Ok(None) };
    let prepared = prepare(recordings, &folder.labels, data_sets, &features_folder(folder))?;
    folder.calibration = Some(prepared.calibration);
    folder.evaluation = Some(prepared.evaluation);
    Ok(Some(prepared.training))
}

impl Training {
    fn options(&self, folder: ModelFolder, training: Option<PathBuf>) -> Options {
        let size = self.width.map(Size::Width).or_else(|| self.prune_to.map(Size::Share));
        let default = if folder.recordings.is_some() { Augmentation::SOUND } else { Augmentation::default() };
        let bits = if self.bits == "4" { WeightBits::Four } else { WeightBits::Eight };
        Options {
            folder,
            shapes: ImportOptions::default(),
            training,
            student: size.map_or(Student::Same, Student::Smaller),
            rounds: self.rounds.into(),
            fresh: self.fresh,
            loss: Loss { temperature: self.temperature, teacher: 1.0, labels: self.labels, features: self.features },
            augmentation: self.augment.unwrap_or(default),
            schedule: Schedule {
                epochs: self.epochs,
                batch: self.batch,
                rate: self.rate,
                decay: self.decay,
                patience: self.patience,
                seed: self.seed,
            },
            hold_out: self.hold_out,
            aware: (self.aware > 0).then_some(Aware { epochs: self.aware, rate: self.aware_rate, bits }),
            arithmetic: match self.arithmetic {
                ArithmeticChoice::Onnx => Arithmetic::Onnx,
                ArithmeticChoice::Tflite => Arithmetic::Tflite,
                ArithmeticChoice::Float => Arithmetic::Float,
            },
            strip: self.strip,
            most_rows: None,
            teacher_integers: true,
            checkpoint: None,
        }
    }
}

impl Distil {
    fn run(&self) -> Outcome {
        let mut folder = ModelFolder::open(&self.model)?;
        let output =
            self.output.clone().unwrap_or_else(|| Path::new("target").join(format!("{}-student.bantam", folder.name)));
        let training = match &self.data {
            Some(data) => Some(data.clone()),
            None => with_recordings(&mut folder, &self.data_sets.data_sets)?,
        };
        for (target, given) in [(&mut folder.calibration, &self.calibrate), (&mut folder.evaluation, &self.eval)] {
            if given.is_some() {
                target.clone_from(given);
            }
        }
        let mut options = self.training.options(folder, training);
        if let Some(student) = &self.student {
            options.student = Student::Model(student.clone());
        }
        options.checkpoint = Some(self.checkpoint.clone().unwrap_or_else(|| {
            let mut name = output.as_os_str().to_owned();
            name.push(".checkpoint");
            name.into()
        }));
        let bar = Bar::new();
        let made = distil(&options, &bar)?;
        bar.0.finish_and_clear();
        let onnx = self.emit_onnx.as_ref().map(|_| {
            bantam_tools::export::onnx::export_floats(&made.graph, &options.folder.name).map_err(TrainError::from)
        });
        let onnx = onnx.transpose()?;
        let page = self.report.as_ref().map(|_| crate::report::page(&options, &made));
        let written = [
            (Some(&output), Some(made.artifact.bytes())),
            (self.emit_onnx.as_ref(), onnx.as_deref()),
            (self.report.as_ref(), page.as_ref().map(String::as_bytes)),
        ];
        for (path, bytes) in written {
            if let (Some(path), Some(bytes)) = (path, bytes) {
                write_whole(path, bytes).map_err(|error| TrainError::Write { path: path.clone(), error })?;
            }
        }
        for note in &made.notes {
            eprintln!("note: {note}");
        }
        if self.json {
            println!("{}", json(&options, &made, &output));
        } else {
            summary(&options, &made);
            for path in [Some(&output), self.emit_onnx.as_ref(), self.report.as_ref()].into_iter().flatten() {
                println!("written to {}", path.display());
            }
        }
        Ok(())
    }
}

impl StudyArguments {
    fn run(&self) -> Outcome {
        let mut folder = ModelFolder::open(&self.model)?;
        let training = with_recordings(&mut folder, &self.data_sets.data_sets)?;
        let mut options = self.training.options(folder, training);
        options.most_rows = self.rows;
        let bar = Bar::new();
        let study = study::run(&options, self.seeds.into(), &bar)?;
        bar.0.finish_and_clear();
        if self.json {
            println!("{}", serde_json::json!(study));
        } else {
            print_study(&study);
        }
        Ok(())
    }
}

impl Features {
    fn run(&self) -> Outcome {
        let folder = ModelFolder::open(&self.model)?;
        let Some(recordings) = &folder.recordings else {
            return Err(format!("'{}' has no [recordings] in its bantam.toml", self.model.display()).into());
        };
        let target = self.output.clone().unwrap_or_else(|| features_folder(&folder));
        let prepared = prepare(recordings, &folder.labels, &self.data_sets.data_sets, &target)?;
        for path in [prepared.training, prepared.calibration, prepared.evaluation] {
            println!("written to {}", path.display());
        }
        Ok(())
    }
}

/// Progress on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{prefix:>28} {bar:24} {pos}/{len} {msg} {eta} left");
        Self(ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Watch for Bar {
    fn stage(&self, what: &str) {
        self.0.reset();
        self.0.set_length(0);
        self.0.set_message("");
        self.0.set_prefix(what.to_owned());
    }

    fn step(&self, made: usize, of: usize, loss: f64, last: Option<&Epoch>) {
        if self.0.length() != Some(of as u64) {
            self.0.set_length(of as u64);
        }
        self.0.set_position(made as u64);
        let accuracy = last.and_then(|last| last.accuracy);
        let accuracy = accuracy.map_or_else(String::new, |accuracy| format!(", {} right", percent(accuracy)));
        self.0.set_message(format!("loss {loss:.4}{accuracy},"));
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or("")).collect();
    groups.join(",")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn summary(options: &Options, made: &Distilled) {
    let [trained, held_out, evaluated] = made.rows;
    println!(
        "{}: trained on {trained} rows, best epoch by {held_out} others, scored on {evaluated}",
        options.folder.name
    );
    println!();
    let mut rows = table(&["", "right", "as the teacher", "multiply-accumulates", "bytes"]);
    let share = |share: Option<f64>| share.map_or_else(String::new, percent);
    for Standing { name, accuracy, agreement, macs, bytes, .. } in &made.standings {
        let bytes = bytes.map_or_else(String::new, |bytes| thousands(bytes as u64));
        rows.add_row([name.clone(), share(*accuracy), share(*agreement), thousands(*macs), bytes]);
    }
    print_table(&rows);
    println!();
    if !made.groups.is_empty() {
        let mut rows = table(&["channels of", "before", "after", "logits change without half"]);
        for group in &made.groups {
            let change = percent(group.sensitivity);
            rows.add_row([group.layers.join(", "), group.before.to_string(), group.after.to_string(), change]);
        }
        print_table(&rows);
        println!();
    }
    for stage in &made.stages {
        println!("{}: {} epochs, the best is {}", stage.name, stage.epochs.len(), stage.best);
    }
}

fn print_study(study: &Study) {
    println!("| seed | by its teacher | by labels alone | difference |\n|--:|--:|--:|--:|");
    for run in &study.runs {
        let difference = (run.distilled - run.labels) * 100.0;
        println!("| {} | {} | {} | {difference:+.2} |", run.seed, percent(run.distilled), percent(run.labels));
    }
    let [distilled, labels] = study.mean;
    println!("| mean | {} | {} | {:+.2} |", percent(distilled), percent(labels), (distilled - labels) * 100.0);
    println!();
    println!(
        "student of {} of {} multiply-accumulates, 8-bit integers; teacher {}; 95 % sure: {:+.2} to {:+.2} points (paired bootstrap over seeds and rows)",
        thousands(study.macs[1]),
        thousands(study.macs[0]),
        percent(study.teacher),
        study.interval.low * 100.0,
        study.interval.high * 100.0
    );
}

fn json(options: &Options, made: &Distilled, output: &Path) -> serde_json::Value {
    serde_json::json!({
        "artifact": output,
        "name": options.folder.name,
        "standings": made.standings,
        "groups": made.groups,
        "stages": made.stages,
        "rows": { "trained": made.rows[0], "held_out": made.rows[1], "evaluated": made.rows[2] },
        "seed": options.schedule.seed,
        "version": env!("CARGO_PKG_VERSION"),
        "notes": made.notes,
    })
}

/// A share of 1, or a percentage with `%` behind.
fn parse_share(text: &str) -> Result<f64, String> {
    let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share = digits.trim().parse::<f64>().ok().map(|number| number / unit);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share such as 0.5 or 50%".to_owned())
}

/// A share of the multiply-accumulates.
fn parse_macs(text: &str) -> Result<f64, String> {
    parse_share(text.strip_suffix("macs").unwrap_or(text)).map_err(|_| "expected a share such as 50%macs".to_owned())
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

fn parse_weight(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number from 0".to_owned())
}

/// A table without trailing blanks.
fn print_table(table: &Table) {
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}
