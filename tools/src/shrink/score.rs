//! How good an artifact is beside the float model.

use super::ShrinkError;
use crate::compare::{Truth, agreement, class_of, classes_of, mean_absolute_error, truth};
use crate::data::Dataset;
use crate::interval::{Interval, bootstrap};
use crate::search::Quality;
use crate::subject::{ArtifactFile, SourceModel};

/// What the float model gives on some rows, and what is right.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What is right, where there are labels.
    pub truth: Option<Truth>,
    /// Of each row and output.
    pub before: Vec<Vec<Vec<f32>>>,
}

/// Outputs of both models on the same rows.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// What is right, where there are labels.
    pub truth: Option<Truth>,
    /// Of each row and output of the float model.
    pub before: Vec<Vec<Vec<f32>>>,
    /// Of each row and output of the artifact.
    pub after: Vec<Vec<Vec<f32>>>,
}

/// Accuracy before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Rows of evaluation data.
    pub rows: usize,
    /// Share of rows the float model gets right; none without labels.
    pub float_top1: Option<f64>,
    /// Share of rows the artifact gets right; none without labels.
    pub top1: Option<f64>,
    /// Where the artifact's share lies with 95 % confidence, had other rows been drawn.
    pub top1_interval: Option<Interval>,
    /// Where the artifact's share less the float model's lies with 95 % confidence.
    pub change_interval: Option<Interval>,
    /// Share of rows on which both choose the same class; none where the labels are numbers to be met.
    pub agreement: Option<f64>,
    /// Mean absolute error of the float model where the labels are numbers to be met.
    pub float_mae: Option<f64>,
    /// Mean absolute error of the artifact where the labels are numbers to be met.
    pub mae: Option<f64>,
}

impl Reference {
    /// Runs the float model.
    ///
    /// # Errors
    /// [`ShrinkError::Subject`], or labels that are no classes of the model.
    pub fn of(model: &SourceModel, data: &Dataset) -> Result<Self, ShrinkError> {
        let before = crate::parallel::map_rows(data.rows(), |row| model.run(data, row))?;
        let truth = if data.has_labels() { Some(truth(data, &before)?) } else { None };
        Ok(Self { truth, before })
    }
}

impl Outputs {
    /// Runs the artifact.
    ///
    /// # Errors
    /// [`ShrinkError::Subject`].
    pub fn of(reference: &Reference, artifact: &ArtifactFile, data: &Dataset) -> Result<Self, ShrinkError> {
        let Reference { truth, before } = reference.clone();
        Ok(Self { truth, before, after: artifact.run_all(data)? })
    }

    /// How good the artifact is in one number, and what is lost.
    #[must_use]
    pub fn quality(&self) -> Quality {
        let (before, after) = (&self.before, &self.after);
        match &self.truth {
            Some(Truth::Values(values)) => {
                let [old, new] = [before, after].map(|outputs| mean_absolute_error(outputs, values));
                Quality { score: new, drop: (new - old) / old.max(1e-12) }
            }
            Some(Truth::Classes(labels)) => {
                let [old, new] = [before, after].map(|outputs| agreement(&classes_of(outputs), labels));
                Quality { score: new, drop: old - new }
            }
            None => {
                let same = agreement(&classes_of(before), &classes_of(after));
                Quality { score: same, drop: 1.0 - same }
            }
        }
    }

    /// Scores them; intervals are drawn with `seed`.
    #[must_use]
    pub fn score(&self, seed: u64) -> Score {
        let (before, after) = (&self.before, &self.after);
        let mut score = Score {
            rows: after.len(),
            float_top1: None,
            top1: None,
            top1_interval: None,
            change_interval: None,
            agreement: None,
            float_mae: None,
            mae: None,
        };
        match &self.truth {
            Some(Truth::Values(values)) => {
                [score.float_mae, score.mae] =
                    [before, after].map(|outputs| Some(mean_absolute_error(outputs, values)));
            }
            Some(Truth::Classes(labels)) => {
                let right = |outputs: &[Vec<Vec<f32>>]| -> Vec<f64> {
                    let pairs = outputs.iter().zip(labels);
                    pairs.map(|(output, &label)| f64::from(u8::from(class_of(output) == label))).collect()
                };
                let [old, new] = [before, after].map(|outputs| right(outputs));
                let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len().max(1) as f64;
                (score.float_top1, score.top1) = (Some(mean(&old)), Some(mean(&new)));
                score.top1_interval = Some(bootstrap(&new, seed));
                let change: Vec<f64> = new.iter().zip(&old).map(|(new, old)| new - old).collect();
                score.change_interval = Some(bootstrap(&change, seed));
                score.agreement = Some(agreement(&classes_of(before), &classes_of(after)));
            }
            None => score.agreement = Some(agreement(&classes_of(before), &classes_of(after))),
        }
        score
    }
}
