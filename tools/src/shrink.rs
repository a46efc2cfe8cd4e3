//! The main job: a trained model in, a verified artifact out, scored on held-out data.

use crate::compare::{LayerError, Truth, agreement, classes_of, layer_errors, mean_absolute_error, truth};
use crate::data::{DataError, Dataset, InputSpec};
use crate::fit::{Limits, Shortage};
use crate::folder::ModelFolder;
use crate::import::onnx::ImportOptions;
use crate::import::tflite::Normalization;
use crate::lower::{LowerError, Precision, Program, lower};
use crate::plan;
use crate::preprocessing::{self, ImagePreparation, Preparation, PreparationError};
use crate::quantize::{CalibrationError, NormalizeError, RangeMethod, calibrate, normalize_inputs};
use crate::subject::{ArtifactFile, SourceModel, Subject, SubjectError};
use bantam_format::{Arithmetic, DataType, Opcode};
use std::path::PathBuf;
use thiserror::Error;

/// Rows over which layers are compared.
const LAYER_ROWS: usize = 64;
/// Float operators of a quantised model that a note names.
const SHOWN_ISLANDS: usize = 3;

/// What to do.
#[derive(Clone, Debug)]
pub struct ShrinkOptions {
    /// The model and what is known about it.
    pub folder: ModelFolder,
    /// Sizes of free dimensions.
    pub shapes: ImportOptions,
    /// How 8-bit accumulators are requantised; [`Arithmetic::Float`] keeps floats.
    pub arithmetic: Arithmetic,
    /// How activation ranges are chosen.
    pub ranges: RangeMethod,
    /// Whether to leave out names, labels and the card.
    pub strip: bool,
    /// What the artifact must fit into.
    pub limits: Limits,
}

/// Why a model could not be shrunk.
#[derive(Debug, Error)]
pub enum ShrinkError {
    /// The model or the artifact.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is nothing to calibrate with.
    #[error(
        "'{0}': 8-bit quantisation needs sample data: give --calibrate data.npz (a few hundred rows, labels not needed), or keep floats with --float"
    )]
    NoCalibration(PathBuf),
    /// Calibration.
    #[error("'{path}': {error}")]
    Calibration {
        /// The calibration data.
        path: PathBuf,
        /// Why.
        error: Box<CalibrationError>,
    },
    /// Preparing tabular inputs.
    #[error("'{path}': {error}")]
    Normalize {
        /// The calibration data.
        path: PathBuf,
        /// Why.
        error: Box<NormalizeError>,
    },
    /// The description of the model names an input that the model does not have.
    #[error("'{model}' has no input '{name}', which {description} names; its inputs are {known}")]
    InputName {
        /// The model.
        model: PathBuf,
        /// The file that names it.
        description: &'static str,
        /// The name.
        name: String,
        /// The inputs there are.
        known: String,
    },
    /// The description of the model has another number of labels than the model has classes.
    #[error("'{model}' gives {classes} numbers per row, but {description} lists {labels} labels; list one per class")]
    LabelCount {
        /// The model.
        model: PathBuf,
        /// The file that lists them.
        description: &'static str,
        /// Labels.
        labels: usize,
        /// Numbers of the first output.
        classes: usize,
    },
    /// The description of the input.
    #[error("'{path}': {error}")]
    Preparation {
        /// The model.
        path: PathBuf,
        /// Why.
        error: PreparationError,
    },
    /// Lowering.
    #[error("'{path}': {error}")]
    Lower {
        /// The model.
        path: PathBuf,
        /// Why.
        error: LowerError,
    },
    /// The artifact does not fit.
    #[error("{0}")]
    TooLarge(Box<Shortage>),
    /// What was made breaks a rule: a bug in this tool.
    #[error("internal error: the artifact made is not valid: {}", crate::explain::load_error(.0))]
    Invalid(bantam_format::LoadError),
    /// The plan made is wrong: a bug in this tool.
    #[error("internal error: the memory plan made is wrong: {0}")]
    Plan(#[from] plan::verify::PlanError),
}

