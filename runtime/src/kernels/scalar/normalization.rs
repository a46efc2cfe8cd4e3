//! Normalisation over inner axes, in place.
//!
//! The 8-bit version is TensorFlow Lite Micro's reference.

use crate::kernels::fixed_point::inverse_square_root;
use crate::kernels::requantize::multiply_by_quantized_multiplier;

/// Every `inner` elements with mean 0 and variance 1, times `scale` plus `offset` (ones and zeros where they are
/// empty). With `root_mean_square` no mean is taken off.
pub fn normalize(inner: usize, root_mean_square: bool, epsilon: f32, scale: &[f32], offset: &[f32], data: &mut [f32]) {
    let count = inner as f32;
    for row in data.chunks_exact_mut(inner.max(1)) {
        let mean = if root_mean_square { 0.0 } else { row.iter().fold(0.0, |sum, x| sum + x) / count };
        let variance = row.iter().fold(0.0, |sum, x| sum + (x - mean) * (x - mean)) / count;
        let factor = 1.0 / libm::sqrtf(variance + epsilon);
        for (index, value) in row.iter_mut().enumerate() {
            let scale = scale.get(index).copied().unwrap_or(1.0);
            let offset = offset.get(index).copied().unwrap_or(0.0);
            *value = (*value - mean) * factor * scale + offset;
        }
    }
}

/// Every `length` elements divided by the root of the sum of their squares, which counts as at least 1e-6.
pub fn l2_normalize_f32(length: usize, data: &mut [f32]) {
    for row in data.chunks_exact_mut(length.max(1)) {
        let norm = libm::sqrtf(row.iter().fold(0.0, |sum, x| sum + x * x));
        let norm = if norm < 1e-6 { 1e-6 } else { norm };
        for value in row {
            *value /= norm;
        }
    }
}

/// The same of 8-bit elements; the output has scale 1/128 and zero point 0.
pub fn l2_normalize_i8(length: usize, zero_point: i8, data: &mut [i8]) {
    let centred = |value: i8| i32::from(value) - i32::from(zero_point);
    for row in data.chunks_exact_mut(length.max(1)) {
        let squares = row.iter().fold(0i32, |sum, &value| sum.wrapping_add(centred(value) * centred(value)));
        let (multiplier, shift) = inverse_square_root(squares);
        for value in row {
            let scaled = multiply_by_quantized_multiplier(centred(*value), multiplier, shift.saturating_add(7));
            *value = scaled.clamp(-128, 127) as i8;
        }
    }
}
