//! The cases on disk, and the run of one.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bantam_tools::graph::Graph;
use bantam_tools::import::onnx::{ImportError, ImportOptions, Reason, import_model, tensor};
use bantam_tools::reference::{self, pb};
use bantam_tools::tensor::Tensor;
use pb::{ModelProto, TensorProto, TensorShapeProto, tensor_shape_proto, type_proto};
use prost::Message;
use serde::Deserialize;

use crate::compare::compare;
use crate::engine::{Engine, Record, Stop};

/// The kind of the well-known networks. Their weights are not in the files: they fill hundreds of megabytes with one
/// number.
const LARGE: &str = "light";
/// What such weights may take, reordered ones included.
const LARGE_CONSTANT_BYTES: usize = 4 << 30;

/// Why the cases could not be read; not a verdict about one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: std::io::Error,
    },
    /// The folder of recorded runs.
    #[error("recording: {0}")]
    Record(std::io::Error),
    /// The list of cases.
    #[error("cases.json: {0}")]
    List(#[from] serde_json::Error),
}

/// One case of the list.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The folder it is in.
    pub kind: String,
    /// Its name there.
    pub name: String,
    /// The operator it is about, or the kind for models of several.
    pub operator: String,
    rtol: f32,
    atol: f32,
}

/// What came of a case.
pub enum Verdict {
    /// Every result agrees.
    Passed,
    /// The importer or the engine says that it cannot be expressed.
    Refused(String),
    /// A wrong result, an error while running, or a panic.
    Failed(String),
}

#[derive(Deserialize)]
struct Listing {
    cases: Vec<Case>,
}

/// All cases of a folder.
///
/// # Errors
/// [`Error`].
pub fn list(folder: &Path) -> Result<Vec<Case>, Error> {
    let bytes = read(&folder.join("cases.json"))?;
    Ok(serde_json::from_slice::<Listing>(&bytes)?.cases)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })
}

/// What a case came to.
pub struct Outcome {
    /// On the engine.
    pub verdict: Verdict,
    /// Of the executor on the same graph, where it was asked.
    pub check: Option<Verdict>,
    /// A run of the runtime that passed, to be repeated elsewhere.
    pub record: Option<Record>,
}

/// Runs one case with every set of its data, on an engine and, where that is not the executor and the case is small,
/// on the executor too.
///
/// # Errors
/// [`Error`] if a file cannot be read.
pub fn run(folder: &Path, case: &Case, engine: Engine) -> Result<Outcome, Error> {
    let folder = folder.join(&case.kind).join(&case.name);
    let refused = |reason: &str| Verdict::Refused(reason.to_owned());
    let mut outcome = Outcome { verdict: refused("the case has no data that are tensors"), check: None, record: None };
    let bytes = read(&folder.join("model.onnx"))?;
    let Ok(model) = reference::parse(&bytes) else {
        outcome.verdict = refused("the model cannot be parsed");
        return Ok(outcome);
    };
    for index in 0.. {
        let data = folder.join(format!("data_{index}"));
        if !data.is_dir() {
            break;
        }
        let (inputs, outputs) = (tensors(&data, "input")?, tensors(&data, "output")?);
        let imported = catch(|| import(&model, inputs, case));
        let (graph, inputs) = match imported {
            Ok(imported) => imported,
            Err(stop) => {
                outcome.verdict = stop.into();
                break;
            }
        };
        let run = |engine: Engine| catch(|| run_set(&graph, &inputs, &outputs, case, engine));
        outcome.verdict = match run(engine) {
            Ok(record) => {
                outcome.record = outcome.record.or(record);
                Verdict::Passed
            }
            Err(stop) => stop.into(),
        };
        if engine == Engine::Runtime && case.kind != LARGE {
            outcome.check = Some(run(Engine::Passes).map_or_else(Verdict::from, |_| Verdict::Passed));
        }
        if !matches!(outcome.verdict, Verdict::Passed) {
            break;
        }
    }
    Ok(outcome)
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(reason) => Self::Refused(reason),
            Stop::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// A panic is a failure.
fn catch<T>(run: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Stop::failed("panicked")))
}

/// `input_0.pb` and so on; what is not a tensor is `None`.
fn tensors(folder: &Path, role: &str) -> Result<Vec<Option<TensorProto>>, Error> {
    let count = fs::read_dir(folder)
        .map_err(|error| Error::File { path: folder.to_owned(), error })?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(role))
        .count();
    let file = |index: usize| folder.join(format!("{role}_{index}.pb"));
    (0..count).map(|index| Ok(TensorProto::decode(read(&file(index))?.as_slice()).ok())).collect()
}

