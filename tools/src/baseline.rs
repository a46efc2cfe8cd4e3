//! What a model must beat: the majority class, and a line through the inputs.
//!
//! The line is multinomial logistic regression on standardised inputs with a small ridge, by accelerated gradient descent. It is fitted
//! on the calibration data where that has labels, else on one half of the evaluation data and scored on the other, and the
//! other way round.

use crate::data::Dataset;
use crate::graph::ops::{FullyConnected, Reshape, Softmax};
use crate::graph::{Graph, GraphError, Op, Port};
use crate::parallel;
use crate::tensor::{DataType, Tensor};
use serde::Serialize;

/// Inputs with more elements are not fitted.
pub const MOST_FIELDS: usize = 1 << 14;
/// Rows that are fitted.
const MOST_ROWS: usize = 4000;
/// Multiplications of a fit; the steps are as many as that allows.
const WORK: usize = 4_000_000_000;
/// Bounds of the steps of gradient descent.
const STEPS: [usize; 2] = [40, 400];
/// Weight of the squared coefficients, per row.
const RIDGE: f64 = 1e-3;
/// Parts of the rows over which sums are taken, whatever the number of threads.
const PARTS: usize = 8;

/// Scores of what is simpler than a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// The class that is most frequent where lines are fitted.
    pub majority_class: usize,
    /// Share of the evaluation rows in that class.
    pub majority: f64,
    /// Share of the evaluation rows a line gets right; none for inputs that are too large.
    pub linear: Option<f64>,
    /// What the line was fitted on.
    pub fitted_on: &'static str,
}

/// A fitted line: class scores `weights * x + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `[classes, fields]`.
    pub weights: Vec<f32>,
    /// One per class.
    pub bias: Vec<f32>,
    fields: usize,
}

/// Rows of numbers with their classes.
#[derive(Clone, Debug, Default)]
struct Rows {
    inputs: Vec<Vec<f32>>,
    labels: Vec<usize>,
}

/// Scores both baselines on labelled evaluation rows.
#[must_use]
pub fn baselines(
    calibration: Option<&Dataset>,
    evaluation: &Dataset,
    labels: &[usize],
    classes: usize,
) -> (Baselines, Option<Line>) {
    let test = Rows { inputs: inputs_of(evaluation), labels: labels.to_vec() };
    let own =
        calibration.and_then(|data| Some(Rows { inputs: inputs_of(data), labels: usable_labels(data, classes)? }));
    let train = own.as_ref().unwrap_or(&test);
    let majority_class = majority(&train.labels, classes);
    let share = labels.iter().filter(|&&label| label == majority_class).count() as f64 / labels.len().max(1) as f64;
    let fits = test.inputs.first().is_some_and(|row| row.len() <= MOST_FIELDS) && classes > 1;
    let line = fits.then(|| Line::fit(train, classes));
    let (linear, fitted_on) = match (&own, &line) {
        (_, None) => (None, "nothing"),
        (Some(_), Some(line)) => (Some(line.score(&test)), "the calibration data"),
        (None, Some(_)) => (Some(halves(&test, classes)), "the other half of the evaluation data"),
    };
    (Baselines { majority_class, majority: share, linear, fitted_on }, line)
}

/// Each half scored by a line fitted on the other.
fn halves(rows: &Rows, classes: usize) -> f64 {
    let part = |parity: usize| -> Rows {
        let chosen = (0..rows.labels.len()).filter(|row| row % 2 == parity);
        let (inputs, labels) = chosen.map(|row| (rows.inputs[row].clone(), rows.labels[row])).unzip();
        Rows { inputs, labels }
    };
    let (even, odd) = (part(0), part(1));
    let right = Line::fit(&even, classes).score(&odd) * odd.labels.len() as f64
        + Line::fit(&odd, classes).score(&even) * even.labels.len() as f64;
    right / rows.labels.len().max(1) as f64
}

/// Labels of calibration data; what is no class of the model is no label, and nobody asked for them to be right.
fn usable_labels(data: &Dataset, classes: usize) -> Option<Vec<usize>> {
    let labels = data.labels().ok()?;
    let first = labels.first()?;
    (labels.iter().all(|&label| label < classes) && labels.iter().any(|label| label != first)).then_some(labels)
}

