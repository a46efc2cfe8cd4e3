//! What nodes read and write.

use crate::tensor::{DataType, Tensor};

/// The index of a [`Value`] in its graph. Stable until [`crate::graph::Graph::compact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(super) u32);

impl ValueId {
    /// The position in [`crate::graph::Graph::values`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One tensor of the graph: an input, a constant or the result of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The name, from the source model where it has one. For messages and layer reports only:
    /// names need not be unique.
    pub name: String,
    /// The static dimensions.
    pub shape: Vec<usize>,
    /// The type of the elements.
    pub dtype: DataType,
    /// The elements, where they are known. Shape and type agree with `shape` and `dtype`.
    pub constant: Option<Tensor>,
}

/// How the elements of a graph input or output are ordered compared with the source model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// As in the source model.
    #[default]
    Source,
    /// The source model's is NCHW; here it is NHWC.
    ChannelsLast,
}

/// A graph input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// The name in the source model.
    pub name: String,
    /// The value that carries it.
    pub value: ValueId,
    /// Whether the elements were reordered.
    pub layout: Layout,
}

impl Layout {
    /// The shape in the source model of a port whose value has `shape`.
    #[must_use]
    pub fn source_shape(self, shape: &[usize]) -> Vec<usize> {
        match (self, shape) {
            (Self::ChannelsLast, &[batch, height, width, channels]) => {
                vec![batch, channels, height, width]
            }
            _ => shape.to_vec(),
        }
    }

    /// Reorders a tensor of the source model into this layout.
    ///
    /// # Errors
    /// [`crate::tensor::TensorError::Permutation`] if a tensor to reorder is not of rank 4.
    pub fn from_source(self, tensor: &Tensor) -> Result<Tensor, crate::tensor::TensorError> {
        match self {
            Self::Source => Ok(tensor.clone()),
            Self::ChannelsLast => tensor.transpose(&[0, 2, 3, 1]),
        }
    }

    /// Reorders a tensor of this layout into the source model's.
    ///
    /// # Errors
    /// [`crate::tensor::TensorError::Permutation`] if a tensor to reorder is not of rank 4.
    pub fn to_source(self, tensor: &Tensor) -> Result<Tensor, crate::tensor::TensorError> {
        match self {
            Self::Source => Ok(tensor.clone()),
            Self::ChannelsLast => tensor.transpose(&[0, 3, 1, 2]),
        }
    }
}
