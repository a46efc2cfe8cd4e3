//! Things that can be run on rows of data: a source model and an artifact, behind one face.

use crate::data::{Dataset, Elements, InputSpec};
use crate::execute::execute_observed;
use crate::graph::{Graph, Layout, Op};
use crate::import::onnx::{ImportError, ImportOptions, Reason, UnsupportedNode, import};
use crate::import::tflite;
use crate::lower::{LowerError, Precision, lower};
use crate::passes::{PassOptions, optimize};
use crate::quantize::Parameters;
use crate::reference::ReferenceModel;
use crate::shrink::finish;
use bantam::{AlignedBytes, DataType, LoadError, Model, Session, SourceLayout};
use bantam_format::{Arithmetic, Tensor as ArtifactTensor};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why something cannot be run.
#[derive(Debug, Error)]
pub enum SubjectError {
    /// The file could not be read.
    #[error("cannot read '{path}': {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file's kind is unknown.
    #[error("'{path}': expected a model ending in {expected}")]
    Extension {
        /// The file.
        path: PathBuf,
        /// The endings that fit.
        expected: &'static str,
    },
    /// The TensorFlow Lite model was refused.
    #[error("'{path}': {error}")]
    Tflite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<tflite::ImportError>,
    },
    /// The ONNX model was refused.
    #[error("'{path}': {error}")]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<ImportError>,
    },
    /// A pass failed.
    #[error("'{path}': {error}")]
    Pass {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<crate::graph::GraphError>,
    },
    /// The artifact was refused.
    #[error("'{path}' is not a valid .bantam file: {}", crate::explain::load_error(error))]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
    /// Running failed.
    #[error("row {row} of '{data}' cannot be run: {reason}")]
    Run {
        /// The row, from 0.
        row: usize,
        /// Where the row is from.
        data: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The values of one tensor, dequantised.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name, from the source model where it has one.
    pub name: String,
    /// What made it.
    pub operator: String,
    /// Elements.
    pub values: Vec<f32>,
}

/// A source model or an artifact.
#[derive(Debug)]
pub enum Subject {
    /// An ONNX or TensorFlow Lite model.
    Source(Box<SourceModel>),
    /// A `.bantam` file.
    Artifact(ArtifactFile),
}

/// An imported model, and an independent reference to run it.
#[derive(Debug)]
pub struct SourceModel {
    /// The graph after all passes.
    pub graph: Graph,
    /// Tract, where it can load the model.
    pub reference: Option<ReferenceModel>,
    /// Why there is none, where there is none.
    pub no_reference: Option<String>,
    /// A quantised TensorFlow Lite model in its own integers, which is what it is run as then.
    pub integers: Option<ArtifactFile>,
    /// What a TensorFlow Lite file says beside the graph.
    pub metadata: tflite::Metadata,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file in bytes.
    pub file_bytes: usize,
}

impl SourceModel {
    /// Reads, imports and simplifies a model.
    ///
    /// # Errors
    /// [`SubjectError::Read`], [`SubjectError::Import`], [`SubjectError::Tflite`], [`SubjectError::Pass`].
    pub fn load(path: &Path, options: &ImportOptions) -> Result<Self, SubjectError> {
        let bytes = read(path)?;
        let import_error = |error| SubjectError::Import { path: path.to_owned(), error: Box::new(with_device(error)) };
        let is_tflite = is_tflite(path);
        let mut metadata = tflite::Metadata::default();
        let mut graph = if is_tflite {
            let refused = |error| SubjectError::Tflite { path: path.to_owned(), error: Box::new(error) };
            let source = tflite::read(&bytes).map_err(refused)?;
            metadata = source.metadata;
            source.graph
        } else {
            import(&bytes, options).map_err(import_error)?
        };
        let pass_options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
        let pass_error = |error| SubjectError::Pass { path: path.to_owned(), error: Box::new(error) };
        optimize(&mut graph, &pass_options).map_err(pass_error)?;
        let (reference, no_reference) = if is_tflite {
            (None, Some("tract does not read TensorFlow Lite models".to_owned()))
        } else if graph.is_quantized() {
            (None, Some("tract does not compute quantised models exactly".to_owned()))
        } else {
            match ReferenceModel::load(&bytes, &options.shapes) {
                Ok(model) => (Some(model), None),
                Err(error) => (None, Some(format!("tract cannot load it: {error}"))),
            }
        };
        let sha256 = crate::files::sha256(&bytes);
        Ok(Self { graph, reference, no_reference, integers: None, metadata, sha256, file_bytes: bytes.len() })
    }

