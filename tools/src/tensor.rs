//! Host tensors: a shape and row-major elements of one type.
//!
//! Every constructor checks that the shape and the number of elements agree, so code that holds a
//! [`Tensor`] may index by its shape. Sizes come from model files and are never trusted.

use thiserror::Error;

/// The most elements one tensor may have: offsets in the artifact are 32-bit.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DataType {
    /// 32-bit floating point.
    F32,
    /// 64-bit signed integer: shapes, axes and indices.
    I64,
    /// 32-bit signed integer: biases and accumulators.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 8-bit unsigned integer: raw images.
    U8,
    /// Truth value.
    Bool,
}

impl DataType {
    /// The type's short name, as in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }

    /// Bytes per element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
            Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a tensor could not be made or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The shape asks for another number of elements than there are.
    #[error("shape {shape:?} has {expected} elements, but {got} were given")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// Elements the shape stands for.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// The product of the dimensions is above [`MAX_ELEMENTS`].
    #[error("shape {shape:?} has more than {MAX_ELEMENTS} elements")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// The elements have another type than asked for.
    #[error("expected {expected} elements, got {got}")]
    Type {
        /// The type asked for.
        expected: DataType,
        /// The tensor's type.
        got: DataType,
    },
    /// A permutation does not name each axis once.
    #[error("{permutation:?} is not a permutation of {rank} axes")]
    Permutation {
        /// The permutation given.
        permutation: Vec<usize>,
        /// The tensor's rank.
        rank: usize,
    },
}

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 16-bit signed integers.
    I16(Vec<i16>),
    /// 8-bit signed integers.
    I8(Vec<i8>),
    /// 8-bit unsigned integers.
    U8(Vec<u8>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// Calls `$body` with `$items` bound to the typed vector inside a [`Data`], whatever its type.
macro_rules! with_items {
    ($data:expr, $items:ident => $body:expr) => {
        match $data {
            Data::F32($items) => $body,
            Data::I64($items) => $body,
            Data::I32($items) => $body,
            Data::I16($items) => $body,
            Data::I8($items) => $body,
            Data::U8($items) => $body,
            Data::Bool($items) => $body,
        }
    };
}

/// As [`with_items`], wrapping the vector that `$body` yields in the same variant.
macro_rules! map_items {
    ($data:expr, $items:ident => $body:expr) => {
        match $data {
            Data::F32($items) => Data::F32($body),
            Data::I64($items) => Data::I64($body),
            Data::I32($items) => Data::I32($body),
            Data::I16($items) => Data::I16($body),
            Data::I8($items) => Data::I8($body),
            Data::U8($items) => Data::U8($body),
            Data::Bool($items) => Data::Bool($body),
        }
    };
}
pub(crate) use map_items;

impl Data {
    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        with_items!(self, items => items.len())
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::F32(_) => DataType::F32,
            Self::I64(_) => DataType::I64,
            Self::I32(_) => DataType::I32,
            Self::I16(_) => DataType::I16,
            Self::I8(_) => DataType::I8,
            Self::U8(_) => DataType::U8,
            Self::Bool(_) => DataType::Bool,
        }
    }
}

/// A Rust type that tensors can hold.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// The tag of this type.
    const DATA_TYPE: DataType;
    /// The elements, if `data` holds this type.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// The elements for writing, if `data` holds this type.
    fn slice_mut(data: &mut Data) -> Option<&mut [Self]>;
    /// Wraps elements.
    fn wrap(items: Vec<Self>) -> Data;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const DATA_TYPE: DataType = DataType::$variant;
            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(items) => Some(items),
                    _ => None,
                }
            }
            fn slice_mut(data: &mut Data) -> Option<&mut [Self]> {
                match data {
                    Data::$variant(items) => Some(items),
                    _ => None,
                }
            }
            fn wrap(items: Vec<Self>) -> Data {
                Data::$variant(items)
            }
        }
    };
}
element!(f32, F32);
element!(i64, I64);
element!(i32, I32);
element!(i16, I16);
element!(i8, I8);
element!(u8, U8);
element!(bool, Bool);

/// The elements as a narrower integer type: floats saturate, integers wrap.
macro_rules! narrowed {
    ($tensor:expr, $type:ty) => {
        match &$tensor.data {
            Data::F32(items) => items.iter().map(|&item| item as $type).collect(),
            _ => $tensor.to_i64().into_iter().map(|item| item as $type).collect(),
        }
    };
}

