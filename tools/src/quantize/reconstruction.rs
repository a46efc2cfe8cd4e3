//! Adaptive rounding of narrow weights: up or down, whichever brings a layer's results behind its clamp nearer to the float layer's.
//!
//! The objective is that of AdaRound (Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization"): the squared
//! difference between what the float layer makes of its own inputs and what the integers make of what their twin reads, both clamped.
//! Unlike the moments that [`rounding`](super::rounding) goes by, it sees the clamp and the errors of the layers before. It is
//! descended coordinate by coordinate from the rounding by moments: in trials that ended lower than the paper's relaxation by
//! sigmoids did after thousands of steps. Channels do not depend on each other. Whether a channel keeps the result is decided
//! on windows of rows that nothing was learned from.

use super::statistics::{Statistics, Windows, scrambled};
use super::weights::{QuantizedWeights, WeightBits};
use crate::graph::Activation;
use crate::parallel;
use crate::tensor::Tensor;
use std::convert::Infallible;

/// Sweeps over all weights of a channel.
const SWEEPS: usize = 6;
/// Most windows to learn from and to decide on, spread over all rows.
const LEARNED: usize = 8192;
const HELD_OUT: usize = 4096;
/// Most numbers in the windows of a group.
const MOST_NUMBERS: usize = 1 << 23;
/// One row in so many is held out.
const HELD_OUT_ROWS: usize = 4;

/// Windows of a layer.
#[derive(Debug, Default)]
pub struct Samples {
    learned: Part,
    held_out: Part,
}

#[derive(Debug, Default)]
struct Part {
    /// What each tap of each group sees in every window, less its mean: `[groups][taps][count]`.
    taps: Vec<Vec<Vec<f32>>>,
    /// What the float layer gives in every window before its clamp: `[channels][count]`.
    results: Vec<Vec<f32>>,
}

impl Samples {
    /// Takes windows of some rows: what the quantised layer reads, and what the float one gives before its clamp.
    #[must_use]
    pub fn of(windows: &Windows, statistics: &Statistics, rows: &[[&Tensor; 2]], seed: u64) -> Self {
        let means: Vec<Vec<f64>> = (0..windows.groups).map(|group| statistics.mean_input(group)).collect();
        let part =
            || Part { taps: vec![vec![vec![]; windows.taps]; windows.groups], results: vec![vec![]; windows.channels] };
        let mut samples = Self { learned: part(), held_out: part() };
        let most = MOST_NUMBERS / windows.taps.max(1);
        let held_out_rows = rows.len() / HELD_OUT_ROWS;
        let mut window = vec![0f32; windows.taps];
        for (row, [input, result]) in rows.iter().enumerate() {
            let Ok(items) = result.as_f32() else { continue };
            let positions = windows.positions(items.len());
            let (part, wanted, rows) = if row % HELD_OUT_ROWS == HELD_OUT_ROWS - 1 {
                (&mut samples.held_out, HELD_OUT.min(most), held_out_rows)
            } else {
                (&mut samples.learned, LEARNED.min(most), rows.len() - held_out_rows)
            };
            let count = wanted.div_ceil(rows.max(1)).min(positions);
            for index in 0..count {
                // One in each of as many equal stretches.
                let [start, end] = [index, index + 1].map(|index| index * positions / count);
                let offset = scrambled(seed, (row * positions + index) as u64) % (end - start).max(1) as u64;
                let position = start + offset as usize;
                for (group, mean) in means.iter().enumerate() {
                    windows.gather(input, result.shape(), position, group, &mut window);
                    for ((seen, x), mean) in part.taps[group].iter_mut().zip(&window).zip(mean) {
                        seen.push(x - *mean as f32);
                    }
                }
                let results = &items[position * windows.channels..(position + 1) * windows.channels];
                part.results.iter_mut().zip(results).for_each(|(results, &result)| results.push(result));
            }
        }
        samples
    }
}

/// One output channel.
#[derive(Clone, Copy, Debug)]
struct Channel<'a> {
    weights: &'a [f32],
    /// The float layer's mean result before its clamp, which the bias makes the quantised one's too.
    mean_result: f32,
    activation: Activation,
    /// Real value of one step of the integers.
    scale: f32,
    bits: WeightBits,
    /// How much of the mean power of what taps see is added to each tap's own.
    damping: f64,
}