    /// From now on runs a quantised TensorFlow Lite model as TensorFlow Lite Micro does, if all of it can be lowered.
    fn use_integers(&mut self) {
        let precision = Precision::Quantized { arithmetic: Arithmetic::Tflite };
        let program = lower(&self.graph, precision).ok();
        self.integers = program.and_then(|program| finish(program).ok());
    }

    /// What runs the model, where that is not the independent reference.
    #[must_use]
    pub fn runner(&self) -> Option<String> {
        match (&self.integers, &self.no_reference) {
            (Some(_), _) => Some("run in its own integers, as TensorFlow Lite Micro computes them".into()),
            (None, reason) => reason.as_ref().map(|reason| format!("run by bantam's own executor: {reason}")),
        }
    }

    /// Runs one row on the independent reference, or on our own executor where there is none. Outputs are in the
    /// layout of the graph's ports.
    ///
    /// # Errors
    /// [`SubjectError::Run`].
    pub fn run(&self, data: &Dataset, row: usize) -> Result<Vec<Vec<f32>>, SubjectError> {
        let failed = |reason: String| SubjectError::Run { row, data: data.path().to_owned(), reason };
        let inputs = data.inputs(&self.graph, row);
        let outputs = match &self.reference {
            Some(reference) => {
                let ports = self.graph.inputs().iter().zip(&inputs);
                let source: Result<Vec<_>, _> = ports.map(|(port, tensor)| port.layout.to_source(tensor)).collect();
                let outputs = reference.run(&source.map_err(|e| failed(e.to_string()))?);
                let outputs = outputs.map_err(|error| failed(error.to_string()))?;
                let ports = self.graph.outputs().iter().zip(&outputs);
                let arranged: Result<Vec<_>, _> = ports.map(|(port, tensor)| port.layout.from_source(tensor)).collect();
                arranged.map_err(|error| failed(error.to_string()))?
            }
            None => crate::execute::execute(&self.graph, &inputs).map_err(|error| failed(error.to_string()))?,
        };
        Ok(outputs.iter().map(floats).collect())
    }

    fn trace(&self, data: &Dataset, row: usize) -> Result<Vec<Layer>, SubjectError> {
        let mut layers = Vec::new();
        let result = execute_observed(&self.graph, &data.inputs(&self.graph, row), |value, tensor| {
            // Integers are not what they stand for; that follows under the same name.
            if let Some(node) = self.graph.producer(value).and_then(|node| self.graph.node(node))
                && !matches!(node.op, Op::Quantize(_))
            {
                layers.push(Layer {
                    name: self.graph.value(value).name.clone(),
                    operator: node.op.name().into(),
                    values: floats(tensor),
                });
            }
        });
        let failed = |reason: String| SubjectError::Run { row, data: data.path().to_owned(), reason };
        result.map_err(|error| failed(error.to_string()))?;
        // What is quantised has the name of what it is made of: the last value of a name is what the tensor holds.
        let mut names = HashSet::new();
        layers.reverse();
        layers.retain(|layer| names.insert(layer.name.clone()));
        layers.reverse();
        Ok(layers)
    }
}

