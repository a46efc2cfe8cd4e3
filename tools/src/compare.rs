//! Scores and differences.

use crate::data::{DataError, Dataset};
use crate::subject::{Layer, Subject, SubjectError};
use serde::Serialize;
use std::collections::HashMap;

/// The class an output stands for: an integer as it is, one number by the threshold 0.5, else the index of the
/// largest (the first of equals).
#[must_use]
pub fn class_of(outputs: &[Vec<f32>]) -> usize {
    match outputs.first().map(Vec::as_slice) {
        Some([single]) if single.fract() == 0.0 => *single as usize,
        Some([single]) => usize::from(*single >= 0.5),
        Some(scores) => {
            let best = scores.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (index, &score)| {
                if score > best.1 { (index, score) } else { best }
            });
            best.0
        }
        None => 0,
    }
}

/// The classes of every row's outputs.
#[must_use]
pub fn classes_of(rows: &[Vec<Vec<f32>>]) -> Vec<usize> {
    rows.iter().map(|outputs| class_of(outputs)).collect()
}

/// What the right answers of rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A class per row.
    Classes(Vec<usize>),
    /// The numbers of the first output of every row: the model estimates quantities.
    Values(Vec<f32>),
}

/// Reads labels as what these outputs can be compared with. They are numbers to be met, not classes, where `y` holds
/// floats, as many per row as the first output; where that is one number, whole floats count as classes as long as
/// they are 0 and 1 or the outputs are whole themselves.
///
/// # Errors
/// As [`Dataset::labels`] and [`check_labels`].
pub fn truth(data: &Dataset, outputs: &[Vec<Vec<f32>>]) -> Result<Truth, DataError> {
    let firsts = || outputs.iter().filter_map(|row| row.first());
    let width = firsts().next().map_or(0, Vec::len);
    if let Some(values) = data.label_values().filter(|values| values.len() == data.rows() * width) {
        let whole = |x: &f32| x.fract() == 0.0;
        let binary = values.iter().all(|&x| x == 0.0 || x == 1.0);
        if width > 1 || !(binary || values.iter().chain(firsts().flatten()).all(whole)) {
            return Ok(Truth::Values(values.to_vec()));
        }
    }
    let labels = data.labels()?;
    check_labels(&labels, outputs, data)?;
    Ok(Truth::Classes(labels))
}

/// The mean absolute difference of the first outputs of all rows and the right numbers.
#[must_use]
pub fn mean_absolute_error(outputs: &[Vec<Vec<f32>>], values: &[f32]) -> f64 {
    let firsts = outputs.iter().filter_map(|row| row.first()).flatten();
    firsts.zip(values).map(|(&got, &right)| difference(got, right)).sum::<f64>() / values.len().max(1) as f64
}

/// Whether every label is one of the classes that the outputs tell apart.
///
/// # Errors
/// [`DataError::LabelRange`] for the first that is not.
pub fn check_labels(labels: &[usize], outputs: &[Vec<Vec<f32>>], data: &Dataset) -> Result<(), DataError> {
    // One number stands for any class.
    let Some(classes) = outputs.first().and_then(|row| row.first()).map(Vec::len).filter(|&classes| classes > 1) else {
        return Ok(());
    };
    match labels.iter().position(|&label| label >= classes) {
        Some(row) => Err(DataError::LabelRange { path: data.path().to_owned(), row, label: labels[row], classes }),
        None => Ok(()),
    }
}

/// The share of positions at which two lists agree, 0 to 1.
#[must_use]
pub fn agreement(a: &[usize], b: &[usize]) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f64 / a.len().min(b.len()).max(1) as f64
}

/// The absolute difference of two numbers; 0 for equal ones and two NaN, infinite where only one is a number.
#[must_use]
pub fn difference(a: f32, b: f32) -> f64 {
    let difference = (f64::from(a) - f64::from(b)).abs();
    match (a == b || (a.is_nan() && b.is_nan()), difference.is_nan()) {
        (true, _) => 0.0,
        (false, true) => f64::INFINITY,
        (false, false) => difference,
    }
}

