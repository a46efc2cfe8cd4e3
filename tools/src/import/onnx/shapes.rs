//! Static shapes of the graph inputs.

use super::constants::element_type;
use super::error::{FreeDimension, ImportError};
use crate::reference::pb::{GraphProto, ModelProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use crate::tensor::{DataType, element_count};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A graph input with its dimensions bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// The name in the source model.
    pub name: String,
    /// The type of the elements.
    pub dtype: DataType,
    /// The dimensions.
    pub shape: Vec<usize>,
}

/// One dimension as the file gives it.
enum Dimension {
    Fixed(usize),
    Free(String),
}

/// The graph's inputs that are not constants, in the file's order. A free dimension takes its size
/// from `sizes` by its name; dimensions without a name are called `input:axis`. Without a size, a
/// free first dimension is the batch and becomes 1, as does any other dimension of that name.
///
/// # Errors
/// [`ImportError::FreeDimensions`] lists every dimension that still has no size;
/// [`ImportError::UnknownDimension`] if `sizes` names one that the model does not have;
/// [`ImportError::Input`] for inputs that are not tensors of a supported type.
pub fn input_shapes(model: &ModelProto, sizes: &BTreeMap<String, usize>) -> Result<Vec<InputShape>, ImportError> {
    let graph = model.graph.as_ref().ok_or(ImportError::NoGraph)?;
    let inputs = declared(graph)?;
    let mut batches = HashSet::new();
    let mut known = BTreeSet::new();
    for (_, _, dimensions) in &inputs {
        if let Some(Dimension::Free(name)) = dimensions.first() {
            batches.insert(name.clone());
        }
        for dimension in dimensions {
            if let Dimension::Free(name) = dimension {
                known.insert(name.clone());
            }
        }
    }
    if let Some(name) = sizes.keys().find(|&name| !known.contains(name)) {
        let list: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(ImportError::UnknownDimension {
            name: name.clone(),
            known: if list.is_empty() { "none".to_owned() } else { list.join(", ") },
        });
    }
    let mut free = Vec::new();
    let mut shapes = Vec::with_capacity(inputs.len());
    for (name, dtype, dimensions) in inputs {
        let mut shape = Vec::with_capacity(dimensions.len());
        for (axis, dimension) in dimensions.into_iter().enumerate() {
            shape.push(match dimension {
                Dimension::Fixed(size) => size,
                Dimension::Free(symbol) => match sizes.get(&symbol) {
                    Some(&size) => size,
                    None if batches.contains(&symbol) => 1,
                    None => {
                        free.push(FreeDimension { input: name.clone(), axis, name: symbol });
                        0
                    }
                },
            });
        }
        element_count(&shape).map_err(|error| ImportError::Input { name: name.clone(), reason: error.to_string() })?;
        shapes.push(InputShape { name, dtype, shape });
    }
    if free.is_empty() { Ok(shapes) } else { Err(ImportError::FreeDimensions { dimensions: free }) }
}

fn declared(graph: &GraphProto) -> Result<Vec<(String, DataType, Vec<Dimension>)>, ImportError> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).map(dimensions).collect()
}

fn dimensions(input: &ValueInfoProto) -> Result<(String, DataType, Vec<Dimension>), ImportError> {
    let name = input.name.clone();
    let refuse = |reason: String| ImportError::Input { name: name.clone(), reason };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|info| info.value.as_ref()) else {
        return Err(refuse("is not a tensor; only tensor inputs are supported".into()));
    };
    let dtype = element_type(tensor.elem_type).map_err(|error| refuse(format!("has {error}")))?;
    let Some(shape) = &tensor.shape else {
        return Err(refuse("has no shape; export the model with its input shapes".into()));
    };
    let dimensions = shape
        .dim
        .iter()
        .enumerate()
        .map(|(axis, dimension)| match &dimension.value {
            Some(dimension::Value::DimValue(size)) if *size > 0 => {
                let size = usize::try_from(*size);
                size.map(Dimension::Fixed).map_err(|_| refuse("is too large".into()))
            }
            Some(dimension::Value::DimParam(symbol)) if !symbol.is_empty() && symbol != "?" => {
                Ok(Dimension::Free(symbol.clone()))
            }
            _ => Ok(Dimension::Free(format!("{name}:{axis}"))),
        })
        .collect::<Result<_, _>>()?;
    Ok((name.clone(), dtype, dimensions))
}
