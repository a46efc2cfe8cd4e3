//! Preparing data as the file says: the same integers (or floats) on every target.
//!
//! [`Session::prepare_image`] resizes 8-bit pixels in exact integer arithmetic and looks every channel up in a table;
//! [`Session::prepare_fields`] scales numbers by one multiplication and one addition each. SPEC.md has the formulas.

mod image;
mod resample;

pub use image::Image;

use crate::error::PrepareError;
use crate::kernels::scalar;
use crate::session::Session;
use bantam_format::{DataType, Preprocessing};

impl Session<'_, '_> {
    /// Makes input `index` from an image. Source and input may differ in size; see SPEC.md, "Preprocessing".
    ///
    /// # Errors
    /// The file does not prepare this input from images.
    pub fn prepare_image(&mut self, index: usize, image: &Image<'_>) -> Result<(), PrepareError> {
        let Some(Preprocessing::Image { fit, filter, channels, background, shorter_side, table }) =
            self.model().artifact().preprocessing(index)
        else {
            return Err(PrepareError::NotAnImage { index });
        };
        let input = self.model().inputs().nth(index).ok_or(PrepareError::NotAnImage { index })?;
        let shape = input.tensor.shape;
        let (height, width) = (shape.dimension(1), shape.dimension(2));
        let region = image.region(fit, shorter_side, height, width);
        // Parsing has checked the table and the shape: nothing below finds anything missing.
        let bytes = input.tensor.data_type.bytes();
        let mut elements = self.input_bytes_mut(index).map_err(PrepareError::Run)?.chunks_exact_mut(bytes);
        image.resample(region, filter, channels, background, [height, width], |channel, byte| {
            let entry = channel.saturating_mul(256).saturating_add(usize::from(byte)).saturating_mul(bytes);
            if let (Some(element), Some(entry)) = (elements.next(), table.get(entry..)) {
                for (to, &from) in element.iter_mut().zip(entry) {
                    *to = from;
                }
            }
        });
        Ok(())
    }

    /// Makes input `index` from one number per element, in the order of the file's fields.
    ///
    /// # Errors
    /// The file does not prepare this input from numbers; their count differs; one of them is NaN.
    pub fn prepare_fields(&mut self, index: usize, fields: &[f32]) -> Result<(), PrepareError> {
        let Some(Preprocessing::Fields { factors, offsets, .. }) = self.model().artifact().preprocessing(index) else {
            return Err(PrepareError::NotFields { index });
        };
        let input = self.model().inputs().nth(index).ok_or(PrepareError::NotFields { index })?;
        let expected = input.tensor.shape.elements();
        check_numbers(fields, expected)?;
        let factors = factors.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        let offsets = offsets.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        let scaled = fields.iter().zip(factors).zip(offsets).map(|((&x, factor), offset)| x * factor + offset);
        if input.tensor.data_type == DataType::I8 {
            let target = self.input_mut::<i8>(index).map_err(PrepareError::Run)?;
            for (to, value) in target.iter_mut().zip(scaled) {
                *to = scalar::quantize(value, 1.0, 0, false);
            }
        } else {
            let target = self.input_mut::<f32>(index).map_err(PrepareError::Run)?;
            for (to, value) in target.iter_mut().zip(scaled) {
                *to = value;
            }
        }
        Ok(())
    }

    /// Fills input `index` with real values: rounded to the nearest step (ties to even) and saturated where it is quantised.
    ///
    /// # Errors
    /// There is no such input, or its elements are words; the count differs; a value is NaN.
    pub fn set_reals(&mut self, index: usize, values: &[f32]) -> Result<(), PrepareError> {
        let input = self.model().inputs().nth(index);
        let input = input.ok_or(PrepareError::Run(crate::RunError::NoSuchTensor { index }))?;
        check_numbers(values, input.tensor.shape.elements())?;
        if input.tensor.data_type == DataType::I8 {
            let target = self.input_mut::<i8>(index).map_err(PrepareError::Run)?;
            for (to, &value) in target.iter_mut().zip(values) {
                *to = scalar::quantize(value, input.scale, input.zero_point, false);
            }
        } else if input.tensor.data_type.is_wide() {
            let target = self.input_mut::<i16>(index).map_err(PrepareError::Run)?;
            for (to, &value) in target.iter_mut().zip(values) {
                *to = scalar::quantize_wide(value, input.scale, input.zero_point, false);
            }
        } else if input.tensor.data_type.is_real() {
            let target = self.input_mut::<f32>(index).map_err(PrepareError::Run)?;
            for (to, &value) in target.iter_mut().zip(values) {
                *to = value;
            }
        } else {
            return Err(PrepareError::Run(crate::RunError::ElementType {
                expected: input.tensor.data_type,
                given: DataType::F32,
            }));
        }
        Ok(())
    }
}

fn check_numbers(values: &[f32], expected: usize) -> Result<(), PrepareError> {
    if values.len() != expected {
        return Err(PrepareError::Length { expected, given: values.len() });
    }
    match values.iter().position(|value| value.is_nan()) {
        Some(position) => Err(PrepareError::NotANumber { position }),
        None => Ok(()),
    }
}
