//! The main job: a trained model in, a verified artifact out, scored on held-out data.

mod details;
mod logits;
mod quantizer;
mod score;

pub use details::{Bars, Block, Details, Group, OpDetails, Slices};
pub use logits::logits;
pub use quantizer::{Quantizer, Widths};
pub use score::{Outputs, Reference, Score};

use crate::baseline::{Baselines, baselines};
use crate::compare::{LayerError, Truth, layer_errors};
use crate::confidence::{self, Temperature};
use crate::data::{DataError, Dataset, InputSpec};
use crate::folder::ModelFolder;
use crate::graph::{Graph, GraphError};
use crate::import::onnx::ImportOptions;
use crate::import::tflite::Normalization;
use crate::lower::{LowerError, Precision, Program, lower};
use crate::plan;
use crate::preprocessing::{self, ImagePreparation, Preparation, PreparationError};
use crate::quantize::half::round_weights;
use crate::quantize::{Calibration, CalibrationError, FloatWeights, NormalizeError, RangeMethod, calibrate};
use crate::search::{self, Found, Goal, Judge, Point, Quality, Sensitivity, Unmet, search};
use crate::subject::{ArtifactFile, SourceModel, Subject, SubjectError};
use bantam_format::{Arithmetic, DataType, Opcode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use thiserror::Error;

/// Fewer calibration rows than this are few.
const FEW_ROWS: usize = 32;
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
    /// Whether the device computes with floats; where it does not, what is quantised here is rounded by integers alone, as
    /// TensorFlow Lite Micro does.
    pub float_unit: bool,
    /// How activation ranges are chosen.
    pub ranges: RangeMethod,
    /// How weights of layers that are computed in floats are stored.
    pub float_weights: FloatWeights,
    /// Whether to leave out names, labels and the card.
    pub strip: bool,
    /// Whether activations may have 16 bits where 8 lose more than the goal allows; the network is computed in the arithmetic
    /// `tflite` then.
    pub may_widen: bool,
    /// What is asked of the artifact.
    pub goal: Goal,
    /// Whether to try choices that nothing asks for, for a picture of what there is.
    pub explore: bool,
    /// Whether to store a temperature fitted on labelled evaluation rows.
    pub temperature: bool,
    /// Columns of the evaluation data by whose values accuracy is told apart.
    pub slices: Vec<String>,
    /// Whether to make an artifact of the linear baseline.
    pub baseline: bool,
    /// Whether to write the quantised model as ONNX too.
    pub onnx: bool,
    /// Chooses what is drawn at random.
    pub seed: u64,
}

impl ShrinkOptions {
    /// The defaults for a model, in this arithmetic.
    #[must_use]
    pub fn new(folder: ModelFolder, arithmetic: Arithmetic) -> Self {
        Self {
            folder,
            shapes: ImportOptions::default(),
            arithmetic,
            float_unit: true,
            ranges: RangeMethod::default(),
            float_weights: FloatWeights::default(),
            strip: false,
            may_widen: true,
            goal: Goal::default(),
            explore: false,
            temperature: false,
            slices: vec![],
            baseline: false,
            onnx: false,
            seed: 0,
        }
    }
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
    /// Nothing fits.
    #[error("{0}")]
    Unmet(Box<Unmet>),
    /// There is no data to hold a drop against.
    #[error("--max-drop needs data to measure on: give --eval data.npz with labels as `y`, or --calibrate data.npz")]
    NothingToHold,
    /// A slice without data.
    #[error("--slice {0} needs evaluation data that has such a column: give --eval data.npz")]
    NoSlices(String),
    /// The linear baseline.
    #[error("internal error: the linear baseline breaks a rule of graphs: {0}")]
    Baseline(GraphError),
    /// There is no linear baseline.
    #[error(
        "--emit-baseline: no linear model can be fitted; it needs evaluation data with classes as `y`, and an input of at most {} numbers",
        crate::baseline::MOST_FIELDS
    )]
    NoBaseline,
    /// There is nothing to export.
    #[error("--emit-onnx writes what was quantised here; this model was not (it keeps floats, or its own integers)")]
    NoOnnx,
    /// The export.
    #[error("--emit-onnx: {0}")]
    Onnx(#[from] crate::export::onnx::ExportError),
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
    /// SHA-256 of the source file.
    pub source_sha256: String,
    /// The choice of widths that the artifact is.
    pub point: Point,
    /// Every choice tried.
    pub tried: Vec<Point>,
    /// What each layer costs alone with 4-bit weights; empty where nothing was searched.
    pub sensitivities: Vec<Sensitivity>,
    /// Rows on which choices were judged; 0 where they were not.
    pub judged_rows: usize,
    /// A temperature for the logits, where there are labelled rows.
    pub temperature: Option<Temperature>,
    /// Whether it is in the artifact.
    pub temperature_stored: bool,
    /// Everything else there is to tell.
    pub details: Details,
    /// Scores of what is simpler, where there are labelled rows.
    pub baselines: Option<Baselines>,
    /// The linear baseline, where it was asked for.
    pub baseline: Option<ArtifactFile>,
    /// The quantised model as ONNX, where it was asked for.
    pub onnx: Option<Vec<u8>>,
}

