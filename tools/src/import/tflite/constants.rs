//! Constants of the file.

use super::schema::{Quantization, TensorInfo, kind};
use crate::graph::ops::{Dequantize, Quantize};
use crate::import::Reason;
use crate::tensor::{Data, DataType, Tensor, element_count};

/// The dimensions of a tensor. A free one (-1) is taken as 1.
pub(super) fn shape(info: &TensorInfo<'_>) -> Result<Vec<usize>, Reason> {
    let size = |&size: &i32| match size {
        -1 => Ok(1),
        _ => usize::try_from(size).map_err(|_| Reason::Operand(format!("dimension {size} is negative"))),
    };
    let shape = info.shape.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    element_count(&shape)?;
    Ok(shape)
}

/// The type that the elements of a tensor have here: 4-bit numbers become 8-bit ones, and halves floats.
pub(super) fn data_type(info: &TensorInfo<'_>) -> Result<DataType, Reason> {
    Ok(match info.kind {
        kind::F32 | kind::F16 => DataType::F32,
        kind::I32 => DataType::I32,
        kind::I16 => DataType::I16,
        kind::I64 => DataType::I64,
        kind::I8 | kind::I4 => DataType::I8,
        kind::U8 => DataType::U8,
        kind::BOOL => DataType::Bool,
        other => return Err(Reason::Operand(format!("elements of type {} are not supported", kind::name(other)))),
    })
}

/// The elements of a constant, as the file holds them.
pub(super) fn load(info: &TensorInfo<'_>, bytes: &[u8]) -> Result<Tensor, Reason> {
    if info.is_sparse {
        return Err(Reason::Operand("sparse constants are not supported".to_owned()));
    }
    let shape = shape(info)?;
    let count = element_count(&shape)?;
    let expected = match info.kind {
        kind::I4 => count.div_ceil(2),
        kind::F16 => count * 2,
        _ => count * data_type(info)?.size(),
    };
    if bytes.len() != expected {
        return Err(Reason::Operand(format!(
            "a constant of shape {shape:?} and type {} needs {expected} bytes, but {} are stored",
            kind::name(info.kind),
            bytes.len()
        )));
    }
    let words = || bytes.as_chunks::<4>().0.iter();
    let data = match info.kind {
        kind::F16 => {
            let halves = bytes.as_chunks::<2>().0.iter();
            Data::F32(halves.map(|&half| half::f16::from_le_bytes(half).to_f32()).collect())
        }
        kind::I4 => Data::I8(nibbles(bytes).take(count).collect()),
        _ => match data_type(info)? {
            DataType::F32 => Data::F32(words().map(|&word| f32::from_le_bytes(word)).collect()),
            DataType::I32 => Data::I32(words().map(|&word| i32::from_le_bytes(word)).collect()),
            DataType::I64 => Data::I64(bytes.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect()),
            DataType::I16 => Data::I16(bytes.as_chunks().0.iter().map(|&half| i16::from_le_bytes(half)).collect()),
            DataType::I8 => Data::I8(bytes.iter().map(|byte| byte.cast_signed()).collect()),
            DataType::U8 => Data::U8(bytes.to_vec()),
            DataType::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        },
    };
    Ok(Tensor::new(shape, data)?)
}

/// 4-bit numbers, the low half of each byte first.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = i8> {
    bytes.iter().flat_map(|byte| [(byte << 4).cast_signed() >> 4, byte.cast_signed() >> 4])
}