/// Adds to the nodes that cannot be imported those that could, but that no opcode computes.
fn with_device(error: ImportError) -> ImportError {
    let ImportError::Unsupported { mut nodes, mut others } = error else { return error };
    if optimize(&mut others, &PassOptions::default()).is_ok()
        && let Err(LowerError::Unsupported(more)) = lower(&others, Precision::Float)
    {
        nodes.extend(more.into_iter().map(|node| UnsupportedNode {
            name: node.node,
            operator: node.operator,
            reason: Reason::Device(node.reason),
        }));
    }
    ImportError::Unsupported { nodes, others }
}

/// Any tensor as floats.
fn floats(tensor: &crate::tensor::Tensor) -> Vec<f32> {
    match tensor.as_f32() {
        Ok(items) => items.to_vec(),
        Err(_) => tensor.to_i64().into_iter().map(|item| item as f32).collect(),
    }
}

/// The bytes of an artifact, parsed.
#[derive(Debug)]
pub struct ArtifactFile {
    file: AlignedBytes,
}

impl ArtifactFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SubjectError::Read`], [`SubjectError::Load`].
    pub fn load(path: &Path) -> Result<Self, SubjectError> {
        let file = AlignedBytes::copy_of(&read(path)?);
        Model::parse(file.bytes()).map_err(|error| SubjectError::Load { path: path.to_owned(), error })?;
        Ok(Self { file })
    }

    /// Takes bytes that were just written.
    ///
    /// # Errors
    /// The rule they break.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let file = AlignedBytes::copy_of(bytes);
        Model::parse(file.bytes())?;
        Ok(Self { file })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        Model::parse(self.file.bytes()).expect("parsed when it was loaded")
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}

/// A tensor's bytes as floats, dequantised where its parameters are known.
fn dequantized(tensor: &ArtifactTensor, bytes: &[u8], quantization: Option<(f32, i32)>) -> Vec<f32> {
    let words = || bytes.as_chunks::<4>().0.iter();
    match tensor.data_type {
        DataType::F32 => words().map(|&word| f32::from_le_bytes(word)).collect(),
        DataType::I32 => words().map(|&word| i32::from_le_bytes(word) as f32).collect(),
        DataType::I16 => {
            let (scale, zero_point) = quantization.unwrap_or((1.0, 0));
            let halves = bytes.as_chunks::<2>().0.iter().map(|&half| i16::from_le_bytes(half));
            halves.map(|q| bantam::kernels::scalar::dequantize_wide(q, scale, zero_point)).collect()
        }
        _ => {
            let (scale, zero_point) = quantization.unwrap_or((1.0, 0));
            let real = |&byte: &u8| bantam::kernels::scalar::dequantize(byte.cast_signed(), scale, zero_point);
            bytes.iter().map(real).collect()
        }
    }
}

/// A model with its arena, for many rows.
#[derive(Debug)]
pub struct Runner<'m> {
    model: &'m Model<'m>,
    arena: AlignedBytes,
    pack: Vec<u8>,
    names: Vec<&'m str>,
}

impl<'m> Runner<'m> {
    /// Takes memory for one model.
    #[must_use]
    pub fn new(model: &'m Model<'m>) -> Self {
        let arena = AlignedBytes::zeroed(Session::arena_bytes(model, &bantam::ops::ALL));
        let pack = vec![0; Session::pack_bytes(model, &bantam::ops::ALL)];
        Self { model, arena, pack, names: model.artifact().names().collect() }
    }

    /// Runs one row and calls `after` with every layer whose name is `wanted`. Returns the raw bytes of every output.
    ///
    /// # Errors
    /// What the session refuses, as text.
    pub fn run(
        &mut self,
        data: &Dataset,
        row: usize,
        wanted: impl Fn(&str) -> bool,
        mut after: impl FnMut(Layer),
    ) -> Result<Vec<(bantam::IoTensor, Vec<u8>)>, String> {
        let mut outputs = Vec::new();
        self.run_rows(data, &[row], wanted, |_, layer| after(layer), |row| outputs = row)
            .map_err(|(_, reason)| reason)?;
        Ok(outputs)
    }

    /// Runs rows, whose state is their own, with weights packed once: calls `after` with the number of the row and every layer whose name
    /// is `wanted`, then `done` with the raw bytes of the row's outputs.
    ///
    /// # Errors
    /// The row, and what the session refuses, as text.
    pub fn run_rows(
        &mut self,
        data: &Dataset,
        rows: &[usize],
        wanted: impl Fn(&str) -> bool,
        mut after: impl FnMut(usize, Layer),
        mut done: impl FnMut(Vec<(bantam::IoTensor, Vec<u8>)>),
    ) -> Result<(), (usize, String)> {
        let (model, names) = (self.model, &self.names);
        let first = rows.first().copied().unwrap_or(0);
        let mut session = Session::packed(model, self.arena.bytes_mut(), &bantam::ops::ALL, &mut self.pack)
            .map_err(|error| (first, error.to_string()))?;
        for &row in rows {
            session.reset_state();
            Self::run_row(&mut session, names, data, row, &wanted, |layer| after(row, layer))
                .map_err(|reason| (row, reason))?;
            let bytes = |(index, io)| session.output_bytes(index).map(|bytes| (io, bytes.to_vec()));
            let outputs: Result<Vec<_>, _> = model.outputs().enumerate().map(bytes).collect();
            done(outputs.map_err(|error| (row, error.to_string()))?);
        }
        Ok(())
    }

    /// Fills the inputs with a row and runs.
    fn run_row(
        session: &mut Session<'m, '_>,
        names: &[&str],
        data: &Dataset,
        row: usize,
        wanted: impl Fn(&str) -> bool,
        mut after: impl FnMut(Layer),
    ) -> Result<(), String> {
        let model = session.model();
        for (index, io) in model.inputs().enumerate() {
            let run_error = |error: bantam::RunError| error.to_string();
            match io.tensor.data_type {
                DataType::I8 => {
                    let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
                    let row = data.integers(index, row, parameters);
                    session.input_mut::<i8>(index).map_err(run_error)?.copy_from_slice(&row);
                }
                DataType::I16 => {
                    let parameters = Parameters { scale: io.scale, zero_point: 0, wide: true };
                    let row = data.wide_integers(index, row, parameters);
                    session.input_mut::<i16>(index).map_err(run_error)?.copy_from_slice(&row);
                }
                DataType::F32 => {
                    let row = data.floats(row).swap_remove(index);
                    let items = row.as_f32().map_err(|error| error.to_string())?;
                    session.input_mut::<f32>(index).map_err(run_error)?.copy_from_slice(items);
                }
                _ => {
                    session.input_mut::<i32>(index).map_err(run_error)?.copy_from_slice(&data.words(index, row));
                }
            }
        }
        let artifact = model.artifact();
        session
            .run_each(|step| {
                let (tensor, bytes) = step.output(0);
                let index = step.op.operand(step.op.input_count);
                let name = names.get(index).map_or_else(|| format!("tensor {index}"), ToString::to_string);
                if !wanted(&name) {
                    return;
                }
                after(Layer {
                    name,
                    operator: step.op.opcode.name().into(),
                    values: dequantized(&tensor, bytes, artifact.quantization(index)),
                });
            })
            .map_err(|error| error.to_string())
    }
}

impl Subject {
    /// Opens a .onnx, .tflite or .bantam file.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn open(path: &Path, options: &ImportOptions) -> Result<Self, SubjectError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("onnx" | "tflite") => {
                let mut model = SourceModel::load(path, options)?;
                if is_tflite(path) && model.graph.is_quantized() {
                    model.use_integers();
                }
                Ok(Self::Source(Box::new(model)))
            }
            Some("bantam") => Ok(Self::Artifact(ArtifactFile::load(path)?)),
            _ => Err(SubjectError::Extension { path: path.to_owned(), expected: ".onnx, .tflite or .bantam" }),
        }
    }

    /// What the inputs take.
    #[must_use]
    pub fn inputs(&self) -> Vec<InputSpec> {
        match self {
            Self::Source(model) => InputSpec::of_graph(&model.graph),
            Self::Artifact(artifact) => artifact.inputs(),
        }
    }

    /// The outputs of every row, dequantised.
    ///
    /// # Errors
    /// [`SubjectError::Run`].
    pub fn run_all(&self, data: &Dataset) -> Result<Vec<Vec<Vec<f32>>>, SubjectError> {
        match self {
            Self::Source(model) => match &model.integers {
                Some(integers) => integers.run_all(data),
                None => crate::parallel::map_rows(data.rows(), |row| model.run(data, row)),
            },
            Self::Artifact(artifact) => artifact.run_all(data),
        }
    }

    /// Every layer of one row.
    ///
    /// # Errors
    /// [`SubjectError::Run`].
    pub fn trace(&self, data: &Dataset, row: usize) -> Result<Vec<Layer>, SubjectError> {
        match self {
            Self::Source(model) => match &model.integers {
                Some(integers) => integers.trace(data, row),
                None => model.trace(data, row),
            },
            Self::Artifact(artifact) => artifact.trace(data, row),
        }
    }
}

impl ArtifactFile {
    /// What the inputs take.
    #[must_use]
    pub fn inputs(&self) -> Vec<InputSpec> {
        let model = self.model();
        let names: Vec<&str> = model.artifact().names().collect();
        let spec = |io: bantam::IoTensor| InputSpec {
            name: names.get(io.index).map(ToString::to_string).unwrap_or_default(),
            shape: io.tensor.shape.dimensions().iter().map(|&d| d as usize).collect(),
            layout: match io.source_layout {
                SourceLayout::ChannelsFirst => Layout::ChannelsLast,
                _ => Layout::Source,
            },
            elements: match io.tensor.data_type {
                DataType::I8 => {
                    Elements::Quantized(Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false })
                }
                DataType::I16 => Elements::Quantized(Parameters { scale: io.scale, zero_point: 0, wide: true }),
                DataType::F32 => Elements::Real,
                _ => Elements::Integer,
            },
        };
        model.inputs().map(spec).collect()
    }

    /// The outputs of every row, dequantised.
    ///
    /// # Errors
    /// [`SubjectError::Run`].
    pub fn run_all(&self, data: &Dataset) -> Result<Vec<Vec<Vec<f32>>>, SubjectError> {
        let model = self.model();
        crate::parallel::map_parts(data.rows(), |rows| {
            let rows: Vec<usize> = rows.collect();
            let mut outputs = Vec::with_capacity(rows.len());
            let done = |row: Vec<(bantam::IoTensor, Vec<u8>)>| {
                let real = |(io, bytes): &(bantam::IoTensor, Vec<u8>)| {
                    dequantized(&io.tensor, bytes, Some((io.scale, io.zero_point)))
                };
                outputs.push(row.iter().map(real).collect());
            };
            let result = Runner::new(&model).run_rows(data, &rows, |_| false, |_, _| {}, done);
            result.map_err(|(row, reason)| SubjectError::Run { row, data: data.path().to_owned(), reason })?;
            Ok(outputs)
        })
    }

    fn trace(&self, data: &Dataset, row: usize) -> Result<Vec<Layer>, SubjectError> {
        let model = self.model();
        let mut layers = Vec::new();
        let failed = |reason| SubjectError::Run { row, data: data.path().to_owned(), reason };
        Runner::new(&model).run(data, row, |_| true, |layer| layers.push(layer)).map_err(failed)?;
        Ok(layers)
    }
}

/// Whether a file's name is that of a TensorFlow Lite model.
#[must_use]
pub fn is_tflite(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tflite")
}

fn read(path: &Path) -> Result<Vec<u8>, SubjectError> {
    std::fs::read(path).map_err(|error| SubjectError::Read { path: path.to_owned(), error })
}