/// What was made and how good it is.
#[derive(Debug)]
pub struct Shrunk {
    /// The artifact.
    pub artifact: ArtifactFile,
    /// Size of the source file in bytes.
    pub source_bytes: usize,
    /// Rows of calibration data.
    pub calibration_rows: usize,
    /// Scores, where there is labelled or unlabelled evaluation data.
    pub score: Option<Score>,
    /// Differences to the float model, in order of execution.
    pub layers: Vec<LayerError>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Accuracy before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Rows of evaluation data.
    pub rows: usize,
    /// Share of rows the float model gets right; none without labels.
    pub float_top1: Option<f64>,
    /// Share of rows the artifact gets right; none without labels.
    pub top1: Option<f64>,
    /// Share of rows on which both choose the same class; none where the labels are numbers to be met.
    pub agreement: Option<f64>,
    /// Mean absolute error of the float model where the labels are numbers to be met.
    pub float_mae: Option<f64>,
    /// Mean absolute error of the artifact where the labels are numbers to be met.
    pub mae: Option<f64>,
}

/// Shrinks a model. `step` is told what is being done.
///
/// # Errors
/// [`ShrinkError`].
pub fn shrink(options: &ShrinkOptions, step: &dyn Fn(&str)) -> Result<Shrunk, ShrinkError> {
    step("importing");
    let mut model = SourceModel::load(&options.folder.model, &options.shapes)?;
    check_description(&options.folder, &model)?;
    let specs = InputSpec::of_graph(&model.graph);
    let mut notes = model.metadata.notes.clone();
    let folder = &described(&options.folder, &model, &mut notes);
    if let Some(reason) = &model.no_reference {
        notes.push(format!("the model is run by bantam's own executor: {reason}"));
    }
    let load = |path: &Option<PathBuf>| path.as_ref().map(|path| Dataset::load(path, &specs)).transpose();
    let (calibration, evaluation) = (load(&folder.calibration)?, load(&folder.evaluation)?);

    let mut calibration_rows = 0;
    let quantized = model.graph.is_quantized();
    if quantized {
        notes.push("the model is already quantised: its own integers and scales are kept".into());
        if let (Some(data), false) = (&calibration, options.arithmetic == Arithmetic::Float) {
            notes.push(format!("'{}' is not needed for calibration", data.path().display()));
        }
    }
    let (ranges, floats) = if quantized || options.arithmetic == Arithmetic::Float {
        Default::default()
    } else {
        let data = calibration.as_ref().ok_or_else(|| ShrinkError::NoCalibration(folder.model.clone()))?;
        step("calibrating");
        calibration_rows = data.rows();
        if calibration_rows < 32 {
            notes.push(format!(
                "'{}' is little to calibrate with (rows: {calibration_rows}); 100 to 1000 rows give steadier ranges",
                data.path().display()
            ));
        }
        if data.is_constant() {
            notes.push(format!(
                "all {calibration_rows} rows of '{}' are the same: ranges taken from them hold for nothing else",
                data.path().display()
            ));
        }
        let path = || data.path().to_owned();
        let floats = normalize_inputs(&mut model.graph, data)
            .map_err(|error| ShrinkError::Normalize { path: path(), error: Box::new(error) })?;
        if !floats.is_empty() {
            notes.push(
                "the fields of the input differ in size: they are normalised in floating point before they are quantised"
                    .into(),
            );
        }
        let calibration = calibrate(&model.graph, data, options.ranges)
            .map_err(|error| ShrinkError::Calibration { path: path(), error: Box::new(error) })?;
        (calibration.ranges, floats)
    };
    step("quantising");
    let precision = match options.arithmetic {
        Arithmetic::Float => Precision::Float,
        arithmetic if quantized => Precision::Quantized { arithmetic },
        arithmetic => Precision::Int8 { ranges: &ranges, floats: &floats, arithmetic },
    };
    let lowered = lower(&model.graph, precision);
    let mut program = lowered.map_err(|error| ShrinkError::Lower { path: folder.model.clone(), error })?;
    if quantized && options.arithmetic != Arithmetic::Float {
        notes.extend(islands(&program));
    }
    step("planning memory");
    if let Some(preparation) = &folder.preparation {
        let described = preprocessing::describe(preparation, folder.input_name.as_deref(), &program.description);
        let failed = |error| ShrinkError::Preparation { path: folder.model.clone(), error };
        program.description.preprocessing.push(described.map_err(failed)?);
    }
    if options.strip {
        program.description.debug = false;
        program.description.preprocessing.iter_mut().for_each(|input| input.names.clear());
    } else {
        program.description.labels.clone_from(&folder.labels);
        program.description.card = card(options, &model, calibration_rows);
    }
    let artifact = finish(program, options.limits)?;

    let source_bytes = model.file_bytes;
    let (float, artifact) = (Subject::Source(Box::new(model)), Subject::Artifact(artifact));
    step("scoring");
    let score = evaluation.as_ref().map(|data| score(&float, &artifact, data)).transpose()?;
    let layers = match evaluation.as_ref().or(calibration.as_ref()) {
        Some(data) if !options.strip => layer_errors(&float, &artifact, data, LAYER_ROWS)?,
        _ => vec![],
    };
    let Subject::Artifact(artifact) = artifact else { unreachable!("made above") };
    Ok(Shrunk { artifact, source_bytes, calibration_rows, score, layers, notes })
}

