//! What the programs are built and fed with: artifacts, inputs and the outputs they must give.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde_json::Value;

use super::in_tree;
use crate::context::Context;
use crate::process::Run;

/// The models of MLPerf Tiny and TensorFlow Lite Micro, where they lie beside the tree, and what TensorFlow Lite Micro answers.
const SHARED: &str = "../shared/mlperf-tiny";
const SHARED_MODELS: [(&str, &str); 4] = [
    ("kws", "kws_ref_model.tflite"),
    ("ic", "pretrainedResnet_quant.tflite"),
    ("hello_world", "hello_world_int8.tflite"),
    ("micro_speech", "micro_speech_quantized.tflite"),
];
/// Models of the repository, with the name of their parity fixtures. That of digits computes in integers alone.
const OWN_MODELS: [(&str, &str); 2] = [("digits", "digits_tflite"), ("breast-cancer", "breast-cancer")];

/// Bytes of an image of a digit, of a row of it, and of what a model makes of it.
const IMAGE: usize = 64;
const ROW: usize = 8;
const SCORES: usize = 10;
/// Images in the recorded trace, and blank rows behind each.
const TRACE_IMAGES: usize = 24;
const BLANK_ROWS: usize = 4;

/// Where the programs look for models.
pub fn models_folder() -> PathBuf {
    in_tree("embedded/firmware/models")
}

/// What there is.
pub struct Data {
    /// Inputs and outputs.
    pub folder: PathBuf,
    /// Models in the file of cases.
    pub cases: usize,
    models: Vec<&'static str>,
}

impl Data {
    /// Whether there is a model of this name.
    pub fn has(&self, model: &str) -> bool {
        self.models.contains(&model)
    }

    /// What a line about a run must say of models that are not there.
    pub fn missing_note(&self) -> String {
        let missing: Vec<&str> = SHARED_MODELS.iter().map(|(name, _)| *name).filter(|name| !self.has(name)).collect();
        if missing.is_empty() { String::new() } else { format!("; skipped: {}", missing.join(", ")) }
    }
}

/// Lays the models of the repository where programs look for them, and their inputs and outputs into the folder of data.
pub fn prepare_own(context: &mut Context) -> Result<Data> {
    let fixtures = context.fixtures()?;
    let folder = context.target.join("mcu/data");
    fs::create_dir_all(&folder)?;
    let models = models_folder();
    fs::create_dir_all(&models)?;
    let mut data = Data { folder, cases: 0, models: Vec::new() };
    for (name, fixture) in OWN_MODELS {
        let file = |ending: &str| fixtures.join("cases").join(format!("{fixture}.{ending}"));
        replace(&models.join(format!("{name}.bantam")), &read(&file("bantam"))?)?;
        fs::copy(file("input"), data.folder.join(format!("{name}.input")))?;
        fs::copy(file("output"), data.folder.join(format!("{name}.output")))?;
        data.models.push(name);
    }
    Ok(data)
}

/// Makes it all; what was made before is overwritten.
pub fn prepare(context: &mut Context) -> Result<Data> {
    let mut data = prepare_own(context)?;
    let (folder, models) = (data.folder.clone(), models_folder());
    let images = read(&folder.join("digits.input"))?;
    fs::write(folder.join("trace"), trace(&images))?;
    take_turns(&folder)?;
    let cases = read(&context.fixtures()?.join("cases.bin"))?;
    data.cases = count(&cases);
    fs::write(folder.join("cases"), cases)?;

    let shared = context.root.join(SHARED);
    if !shared.is_dir() {
        eprintln!("skipped: models of MLPerf Tiny and TensorFlow Lite Micro, as there is no {SHARED} beside the tree");
        return Ok(data);
    }
    let tool = context.checked_program("bantam")?;
    for (name, file) in SHARED_MODELS {
        let artifact = folder.join(format!("{name}.bantam"));
        Run::new(&tool).args(["shrink", "--json"]).arg(shared.join(file)).arg("-o").arg(&artifact).output()?;
        replace(&models.join(format!("{name}.bantam")), &read(&artifact)?)?;
        let (inputs, outputs) = goldens(&shared.join("goldens").join(format!("{name}.json")))?;
        fs::write(folder.join(format!("{name}.input")), inputs)?;
        fs::write(folder.join(format!("{name}.output")), outputs)?;
        data.models.push(name);
    }
    Ok(data)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Writes a file that programs are built with, unless it is there already: a newer one is built again.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The inputs of all golden cases, one after another, and what TensorFlow Lite Micro answers.
fn goldens(path: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let value: Value = serde_json::from_slice(&read(path)?)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    let cases = value["cases"].as_array().with_context(|| format!("{} has no cases", path.display()))?;
    for case in cases {
        let input = case["input_b64"].as_str().context("a case has no input")?;
        inputs.extend(base64::engine::general_purpose::STANDARD.decode(input)?);
        let answers = case["output_tflm"].as_object().context("a case has no output")?;
        let mut answers = answers.values();
        let first = answers.next().and_then(Value::as_array).context("a case has no output")?;
        ensure!(answers.all(|answer| answer.as_array() == Some(first)), "the references of a golden disagree");
        let number = |value: &Value| value.as_i64().and_then(|number| i8::try_from(number).ok());
        let numbers: Option<Vec<i8>> = first.iter().map(number).collect();
        outputs.extend(numbers.context("an output is no list of 8-bit integers")?.iter().map(|it| it.cast_unsigned()));
    }
    ensure!(!outputs.is_empty(), "{} has no cases", path.display());
    Ok((inputs, outputs))
}

/// What a line of light sensors gives while images pass under it: the raw values of an 8-bit converter.
fn trace(images: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for image in images.chunks_exact(IMAGE).take(TRACE_IMAGES) {
        bytes.extend(image.iter().map(|value| value ^ 0x80));
        bytes.extend([0; BLANK_ROWS * ROW]);
    }
    bytes
}

/// What two models that take turns are given, and must answer.
fn take_turns(folder: &Path) -> Result<()> {
    let (digits, tumours) = (read(&folder.join("digits.output"))?, read(&folder.join("breast-cancer.output"))?);
    let turns = digits.chunks_exact(SCORES).zip(tumours.chunks_exact(2));
    let outputs: Vec<u8> = turns.flat_map(|(one, other)| [one, other].concat()).collect();
    fs::write(folder.join("two_models.output"), outputs)?;
    // As many images as there are samples.
    let images = read(&folder.join("digits.input"))?;
    fs::write(folder.join("two_models.input"), images.get(..tumours.len() / 2 * IMAGE).unwrap_or(&images))?;
    Ok(())
}

/// How many models are in a file of cases: the module `fixtures` of the tests says how it is laid out.
fn count(mut cases: &[u8]) -> usize {
    let mut count = 0;
    while let Some((sizes, _)) = cases.split_first_chunk::<32>() {
        let size = |at: usize| sizes[4 * at..][..4].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let parts = [size(0), size(1), size(2) * size(4), size(3) * size(4)];
        let length: usize = parts.iter().map(|part| part.next_multiple_of(16)).sum();
        cases = cases.get(32 + length..).unwrap_or(&[]);
        count += 1;
    }
    count
}
