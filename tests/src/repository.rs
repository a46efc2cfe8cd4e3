//! The repository's models, shrunk by the host tool.

use bantam_format::{AlignedBytes, Arithmetic, Artifact, Limits};
use bantam_tools::data::Dataset;
use bantam_tools::folder::ModelFolder;
use bantam_tools::quantize::Parameters;
use bantam_tools::shrink::{ShrinkOptions, shrink};
use bantam_tools::subject::ArtifactFile;
use std::error::Error;
use std::path::{Path, PathBuf};

/// What the digits take where all but the smallest layers have 4-bit weights.
const NARROW_BYTES: usize = 4400;

/// The folders under `models/`.
pub const MODELS: [&str; 2] = ["digits", "breast-cancer"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

/// The artifact that `bantam shrink models/NAME` writes.
///
/// # Errors
/// What the tool says.
pub fn shrink_model(name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    shrink_model_with(name, Arithmetic::Onnx)
}

/// The same with `--arithmetic`, or with `--float`.
///
/// # Errors
/// What the tool says.
pub fn shrink_model_with(name: &str, arithmetic: Arithmetic) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut model = ModelFolder::open(&folder(name))?;
    // Scores are not needed here.
    model.evaluation = None;
    let options = ShrinkOptions::new(model, arithmetic);
    Ok(shrink(&options, &|_| {})?.artifact.bytes().to_vec())
}

/// The digits in so few bytes that most weights have 4 bits.
///
/// # Errors
/// What the tool says.
pub fn narrow_digits(arithmetic: Arithmetic) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut model = ModelFolder::open(&folder("digits"))?;
    model.evaluation = None;
    let mut options = ShrinkOptions::new(model, arithmetic);
    options.goal.limits.flash = Some(NARROW_BYTES);
    Ok(shrink(&options, &|_| {})?.artifact.bytes().to_vec())
}

/// The held-out rows of a model with one 8-bit input, as that input takes them.
///
/// # Errors
/// What the tool says.
pub fn evaluation_rows(name: &str, artifact: &[u8]) -> Result<Vec<Vec<i8>>, Box<dyn Error>> {
    let path = ModelFolder::open(&folder(name))?.evaluation.ok_or("no evaluation data")?;
    let data = Dataset::load(&path, &ArtifactFile::from_bytes(artifact)?.inputs())?;
    let file = AlignedBytes::copy_of(artifact);
    let io =
        Artifact::parse(file.bytes(), &Limits::default())?.io(bantam_format::IoRole::Input).next().ok_or("no input")?;
    let parameters = Parameters { scale: io.scale, zero_point: i8::try_from(io.zero_point)?, wide: false };
    Ok((0..data.rows()).map(|row| data.integers(0, row, parameters)).collect())
}