fn inputs_of(data: &Dataset) -> Vec<Vec<f32>> {
    let row = |row| -> Vec<f32> {
        data.floats(row).iter().flat_map(|tensor| tensor.as_f32().unwrap_or(&[]).to_vec()).collect()
    };
    (0..data.rows()).map(row).collect()
}

fn majority(labels: &[usize], classes: usize) -> usize {
    let mut counts = vec![0usize; classes.max(1)];
    labels.iter().filter(|&&label| label < classes).for_each(|&label| counts[label] += 1);
    // Of equal ones the first.
    (0..counts.len()).rev().max_by_key(|&class| counts[class]).unwrap_or(0)
}

impl Line {
    fn fit(rows: &Rows, classes: usize) -> Self {
        let step = rows.inputs.len().div_ceil(MOST_ROWS).max(1);
        let chosen: Vec<usize> = (0..rows.inputs.len()).step_by(step).collect();
        let fields = rows.inputs.first().map_or(0, Vec::len);
        let count = chosen.len().max(1) as f64;
        let moment = |field: usize, power: i32| {
            chosen.iter().map(|&row| f64::from(rows.inputs[row][field]).powi(power)).sum::<f64>() / count
        };
        let mean: Vec<f64> = (0..fields).map(|field| moment(field, 1)).collect();
        let deviation = |field: usize| (moment(field, 2) - mean[field] * mean[field]).max(0.0).sqrt();
        let factor: Vec<f64> = (0..fields).map(deviation).map(|d| if d > 1e-9 { 1.0 / d } else { 0.0 }).collect();
        let standard = |row: &usize| -> Vec<f32> {
            rows.inputs[*row]
                .iter()
                .zip(mean.iter().zip(&factor))
                .map(|(&x, (m, f))| ((f64::from(x) - m) * f) as f32)
                .collect()
        };
        let inputs: Vec<Vec<f32>> = chosen.iter().map(standard).collect();
        let labels: Vec<usize> = chosen.iter().map(|&row| rows.labels[row]).collect();
        let weights = descend(&inputs, &labels, classes, fields);
        let mut line =
            Self { weights: Vec::with_capacity(classes * fields), bias: Vec::with_capacity(classes), fields };
        for row in weights.chunks(fields + 1) {
            let own: Vec<f64> = row[..fields].iter().zip(&factor).map(|(&w, f)| f64::from(w) * f).collect();
            line.bias.push((f64::from(row[fields]) - own.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>()) as f32);
            line.weights.extend(own.iter().map(|&w| w as f32));
        }
        line
    }