/// Shrinks a model. `step` is told what is being done.
///
/// # Errors
/// [`ShrinkError`].
pub fn shrink(options: &ShrinkOptions, step: &dyn Fn(&str)) -> Result<Shrunk, ShrinkError> {
    step("importing");
    let model = SourceModel::load(&options.folder.model, &options.shapes)?;
    shrink_model(model, options, step)
}

/// As [`shrink`], for a model that is there already: `options.folder.model` only gives it a name in messages.
///
/// # Errors
/// [`ShrinkError`].
pub fn shrink_model(
    mut model: SourceModel,
    options: &ShrinkOptions,
    step: &dyn Fn(&str),
) -> Result<Shrunk, ShrinkError> {
    check_description(&options.folder, &model)?;
    let specs = InputSpec::of_graph(&model.graph);
    let mut notes = model.metadata.notes.clone();
    let arithmetic = match options.arithmetic {
        Arithmetic::Onnx if !options.float_unit && !model.graph.is_quantized() => Arithmetic::Tflite,
        asked => asked,
    };
    let folder = described(&options.folder, &model, &mut notes);
    let options = &ShrinkOptions { folder, arithmetic, ..options.clone() };
    let folder = &options.folder;
    if let Some(reason) = &model.no_reference {
        notes.push(format!("the model is run by bantam's own executor: {reason}"));
    }
    let load = |path: &Option<PathBuf>| path.as_ref().map(|path| Dataset::load(path, &specs)).transpose();
    let (calibration, evaluation) = (load(&folder.calibration)?, load(&folder.evaluation)?);
    check_columns(options, evaluation.as_ref())?;

    let quantized = model.graph.is_quantized();
    if quantized {
        notes.push("the model is already quantised: its own integers and scales are kept".into());
        if let (Some(data), false) = (&calibration, options.arithmetic == Arithmetic::Float) {
            notes.push(format!("'{}' is not needed for calibration", data.path().display()));
        }
    }
    step("calibrating");
    let needs_data = !quantized && options.arithmetic != Arithmetic::Float;
    let mut quantizer = match (&calibration, needs_data) {
        (None, true) => return Err(ShrinkError::NoCalibration(folder.model.clone())),
        (Some(data), true) => Some(Quantizer::new(&model.graph, data, options)?),
        (_, false) => None,
    };
    if let Some(quantizer) = &quantizer {
        notes.extend(calibration_notes(quantizer, calibration.as_ref()));
    }
    let calibration_rows = quantizer.as_ref().map_or(0, |quantizer| quantizer.calibration.rows);
    step("running the float model");
    let reference = evaluation.as_ref().map(|data| Reference::of(&model, data)).transpose()?;
    if let (Some(data), Some(Truth::Classes(labels))) = (&evaluation, reference.as_ref().and_then(|r| r.truth.as_ref()))
    {
        notes.extend(label_note(data, labels));
    }
    // Without evaluation data the float model's own answers on the calibration data are what is to be kept.
    let unlabelled = match (&reference, &calibration, options.goal.max_drop) {
        (None, Some(data), Some(_)) => {
            notes.push(
                "no --eval data: --max-drop is held against agreement with the float model on the calibration data"
                    .into(),
            );
            Some(Reference { truth: None, ..Reference::of(&model, data)? })
        }
        (None, None, Some(_)) => return Err(ShrinkError::NothingToHold),
        _ => None,
    };
    let judged = evaluation.as_ref().zip(reference.as_ref()).or(calibration.as_ref().zip(unlabelled.as_ref()));
    let quality = |artifact: &ArtifactFile| -> Result<Quality, ShrinkError> {
        let Some((data, reference)) = judged else { return Ok(Quality::UNKNOWN) };
        Ok(Outputs::of(reference, artifact, data)?.quality())
    };
    let card = (!options.strip).then(|| card(options, &model, calibration_rows));
    let assemble = |program: Program| finish(dressed(folder, card.clone(), program)?);
    let judge = Judge { assemble: &assemble, quality: &quality, step };
    let lowered = |graph: &Graph| {
        let precision = match options.arithmetic {
            Arithmetic::Float => Precision::Float,
            arithmetic => Precision::Quantized { arithmetic },
        };
        lower(graph, precision).map_err(|error| ShrinkError::Lower { path: folder.model.clone(), error })
    };
    // The network with float weights of 16 bits, where there are any and it is what is made.
    let mut halved: Option<Graph> = None;
    let found = match &quantizer {
        Some(quantizer) => search(quantizer, options.goal, &judge, options.explore)?,
        None => {
            let mut rounded = model.graph.clone();
            let layers = if options.float_weights == FloatWeights::Single { 0 } else { round_weights(&mut rounded) };
            let (program, narrow) = match (options.float_weights, layers) {
                (_, 0) => (lowered(&model.graph)?, None),
                (FloatWeights::Half, _) => (lowered(&rounded)?, None),
                _ => (lowered(&model.graph)?, Some(lowered(&rounded)?)),
            };
            if options.arithmetic != Arithmetic::Float {
                notes.extend(islands(&program));
            }
            let found = search::fixed(program, narrow, options.goal, &judge, options.explore)?;
            halved = (layers > 0 && found.chosen.float_weight_bits == Some(16)).then_some(rounded);
            found
        }
    };
    let Found { mut artifact, widened, layers: chosen, chosen: point, tried, sensitivities } = found;
    if widened.is_some() {
        quantizer = widened;
        notes.push(wide_note(&tried, &point, options));
    }
    if options.float_weights == FloatWeights::Half && point.float_weight_bits != Some(16) {
        notes.push(match point.float_weight_bits {
            None => "--weights f16: no layer is computed in floats, so there are no float weights to store".into(),
            Some(_) => "--weights f16: layers with weights beyond 65504 keep 32 bits".into(),
        });
    }
    let found_rows = judged.map_or(0, |(data, _)| data.rows());

    step("scoring");
    let program_of = |quantizer: Option<&Quantizer<'_>>| match quantizer {
        Some(quantizer) => quantizer.program(&chosen),
        None => lowered(halved.as_ref().unwrap_or(&model.graph)),
    };
    let labels = reference.as_ref().and_then(|reference| match &reference.truth {
        Some(Truth::Classes(labels)) => Some(labels),
        _ => None,
    });
    let graph = quantizer.as_ref().map_or(&model.graph, |quantizer| &quantizer.graph);
    let temperature = match (&evaluation, labels, logits(graph)) {
        (Some(data), Some(labels), Some(value)) => {
            let name = graph.value(value).name.clone();
            let logits = logits::of_program(&program_of(quantizer.as_ref())?, &name, data);
            logits.and_then(|logits| confidence::fit(&logits, labels, options.seed))
        }
        _ => None,
    };
    let mut stored = false;
    if let (Some(temperature), true) = (&temperature, options.temperature) {
        let source = halved.as_mut().unwrap_or(&mut model.graph);
        let graph = quantizer.as_mut().map_or(source, |quantizer| &mut quantizer.graph);
        stored = logits::set_temperature(graph, temperature.temperature);
        if stored {
            let program = match &quantizer {
                Some(quantizer) => quantizer.program(&chosen)?,
                None => lowered(halved.as_ref().unwrap_or(&model.graph))?,
            };
            artifact = finish(dressed(folder, card.clone(), program)?)?;
        } else {
            notes.push("--temperature: the model's output is no softmax, so no temperature was stored".into());
        }
    } else if options.temperature {
        notes.push("--temperature: there are no labelled rows to fit a temperature on, so none was stored".into());
    }

    let outputs = match (&evaluation, reference) {
        (Some(data), Some(reference)) => Some(Outputs::of(&reference, &artifact, data)?),
        _ => None,
    };
    let score = outputs.as_ref().map(|outputs| outputs.score(options.seed));
    let mut details = match (&outputs, &evaluation) {
        (Some(outputs), Some(data)) => details::groups(outputs, data, &folder.labels, &options.slices, options.seed)?,
        _ => Details::default(),
    };
    if !options.slices.is_empty() && details.slices.is_empty() {
        notes.push("--slice: there are no classes as `y`, so there is no accuracy to tell apart".into());
    }
    // What a page shows of a network whose numbers were not chosen here; where a row breaks it, nothing.
    let watched = calibration.as_ref().or(evaluation.as_ref()).filter(|_| options.explore && quantizer.is_none());
    let watched = watched.and_then(|data| calibrate(&model.graph, data, RangeMethod::MinMax).ok());
    let watched = watched.map(|calibration| Calibration { ranges: BTreeMap::new(), ..calibration });
    let watched = quantizer.as_ref().map(|quantizer| &quantizer.calibration).or(watched.as_ref());
    let graph = quantizer.as_ref().map_or(&model.graph, |quantizer| &quantizer.graph);
    details::of_model(&mut details, &artifact.model(), graph, watched);
    let classes =
        outputs.as_ref().and_then(|outputs| outputs.before.first()?.first()).map_or(0, |first| first.len().max(2));
    let mut baseline = None;
    let baselines = match (&evaluation, outputs.as_ref().and_then(|outputs| outputs.truth.as_ref())) {
        (Some(data), Some(Truth::Classes(labels))) => {
            step("fitting baselines");
            let (scores, line) = baselines(calibration.as_ref(), data, labels, classes);
            if let (true, Some(line), Some(port)) = (options.baseline, line, model.graph.inputs().first()) {
                let name = format!("{} baseline", folder.name);
                let shape = &model.graph.value(port.value).shape;
                let graph = line.graph(&name, port, shape).map_err(ShrinkError::Baseline)?;
                baseline = Some(linear_model(options, &graph, calibration.as_ref())?);
            }
            Some(scores)
        }
        _ => None,
    };
    if options.baseline && baseline.is_none() {
        return Err(ShrinkError::NoBaseline);
    }
    let onnx = match (&quantizer, options.onnx) {
        (Some(quantizer), true) => {
            notes.push(
                "--emit-onnx: ONNX Runtime computes the artifact's integers with its session option session.qdqisint8allowed set to 1; without, \
                 sums of products saturate on x86 processors that have no VNNI"
                    .into(),
            );
            Some(crate::export::onnx::export(quantizer, &chosen, &folder.name)?)
        }
        (None, true) => return Err(ShrinkError::NoOnnx),
        _ => None,
    };

    // Layers are compared with those of the network as it was quantised.
    if let Some(Quantizer { graph, .. }) = quantizer {
        model.graph = graph;
    }
    let (source_bytes, source_sha256) = (model.file_bytes, model.sha256.clone());
    let (float, artifact) = (Subject::Source(Box::new(model)), Subject::Artifact(artifact));
    let layers = match evaluation.as_ref().or(calibration.as_ref()) {
        Some(data) if !options.strip => layer_errors(&float, &artifact, data, LAYER_ROWS)?,
        _ => vec![],
    };
    let Subject::Artifact(artifact) = artifact else { unreachable!("made above") };
    Ok(Shrunk {
        artifact,
        source_bytes,
        source_sha256,
        calibration_rows,
        score,
        layers,
        notes,
        point,
        tried,
        sensitivities,
        judged_rows: found_rows,
        temperature,
        temperature_stored: stored,
        details,
        baselines,
        baseline,
        onnx,
    })
}

