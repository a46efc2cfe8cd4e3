//! Normalisation over inner axes.

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