/// A description, completed with what the model's file says of itself: labels, and how an image becomes the input.
fn described(folder: &ModelFolder, model: &SourceModel, notes: &mut Vec<String>) -> ModelFolder {
    let (mut folder, metadata) = (folder.clone(), &model.metadata);
    if folder.labels.is_empty() && !metadata.labels.is_empty() {
        if has_classes(model, metadata.labels.len()) {
            folder.labels.clone_from(&metadata.labels);
        } else {
            let count = metadata.labels.len();
            notes.push(format!("the {count} labels in the file are not those of the first output and were left out"));
        }
    }
    let Some(normalization) = metadata.normalization.as_ref().filter(|_| folder.preparation.is_none()) else {
        return folder;
    };
    let Normalization { mean, deviation, image } = normalization;
    let shape = model.graph.inputs().first().map_or(&[][..], |port| &model.graph.value(port.value).shape);
    let prepared = match (image, shape) {
        (Some(known), &[1, _, _, channels]) if known.is_none_or(|known| known == channels) => {
            ImagePreparation::normalized(channels, mean, deviation)
        }
        _ => None,
    };
    match prepared {
        Some(image) => folder.preparation = Some(Preparation::Image(image)),
        None => notes.push(format!(
            "the file's metadata asks for an input of (x - {mean:?}) / {deviation:?}, which is left to the caller"
        )),
    }
    folder
}

/// What of a quantised model is computed in floats.
fn islands(program: &Program) -> Option<String> {
    let conversion = |opcode| matches!(opcode, Opcode::Quantize | Opcode::Dequantize | Opcode::Cast);
    let description = &program.description;
    let real = |tensor: &u16| description.tensors[usize::from(*tensor)].data_type == DataType::F32;
    let floats = description.ops.iter().filter(|op| !conversion(op.opcode) && op.outputs.iter().any(real));
    let names: Vec<String> = floats.map(|op| format!("'{}' ({})", op.name, op.opcode.name())).collect();
    let (shown, more) = names.split_at(names.len().min(SHOWN_ISLANDS));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    (!names.is_empty()).then(|| format!("computed in floats: {}{more}", shown.join(", ")))
}