fn run_set(
    graph: &Graph,
    inputs: &[Tensor],
    outputs: &[Option<TensorProto>],
    case: &Case,
    engine: Engine,
) -> Result<Option<Record>, Stop> {
    let (results, record) = engine.run(graph, inputs)?;
    if results.len() != outputs.len() {
        return Err(Stop::Failed(format!("got {} results, expected {}", results.len(), outputs.len())));
    }
    for (position, (result, proto)) in results.iter().zip(outputs).enumerate() {
        let Some(proto) = proto else { return Err(Stop::Refused("a result is not a tensor".to_owned())) };
        let expected = tensor(proto).map_err(|error| Stop::Refused(format!("result {position}: {error}")))?;
        compare(result, &expected, proto, case.rtol, case.atol)
            .map_err(|reason| Stop::Failed(format!("result {position}: {reason}")))?;
    }
    Ok(record)
}

/// Imports a model with the shapes of the data. Inputs that the importer asks to be constant, such as the shape of a
/// reshape or the weights of a convolution, become constants of the model; the others are returned.
fn import(model: &ModelProto, inputs: Vec<Option<TensorProto>>, case: &Case) -> Result<(Graph, Vec<Tensor>), Stop> {
    let Some(inputs) = inputs.into_iter().collect::<Option<Vec<_>>>() else {
        return Err(Stop::Refused("an input is not a tensor".to_owned()));
    };
    let mut options = ImportOptions::default();
    if case.kind == LARGE {
        options.spare_constant_bytes = LARGE_CONSTANT_BYTES;
    }
    let mut model = model.clone();
    let Some(graph) = &mut model.graph else { return Err(Stop::Refused("no graph".to_owned())) };
    let (mut named, mut empty) = (Vec::new(), Vec::new());
    let constants: Vec<&str> = graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
    let free = graph.input.iter_mut().filter(|input| !constants.contains(&input.name.as_str()));
    for (input, tensor) in free.zip(inputs) {
        if let Some(type_proto::Value::TensorType(info)) = input.r#type.as_mut().and_then(|info| info.value.as_mut()) {
            let dim = tensor.dims.iter().map(|&size| tensor_shape_proto::Dimension {
                value: Some(tensor_shape_proto::dimension::Value::DimValue(size)),
                ..Default::default()
            });
            info.shape = Some(TensorShapeProto { dim: dim.collect() });
        }
        let tensor = TensorProto { name: input.name.clone(), ..tensor };
        // A dimension of 0 in a model is a free one, so an input without elements must be a constant.
        if tensor.dims.contains(&0) { empty.push(tensor) } else { named.push(tensor) }
    }
    graph.initializer.extend(empty);
    loop {
        let error = match import_model(&model, &options) {
            Ok(graph) => {
                let inputs = named
                    .iter()
                    .map(|proto| tensor(proto).map_err(|error| Stop::Refused(format!("input: {error}"))))
                    .collect::<Result<Vec<_>, _>>()?;
                return Ok((graph, inputs));
            }
            Err(error) => error,
        };
        let position = asked_for(&error).and_then(|name| {
            // Or what is computed from integers, as the functions of the standard compute shapes.
            let itself = named.iter().position(|input| input.name == name);
            itself.or_else(|| named.iter().position(is_integer))
        });
        match (position, &mut model.graph) {
            (Some(position), Some(graph)) => graph.initializer.push(named.remove(position)),
            _ => return Err(Stop::Refused(summary(&error))),
        }
    }
}

fn is_integer(tensor: &TensorProto) -> bool {
    use pb::tensor_proto::DataType;
    matches!(DataType::try_from(tensor.data_type), Ok(DataType::Int64 | DataType::Int32))
}

/// The operand that the importer needs as a constant.
fn asked_for(error: &ImportError) -> Option<&str> {
    let ImportError::Unsupported { nodes, .. } = error else { return None };
    nodes.iter().find_map(|node| match &node.reason {
        Reason::NotConstant { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// The reason without the name of the node, so that equal ones can be counted.
fn summary(error: &ImportError) -> String {
    match error {
        ImportError::Unsupported { nodes, .. } => {
            nodes.first().map_or_else(String::new, |node| format!("{}: {}", node.operator, node.reason))
        }
        other => other.to_string(),
    }
}