impl Channel<'_> {
    /// What these integers give in every window before the clamp.
    fn results(&self, taps: &[Vec<f32>], integers: &[i8]) -> Vec<f32> {
        let mut results = vec![self.mean_result; taps.first().map_or(0, Vec::len)];
        for (seen, &integer) in taps.iter().zip(integers) {
            let weight = f32::from(integer) * self.scale;
            results.iter_mut().zip(seen).for_each(|(result, x)| *result += weight * x);
        }
        results
    }

    /// The squared differences of clamped results, summed in eight parts.
    fn error(&self, results: &[f32], wanted: &[f32]) -> f64 {
        let mut sums = [0f64; 8];
        for (results, wanted) in results.chunks(8).zip(wanted.chunks(8)) {
            for ((sum, &result), &wanted) in sums.iter_mut().zip(results).zip(wanted) {
                *sum += f64::from(self.activation.apply(result) - wanted).powi(2);
            }
        }
        sums.iter().sum()
    }

    /// Moves single weights by a step down the gradient while that lowers the sum of squares and of the damped errors of weights.
    fn descended(&self, taps: &[Vec<f32>], wanted: &[f32], known: &[i8]) -> Vec<i8> {
        let mut integers = known.to_vec();
        let mut results = self.results(taps, known);
        let mut error = self.error(&results, wanted);
        let power = taps.iter().flatten().map(|x| f64::from(*x).powi(2)).sum::<f64>() / taps.len().max(1) as f64;
        let damping = self.damping * power;
        let mut moved_results = results.clone();
        for _ in 0..SWEEPS {
            let mut moved = false;
            for (tap, seen) in taps.iter().enumerate() {
                let off = |integer: i8| f64::from(self.weights[tap]) - f64::from(integer) * f64::from(self.scale);
                let slope = |((&result, &wanted), x): ((&f32, &f32), &f32)| {
                    let clamped = self.activation.apply(result);
                    if clamped == result { f64::from((clamped - wanted) * x) } else { 0.0 }
                };
                let own = integers[tap];
                let gradient = results.iter().zip(wanted).zip(seen).map(slope).sum::<f64>() - damping * off(own);
                let step = if gradient > 0.0 { -1 } else { 1 };
                let next = self.bits.nearest(f64::from(i16::from(own) + step));
                if next == own {
                    continue;
                }
                let change = f32::from(i16::from(next) - i16::from(own)) * self.scale;
                for ((to, from), x) in moved_results.iter_mut().zip(&results).zip(seen) {
                    *to = from + change * x;
                }
                let other = self.error(&moved_results, wanted);
                let gain = error - other + damping * (off(own).powi(2) - off(next).powi(2));
                if gain > 1e-9 * error {
                    (integers[tap], error, moved) = (next, other, true);
                    std::mem::swap(&mut results, &mut moved_results);
                }
            }
            if !moved {
                break;
            }
        }
        integers
    }

    /// The integers descended to, where results on held-out windows are nearer with them than with the known ones.
    fn improved(&self, samples: &Samples, [channel, group]: [usize; 2], known: &[i8]) -> Option<Vec<i8>> {
        let wanted = |part: &Part| -> Vec<f32> {
            part.results[channel].iter().map(|&result| self.activation.apply(result)).collect()
        };
        let [learned, held_out] = [&samples.learned, &samples.held_out].map(wanted);
        if learned.is_empty() || held_out.is_empty() {
            return None;
        }
        let integers = self.descended(&samples.learned.taps[group], &learned, known);
        let [new, old] = [&integers, known]
            .map(|integers| self.error(&self.results(&samples.held_out.taps[group], integers), &held_out));
        (new < old).then_some(integers)
    }
}

/// Rounds a layer's narrow weights anew, channel by channel; gives the integers of the channels that are better for it.
#[must_use]
pub fn reconstruct(
    samples: &Samples,
    windows: &Windows,
    statistics: &Statistics,
    real: &[f32],
    activation: Activation,
    quantized: &QuantizedWeights,
) -> Vec<Option<Vec<i8>>> {
    let taps = windows.taps.max(1);
    let rows: Vec<(&[f32], &[i8])> = real.chunks(taps).zip(quantized.weights.chunks(taps)).collect();
    let Ok(improved) = parallel::map_rows(rows.len(), |index| {
        let (weights, known) = rows[index];
        let channel = statistics.mean_result(index).map(|mean| Channel {
            weights,
            mean_result: mean as f32,
            activation,
            scale: quantized.scales[index],
            bits: quantized.bits,
            damping: statistics.damping(),
        });
        Ok::<_, Infallible>(channel.and_then(|own| own.improved(samples, [index, windows.group_of(index)], known)))
    });
    improved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(seed: u64, index: usize) -> f32 {
        (scrambled(seed, index as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Windows whose taps lean on each other and read a tenth too little, and what weights give on the true ones.
    fn samples(weights: &[f32], seed: u64) -> Samples {
        let part = |seed: u64, count: usize| {
            let mut part = Part { taps: vec![vec![vec![]; weights.len()]], results: vec![vec![]] };
            for sample in 0..count {
                let common = number(seed, sample * 1000);
                let mut result = 0.0;
                for (tap, (seen, weight)) in part.taps[0].iter_mut().zip(weights).enumerate() {
                    let x = common + number(seed, sample * 1000 + tap + 1);
                    seen.push(0.9 * x);
                    result += weight * x;
                }
                part.results[0].push(result);
            }
            part
        };
        Samples { learned: part(seed, 1024), held_out: part(seed + 1, 512) }
    }

    #[test]
    fn what_is_kept_is_better() {
        let bits = WeightBits::Four;
        for seed in 0..6u64 {
            let weights: Vec<f32> = (0..27).map(|tap| number(seed + 99, tap)).collect();
            let samples = samples(&weights, seed);
            let (scale, activation) = (0.16, Activation::RELU);
            let channel = Channel { weights: &weights, mean_result: 0.0, activation, scale, bits, damping: 0.01 };
            let nearest: Vec<i8> = weights.iter().map(|w| bits.nearest(f64::from(w / scale))).collect();
            let improved = channel.improved(&samples, [0, 0], &nearest).expect("nearest integers are not the best");
            let wanted: Vec<f32> = samples.held_out.results[0].iter().map(|&x| activation.apply(x)).collect();
            let [new, old] = [&improved, &nearest]
                .map(|integers| channel.error(&channel.results(&samples.held_out.taps[0], integers), &wanted));
            assert!(new < old, "{new} {old}");
            assert!(improved.iter().all(|q| (-8..=7).contains(q)));
            assert_eq!(channel.improved(&samples, [0, 0], &nearest), Some(improved), "the same every time");
        }
    }

    #[test]
    fn without_windows_nothing_changes() {
        let samples = Samples {
            learned: samples(&[0.5], 1).learned,
            held_out: Part { taps: vec![vec![vec![]]], results: vec![vec![]] },
        };
        let activation = Activation::NONE;
        let channel =
            Channel { weights: &[0.5], mean_result: 0.0, activation, scale: 0.1, bits: WeightBits::Four, damping: 0.0 };
        assert_eq!(channel.improved(&samples, [0, 0], &[4]), None);
    }
}
