//! Fits coefficients to measured ops.

use super::{TargetCoefficients, key, terms};
use bantam_format::Op;
use std::collections::BTreeMap;

/// Rounds of the descent; it stands still long before.
const ROUNDS: usize = 20_000;

/// What was measured: terms and instructions, by operator and element type.
#[derive(Clone, Debug, Default)]
pub struct Measurements(BTreeMap<String, Vec<(Vec<f64>, f64)>>);

impl Measurements {
    /// Adds an op that took so many instructions.
    pub fn add(&mut self, op: &Op<'_>, instructions: f64) {
        self.0.entry(key(op)).or_default().push((terms(op), instructions));
    }

    /// Coefficients by which the sums of terms come nearest to what was measured. The rest is left at zero.
    #[must_use]
    pub fn fit(&self) -> TargetCoefficients {
        let operators = self.0.iter().map(|(key, samples)| (key.clone(), least_squares(samples))).collect();
        TargetCoefficients { operators, ..TargetCoefficients::default() }
    }
}

/// Coefficients, none negative, with the least sum of squares of relative errors, those of large ops a little heavier: they
/// are what a run consists of.
fn least_squares(samples: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let count = samples.iter().map(|(terms, _)| terms.len()).max().unwrap_or(0);
    // Each term in units of its mean, so that the descent takes steps of one size.
    let scale: Vec<f64> = (0..count)
        .map(|at| samples.iter().map(|(terms, _)| terms[at]).sum::<f64>().max(1e-9) / samples.len() as f64)
        .collect();
    let (mut products, mut targets) = (vec![vec![0.0; count]; count], vec![0.0; count]);
    for (terms, instructions) in samples {
        let weight = instructions.max(1.0).powf(-1.8);
        let terms: Vec<f64> = terms.iter().zip(&scale).map(|(term, scale)| term / scale).collect();
        for ((row, target), &term) in products.iter_mut().zip(&mut targets).zip(&terms) {
            *target += weight * term * instructions;
            for (product, other) in row.iter_mut().zip(&terms) {
                *product += weight * term * other;
            }
        }
    }
    let mut coefficients = vec![0.0_f64; count];
    for _ in 0..ROUNDS {
        for (at, (row, target)) in products.iter().zip(&targets).enumerate() {
            let own = row[at];
            if own > 0.0 {
                let sum: f64 = row.iter().zip(&coefficients).map(|(product, value)| product * value).sum();
                coefficients[at] = (coefficients[at] + (target - sum) / own).max(0.0);
            }
        }
    }
    let unscaled = coefficients.iter().zip(&scale).map(|(coefficient, scale)| coefficient / scale);
    // Four digits say more than the fit is worth.
    unscaled.map(|coefficient| format!("{coefficient:.4}").parse().unwrap_or(coefficient)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_sums_are_found_again() {
        let sample = |a: f64, b: f64| (vec![1.0, a, b], 200.0 + 3.0 * a + 0.5 * b);
        let samples: Vec<_> = (1..20).map(|n| sample(f64::from(n * n), f64::from(n * 37 % 50) * 20.0)).collect();
        let found = least_squares(&samples);
        for (found, expected) in found.iter().zip([200.0, 3.0, 0.5]) {
            assert!((found - expected).abs() < 0.01 * expected, "{found} for {expected}");
        }
    }

    #[test]
    fn nothing_is_negative() {
        let samples = [(vec![1.0, 1.0], 10.0), (vec![1.0, 2.0], 8.0), (vec![1.0, 4.0], 2.0)];
        let found = least_squares(&samples);
        assert!(found[0] > 0.0 && found[1] == 0.0, "{found:?}");
    }
}
