//! Training: the crate's own tests, and `cargo xtask distil`, which trains students and holds them to what is promised.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::context::Context;
use crate::process::Run;

/// The crate, a workspace of its own.
const MANIFEST: &str = "train/Cargo.toml";
/// What `cargo xtask distil` trains.
pub const PARTS: [&str; 3] = ["digits", "cifar", "spoken-digits"];

/// Beside the tree: recordings, the classifier, its images.
const RECORDINGS: &str = "../shared/data/spoken-digits/fsdd.tar.xz";
const CLASSIFIER: &str = "../shared/mlperf-tiny/ic_float.onnx";
const IMAGES: [&str; 2] = ["../shared/data/cifar10/calibration_1000.npz", "../shared/data/cifar10/test_5000.npz"];

/// Least share of spoken digits that the teacher gets right, and most that integers and students lose.
const TEACHER: f64 = 0.95;
const INTEGERS_DROP: f64 = 0.01;
const STUDENT_DROP: f64 = 0.02;
const DIGITS_DROP: f64 = 0.01;
const CIFAR_DROP: f64 = 0.04;
/// Largest share of the multiply-accumulates that students take.
const STUDENT_SHARE: f64 = 0.25;
const CIFAR_SHARE: f64 = 0.6;
/// Largest share of the bytes that `bantam shrink` writes.
const DIGITS_SHARE: f64 = 0.5;

/// Lints and tests of the crate.
pub fn tests(context: &mut Context, _: &str) -> Result<String> {
    let cargo = |command: &str| {
        let target = context.target.join("train");
        context
            .cargo()
            .args([command, "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"])
            .arg(target)
    };
    cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]).status()?;
    cargo("test").arg("--quiet").status()?;
    Ok(String::new())
}

/// Trains students, prints tables; true if all limits are kept.
pub fn distil(context: &Context, part: Option<&str>) -> Result<bool> {
    let target = context.target.join("train");
    let build = ["build", "--quiet", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"];
    context.cargo().args(build).arg(&target).status()?;
    let program = target.join("release").join(format!("bantam-train{}", std::env::consts::EXE_SUFFIX));
    let folder = context.target.join("distil");
    std::fs::create_dir_all(&folder)?;
    let shrink = context.checked_program("bantam")?;
    let tool = Tool { program, shrink, folder, root: context.root.clone() };
    let mut kept = true;
    for (name, run) in PARTS.into_iter().zip([digits, cifar, spoken_digits] as [fn(&Tool) -> Result<bool>; 3]) {
        if part.is_none_or(|part| part == name) {
            kept &= run(&tool)?;
        }
    }
    Ok(kept)
}

struct Tool {
    program: PathBuf,
    /// The command `bantam`.
    shrink: PathBuf,
    folder: PathBuf,
    root: PathBuf,
}

impl Tool {
    fn run(&self, command: &str, model: &Path, arguments: &[&str]) -> Result<Value> {
        let run = Run::new(&self.program).current_dir(&self.root).arg(command).arg(model).args(arguments).arg("--json");
        run.json()
    }

    /// Distils into the target folder, and prints how teacher and student stand.
    fn distil(&self, name: &str, model: &Path, arguments: &[&str]) -> Result<Vec<Standing>> {
        let output = self.folder.join(format!("{name}.bantam"));
        let output = output.to_str().context("the target folder has a name in UTF-8")?;
        let made = self.run("distil", model, &[arguments, &["-o", output]].concat())?;
        let standings = made["standings"].as_array().context("standings")?;
        let standings: Vec<Standing> = standings.iter().map(Standing::of).collect();
        println!("| {name} | right | as the teacher | multiply-accumulates | bytes |\n|---|--:|--:|--:|--:|");
        for Standing { name, accuracy, agreement, macs, bytes } in &standings {
            let bytes = bytes.map_or_else(String::new, |bytes| bytes.to_string());
            println!("| {name} | {:.2} % | {:.2} % | {macs} | {bytes} |", accuracy * 100.0, agreement * 100.0);
        }
        println!();
        Ok(standings)
    }

    /// Whether a file is there; says so where not.
    fn has(&self, path: &str) -> bool {
        let there = self.root.join(path).exists();
        if !there {
            println!("skipped: {path} is not there");
        }
        there
    }
}

/// How good a network is.
struct Standing {
    name: String,
    accuracy: f64,
    agreement: f64,
    macs: f64,
    bytes: Option<u64>,
}

impl Standing {
    fn of(value: &Value) -> Self {
        let number = |key: &str| value[key].as_f64().unwrap_or(0.0);
        Self {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            accuracy: number("accuracy"),
            agreement: number("agreement"),
            macs: number("macs"),
            bytes: value["bytes"].as_u64(),
        }
    }
}

fn named<'a>(standings: &'a [Standing], name: &str) -> Result<&'a Standing> {
    standings.iter().find(|standing| standing.name == name).with_context(|| format!("no standing of the {name}"))
}