    /// The class of one row.
    fn class(&self, input: &[f32]) -> usize {
        let scores = self.weights.chunks(self.fields.max(1)).zip(&self.bias).map(|(row, bias)| dot(row, input) + bias);
        scores
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (class, score)| if score > best.1 { (class, score) } else { best })
            .0
    }

    fn score(&self, rows: &Rows) -> f64 {
        let right = rows.inputs.iter().zip(&rows.labels).filter(|&(input, &label)| self.class(input) == label).count();
        right as f64 / rows.labels.len().max(1) as f64
    }

    /// The line as a network over the same input as the model's.
    ///
    /// # Errors
    /// [`GraphError`], never for the input it was fitted on.
    pub fn graph(&self, name: &str, port: &Port, shape: &[usize]) -> Result<Graph, GraphError> {
        let mut graph = Graph::new(name);
        let input = graph.add_input(&port.name, shape.to_vec(), DataType::F32);
        graph.set_input_layout(0, port.layout, input);
        let classes = self.bias.len();
        let tensor =
            |shape: Vec<usize>, items: &[f32]| Tensor::from_vec(shape, items.to_vec()).expect("as many as fitted");
        let weights = graph.add_constant("weights", tensor(vec![classes, self.fields], &self.weights));
        let bias = graph.add_constant("bias", tensor(vec![classes], &self.bias));
        let flat = match shape {
            [1, fields] if *fields == self.fields => input,
            _ => graph.add_node("flat", Op::Reshape(Reshape { shape: vec![1, self.fields] }), &[input])?,
        };
        let scores = graph.add_node("scores", Op::FullyConnected(FullyConnected::default()), &[flat, weights, bias])?;
        let softmax = graph.add_node("probabilities", Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[scores])?;
        graph.add_output("probabilities", softmax);
        Ok(graph)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side.
    let mut sums = [0f32; 8];
    let (first, second) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in first.0.iter().zip(second.0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + first.1.iter().zip(second.1).map(|(a, b)| a * b).sum::<f32>()
}

/// The weights `[classes, fields + 1]` that make the labels most likely; the last field is the constant 1.
fn descend(inputs: &[Vec<f32>], labels: &[usize], classes: usize, fields: usize) -> Vec<f32> {
    let (rows, width) = (inputs.len().max(1), fields + 1);
    let steps = (WORK / (2 * rows * width * classes).max(1)).clamp(STEPS[0], STEPS[1]);
    // The loss bends by at most half the largest eigenvalue of the second moments, found by a few power iterations.
    let mut direction = vec![1f32; width];
    let mut largest = 1f64;
    for _ in 0..8 {
        let mut next = vec![0f64; width];
        for input in inputs {
            let along = f64::from(dot(&direction[..fields], input) + direction[fields]);
            next.iter_mut().zip(input).for_each(|(next, &x)| *next += along * f64::from(x));
            next[fields] += along;
        }
        let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        let own = direction.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        largest = (norm / own.max(1e-30) / rows as f64).max(1e-9);
        direction = next.iter().map(|x| (x / norm.max(1e-30)) as f32).collect();
    }
    let rate = 1.0 / (largest * 1.1 / 2.0 + RIDGE);
    let mut weights = vec![0f32; classes * width];
    let mut ahead = weights.clone();
    for step in 0..steps {
        let Ok(parts) = parallel::map_rows(PARTS, |part| {
            let range = inputs.len() * part / PARTS..inputs.len() * (part + 1) / PARTS;
            Ok::<_, std::convert::Infallible>(gradient(&inputs[range.clone()], &labels[range], &ahead, classes, fields))
        });
        let momentum = step as f64 / (step as f64 + 3.0);
        for index in 0..weights.len() {
            let slope = parts.iter().map(|part| f64::from(part[index])).sum::<f64>() / rows as f64;
            let ridge = if index % width == fields { 0.0 } else { RIDGE * f64::from(ahead[index]) };
            let next = f64::from(ahead[index]) - rate * (slope + ridge);
            ahead[index] = (next + momentum * (next - f64::from(weights[index]))) as f32;
            weights[index] = next as f32;
        }
    }
    weights
}

/// The slope of the negative log likelihood, summed over rows.
fn gradient(inputs: &[Vec<f32>], labels: &[usize], weights: &[f32], classes: usize, fields: usize) -> Vec<f32> {
    let width = fields + 1;
    let mut slope = vec![0f32; classes * width];
    for (input, &label) in inputs.iter().zip(labels) {
        let scores: Vec<f32> = weights.chunks(width).map(|row| dot(&row[..fields], input) + row[fields]).collect();
        let probabilities = crate::confidence::softmax(&scores, 1.0);
        for (class, (row, probability)) in slope.chunks_mut(width).zip(probabilities).enumerate() {
            let error = (probability - f64::from(u8::from(class == label))) as f32;
            row[..fields].iter_mut().zip(input).for_each(|(slope, &x)| *slope += error * x);
            row[fields] += error;
        }
    }
    slope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_apart_what_lines_tell_apart() {
        let mut random = crate::interval::SplitMix::new(3);
        let mut unit = || (random.bits() >> 40) as f32 / (1u32 << 24) as f32;
        let inputs: Vec<Vec<f32>> = (0..400).map(|_| vec![unit() * 100.0, unit() * 0.01, 5.0]).collect();
        let labels =
            inputs.iter().map(|x| usize::from(x[0] / 100.0 + x[1] / 0.01 > 1.0) + usize::from(x[0] > 80.0)).collect();
        let rows = Rows { inputs, labels };
        let line = Line::fit(&rows, 3);
        assert!(line.score(&rows) > 0.95, "{}", line.score(&rows));
        assert!(halves(&rows, 3) > 0.9);
        assert_eq!(line, Line::fit(&rows, 3));
        assert_eq!(majority(&[2, 1, 1, 2, 0], 3), 1);
    }
}
