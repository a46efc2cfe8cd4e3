//! Whether a teacher helps: the same student, trained by its teacher and by labels alone, over several seeds.

use crate::distil::{Distilled, Options, Standing, Watch, distil};
use crate::error::TrainError;
use crate::random::generator;
use crate::training::loss::Loss;
use bantam_tools::interval::Interval;
use serde::Serialize;

/// Seeds and rows are drawn anew this often.
const DRAWS: usize = 10_000;
/// What the generator of draws is for.
const BOOTSTRAP: u64 = 6;

/// Both students of one seed, as integers.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Share of rows that the student of the teacher gets right.
    pub distilled: f64,
    /// Share of rows that the student of labels alone gets right.
    pub labels: f64,
    /// Row by row, one for each that only the first gets right, minus one for each that only the second does.
    #[serde(skip)]
    differences: Vec<f64>,
}

/// All seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Study {
    /// Each seed.
    pub runs: Vec<Run>,
    /// Means of both.
    pub mean: [f64; 2],
    /// Where the mean difference lies with 95 % confidence, had other seeds and rows been drawn.
    pub interval: Interval,
    /// Share of rows that the teacher gets right.
    pub teacher: f64,
    /// Multiply-accumulates of teacher and student.
    pub macs: [u64; 2],
}

/// Trains `seeds` pairs of students.
///
/// # Errors
/// [`TrainError`]; [`TrainError::NoLabels`] for data without labels.
pub fn run(options: &Options, seeds: u64, watch: &dyn Watch) -> Result<Study, TrainError> {
    let mut runs = Vec::new();
    let (mut teacher, mut macs) = (0.0, [0; 2]);
    for seed in options.schedule.seed..options.schedule.seed + seeds {
        let of = |loss: Loss| -> Result<Distilled, TrainError> {
            let mut options = options.clone();
            options.schedule.seed = seed;
            options.loss = loss;
            options.teacher_integers = false;
            options.checkpoint = None;
            distil(&options, watch)
        };
        let distilled = of(options.loss)?;
        let labelled = of(Loss::LABELS)?;
        let last = |made: &Distilled| made.standings.last().cloned();
        let (Some(a), Some(b)) = (last(&distilled), last(&labelled)) else { continue };
        let first = distilled.standings.first();
        teacher = first.and_then(|first| first.accuracy).unwrap_or(0.0);
        macs = [first.map_or(0, |first| first.macs), a.macs];
        runs.push(pair(seed, &a, &b));
    }
    let mean = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
    let mean = [mean(|run| run.distilled), mean(|run| run.labels)];
    let interval = interval(&runs, options.schedule.seed);
    Ok(Study { runs, mean, interval, teacher, macs })
}

fn pair(seed: u64, a: &Standing, b: &Standing) -> Run {
    let number = |right: bool| f64::from(u8::from(right));
    let differences = a.right.iter().zip(&b.right).map(|(&a, &b)| number(a) - number(b)).collect();
    Run { seed, distilled: a.accuracy.unwrap_or(0.0), labels: b.accuracy.unwrap_or(0.0), differences }
}

/// Seeds and rows are drawn with replacement, the same rows for every seed of a draw; the middle of the mean differences is kept.
fn interval(runs: &[Run], seed: u64) -> Interval {
    let rows = runs.first().map_or(0, |run| run.differences.len());
    if rows == 0 {
        return Interval { low: 0.0, high: 0.0 };
    }
    let mut random = generator(seed, &[BOOTSTRAP]);
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let seeds: Vec<usize> = runs.iter().map(|_| random.below(runs.len())).collect();
            let sum: f64 = (0..rows)
                .map(|_| {
                    let row = random.below(rows);
                    seeds.iter().map(|&seed| runs[seed].differences[row]).sum::<f64>()
                })
                .sum();
            sum / (rows * runs.len()) as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let cut = DRAWS / 40;
    Interval { low: means[cut], high: means[DRAWS - 1 - cut] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_tell_a_gain_from_chance() {
        let run = |seed: u64, better: usize, worse: usize| {
            let mut differences = vec![0.0; 300];
            differences[..better].fill(1.0);
            differences[better..better + worse].fill(-1.0);
            Run { seed, distilled: 0.9, labels: 0.9, differences }
        };
        let gain = interval(&[run(0, 20, 2), run(1, 18, 1), run(2, 22, 3)], 0);
        assert!(gain.low > 0.0 && gain.high < 0.15, "{gain:?}");
        let chance = interval(&[run(0, 10, 9), run(1, 9, 10), run(2, 8, 8)], 0);
        assert!(chance.low < 0.0 && chance.high > 0.0, "{chance:?}");
    }
}
