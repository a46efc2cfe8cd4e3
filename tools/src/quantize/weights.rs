//! Weights and biases as integers.

/// Quantised weights of one accumulating op.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeights {
    /// Integers from -127 to 127, in the order given.
    pub weights: Vec<i8>,
    /// One scale per output channel.
    pub scales: Vec<f32>,
    /// One integer per output channel, at scale `input scale * weight scale`.
    pub bias: Vec<i32>,
}

/// Quantises `[channels, taps]` weights symmetrically per output channel, and the bias (empty for none).
///
/// A channel whose bias would not fit beside its products in 32 bits gets a larger weight scale.
#[must_use]
pub fn quantize_weights(weights: &[f32], bias: &[f32], channels: usize, input_scale: f32) -> QuantizedWeights {
    let taps = weights.len() / channels.max(1);
    // What the products of `taps` weights and offset inputs leave of 32 bits.
    let room = f64::from(i32::MAX) - (taps as f64) * 128.0 * 255.0 - 1.0;
    let mut quantized = QuantizedWeights { weights: Vec::with_capacity(weights.len()), scales: vec![], bias: vec![] };
    for (channel, row) in weights.chunks(taps.max(1)).enumerate().take(channels) {
        let largest = row.iter().fold(0f32, |max, w| max.max(w.abs()));
        let bias = bias.get(channel).copied().unwrap_or(0.0);
        let smallest_for_bias = (f64::from(bias.abs()) / (f64::from(input_scale) * room.max(1.0))) as f32;
        let scale = (largest / 127.0).max(smallest_for_bias * 1.001);
        // A channel of zeros keeps the scale's meaning without a division by zero.
        let scale = if scale.is_normal() { scale } else { 1.0 };
        quantized.weights.extend(row.iter().map(|w| (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8));
        let steps = f64::from(bias) / (f64::from(input_scale) * f64::from(scale));
        quantized.bias.push(steps.round_ties_even().clamp(-room.max(0.0), room.max(0.0)) as i32);
        quantized.scales.push(scale);
    }
    quantized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_uses_its_whole_range() {
        let q = quantize_weights(&[1.0, -2.0, 0.5, 0.25], &[0.1, -0.1], 2, 0.5);
        assert_eq!(q.weights, [64, -127, 127, 64]);
        assert_eq!(q.scales, [2.0 / 127.0, 0.5 / 127.0]);
        assert_eq!(q.bias, [13, -51]);
    }

    #[test]
    fn dead_channels_and_huge_biases_are_representable() {
        let q = quantize_weights(&[0.0, 0.0], &[0.0, 5.0], 2, 0.1);
        assert_eq!((q.weights, q.bias[0]), (vec![0, 0], 0));
        let q = quantize_weights(&[1e-9], &[100.0], 1, 1e-3);
        let real = f64::from(q.bias[0]) * 1e-3 * f64::from(q.scales[0]);
        assert!((real / 100.0 - 1.0).abs() < 1e-3, "{real}");
    }
}
