//! A graph in 32-bit floats as a device runs it: lowered, planned, written, parsed, run in one arena. Conformance and
//! the tests of the importer compare its results with others'.

use crate::graph::{Graph, Layout};
use crate::lower::{LowerError, Precision, lower};
use crate::plan;
use crate::subject::ArtifactFile;
use crate::tensor::{Data, DataType, Tensor, TensorError};
use bantam::{AlignedBytes, IoTensor, LoadError, RunError, Session, SessionError, ops};
use bantam_format::{DataType as Stored, writer};
use thiserror::Error;

/// Why a graph cannot run on a device.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Parts of the graph have no lowering.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// An integer of an input does not fit the integers of devices.
    #[error("input number {0} does not fit 32 bits")]
    Beyond(i64),
    /// What was made breaks a rule: a bug in this tool.
    #[error("internal error: the artifact made is not valid: {}", crate::explain::load_error(.0))]
    Invalid(LoadError),
    /// The plan made is wrong: a bug in this tool.
    #[error("internal error: the memory plan made is wrong: {0}")]
    Plan(#[from] plan::verify::PlanError),
    /// A result that does not fit its type: a bug in this tool.
    #[error("internal error: a result is outside its type {0}")]
    Outside(DataType),
    /// The inputs given do not fit the model.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The session.
    #[error("the session refuses the model: {0}")]
    Session(SessionError),
    /// The run.
    #[error("the run failed: {0}")]
    Run(RunError),
}

/// The elements of one input or output as they stand in the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Floats, 32-bit integers, or the 8-bit integers of quantised values.
    pub stored: Stored,
    /// Little-endian elements.
    pub bytes: Vec<u8>,
}

/// An artifact, and what its ports are in the graph it was made of.
#[derive(Debug)]
pub struct Device {
    file: ArtifactFile,
    inputs: Vec<Layout>,
    outputs: Vec<(Vec<usize>, DataType, Layout)>,
}

impl Device {
    /// Makes the artifact of a graph, usually after its passes, and proves its memory plan.
    ///
    /// # Errors
    /// [`DeviceError::Lower`] for what devices cannot run.
    pub fn new(graph: &Graph) -> Result<Self, DeviceError> {
        let mut program = lower(graph, Precision::Float)?;
        plan::plan(&mut program);
        let bytes = writer::write(&program.description).map_err(DeviceError::Invalid)?;
        let file = ArtifactFile::from_bytes(&bytes).map_err(DeviceError::Invalid)?;
        plan::verify::verify(&file.model())?;
        let outputs = graph.outputs().iter().map(|port| {
            let value = graph.value(port.value);
            (value.shape.clone(), value.dtype, port.layout)
        });
        Ok(Self { file, inputs: graph.inputs().iter().map(|port| port.layout).collect(), outputs: outputs.collect() })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &ArtifactFile {
        &self.file
    }

    /// Tensors in the layout of the source model, as the inputs of the artifact take them.
    ///
    /// # Errors
    /// [`DeviceError::Beyond`], [`DeviceError::Tensor`].
    pub fn inputs(&self, tensors: &[Tensor]) -> Result<Vec<Stream>, DeviceError> {
        let model = self.file.model();
        let ports = tensors.iter().zip(&self.inputs).zip(model.inputs());
        ports.map(|((tensor, layout), io)| stream(&layout.from_source(tensor)?, io.tensor.data_type)).collect()
    }

    /// The outputs of a run as tensors in the layout of the source model.
    ///
    /// # Errors
    /// [`DeviceError::Outside`], [`DeviceError::Tensor`].
    pub fn outputs(&self, streams: &[Stream]) -> Result<Vec<Tensor>, DeviceError> {
        let ports = streams.iter().zip(&self.outputs);
        ports.map(|(stream, (shape, dtype, layout))| Ok(layout.to_source(&tensor(stream, shape, *dtype)?)?)).collect()
    }

    /// Runs once.
    ///
    /// # Errors
    /// [`DeviceError::Session`] and [`DeviceError::Run`], where the inputs are not those of the model.
    pub fn run_streams(&self, inputs: &[Stream]) -> Result<Vec<Stream>, DeviceError> {
        let model = self.file.model();
        let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
        let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).map_err(DeviceError::Session)?;
        for (index, input) in inputs.iter().enumerate() {
            fill(&mut session, index, input).map_err(DeviceError::Run)?;
        }
        session.run().map_err(DeviceError::Run)?;
        let output =
            |io: IoTensor| Stream { stored: io.tensor.data_type, bytes: arena.bytes()[io.tensor.range()].to_vec() };
        Ok(model.outputs().map(output).collect())
    }

    /// Runs once, from and to tensors in the layout of the source model.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, DeviceError> {
        self.outputs(&self.run_streams(&self.inputs(inputs)?)?)
    }
}

fn fill(session: &mut Session<'_, '_>, index: usize, input: &Stream) -> Result<(), RunError> {
    let words = input.bytes.as_chunks::<4>().0.iter();
    match input.stored {
        Stored::F32 => {
            let target = session.input_mut::<f32>(index)?;
            target.iter_mut().zip(words).for_each(|(to, &from)| *to = f32::from_le_bytes(from));
        }
        Stored::I32 => {
            let target = session.input_mut::<i32>(index)?;
            target.iter_mut().zip(words).for_each(|(to, &from)| *to = i32::from_le_bytes(from));
        }
        _ => {
            let target = session.input_mut::<i8>(index)?;
            target.iter_mut().zip(&input.bytes).for_each(|(to, from)| *to = from.cast_signed());
        }
    }
    Ok(())
}

/// What is added to unsigned 8-bit integers on their way to memory, and taken off on the way back, modulo 256.
fn shift(dtype: DataType) -> i64 {
    if dtype == DataType::U8 { 128 } else { 0 }
}

/// Integers and truth values are 32-bit integers on devices, but for those that stand for real numbers.
fn stream(tensor: &Tensor, stored: Stored) -> Result<Stream, DeviceError> {
    if let Ok(items) = tensor.as_f32() {
        return Ok(Stream { stored: Stored::F32, bytes: items.iter().flat_map(|item| item.to_le_bytes()).collect() });
    }
    if stored == Stored::I8 {
        let shift = shift(tensor.data_type());
        return Ok(Stream { stored, bytes: tensor.to_i64().into_iter().map(|item| (item + shift) as u8).collect() });
    }
    let words = tensor.to_i64().into_iter().map(|item| i32::try_from(item).map_err(|_| DeviceError::Beyond(item)));
    let words = words.collect::<Result<Vec<i32>, _>>()?;
    Ok(Stream { stored: Stored::I32, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() })
}

fn tensor(stream: &Stream, shape: &[usize], dtype: DataType) -> Result<Tensor, DeviceError> {
    let words = stream.bytes.as_chunks::<4>().0.iter();
    if stream.stored == Stored::F32 {
        return Ok(Tensor::new(shape.to_vec(), Data::F32(words.map(|&word| f32::from_le_bytes(word)).collect()))?);
    }
    let words: Vec<i64> = if stream.stored == Stored::I8 {
        let offset = shift(dtype);
        stream.bytes.iter().map(|byte| i64::from(byte.cast_signed()) + offset).collect()
    } else {
        words.map(|&word| i32::from_le_bytes(word).into()).collect()
    };
    let typed = Tensor::new(shape.to_vec(), Data::I64(words.clone()))?.cast(dtype);
    if typed.to_i64() == words { Ok(typed) } else { Err(DeviceError::Outside(dtype)) }
}
