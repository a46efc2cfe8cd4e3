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
use bantam::{AlignedBytes, Backend, DataType, Model, Opcode, Session, ops};
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

/// Writes what the cases of a folder give where a product of floats and its sum are rounded once, as relaxed vector
/// instructions may: `NAME.output` for each whose outputs are others then. This machine's fused instructions tell, which sum
/// in the same order.
///
/// # Errors
/// What the system says; or this machine has no such instructions.
pub fn write_fused(cases: &Path, folder: &Path) -> std::io::Result<()> {
    if Backend::best() == Backend::Scalar {
        return Err(std::io::Error::other("this machine has no vector instructions that fuse products and sums"));
    }
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(cases)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "bantam") {
            continue;
        }
        let file = AlignedBytes::copy_of(&fs::read(&path)?);
        let model = Model::parse(file.bytes()).map_err(std::io::Error::other)?;
        let (inputs, outputs) = (fs::read(path.with_extension("input"))?, fs::read(path.with_extension("output"))?);
        let fused = joined(&run_packed(&model, &inputs));
        if fused != outputs {
            let name = path.with_extension("output");
            fs::write(folder.join(name.file_name().unwrap_or_default()), fused)?;
        }
    }
    Ok(())
}

/// Packed runs on the bytes of all inputs, run after run.
fn run_packed(model: &Model<'_>, inputs: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let sizes: Vec<usize> = model.inputs().map(|io| io.tensor.bytes()).collect();
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(model, &ops::ALL));
    let mut pack = AlignedBytes::zeroed(Session::pack_bytes(model, &ops::ALL));
    let session = Session::packed(model, arena.bytes_mut(), &ops::ALL, pack.bytes_mut());
    let mut session = session.expect("the memory fits");
    let run = |mut bytes: &[u8]| {
        for (index, &size) in sizes.iter().enumerate() {
            let (own, rest) = bytes.split_at(size);
            session.input_bytes_mut(index).expect("an input").copy_from_slice(own);
            bytes = rest;
        }
        session.run().expect("a parsed model runs");
        (0..model.outputs().count()).map(|index| session.output_bytes(index).expect("an output").to_vec()).collect()
    };
    inputs.chunks_exact(sizes.iter().sum::<usize>().max(1)).map(run).collect()
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
