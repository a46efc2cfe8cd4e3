//! Runs that other targets repeat, and one file of them for firmware, which needs no parser to speak of.
//!
//! Of each case, each part starting at a multiple of 16 and followed by zeros up to the next one:
//!
//! - eight `u32`, little-endian: the bytes of the name, the artifact, the inputs of one run and the outputs of one run;
//!   the number of runs; zeros;
//! - the name;
//! - the artifact;
//! - the inputs of every run, one after another;
//! - the outputs of every run likewise.

use crate::tflite::models::golden_models;
use crate::tflite::operators::Operators;
use crate::tflite::{artifact, run};
use bantam::{AlignedBytes, DataType, Model, Opcode};
use std::fs;
use std::path::Path;

/// Runs of one artifact, in one session from its initial state.
#[derive(Clone, Debug)]
pub struct Case {
    /// A name without spaces.
    pub name: String,
    /// The artifact.
    pub artifact: Vec<u8>,
    /// The inputs of every run.
    pub inputs: Vec<Vec<Vec<u8>>>,
    /// The host's outputs of every run.
    pub outputs: Vec<Vec<Vec<u8>>>,
}

impl Case {
    fn pack(&self) -> Vec<u8> {
        let size = |runs: &[Vec<Vec<u8>>]| runs.first().map_or(0, |run| run.iter().map(Vec::len).sum());
        let (inputs, outputs) = (size(&self.inputs), size(&self.outputs));
        let sizes = [self.name.len(), self.artifact.len(), inputs, outputs, self.inputs.len(), 0, 0, 0];
        let mut bytes: Vec<u8> = sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()).collect();
        for part in [self.name.as_bytes(), &self.artifact, &joined(&self.inputs), &joined(&self.outputs)] {
            bytes.extend_from_slice(part);
            bytes.resize(bytes.len().next_multiple_of(16), 0);
        }
        bytes
    }

    /// The name of its files.
    fn file(&self) -> String {
        self.name.replace('/', "-")
    }

    /// Writes `NAME.bantam`, `NAME.input` and `NAME.output` into a folder.
    fn write(&self, folder: &Path) -> std::io::Result<()> {
        let file = |ending: &str| folder.join(format!("{}.{ending}", self.file()));
        fs::write(file("bantam"), &self.artifact)?;
        fs::write(file("input"), joined(&self.inputs))?;
        fs::write(file("output"), joined(&self.outputs))
    }
}

/// Whether an artifact has what a page's build leaves out: 16-bit integers, and the opcode Rescale.
///
/// # Panics
/// It is not valid.
#[must_use]
pub fn is_left_out_of_pages(artifact: &[u8]) -> bool {
    let file = AlignedBytes::copy_of(artifact);
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let count = model.artifact().tensor_count();
    model.artifact().ops().any(|op| op.opcode == Opcode::Rescale)
        || (0..count).any(|index| model.artifact().tensor(index).data_type == DataType::I16)
}

/// All of them one after another, run after run.
fn joined(runs: &[Vec<Vec<u8>>]) -> Vec<u8> {
    runs.concat().concat()
}

/// All cases: whole TensorFlow Lite models where they are there, and every model of one operator that can be imported.
///
/// # Errors
/// A whole model is refused.
pub fn tflite_cases() -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for model in golden_models() {
        let artifact = artifact(&model.file)?;
        let inputs: Vec<Vec<Vec<u8>>> = model.inputs.iter().map(|input| vec![input.clone()]).collect();
        let outputs = run(&artifact, &inputs);
        cases.push(Case { name: model.name.to_owned(), artifact, inputs, outputs });
    }
    for case in Operators::load().cases() {
        if let Ok(ran) = case.run() {
            let (artifact, inputs, outputs) = (ran.artifact, ran.inputs, ran.outputs);
            cases.push(Case { name: case.name.to_owned(), artifact, inputs, outputs });
        }
    }
    Ok(cases)
}

/// Writes a folder of cases: for each, `NAME.bantam`, `NAME.input` (the bytes of all inputs of a run, run after run) and
/// `NAME.output` (likewise).
///
/// # Errors
/// What the system says.
pub fn write_folder(cases: &[&Case], folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for case in cases {
        case.write(folder)?;
    }
    Ok(())
}

/// The file of all cases, for firmware.
#[must_use]
pub fn pack(cases: &[Case]) -> Vec<u8> {
    cases.iter().flat_map(Case::pack).collect()
}

/// The artifacts in a file of all cases.
///
/// # Errors
/// The file ends within a case.
pub fn unpack(mut file: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut artifacts = Vec::new();
    while !file.is_empty() {
        let mut part = |length: usize| {
            let (own, rest) =
                file.split_at_checked(length.next_multiple_of(16)).ok_or("the file ends within a case")?;
            file = rest;
            Ok::<_, String>(&own[..length])
        };
        let sizes = part(32)?;
        let size = |at: usize| {
            let bytes = sizes[4 * at..][..4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes) as usize
        };
        part(size(0))?;
        artifacts.push(part(size(1))?);
        part(size(2) * size(4))?;
        part(size(3) * size(4))?;
    }
    Ok(artifacts)
}