/// A shape and its row-major elements. An empty shape is a scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor of `shape` holding `data`.
    ///
    /// # Errors
    /// [`TensorError::Length`] if the numbers of elements differ, [`TensorError::TooLarge`].
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self, TensorError> {
        let expected = element_count(&shape)?;
        let got = data.len();
        if expected != got {
            return Err(TensorError::Length { shape, expected, got });
        }
        Ok(Self { shape, data })
    }

    /// A tensor of `shape` from typed elements.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn from_vec<T: Element>(shape: Vec<usize>, items: Vec<T>) -> Result<Self, TensorError> {
        Self::new(shape, T::wrap(items))
    }

    /// A tensor of rank 0.
    #[must_use]
    pub fn scalar<T: Element>(item: T) -> Self {
        Self { shape: Vec::new(), data: T::wrap(vec![item]) }
    }

    /// A tensor of rank 1.
    #[must_use]
    pub fn vector<T: Element>(items: Vec<T>) -> Self {
        Self { shape: vec![items.len()], data: T::wrap(items) }
    }

    /// A tensor of zeros (`false` for truth values).
    ///
    /// # Errors
    /// [`TensorError::TooLarge`].
    pub fn zeros<T: Element>(shape: Vec<usize>) -> Result<Self, TensorError> {
        let count = element_count(&shape)?;
        Ok(Self { shape, data: T::wrap(vec![T::default(); count]) })
    }

    /// The dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, without a copy.
    #[must_use]
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The type of the elements.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.data.data_type()
    }

    /// The elements as `T`.
    ///
    /// # Errors
    /// [`TensorError::Type`] if they have another type.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        T::slice(&self.data).ok_or(TensorError::Type { expected: T::DATA_TYPE, got: self.data.data_type() })
    }

    /// The elements as `T`, for writing.
    ///
    /// # Errors
    /// [`TensorError::Type`] if they have another type.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        let got = self.data.data_type();
        T::slice_mut(&mut self.data).ok_or(TensorError::Type { expected: T::DATA_TYPE, got })
    }

    /// The elements as f32.
    ///
    /// # Errors
    /// [`TensorError::Type`] if they have another type.
    pub fn as_f32(&self) -> Result<&[f32], TensorError> {
        self.as_slice()
    }

    /// The elements as i64.
    ///
    /// # Errors
    /// [`TensorError::Type`] if they have another type.
    pub fn as_i64(&self) -> Result<&[i64], TensorError> {
        self.as_slice()
    }

    /// The one element of an f32 tensor that has exactly one, of any rank.
    #[must_use]
    pub fn single_f32(&self) -> Option<f32> {
        match &self.data {
            Data::F32(items) if items.len() == 1 => items.first().copied(),
            _ => None,
        }
    }

    /// Same elements, another shape.
    ///
    /// # Errors
    /// [`TensorError::Length`] if the shape has another number of elements.
    pub fn reshape(self, shape: Vec<usize>) -> Result<Self, TensorError> {
        Self::new(shape, self.data)
    }

    /// Axis `i` of the result is axis `permutation[i]` of this tensor.
    ///
    /// # Errors
    /// [`TensorError::Permutation`] unless each axis is named once.
    pub fn transpose(&self, permutation: &[usize]) -> Result<Self, TensorError> {
        if !is_permutation(permutation, self.rank()) {
            return Err(TensorError::Permutation { permutation: permutation.to_vec(), rank: self.rank() });
        }
        let shape: Vec<usize> = permutation.iter().map(|&axis| self.shape[axis]).collect();
        let input_strides = strides(&self.shape);
        let steps: Vec<usize> = permutation.iter().map(|&axis| input_strides[axis]).collect();
        let data = map_items!(&self.data, items => gather_strided(items, &shape, &steps, 0));
        Self::new(shape, data)
    }

    /// The elements converted to `to`: floats are cut towards zero and saturate, integers wrap, and any non-zero
    /// number is `true`.
    #[must_use]
    pub fn cast(&self, to: DataType) -> Self {
        let data = match to {
            DataType::F32 => Data::F32(match &self.data {
                Data::F32(items) => items.clone(),
                Data::I64(items) => items.iter().map(|&item| item as f32).collect(),
                Data::I32(items) => items.iter().map(|&item| item as f32).collect(),
                Data::I16(items) => items.iter().map(|&item| f32::from(item)).collect(),
                Data::I8(items) => items.iter().map(|&item| f32::from(item)).collect(),
                Data::U8(items) => items.iter().map(|&item| f32::from(item)).collect(),
                Data::Bool(items) => items.iter().map(|&item| f32::from(u8::from(item))).collect(),
            }),
            DataType::I64 => Data::I64(self.to_i64()),
            DataType::I32 => Data::I32(narrowed!(self, i32)),
            DataType::I16 => Data::I16(narrowed!(self, i16)),
            DataType::I8 => Data::I8(narrowed!(self, i8)),
            DataType::U8 => Data::U8(narrowed!(self, u8)),
            DataType::Bool => Data::Bool(match &self.data {
                Data::F32(items) => items.iter().map(|&item| item != 0.0).collect(),
                _ => self.to_i64().into_iter().map(|item| item != 0).collect(),
            }),
        };
        Self { shape: self.shape.clone(), data }
    }

    /// The elements as i64, whatever their type; floats are cut towards zero.
    #[must_use]
    pub fn to_i64(&self) -> Vec<i64> {
        match &self.data {
            Data::F32(items) => items.iter().map(|&item| item as i64).collect(),
            Data::I64(items) => items.clone(),
            Data::I32(items) => items.iter().map(|&item| item.into()).collect(),
            Data::I16(items) => items.iter().map(|&item| item.into()).collect(),
            Data::I8(items) => items.iter().map(|&item| item.into()).collect(),
            Data::U8(items) => items.iter().map(|&item| item.into()).collect(),
            Data::Bool(items) => items.iter().map(|&item| item.into()).collect(),
        }
    }
}