/// Prints a limit that is not kept.
fn holds(what: &str, kept: bool) -> bool {
    if !kept {
        println!("not kept: {what}");
    }
    kept
}

fn digits(tool: &Tool) -> Result<bool> {
    let model = Path::new("models/digits");
    let whole = tool.folder.join("digits-whole.bantam");
    Run::new(&tool.shrink).current_dir(&tool.root).arg("shrink").arg(model).arg("-o").arg(&whole).output()?;
    let whole = std::fs::metadata(&whole)?.len();
    let standings = tool.distil("digits", model, &DIGITS)?;
    println!("`bantam shrink models/digits` writes {whole} bytes\n");
    let (teacher, student) = (named(&standings, "teacher, float")?, named(&standings, "student, integers")?);
    let bytes = student.bytes.context("a student of integers is a file")?;
    Ok(holds("half the bytes", bytes as f64 <= DIGITS_SHARE * whole as f64)
        & holds("the student loses 1 point", student.accuracy >= teacher.accuracy - DIGITS_DROP))
}

/// The student of the digits: 4-bit weights, nothing in the file but the network.
const DIGITS: [&str; 17] = [
    "--data",
    "models/digits/training.npz",
    "--width",
    "0.6",
    "--augment",
    "columns=1,mix=0.5",
    "--epochs",
    "400",
    "--rate",
    "1e-2",
    "--aware",
    "120",
    "--aware-rate",
    "5e-3",
    "--bits",
    "4",
    "--strip",
];

fn spoken_digits(tool: &Tool) -> Result<bool> {
    if !tool.has(RECORDINGS) {
        return Ok(true);
    }
    let model = Path::new("models/spoken-digits");
    let standings = tool.distil("spoken-digits", model, &["--width", "0.45"])?;
    let [teacher, integers, student] =
        ["teacher, float", "teacher, integers", "student, integers"].map(|name| named(&standings, name));
    let (teacher, integers, student) = (teacher?, integers?, student?);
    let mut kept = holds("the teacher gets 95 % right", teacher.accuracy >= TEACHER);
    kept &= holds("its integers lose 1 point", integers.accuracy >= teacher.accuracy - INTEGERS_DROP);
    kept &= holds("the student takes a quarter", student.macs <= STUDENT_SHARE * teacher.macs);
    kept &= holds("the student loses 2 points", student.accuracy >= teacher.accuracy - STUDENT_DROP);

    let study = tool.run("study", model, &STUDY)?;
    println!("| seed | by its teacher | by labels alone | difference |\n|--:|--:|--:|--:|");
    let row = |name: &str, a: f64, b: f64| {
        println!("| {name} | {:.2} % | {:.2} % | {:+.2} |", a * 100.0, b * 100.0, (a - b) * 100.0);
    };
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    for run in study["runs"].as_array().context("runs")? {
        row(&run["seed"].to_string(), number(&run["distilled"]), number(&run["labels"]));
    }
    row("mean", number(&study["mean"][0]), number(&study["mean"][1]));
    let [low, high] = ["low", "high"].map(|end| number(&study["interval"][end]));
    println!(
        "\nstudent of {} multiply-accumulates as 8-bit integers; the mean difference is 95 % sure to be {:+.2} to {:+.2} points\n",
        study["macs"][1],
        low * 100.0,
        high * 100.0
    );
    Ok(kept & holds("the teacher helps", low > 0.0))
}

/// The student of the comparison over seeds: small, from weights drawn at random, few epochs.
const STUDY: [&str; 5] = ["--width", "0.25", "--fresh", "--epochs", "20"];

fn cifar(tool: &Tool) -> Result<bool> {
    if ![CLASSIFIER, IMAGES[0], IMAGES[1]].into_iter().all(|path| tool.has(path)) {
        return Ok(true);
    }
    let data = ["--data", IMAGES[0], "--eval", IMAGES[1], "--prune-to", "60%macs", "--augment", "images"];
    let long = ["--batch", "32", "--epochs", "130", "--rate", "7e-3", "--hold-out", "5%"];
    let standings = tool.distil("cifar", Path::new(CLASSIFIER), &[&data[..], &long].concat())?;
    let (teacher, student) = (named(&standings, "teacher, float")?, named(&standings, "student, float")?);
    Ok(holds("60 % of the multiply-accumulates", student.macs <= CIFAR_SHARE * teacher.macs)
        & holds("4 points are lost", student.accuracy >= teacher.accuracy - CIFAR_DROP))
}