/// Checks what a model folder says about the model.
fn check_description(folder: &ModelFolder, model: &SourceModel) -> Result<(), ShrinkError> {
    let (description, path) = (crate::folder::DESCRIPTION, folder.model.clone());
    let mut inputs = model.graph.inputs().iter().map(|port| port.name.as_str());
    if let Some(name) = &folder.input_name
        && !inputs.clone().any(|input| input == name)
    {
        let known: Vec<String> = inputs.by_ref().map(|input| format!("'{input}'")).collect();
        return Err(ShrinkError::InputName { model: path, description, name: name.clone(), known: known.join(", ") });
    }
    let labels = folder.labels.len();
    if labels == 0 || has_classes(model, labels) {
        return Ok(());
    }
    let output = model.graph.outputs().first();
    let classes = output.map_or(0, |output| model.graph.value(output.value).shape.iter().product());
    Err(ShrinkError::LabelCount { model: path, description, labels, classes })
}

/// Whether the first output can tell so many classes apart. One number is a position or a probability of the second of two
/// classes; of several axes one tells classes apart.
fn has_classes(model: &SourceModel, labels: usize) -> bool {
    let Some(output) = model.graph.outputs().first() else { return true };
    let shape = &model.graph.value(output.value).shape;
    let classes: usize = shape.iter().product();
    classes == 1 || labels == classes || shape.contains(&labels)
}

/// Plans the memory of a program, writes the artifact, and checks both.
///
/// # Errors
/// [`ShrinkError::TooLarge`]; [`ShrinkError::Invalid`], [`ShrinkError::Plan`]: bugs in this tool.
pub fn finish(mut program: Program, limits: Limits) -> Result<ArtifactFile, ShrinkError> {
    let asked = program.clone();
    plan::plan_within(&mut program, limits.ram);
    let bytes = bantam_format::writer::write(&program.description).map_err(ShrinkError::Invalid)?;
    let artifact = ArtifactFile::from_bytes(&bytes).map_err(ShrinkError::Invalid)?;
    plan::verify::prove(&asked, &artifact.model())?;
    match limits.shortage(&artifact.model()) {
        Some(shortage) => Err(ShrinkError::TooLarge(Box::new(shortage))),
        None => Ok(artifact),
    }
}

/// Scores a float model and an artifact on the same data.
///
/// # Errors
/// [`SubjectError::Run`], or labels that are no classes of the model.
pub fn score(float: &Subject, artifact: &Subject, data: &Dataset) -> Result<Score, ShrinkError> {
    let before = float.run_all(data)?;
    let truth = if data.has_labels() { Some(truth(data, &before)?) } else { None };
    let after = artifact.run_all(data)?;
    let none = Score { rows: data.rows(), float_top1: None, top1: None, agreement: None, float_mae: None, mae: None };
    if let Some(Truth::Values(values)) = &truth {
        let [float_mae, mae] = [&before, &after].map(|outputs| Some(mean_absolute_error(outputs, values)));
        return Ok(Score { float_mae, mae, ..none });
    }
    let (before, after) = (classes_of(&before), classes_of(&after));
    let right = |classes: &[usize]| match &truth {
        Some(Truth::Classes(labels)) => Some(agreement(classes, labels)),
        _ => None,
    };
    Ok(Score { float_top1: right(&before), top1: right(&after), agreement: Some(agreement(&before, &after)), ..none })
}

/// The model card that travels in the artifact. Nothing in it depends on when or where it was made.
fn card(options: &ShrinkOptions, model: &SourceModel, calibration_rows: usize) -> String {
    let mut card = serde_json::json!({
        "name": options.folder.name,
        "made_with": concat!("bantam ", env!("CARGO_PKG_VERSION")),
        "source_sha256": model.sha256,
    });
    if !options.folder.input_description.is_empty() {
        card["input"] = options.folder.input_description.clone().into();
    }
    if calibration_rows > 0 {
        card["calibration"] = serde_json::json!({ "rows": calibration_rows, "ranges": options.ranges });
    }
    card.to_string()
}