/// The product of the dimensions.
///
/// # Errors
/// [`TensorError::TooLarge`] above [`MAX_ELEMENTS`], also where dimensions multiply beyond it
/// before a zero is met.
pub fn element_count(shape: &[usize]) -> Result<usize, TensorError> {
    shape
        .iter()
        .try_fold(1usize, |count, &size| {
            if size > MAX_ELEMENTS {
                return None;
            }
            count.checked_mul(size).filter(|&count| count <= MAX_ELEMENTS)
        })
        .ok_or_else(|| TensorError::TooLarge { shape: shape.to_vec() })
}

/// Row-major strides of `shape`, in elements.
#[must_use]
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// Whether `permutation` names each of `rank` axes exactly once.
#[must_use]
pub fn is_permutation(permutation: &[usize], rank: usize) -> bool {
    let mut seen = vec![false; rank];
    permutation.len() == rank
        && permutation.iter().all(|&axis| seen.get_mut(axis).is_some_and(|seen| !std::mem::replace(seen, true)))
}

/// Reads `items` at `start + Σ index[i] * steps[i]` for every index of `shape`, row-major. The
/// caller guarantees that all those positions exist.
pub(crate) fn gather_strided<T: Copy>(items: &[T], shape: &[usize], steps: &[usize], start: usize) -> Vec<T> {
    let count: usize = shape.iter().product();
    let mut gathered = Vec::with_capacity(count);
    if count == 0 {
        return gathered;
    }
    let (Some((&inner, outer)), Some((&inner_step, outer_steps))) = (shape.split_last(), steps.split_last()) else {
        gathered.push(items[start]);
        return gathered;
    };
    let mut index = vec![0usize; outer.len()];
    let mut base = start;
    loop {
        gathered.extend((0..inner).map(|position| items[base + position * inner_step]));
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return gathered;
            }
            axis -= 1;
            index[axis] += 1;
            base += outer_steps[axis];
            if index[axis] < outer[axis] {
                break;
            }
            base -= outer_steps[axis] * outer[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_match_its_elements() {
        let error = Tensor::from_vec(vec![2, 2], vec![1.0f32; 3]).unwrap_err();
        assert_eq!(error, TensorError::Length { shape: vec![2, 2], expected: 4, got: 3 });
        assert!(Tensor::from_vec(vec![0, 5], Vec::<f32>::new()).is_ok());
    }

    #[test]
    fn absurd_shapes_are_refused_before_anything_is_allocated() {
        for shape in [vec![usize::MAX, 2], vec![1 << 31, 2], vec![usize::MAX, usize::MAX, 0]] {
            assert!(matches!(Tensor::zeros::<f32>(shape).unwrap_err(), TensorError::TooLarge { .. }));
        }
    }

    #[test]
    fn transposing_moves_elements_of_every_rank() {
        let scalar = Tensor::scalar(7i64);
        assert_eq!(scalar.transpose(&[]).unwrap(), scalar);
        let tensor = Tensor::from_vec(vec![2, 3], vec![0i32, 1, 2, 3, 4, 5]).unwrap();
        let swapped = tensor.transpose(&[1, 0]).unwrap();
        assert_eq!(swapped.shape(), [3, 2]);
        assert_eq!(swapped.as_slice::<i32>().unwrap(), [0, 3, 1, 4, 2, 5]);
        let image = Tensor::from_vec(vec![1, 2, 2, 2], (0..8i64).collect()).unwrap();
        let last = image.transpose(&[0, 2, 3, 1]).unwrap();
        assert_eq!(last.as_i64().unwrap(), [0, 4, 1, 5, 2, 6, 3, 7]);
        assert_eq!(last.transpose(&[0, 3, 1, 2]).unwrap(), image);
    }

    #[test]
    fn a_bad_permutation_is_a_typed_error() {
        let tensor = Tensor::vector(vec![1.0f32, 2.0]);
        for permutation in [vec![], vec![1], vec![0, 0]] {
            assert!(tensor.transpose(&permutation).is_err());
        }
    }

    #[test]
    fn floats_saturate_and_integers_wrap() {
        let tensor = Tensor::vector(vec![-300.0f32, 0.9, 300.0]);
        assert_eq!(tensor.cast(DataType::I8), Tensor::vector(vec![-128i8, 0, 127]));
        assert_eq!(tensor.cast(DataType::Bool), Tensor::vector(vec![true, true, true]));
        let wide = Tensor::vector(vec![-300i64, 300]);
        assert_eq!(wide.cast(DataType::I8), Tensor::vector(vec![-44i8, 44]));
        assert_eq!(wide.cast(DataType::U8), Tensor::vector(vec![212u8, 44]));
    }

    #[test]
    fn a_wrong_type_is_named() {
        let error = Tensor::scalar(1i64).as_f32().unwrap_err();
        assert_eq!(error.to_string(), "expected f32 elements, got i64");
    }
}