/// How a tensor with one scale is quantised: as the integers of its type, unsigned ones less 128.
pub(super) fn quantize(info: &TensorInfo<'_>, own: &Dequantize) -> Result<Quantize, Reason> {
    let (scale, zero_point) = own.at(0);
    let (to, zero_point) = match info.kind {
        _ if own.axis.is_some() => return Err(Reason::Operand("several scales are not supported there".to_owned())),
        kind::I8 => (DataType::I8, zero_point),
        kind::U8 => (DataType::I8, zero_point.saturating_sub(128)),
        kind::I16 if zero_point == 0 => (DataType::I16, 0),
        kind::I16 => {
            return Err(Reason::Operand(format!("16-bit values with the zero point {zero_point} are not supported")));
        }
        kind::I32 => (DataType::I32, zero_point),
        other => return Err(Reason::Operand(format!("results of type {} are not supported", kind::name(other)))),
    };
    Ok(Quantize { scale, zero_point, to })
}

/// How the integers of a tensor stand for real numbers; nothing where they stand for themselves.
pub(super) fn quantization(info: &TensorInfo<'_>) -> Result<Option<Dequantize>, Reason> {
    let Some(Quantization { scales, zero_points, axis, has_details }) = &info.quantization else { return Ok(None) };
    if *has_details {
        return Err(Reason::Operand("quantisation in blocks or by a custom scheme is not supported".to_owned()));
    }
    if scales.is_empty() || !matches!(info.kind, kind::I8 | kind::U8 | kind::I4 | kind::I16 | kind::I32 | kind::I64) {
        return Ok(None);
    }
    if let Some(bad) = scales.iter().find(|&&scale| !(scale > 0.0 && scale.is_finite())) {
        return Err(Reason::Operand(format!("scale {bad} is not a positive number")));
    }
    let zero_point = |index: usize| zero_points.get(index).or(zero_points.last()).copied().unwrap_or(0);
    let zero_points = (0..scales.len()).map(|index| i32::try_from(zero_point(index)).unwrap_or(i32::MAX)).collect();
    // The interpreter does not look at the axis of a single scale, nor at that of one-dimensional tensors.
    let axis = match (scales.len(), info.shape.len()) {
        (1, _) => None,
        (_, 1) => Some(0),
        (_, rank) => Some(usize::try_from(*axis).ok().filter(|&axis| axis < rank).ok_or_else(|| {
            Reason::Operand(format!("its scales lie along axis {axis}, but it has {rank} dimensions"))
        })?),
    };
    Ok(Some(Dequantize { scales: scales.clone(), zero_points, axis }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: u8, shape: &[i32]) -> TensorInfo<'static> {
        let shape = shape.to_vec();
        TensorInfo { name: "t", shape, kind, buffer: 0, is_variable: false, is_sparse: false, quantization: None }
    }

    #[test]
    fn four_bit_numbers_lie_low_half_first() {
        let tensor = load(&info(kind::I4, &[3]), &[0x8f, 0x07]).unwrap();
        assert_eq!(tensor, Tensor::vector(vec![-1i8, -8, 7]));
        assert!(load(&info(kind::I4, &[5]), &[0, 0]).is_err());
    }

    #[test]
    fn sizes_must_fit() {
        assert_eq!(load(&info(kind::F16, &[1]), &[0, 0x3c]).unwrap(), Tensor::vector(vec![1.0f32]));
        assert!(load(&info(kind::F32, &[2]), &[0; 7]).is_err());
        assert!(load(&info(kind::I8, &[-2]), &[]).is_err());
        assert!(load(&info(kind::I8, &[i32::MAX, i32::MAX]), &[]).is_err());
        assert!(load(&info(5, &[1]), &[0]).is_err());
    }

    #[test]
    fn the_axis_of_a_vector_is_its_own() {
        let scales = vec![0.5, 0.25];
        let quantized = Quantization { scales, zero_points: vec![0], axis: 3, has_details: false };
        let bias = TensorInfo { quantization: Some(quantized), ..info(kind::I32, &[2]) };
        let expected = Dequantize { scales: vec![0.5, 0.25], zero_points: vec![0, 0], axis: Some(0) };
        assert_eq!(quantization(&bias).unwrap(), Some(expected));
        let weights = TensorInfo { shape: vec![1, 1, 2], ..bias };
        assert!(quantization(&weights).is_err());
    }
}
