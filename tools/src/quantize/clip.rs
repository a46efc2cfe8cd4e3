//! Scales of narrow weights: cutting the largest ones off may cost less than a wide step costs all others.

use super::rounding::Rounder;
use super::weights::{WeightBits, at_least, channel_scale};

/// Scales tried, from half of the one that holds every weight up to it.
const CANDIDATES: usize = 50;
/// Of these, the best by the nearest integers are tried with the rounding that is used.
const FINALISTS: usize = 6;

/// The scale of one channel and its integers with the least error of results. `bias` bounds the scale from below.
#[must_use]
pub fn best_scale(
    rounder: Option<&Rounder>,
    weights: &[f32],
    bias: f32,
    input_scale: f32,
    bits: WeightBits,
) -> (f32, Vec<i8>) {
    let whole = channel_scale(weights, bias, input_scale, bits);
    let simple = |scale: f32| -> Vec<i8> {
        weights.iter().map(|&weight| bits.nearest(f64::from(weight) / f64::from(scale))).collect()
    };
    if bits == WeightBits::Eight {
        return (
            whole,
            rounder.map_or_else(|| simple(whole), |r| r.round_best(weights, whole, |steps| bits.nearest(steps))),
        );
    }
    let powers = rounder.map_or_else(|| vec![1.0; weights.len()], Rounder::weights_of_taps);
    let quick = |scale: f32| -> f64 {
        let squared =
            |(&weight, &rounded): (&f32, &i8)| (f64::from(weight) - f64::from(rounded) * f64::from(scale)).powi(2);
        weights.iter().zip(&simple(scale)).map(squared).zip(&powers).map(|(squared, power)| squared * power).sum()
    };
    let shrunk = |step: usize| {
        let factor = 0.5 + 0.5 * (step + 1) as f32 / CANDIDATES as f32;
        at_least(whole * factor, weights.len(), bias, input_scale)
    };
    let mut candidates: Vec<(f64, f32)> = (0..CANDIDATES).map(shrunk).map(|scale| (quick(scale), scale)).collect();
    // Of equal ones the largest.
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let Some(rounder) = rounder else {
        let scale = candidates.first().map_or(whole, |&(_, scale)| scale);
        return (scale, simple(scale));
    };
    let tried = candidates.iter().take(FINALISTS).map(|&(_, scale)| {
        let rounded = rounder.round_best(weights, scale, |steps| bits.nearest(steps));
        (rounder.error(weights, &rounded, scale), scale, rounded)
    });
    let best = tried.min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(|| (whole, simple(whole)), |(_, scale, rounded)| (scale, rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squared(weights: &[f32], (scale, rounded): &(f32, Vec<i8>)) -> f32 {
        weights.iter().zip(rounded).map(|(weight, &q)| (weight - f32::from(q) * scale).powi(2)).sum()
    }

    #[test]
    fn four_bits_give_up_an_outlier_and_eight_do_not() {
        let mut weights: Vec<f32> = (0..200).map(|i| ((i * 37) % 41) as f32 / 41.0 - 0.5).collect();
        weights.push(1.0);
        let narrow = best_scale(None, &weights, 0.0, 1.0, WeightBits::Four);
        assert!(narrow.0 < 1.0 / 7.0, "{}", narrow.0);
        let whole: Vec<i8> = weights.iter().map(|w| WeightBits::Four.nearest(f64::from(w * 7.0))).collect();
        assert!(squared(&weights, &narrow) < squared(&weights, &(1.0 / 7.0, whole)));
        assert_eq!(best_scale(None, &weights, 0.0, 1.0, WeightBits::Eight).0, 1.0 / 127.0);
    }

    #[test]
    fn zeros_and_large_biases_keep_a_usable_scale() {
        assert_eq!(best_scale(None, &[0.0; 3], 0.0, 1.0, WeightBits::Four), (1.0, vec![0; 3]));
        let (scale, _) = best_scale(None, &[1e-9], 100.0, 1e-3, WeightBits::Four);
        assert!(100.0 / (1e-3 * scale) < i32::MAX as f32);
    }
}
