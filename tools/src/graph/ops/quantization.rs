//! Operators between real numbers and the integers that stand for them: `real = scale * (integer - zero_point)`.
//!
//! A model that is already quantised keeps float semantics in the graph: every quantised activation is made by
//! [`Quantize`] and read through [`Dequantize`], every quantised weight or bias is an integer constant that is read
//! through [`Dequantize`].

use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::DataType;

/// Integers from real numbers: `saturate(round_half_even(x / scale) + zero_point)`. Operand f32, result of type `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantize {
    /// Real value of one step, positive and finite.
    pub scale: f32,
    /// The integer that stands for zero, one of the type.
    pub zero_point: i32,
    /// [`DataType::I8`], [`DataType::U8`], [`DataType::I16`] or [`DataType::I32`].
    pub to: DataType,
}

impl Quantize {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        operand.expect_type("the operand", DataType::F32)?;
        check(&[self.scale], &[self.zero_point], self.to)?;
        if self.to == DataType::I64 {
            return Err(ShapeError::Attribute {
                attribute: "type",
                got: self.to.to_string(),
                expected: "which must be i8, u8, i16 or i32",
            });
        }
        Facts::new(operand.shape.clone(), self.to)
    }
}

/// Real numbers from integers: `(q - zero_point) * scale`, one f32 multiplication. Operand i8, u8, i16, i32 or i64.
#[derive(Clone, Debug, PartialEq)]
pub struct Dequantize {
    /// Real value of one step, positive and finite: one number, or with an axis one per position.
    pub scales: Vec<f32>,
    /// The integers that stand for zero, as many as there are scales.
    pub zero_points: Vec<i32>,
    /// The axis along which scales and zero points differ; none if there is one for all elements.
    pub axis: Option<usize>,
}

impl Dequantize {
    /// One scale and zero point for all elements.
    #[must_use]
    pub fn per_tensor(scale: f32, zero_point: i32) -> Self {
        Self { scales: vec![scale], zero_points: vec![zero_point], axis: None }
    }

    pub(crate) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        check(&self.scales, &self.zero_points, operand.dtype)?;
        let expected = match self.axis {
            None => 1,
            Some(axis) => {
                check_axis(axis, operand.shape.len())?;
                operand.shape[axis]
            }
        };
        if self.scales.len() != expected || self.zero_points.len() != expected {
            return Err(ShapeError::Attribute {
                attribute: "quantisation",
                got: format!("{} scales and {} zero points", self.scales.len(), self.zero_points.len()),
                expected: "which must be one of each, or one per position of the axis",
            });
        }
        Facts::new(operand.shape.clone(), DataType::F32)
    }

    /// Scale and zero point of the elements at a position of the axis.
    #[must_use]
    pub fn at(&self, position: usize) -> (f32, i32) {
        let index = if self.axis.is_some() { position } else { 0 };
        (self.scales[index], self.zero_points[index])
    }
}

/// The integers of a type that quantised tensors have.
#[must_use]
pub fn integer_range(data_type: DataType) -> Option<std::ops::RangeInclusive<i64>> {
    match data_type {
        DataType::I8 => Some(i8::MIN.into()..=i8::MAX.into()),
        DataType::U8 => Some(0..=u8::MAX.into()),
        DataType::I16 => Some(i16::MIN.into()..=i16::MAX.into()),
        DataType::I32 => Some(i32::MIN.into()..=i32::MAX.into()),
        DataType::I64 => Some(i64::MIN..=i64::MAX),
        _ => None,
    }
}

fn check(scales: &[f32], zero_points: &[i32], data_type: DataType) -> Result<(), ShapeError> {
    let refuse =
        |attribute, got: String, expected: &'static str| Err(ShapeError::Attribute { attribute, got, expected });
    let Some(range) = integer_range(data_type) else {
        return refuse("type", data_type.to_string(), "which must be i8, u8, i16, i32 or i64");
    };
    if let Some(scale) = scales.iter().find(|&&scale| !(scale > 0.0 && scale.is_finite())) {
        return refuse("scale", scale.to_string(), "which must be positive and finite");
    }
    match zero_points.iter().find(|&&zero_point| !range.contains(&zero_point.into())) {
        Some(zero_point) => refuse("zero point", zero_point.to_string(), "which must be a value of the type"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(dtype: DataType) -> [Facts; 1] {
        [Facts { shape: vec![2, 3], dtype }]
    }

    #[test]
    fn types_and_numbers_are_checked() {
        let quantize = |scale, zero_point, to| Quantize { scale, zero_point, to }.infer(&facts(DataType::F32));
        assert_eq!(quantize(0.5, 200, DataType::U8).unwrap().dtype, DataType::U8);
        for (scale, zero_point, to) in [
            (0.0, 0, DataType::I8),
            (f32::INFINITY, 0, DataType::I8),
            (0.5, 200, DataType::I8),
            (0.5, -1, DataType::U8),
            (0.5, 0, DataType::I64),
            (0.5, 0, DataType::Bool),
        ] {
            assert!(quantize(scale, zero_point, to).is_err(), "{scale} {zero_point} {to}");
        }
        assert!(Quantize { scale: 0.5, zero_point: 0, to: DataType::I8 }.infer(&facts(DataType::I8)).is_err());
    }

    #[test]
    fn there_is_one_scale_or_one_per_position() {
        let along = |axis, count: usize| Dequantize { scales: vec![0.5; count], zero_points: vec![0; count], axis };
        for (axis, count, fits) in
            [(None, 1, true), (Some(1), 3, true), (None, 3, false), (Some(0), 3, false), (Some(2), 1, false)]
        {
            assert_eq!(along(axis, count).infer(&facts(DataType::I32)).is_ok(), fits, "{axis:?} {count}");
        }
        assert!(Dequantize::per_tensor(0.5, 0).infer(&facts(DataType::F32)).is_err());
    }
}