/// A program with what belongs into its file beside the network: how its input is made, labels and a card; without a card no
/// names and no labels.
///
/// # Errors
/// [`ShrinkError::Preparation`] where the input of the program cannot be made as the folder says.
pub fn dressed(folder: &ModelFolder, card: Option<String>, mut program: Program) -> Result<Program, ShrinkError> {
    if let Some(preparation) = &folder.preparation {
        let described = preprocessing::describe(preparation, folder.input_name.as_deref(), &program.description);
        let failed = |error| ShrinkError::Preparation { path: folder.model.clone(), error };
        program.description.preprocessing.push(described.map_err(failed)?);
    }
    if let Some(card) = card {
        program.description.labels.clone_from(&folder.labels);
        program.description.card = card;
    } else {
        program.description.debug = false;
        program.description.preprocessing.iter_mut().for_each(|input| input.names.clear());
    }
    Ok(program)
}

/// The artifact of a fitted line, in the numbers of the model's.
fn linear_model(
    options: &ShrinkOptions,
    graph: &Graph,
    calibration: Option<&Dataset>,
) -> Result<ArtifactFile, ShrinkError> {
    let program = match calibration.filter(|_| options.arithmetic != Arithmetic::Float) {
        Some(data) => {
            let quantizer = Quantizer::new(graph, data, options)?;
            quantizer.program(&quantizer.layers(&Widths::new())?)?
        }
        None => lower(graph, Precision::Float)
            .map_err(|error| ShrinkError::Lower { path: options.folder.model.clone(), error })?,
    };
    let mut program = program;
    program.description.labels.clone_from(&options.folder.labels);
    finish(program)
}

