//! The independent reference: the original float model, run by tract.
//!
//! This is the one module that names tract. Its protobuf types are what the importer reads; its
//! interpreter is what the importer and the graph executor are compared with.

use crate::import::onnx::{ImportError, input_shapes};
use crate::tensor::{Data, DataType, Tensor, TensorError};
use prost::Message;
use std::collections::BTreeMap;
use thiserror::Error;
use tract_onnx::prelude::*;

/// The ONNX protobuf messages.
pub use tract_onnx::pb;

/// Why the reference could not load or run a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The bytes are not an ONNX protobuf message.
    #[error("not an ONNX file: {0}")]
    Parse(String),
    /// The inputs' shapes are not known.
    #[error(transparent)]
    Shapes(#[from] ImportError),
    /// tract cannot load the model.
    #[error("the reference (tract) cannot load this model: {0}")]
    Load(String),
    /// tract cannot run the model.
    #[error("the reference (tract) cannot run this model: {0}")]
    Run(String),
    /// An element type that has no counterpart.
    #[error("the reference (tract) yields elements of type {0}, which are not supported")]
    Type(String),
    /// A result whose shape and elements disagree.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Parses an ONNX file. Nothing in the message is checked beyond the wire format, and a hostile file may take hundreds
/// of times its size in memory: [`crate::import::onnx::import`] looks at the bytes first.
///
/// # Errors
/// [`ReferenceError::Parse`].
pub fn parse(bytes: &[u8]) -> Result<pb::ModelProto, ReferenceError> {
    pb::ModelProto::decode(bytes).map_err(|error| ReferenceError::Parse(error.to_string()))
}

/// A float ONNX model in tract. Import the model first: tract is not made for hostile files.
pub struct ReferenceModel {
    plan: Arc<TypedRunnableModel>,
}

impl std::fmt::Debug for ReferenceModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ReferenceModel")
    }
}

impl ReferenceModel {
    /// Loads a model. Free dimensions are bound as in the importer: a free batch to 1, others by
    /// `shapes`.
    ///
    /// # Errors
    /// [`ReferenceError`] other than `Run`.
    pub fn load(bytes: &[u8], shapes: &BTreeMap<String, usize>) -> Result<Self, ReferenceError> {
        Self::from_proto(&parse(bytes)?, shapes)
    }

    /// As [`ReferenceModel::load`], from a parsed file. Tract's rewrites are left out: those of the pinned version move a
    /// strided slice to before a padded convolution and then read other pixels.
    ///
    /// # Errors
    /// [`ReferenceError`] other than `Run`.
    pub fn from_proto(proto: &pb::ModelProto, shapes: &BTreeMap<String, usize>) -> Result<Self, ReferenceError> {
        let inputs = input_shapes(proto, shapes)?;
        let load = || -> TractResult<Arc<TypedRunnableModel>> {
            let mut model =
                onnx().with_ignore_output_shapes(true).with_ignore_value_info(true).model_for_proto_model(proto)?;
            for (index, input) in inputs.iter().enumerate() {
                let fact = InferenceFact::dt_shape(datum_type(input.dtype), &input.shape);
                model.set_input_fact(index, fact)?;
            }
            model.into_typed()?.into_runnable()
        };
        let plan = load().map_err(|error| ReferenceError::Load(describe(&error)))?;
        Ok(Self { plan })
    }

    /// Runs the model. Inputs and results are in the source model's order and layout.
    ///
    /// # Errors
    /// [`ReferenceError::Run`], [`ReferenceError::Type`].
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ReferenceError> {
        let run = |error: TractError| ReferenceError::Run(describe(&error));
        let inputs = inputs
            .iter()
            .map(|input| to_tract(input).map(Into::into))
            .collect::<TractResult<TVec<TValue>>>()
            .map_err(run)?;
        self.plan.run(inputs).map_err(run)?.iter().map(|output| from_tract(output)).collect()
    }
}

/// The whole chain of causes in one line.
fn describe(error: &TractError) -> String {
    format!("{error:#}")
}

fn datum_type(dtype: DataType) -> DatumType {
    match dtype {
        DataType::F32 => DatumType::F32,
        DataType::I64 => DatumType::I64,
        DataType::I32 => DatumType::I32,
        DataType::I16 => DatumType::I16,
        DataType::I8 => DatumType::I8,
        DataType::U8 => DatumType::U8,
        DataType::Bool => DatumType::Bool,
    }
}

fn to_tract(tensor: &Tensor) -> TractResult<tract_onnx::prelude::Tensor> {
    use tract_onnx::prelude::Tensor as Other;
    let shape = tensor.shape();
    match tensor.data() {
        Data::F32(items) => Other::from_shape(shape, items),
        Data::I64(items) => Other::from_shape(shape, items),
        Data::I32(items) => Other::from_shape(shape, items),
        Data::I16(items) => Other::from_shape(shape, items),
        Data::I8(items) => Other::from_shape(shape, items),
        Data::U8(items) => Other::from_shape(shape, items),
        Data::Bool(items) => Other::from_shape(shape, items),
    }
}

fn from_tract(tensor: &tract_onnx::prelude::Tensor) -> Result<Tensor, ReferenceError> {
    fn items<T: Datum>(tensor: &tract_onnx::prelude::Tensor) -> Result<Vec<T>, ReferenceError> {
        let view = tensor.to_plain_array_view::<T>().map_err(|error| ReferenceError::Run(describe(&error)))?;
        Ok(view.iter().cloned().collect())
    }
    let data = match tensor.datum_type() {
        DatumType::F32 => Data::F32(items(tensor)?),
        DatumType::I64 => Data::I64(items(tensor)?),
        DatumType::I32 => Data::I32(items(tensor)?),
        DatumType::I16 => Data::I16(items(tensor)?),
        DatumType::I8 => Data::I8(items(tensor)?),
        DatumType::U8 => Data::U8(items(tensor)?),
        DatumType::Bool => Data::Bool(items(tensor)?),
        other => return Err(ReferenceError::Type(format!("{other:?}"))),
    };
    Ok(Tensor::new(tensor.shape().to_vec(), data)?)
}