/// How far two versions of one layer are apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerError {
    /// Name of the layer.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Largest absolute difference, in real units; infinite (null in JSON) where one of the two is no number.
    pub max: f64,
    /// Mean absolute difference.
    pub mean: f64,
    /// Power of the first version over that of the difference, in decibels; none where they are equal or where the
    /// first is all zeros.
    pub signal_to_noise_db: Option<f64>,
}

#[derive(Default)]
struct Sums {
    operator: String,
    order: usize,
    max: f64,
    absolute: f64,
    squared: f64,
    signal: f64,
    count: usize,
}

/// Compares the layers that two subjects have in common, over the first `rows` rows.
///
/// # Errors
/// [`SubjectError::Run`].
pub fn layer_errors(a: &Subject, b: &Subject, data: &Dataset, rows: usize) -> Result<Vec<LayerError>, SubjectError> {
    let part = |sums: &mut HashMap<String, Sums>, row: usize| {
        let theirs: HashMap<String, Layer> = b.trace(data, row)?.into_iter().map(|l| (l.name.clone(), l)).collect();
        for (order, layer) in a.trace(data, row)?.into_iter().enumerate() {
            let Some(other) = theirs.get(&layer.name) else { continue };
            if other.values.len() != layer.values.len() {
                continue;
            }
            let entry = sums.entry(layer.name).or_default();
            entry.operator = layer.operator;
            entry.order = order;
            for (&x, &y) in layer.values.iter().zip(&other.values) {
                let difference = difference(x, y);
                entry.max = entry.max.max(difference);
                entry.absolute += difference;
                entry.squared += difference * difference;
                entry.signal += f64::from(x) * f64::from(x);
            }
            entry.count += layer.values.len();
        }
        Ok(())
    };
    let sums = crate::parallel::fold_rows(rows.min(data.rows()), HashMap::new, part, |all, part| {
        for (name, sums) in part {
            let entry: &mut Sums = all.entry(name).or_default();
            entry.operator = sums.operator;
            entry.order = sums.order;
            entry.max = entry.max.max(sums.max);
            entry.absolute += sums.absolute;
            entry.squared += sums.squared;
            entry.signal += sums.signal;
            entry.count += sums.count;
        }
    })?;
    let mut layers: Vec<(usize, LayerError)> = sums
        .into_iter()
        .map(|(name, sums)| {
            let ratio = 10.0 * (sums.signal / sums.squared).log10();
            let error = LayerError {
                name,
                operator: sums.operator,
                max: sums.max,
                mean: sums.absolute / sums.count.max(1) as f64,
                signal_to_noise_db: ratio.is_finite().then_some(ratio),
            };
            (sums.order, error)
        })
        .collect();
    layers.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    Ok(layers.into_iter().map(|(_, error)| error).collect())
}

/// The `count` layers that lose most, worst first.
#[must_use]
pub fn worst(layers: &[LayerError], count: usize) -> Vec<&LayerError> {
    let mut sorted: Vec<&LayerError> = layers.iter().filter(|layer| layer.signal_to_noise_db.is_some()).collect();
    sorted.sort_by(|a, b| {
        let key = |layer: &LayerError| layer.signal_to_noise_db.unwrap_or(f64::INFINITY);
        key(a).total_cmp(&key(b))
    });
    sorted.truncate(count);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        assert_eq!(class_of(&[vec![0.1, 0.5, 0.5]]), 1);
        assert_eq!(class_of(&[vec![0.7]]), 1);
        assert_eq!(class_of(&[vec![0.3]]), 0);
        assert_eq!(class_of(&[vec![7.0]]), 7);
        assert_eq!(class_of(&[]), 0);
        assert_eq!(agreement(&[1, 2, 3, 4], &[1, 2, 3, 5]), 0.75);
    }

    #[test]
    fn differences_of_what_is_no_number() {
        assert_eq!(difference(1.0, -0.5), 1.5);
        assert_eq!(difference(f32::NAN, f32::NAN), 0.0);
        assert_eq!(difference(f32::INFINITY, f32::INFINITY), 0.0);
        assert_eq!(difference(f32::NAN, 1.0), f64::INFINITY);
        assert_eq!(difference(f32::INFINITY, f32::NEG_INFINITY), f64::INFINITY);
    }
}
