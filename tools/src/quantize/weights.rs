//! Weights and biases as integers.

use serde::Serialize;

/// How wide the weights of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize)]
pub enum WeightBits {
    /// -8 to 7, two in a byte.
    #[serde(rename = "4")]
    Four,
    /// -127 to 127.
    #[default]
    #[serde(rename = "8")]
    Eight,
}

impl WeightBits {
    /// The smallest and the largest integer used.
    #[must_use]
    pub const fn bounds(self) -> [f32; 2] {
        match self {
            Self::Four => [-8.0, 7.0],
            Self::Eight => [-127.0, 127.0],
        }
    }

    /// The integer nearest to `steps`, halves to even.
    #[must_use]
    pub fn nearest(self, steps: f64) -> i8 {
        let [low, high] = self.bounds();
        steps.round_ties_even().clamp(low.into(), high.into()) as i8
    }

    /// Bytes that `count` weights take.
    #[must_use]
    pub const fn bytes(self, count: usize) -> usize {
        match self {
            Self::Four => count.div_ceil(2),
            Self::Eight => count,
        }
    }

    /// 4 or 8.
    #[must_use]
    pub const fn number(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// Quantised weights of one accumulating op.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeights {
    /// How wide the weights are.
    pub bits: WeightBits,
    /// Integers in the bounds of `bits`, in the order given.
    pub weights: Vec<i8>,
    /// One scale per output channel.
    pub scales: Vec<f32>,
    /// One integer per output channel, at scale `input scale * weight scale`.
    pub bias: Vec<i32>,
}

impl QuantizedWeights {
    /// The real weights that the integers stand for.
    #[must_use]
    pub fn dequantized(&self) -> Vec<f32> {
        let taps = self.weights.len() / self.scales.len().max(1);
        let rows = self.weights.chunks(taps.max(1)).zip(&self.scales);
        rows.flat_map(|(row, &scale)| row.iter().map(move |&weight| f32::from(weight) * scale)).collect()
    }
}

/// Quantises `[channels, taps]` weights symmetrically per output channel to 8 bits, each to the nearest integer, and the bias (empty
/// for none).
///
/// A channel whose bias would not fit beside its products in 32 bits gets a larger weight scale.
#[must_use]
pub fn quantize_weights(weights: &[f32], bias: &[f32], channels: usize, input_scale: f32) -> QuantizedWeights {
    let bits = WeightBits::Eight;
    let taps = weights.len() / channels.max(1);
    let mut quantized =
        QuantizedWeights { bits, weights: Vec::with_capacity(weights.len()), scales: vec![], bias: vec![] };
    for (channel, row) in weights.chunks(taps.max(1)).enumerate().take(channels) {
        let bias = bias.get(channel).copied().unwrap_or(0.0);
        let scale = channel_scale(row, bias, input_scale, bits);
        quantized.weights.extend(row.iter().map(|w| (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8));
        quantized.bias.push(quantize_bias(bias, taps, input_scale, scale));
        quantized.scales.push(scale);
    }
    quantized
}

/// The scale at which a channel's largest weight is the largest integer, or larger where the bias needs that.
#[must_use]
pub fn channel_scale(row: &[f32], bias: f32, input_scale: f32, bits: WeightBits) -> f32 {
    let largest = row.iter().fold(0f32, |max, w| max.max(w.abs()));
    let [_, high] = bits.bounds();
    at_least(largest / high, row.len(), bias, input_scale)
}

/// A scale, raised where the bias would not fit beside `taps` products in 32 bits. A channel of zeros keeps the scale's meaning
/// without a division by zero.
#[must_use]
pub fn at_least(scale: f32, taps: usize, bias: f32, input_scale: f32) -> f32 {
    let smallest_for_bias = (f64::from(bias.abs()) / (f64::from(input_scale) * room(taps).max(1.0))) as f32;
    let scale = scale.max(smallest_for_bias * 1.001);
    if scale.is_normal() { scale } else { 1.0 }
}

/// The integer of a bias at scale `input_scale * scale`, beside `taps` products.
#[must_use]
pub fn quantize_bias(bias: f32, taps: usize, input_scale: f32, scale: f32) -> i32 {
    let steps = f64::from(bias) / (f64::from(input_scale) * f64::from(scale));
    let room = room(taps).max(0.0);
    steps.round_ties_even().clamp(-room, room) as i32
}

/// What the products of `taps` weights and offset inputs leave of 32 bits.
fn room(taps: usize) -> f64 {
    f64::from(i32::MAX) - (taps as f64) * 128.0 * 255.0 - 1.0
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
        let real = q.dequantized();
        assert!(real.iter().zip([1.0, -2.0, 0.5, 0.25]).all(|(a, b)| (a - b).abs() < 0.01));
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
