//! Whether a model is as sure as it is right: calibration error, and the temperature that mends it.

use crate::interval::SplitMix;
use serde::Serialize;

/// Bins of a reliability diagram.
const BINS: usize = 15;
/// Temperatures searched, as logarithms.
const RANGE: [f64; 2] = [-3.0, 3.0];

/// Rows whose confidence is alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Rows.
    pub rows: usize,
    /// Mean probability of the class chosen.
    pub confidence: f64,
    /// Share of rows that are right.
    pub accuracy: f64,
}

/// How sure and how right a model is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reliability {
    /// Bins of as many rows each, least sure first.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the mean distance of confidence and accuracy over bins, weighted by rows.
    pub expected_calibration_error: f64,
    /// Mean negative logarithm of the probability of the right class.
    pub negative_log_likelihood: f64,
}

/// What a temperature does for a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Temperature {
    /// Logits are divided by it.
    pub temperature: f64,
    /// Rows it was fitted on, and rows the two below are measured on.
    pub rows: [usize; 2],
    /// Without it.
    pub before: Reliability,
    /// With it.
    pub after: Reliability,
}

/// Probabilities of logits at a temperature.
#[must_use]
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, &x| most.max(x));
    let powers: Vec<f64> = logits.iter().map(|&x| libm::exp((f64::from(x) - f64::from(most)) / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The reliability of logits at a temperature.
#[must_use]
pub fn reliability(logits: &[&[f32]], labels: &[usize], temperature: f64) -> Reliability {
    let mut rows: Vec<(f64, bool)> = Vec::with_capacity(labels.len());
    let mut loss = 0.0;
    for (logits, &label) in logits.iter().zip(labels) {
        let probabilities = softmax(logits, temperature);
        let best = probabilities
            .iter()
            .enumerate()
            .fold((0, 0.0), |best, (index, &p)| if p > best.1 { (index, p) } else { best });
        rows.push((best.1, best.0 == label));
        loss -= libm::log(probabilities.get(label).copied().unwrap_or(0.0).max(1e-12));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = rows.len();
    let bins: Vec<Bin> = (0..BINS)
        .map(|bin| &rows[count * bin / BINS..count * (bin + 1) / BINS])
        .filter(|rows| !rows.is_empty())
        .map(|rows| Bin {
            rows: rows.len(),
            confidence: rows.iter().map(|row| row.0).sum::<f64>() / rows.len() as f64,
            accuracy: rows.iter().filter(|row| row.1).count() as f64 / rows.len() as f64,
        })
        .collect();
    let weighted = bins.iter().map(|bin| bin.rows as f64 * (bin.confidence - bin.accuracy).abs()).sum::<f64>();
    Reliability {
        bins,
        expected_calibration_error: weighted / count.max(1) as f64,
        negative_log_likelihood: loss / count.max(1) as f64,
    }
}

/// Fits a temperature on half of the rows by the likelihood of their labels (Guo et al. 2017), and measures it on the other half.
/// As Platt (1999) does, a row counts as another class once in as many rows and two: where all are right, no model may be sure without
/// end. None with fewer than two rows or classes.
#[must_use]
pub fn fit(logits: &[Vec<f32>], labels: &[usize], seed: u64) -> Option<Temperature> {
    if logits.len() < 2 || logits.len() != labels.len() || logits.iter().any(|row| row.len() < 2) {
        return None;
    }
    let mut random = SplitMix::new(seed);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, random.below(index + 1));
    }
    let (fitted, measured) = order.split_at(order.len() / 2);
    let part = |rows: &[usize]| -> (Vec<&[f32]>, Vec<usize>) {
        rows.iter().map(|&row| (logits[row].as_slice(), labels[row])).unzip()
    };
    let (own, right) = part(fitted);
    let doubt = 1.0 / (fitted.len() as f64 + 2.0);
    let loss = |log: f64| -> f64 {
        let row = |(logits, &label): (&&[f32], &usize)| -> f64 {
            let others = doubt / (logits.len() - 1) as f64;
            let probabilities = softmax(logits, libm::exp(log)).into_iter().enumerate();
            let share = |class: usize| if class == label { 1.0 - doubt } else { others };
            probabilities.map(|(class, probability)| -share(class) * libm::log(probability.max(1e-12))).sum()
        };
        own.iter().zip(&right).map(row).sum()
    };
    // Golden section: the loss has one minimum.
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = RANGE;
    for _ in 0..40 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) < loss(b) { high = b } else { low = a }
    }
    let temperature = libm::exp(f64::midpoint(low, high));
    let (others, right) = part(measured);
    let at = |temperature| reliability(&others, &right, temperature);
    Some(Temperature { temperature, rows: [fitted.len(), measured.len()], before: at(1.0), after: at(temperature) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of a model that is right as often as it says after division by `temperature`.
    fn rows(temperature: f64, count: usize) -> (Vec<Vec<f32>>, Vec<usize>) {
        let mut random = SplitMix::new(7);
        let mut unit = || (random.bits() >> 11) as f64 / (1u64 << 53) as f64;
        (0..count)
            .map(|_| {
                let logits: Vec<f32> = (0..4).map(|_| (unit() * 4.0) as f32).collect();
                let mut draw = unit();
                let label = softmax(&logits, 1.0).iter().position(|p| {
                    draw -= p;
                    draw < 0.0
                });
                (logits.iter().map(|x| x * temperature as f32).collect(), label.unwrap_or(3))
            })
            .unzip()
    }

    #[test]
    fn the_temperature_of_an_overconfident_model_is_found() {
        let (logits, labels) = rows(3.0, 4000);
        let fitted = fit(&logits, &labels, 1).unwrap();
        assert!((fitted.temperature - 3.0).abs() < 0.3, "{}", fitted.temperature);
        assert!(fitted.after.expected_calibration_error < 0.04, "{}", fitted.after.expected_calibration_error);
        assert!(fitted.before.expected_calibration_error > 0.1);
        assert!(fitted.after.negative_log_likelihood < fitted.before.negative_log_likelihood);
        assert_eq!(fitted.rows, [2000, 2000]);
        assert_eq!(Some(fitted), fit(&logits, &labels, 1));
    }

    #[test]
    fn too_little_to_fit() {
        assert_eq!(fit(&[vec![0.0, 1.0]], &[1], 1), None);
        assert_eq!(fit(&[vec![0.0], vec![1.0]], &[0, 0], 1), None);
    }
}