/// Refuses columns that the evaluation data does not have, before any work is done.
fn check_columns(options: &ShrinkOptions, evaluation: Option<&Dataset>) -> Result<(), ShrinkError> {
    let Some(first) = options.slices.first() else { return Ok(()) };
    let data = evaluation.ok_or_else(|| ShrinkError::NoSlices(first.clone()))?;
    for column in &options.slices {
        data.column(column)?;
    }
    Ok(())
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
/// [`ShrinkError::Invalid`], [`ShrinkError::Plan`]: bugs in this tool.
pub fn finish(mut program: Program) -> Result<ArtifactFile, ShrinkError> {
    let asked = program.clone();
    plan::plan(&mut program);
    let bytes = bantam_format::writer::write(&program.description).map_err(ShrinkError::Invalid)?;
    let artifact = ArtifactFile::from_bytes(&bytes).map_err(ShrinkError::Invalid)?;
    plan::verify::prove(&asked, &artifact.model())?;
    Ok(artifact)
}

/// What the user should know about the calibration data.
fn calibration_notes(quantizer: &Quantizer<'_>, data: Option<&Dataset>) -> Vec<String> {
    let Some(data) = data else { return vec![] };
    let (mut notes, path, rows) = (Vec::new(), data.path().display(), data.rows());
    if rows < FEW_ROWS {
        notes.push(format!(
            "'{path}' is little to calibrate with (rows: {rows}); 100 to 1000 rows give steadier ranges"
        ));
    }
    if data.is_constant() {
        notes.push(format!("all {rows} rows of '{path}' are the same: ranges taken from them hold for nothing else"));
    }
    let silent = quantizer.silent_layers();
    if let (Some(first), false) = (silent.first(), data.is_constant()) {
        let more = if silent.len() > 1 { format!(" (and {} more layers)", silent.len() - 1) } else { String::new() };
        notes.push(format!(
            "'{path}' never activates '{first}'{more}: its result is the same number in all {rows} rows, so it has no range; \
             calibrate with rows like those the model was trained on, scaled in the same way"
        ));
    }
    if quantizer.normalizes {
        let note =
            "the fields of the input differ in size: they are normalised in floating point before they are quantised";
        notes.push(note.into());
    }
    notes
}

/// Says why activations have 16 bits, and what that means.
fn wide_note(tried: &[Point], point: &Point, options: &ShrinkOptions) -> String {
    let nodes = match point.sixteen_bit_layers.len() {
        1 => "1 operator computes".to_owned(),
        count => format!("{count} operators compute"),
    };
    let goal = options.goal;
    let narrow = tried.iter().filter(|point| point.sixteen_bit_layers.is_empty() && goal.is_within_memory(point));
    let drops = narrow.map(|point| point.quality.drop).filter(|&drop| goal.max_drop.is_some_and(|most| drop > most));
    let lost = 100.0 * drops.fold(f64::INFINITY, f64::min);
    let within = if goal.limits.flash.is_some() { " in what --flash allows" } else { "" };
    let rounding = if options.arithmetic == Arithmetic::Tflite {
        ""
    } else {
        ", and all is rounded as TensorFlow Lite Micro does, which has such"
    };
    format!(
        "8-bit activations lose {lost:.2} % at least{within}, more than --max-drop allows: {nodes} with 16-bit ones{rounding}; a page needs a \
         build of its own for them (cargo xtask web --for)"
    )
}

/// Warns of labels that say little.
fn label_note(data: &Dataset, labels: &[usize]) -> Option<String> {
    let first = labels.first()?;
    let same = labels.len() > 1 && labels.iter().all(|label| label == first);
    same.then(|| {
        format!(
            "all {} rows of '{}' have the label {first}: an accuracy on one class says nothing about telling classes apart",
            labels.len(),
            data.path().display()
        )
    })
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
