//! The training loop.
//!
//! A batch is cut into a fixed number of parts, whose gradients are computed on as many threads as the machine has and added in the
//! order of the parts: the number of threads changes no bit. What is drawn at random depends on the seed, the epoch and the row, so a
//! run that is taken up from its checkpoint ends with the bytes it would have had.

pub mod adam;
pub mod checkpoint;
pub mod loss;
#[cfg(test)]
mod tests;

use crate::augment::Augmentation;
use crate::error::TrainError;
use crate::exact::Exact;
use crate::network::{Network, Variable};
use crate::random::{generator, shuffled};
use crate::rows::Rows;
use adam::Adam;
use bantam_tools::graph::{Op, ValueId};
use bantam_tools::parallel::map_rows;
use bantam_tools::shrink::logits;
use candle_core::{D, DType, Device, Tensor};
use checkpoint::State;
use loss::Loss;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What the generator of the order of rows is for.
const ORDER: u64 = 3;
/// Parts of a batch.
const PARTS: usize = 4;
/// Rows that are looked at together when a network is measured.
const MEASURED: usize = 64;
/// The share of all steps over which the rate rises to its full size.
const WARM_UP: f64 = 0.05;

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Times that all rows are seen.
    pub epochs: usize,
    /// Rows in a step.
    pub batch: usize,
    /// The largest share of their size by which weights move; the rate rises to it in a twentieth of the steps and falls to nought along
    /// a cosine.
    pub rate: f64,
    /// Share of the rate by which weights decay in each step.
    pub decay: f64,
    /// Epochs without a better one after which training ends; 0 for never.
    pub patience: usize,
    /// Chooses orders and augmentation.
    pub seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { epochs: 40, batch: 64, rate: 2e-2, decay: 1e-3, patience: 0, seed: 0 }
    }
}

/// One pass over the rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss per row while training.
    pub loss: f64,
    /// Mean loss per row of the rows held out, or of the rows trained on where none are.
    pub held_out: f64,
    /// Share of those rows that are answered right, or as the teacher answers where there are no labels; none for models that do
    /// not tell classes apart.
    pub accuracy: Option<f64>,
}

/// What was measured so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps made.
    pub step: usize,
    /// The best epoch, from 1; 0 before the first.
    pub best: usize,
    /// Epochs made.
    pub epochs: Vec<Epoch>,
}

/// Is told steps made, of how many, the mean loss of the last and what the last epoch gave.
pub type Steps<'a> = dyn Fn(usize, usize, f64, Option<&Epoch>) + Sync + 'a;

/// One run.
pub struct Job<'a> {
    /// What is trained.
    pub student: &'a Network,
    /// What answers beforehand.
    pub teacher: Option<&'a Network>,
    /// Rows to train on.
    pub rows: &'a Rows,
    /// Rows to tell the best epoch by.
    pub held_out: &'a Rows,
    /// What it is trained for.
    pub loss: Loss,
    /// How rows are changed.
    pub augmentation: Augmentation,
    /// How long and how fast.
    pub schedule: Schedule,
    /// Where the state is kept, and what tells this run from others.
    pub checkpoint: Option<(&'a Path, &'a str)>,
    /// The exact integers of the artifact, for quantisation-aware training.
    pub exact: Option<&'a Exact<'a>>,
    /// Who is told.
    pub watch: &'a Steps<'a>,
}

/// Whether a network tells classes apart, by the values that are compared: the operand of the softmax that makes its first output, or
/// that output.
#[derive(Clone, Copy, Debug)]
struct Answer {
    value: ValueId,
    classes: bool,
}

impl Answer {
    fn of(network: &Network) -> Option<Self> {
        let graph = network.graph();
        let value = logits(graph)?;
        let classes = graph.outputs().first()?.value != value;
        Some(Self { value, classes })
    }
}

/// Trains and leaves the variables at their best epoch.
///
/// # Errors
/// [`TrainError::Diverged`], [`TrainError::Checkpoint`], [`TrainError::OtherRun`], [`TrainError::Write`].
pub fn train(job: &Job<'_>) -> Result<Progress, TrainError> {
    let variables = job.student.variables();
    let mut state = State { adam: Adam::new(variables), best: values(variables)?, progress: Progress::default() };
    if let Some((path, fingerprint)) = job.checkpoint
        && let Some(found) = checkpoint::read(path, fingerprint, variables)?
    {
        state = found;
    }
    let steps = job.rows.count().div_ceil(job.schedule.batch.max(1));
    let all = steps * job.schedule.epochs;
    let mut kept = (state.progress.step > 0).then(|| job.checkpoint.map(|(path, _)| path.to_owned())).flatten();
    for epoch in state.progress.epochs.len() + 1..=job.schedule.epochs {
        if is_over(&state.progress, job.schedule.patience) {
            break;
        }
        let order = shuffled(&mut generator(job.schedule.seed, &[ORDER, epoch as u64]), job.rows.count());
        let mut sum = 0.0;
        for batch in order.chunks(job.schedule.batch.max(1)) {
            let step = state.progress.step + 1;
            let rate = rate(job.schedule.rate, step, all);
            let (loss, gradients) = gradients(job, batch, epoch)?;
            if let Some((what, layer)) = not_finite(job, batch, epoch, loss, &gradients)? {
                let (given, advice) = (job.schedule.rate, advice(job.schedule.rate));
                return Err(TrainError::Diverged { epoch, step, what, layer, rate: given, advice, kept });
            }
            state.adam.step(variables, &gradients, step, rate, job.schedule.decay)?;
            state.progress.step = step;
            sum += loss;
            (job.watch)(step, all, loss / batch.len() as f64, state.progress.epochs.last());
        }
        let (held_out, accuracy) = measure(job)?;
        if !held_out.is_finite() {
            let (step, rate) = (state.progress.step, job.schedule.rate);
            let layer = first_not_finite(job, &[], epoch)?.unwrap_or_else(|| "the loss".into());
            let what = "the value";
            return Err(TrainError::Diverged { epoch, step, what, layer, rate, advice: advice(rate), kept });
        }
        state.progress.epochs.push(Epoch { epoch, loss: sum / job.rows.count() as f64, held_out, accuracy });
        if better(&state.progress) {
            state.progress.best = epoch;
            state.best = values(variables)?;
        }
        if let Some((path, fingerprint)) = job.checkpoint {
            checkpoint::write(path, fingerprint, variables, &state)?;
            kept = Some(path.to_owned());
        }
        (job.watch)(state.progress.step, all, sum / job.rows.count() as f64, state.progress.epochs.last());
    }
    set(variables, &state.best)?;
    Ok(state.progress)
}

/// Whether the last epoch is the best: by the loss of the rows held out.
fn better(progress: &Progress) -> bool {
    let best = progress.best.checked_sub(1).map_or(f64::INFINITY, |best| progress.epochs[best].held_out);
    progress.epochs.last().is_some_and(|last| last.held_out < best)
}

fn is_over(progress: &Progress, patience: usize) -> bool {
    patience > 0 && progress.epochs.len() >= progress.best + patience && progress.best > 0
}

fn rate(largest: f64, step: usize, all: usize) -> f64 {
    let (step, all) = (step as f64, all.max(1) as f64);
    let rising = (all * WARM_UP).max(1.0);
    if step < rising {
        return largest * step / rising;
    }
    let share = (step - rising) / (all - rising).max(1.0);
    largest * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

/// A third, in two digits.
fn advice(rate: f64) -> f64 {
    let third = rate / 3.0;
    let unit = 10f64.powi(third.log10().floor() as i32 - 1);
    if unit.is_normal() { (third / unit).round() * unit } else { third }
}

/// Sets variables.
///
/// # Errors
/// What candle says.
pub fn set(variables: &[Variable], items: &[Vec<f32>]) -> Result<(), TrainError> {
    for (variable, items) in variables.iter().zip(items) {
        variable.var.set(&Tensor::from_slice(items, variable.var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

fn values(variables: &[Variable]) -> Result<Vec<Vec<f32>>, TrainError> {
    let read = |variable: &Variable| variable.var.flatten_all()?.to_vec1::<f32>();
    Ok(variables.iter().map(read).collect::<Result<_, _>>()?)
}

/// The summed loss of some rows and its gradients per row.
fn gradients(job: &Job<'_>, batch: &[usize], epoch: usize) -> Result<(f64, Vec<Vec<f32>>), TrainError> {
    let variables = job.student.variables();
    let exact = job.exact.map(|exact| exact.program(job.student)).transpose()?;
    let parts = PARTS.min(batch.len()).max(1);
    let part = |index: usize| -> Result<(f64, Vec<Vec<f32>>), TrainError> {
        let rows = &batch[batch.len() * index / parts..batch.len() * (index + 1) / parts];
        let chosen = augmented(job, rows, epoch);
        let loss = objective(job, &chosen, exact.as_ref())?;
        let mean = (&loss / batch.len() as f64)?;
        let store = mean.backward()?;
        let gradient = |variable: &Variable| match store.get(variable.var.as_tensor()) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => Ok(vec![0.0; variable.var.elem_count()]),
        };
        let gradients = variables.iter().map(gradient).collect::<Result<_, _>>()?;
        Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
    };
    let mut results = map_rows(parts, part)?.into_iter();
    let (mut loss, mut sums) = results.next().unwrap_or_default();
    for (more, gradients) in results {
        loss += more;
        for (sum, gradient) in sums.iter_mut().zip(gradients) {
            sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
        }
    }
    Ok((loss, sums))
}

fn augmented(job: &Job<'_>, rows: &[usize], epoch: usize) -> Rows {
    let mut chosen = job.rows.select(rows);
    let (augmentation, seed) = (&job.augmentation, job.schedule.seed);
    if *augmentation == Augmentation::default() {
        return chosen;
    }
    let changed = |row: usize| augmentation.apply(job.rows.row(row), &job.rows.shape, seed, epoch, row);
    let mut items = Vec::with_capacity(chosen.items.len());
    for &row in rows {
        let own = changed(row);
        let partner = augmentation.partner(job.rows.count(), &job.rows.shape, seed, epoch, row);
        if let Some(labels) = &job.rows.labels {
            chosen.mixed.push(partner.map_or((labels[row], 0.0), |other| (labels[other.row], other.share)));
        }
        match partner {
            Some(partner) => items.extend(partner.mixed(own, &changed(partner.row), &job.rows.shape)),
            None => items.extend(own),
        }
    }
    chosen.items = items;
    chosen
}

/// The loss of some rows, summed.
fn objective(job: &Job<'_>, rows: &Rows, exact: Option<&crate::exact::Run<'_>>) -> Result<Tensor, TrainError> {
    let input = [rows.tensor()?];
    let answers = |network: &Network| Answer::of(network).ok_or(TrainError::Inputs(0));
    let own = answers(job.student)?;
    let pairs = match job.teacher {
        Some(teacher) if job.loss.features > 0.0 => feature_pairs(job.student, teacher),
        _ => vec![],
    };
    let wanted: Vec<ValueId> = std::iter::once(own.value).chain(pairs.iter().map(|pair| pair.0)).collect();
    let mut student = match exact {
        Some(exact) => exact.forward(job.student, rows, &wanted)?,
        None => job.student.forward(&input, &wanted)?,
    };
    let layers = student.split_off(1);
    let student = flat(&student[0])?;
    let mut loss = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    if let Some(teacher) = job.teacher.filter(|_| job.loss.teacher > 0.0 || !pairs.is_empty()) {
        let theirs = answers(teacher)?;
        let wanted: Vec<ValueId> = std::iter::once(theirs.value).chain(pairs.iter().map(|pair| pair.1)).collect();
        let known = teacher.forward(&input, &wanted)?;
        let answer = flat(&known[0])?;
        let distance = if own.classes && theirs.classes {
            loss::divergence(&student, &answer, job.loss.temperature)?
        } else {
            loss::squared(&student, &answer)?
        };
        loss = (loss + (distance * job.loss.teacher)?)?;
        for (layer, known) in layers.iter().zip(&known[1..]) {
            let weight = job.loss.features / pairs.len() as f64;
            loss = (loss + (loss::attention(layer, known)? * weight)?)?;
        }
    }
    if let Some(labels) = rows.labels.as_ref().filter(|_| job.loss.labels > 0.0) {
        loss = (loss + (loss::cross_entropy(&student, labels, &rows.mixed)? * job.loss.labels)?)?;
    }
    Ok(loss)
}

/// Rows of all numbers.
fn flat(answer: &Tensor) -> candle_core::Result<Tensor> {
    if answer.rank() == 1 { answer.unsqueeze(1) } else { answer.flatten_from(1) }
}

/// Convolutions of the same name over the same places in both networks.
fn feature_pairs(student: &Network, teacher: &Network) -> Vec<(ValueId, ValueId)> {
    let layers = |network: &Network| -> Vec<(String, Vec<usize>, ValueId)> {
        let graph = network.graph();
        let of = |(_, node): (_, &bantam_tools::graph::Node)| match node.op {
            Op::Conv2d(_) => {
                let shape = graph.value(node.output()).shape.clone();
                Some((node.name.clone(), shape[..3].to_vec(), node.output()))
            }
            _ => None,
        };
        graph.nodes().filter_map(of).collect()
    };
    let known = layers(teacher);
    let pair = |(name, places, value): (String, Vec<usize>, ValueId)| {
        let found = known.iter().find(|(other, theirs, _)| *other == name && *theirs == places);
        found.map(|(_, _, theirs)| (value, *theirs))
    };
    layers(student).into_iter().filter_map(pair).collect()
}

/// The rows by which the best epoch is told.
fn measured<'a>(job: &Job<'a>) -> &'a Rows {
    if job.held_out.count() > 0 { job.held_out } else { job.rows }
}

/// The mean loss per row and the share of right answers, on the rows held out.
fn measure(job: &Job<'_>) -> Result<(f64, Option<f64>), TrainError> {
    let rows = measured(job);
    let count = rows.count();
    let exact = job.exact.map(|exact| exact.program(job.student)).transpose()?;
    let part = |index: usize| -> Result<(f64, Option<usize>), TrainError> {
        let chosen: Vec<usize> = (index * MEASURED..count.min((index + 1) * MEASURED)).collect();
        let chosen = rows.select(&chosen);
        let loss = objective(job, &chosen, exact.as_ref())?.to_scalar::<f32>()?;
        Ok((f64::from(loss), right(job, &chosen, exact.as_ref())?))
    };
    let parts = map_rows(count.div_ceil(MEASURED), part)?;
    let loss = parts.iter().map(|(loss, _)| loss).sum::<f64>() / count.max(1) as f64;
    let right = parts.iter().map(|(_, right)| *right).sum::<Option<usize>>();
    Ok((loss, right.map(|right| right as f64 / count.max(1) as f64)))
}

/// How many rows are answered as the labels say, or else as the teacher does.
fn right(job: &Job<'_>, rows: &Rows, exact: Option<&crate::exact::Run<'_>>) -> Result<Option<usize>, TrainError> {
    let Some(own) = Answer::of(job.student) else { return Ok(None) };
    let answers = match exact {
        Some(exact) => exact.forward(job.student, rows, &[own.value])?,
        None => job.student.forward(&[rows.tensor()?], &[own.value])?,
    };
    let classes = |answers: &Tensor| flat(answers)?.argmax(D::Minus1)?.to_vec1::<u32>();
    let expected: Vec<u32> = match (&rows.labels, job.teacher) {
        (Some(labels), _) => labels.iter().map(|&label| label as u32).collect(),
        (None, Some(teacher)) if own.classes => {
            let Some(theirs) = Answer::of(teacher) else { return Ok(None) };
            classes(&teacher.forward(&[rows.tensor()?], &[theirs.value])?[0])?
        }
        _ => return Ok(None),
    };
    let given = classes(&answers[0])?;
    Ok(Some(given.iter().zip(&expected).filter(|(a, b)| a == b).count()))
}

/// What is not finite in a step, and where.
fn not_finite(
    job: &Job<'_>,
    batch: &[usize],
    epoch: usize,
    loss: f64,
    gradients: &[Vec<f32>],
) -> Result<Option<(&'static str, String)>, TrainError> {
    let bad = gradients.iter().position(|gradient| gradient.iter().any(|x| !x.is_finite()));
    if loss.is_finite() && bad.is_none() {
        return Ok(None);
    }
    if let Some(layer) = first_not_finite(job, batch, epoch)? {
        return Ok(Some(("the value", layer)));
    }
    let layer = bad.map_or_else(|| "the loss".to_owned(), |index| job.student.variables()[index].layer.clone());
    Ok(Some((if bad.is_some() { "the gradient" } else { "the value" }, layer)))
}

/// The first layer whose value is not finite: of these rows, or of those held out.
fn first_not_finite(job: &Job<'_>, batch: &[usize], epoch: usize) -> Result<Option<String>, TrainError> {
    let rows = if batch.is_empty() { measured(job).clone() } else { augmented(job, batch, epoch) };
    let mut first = None;
    let graph = job.student.graph();
    job.student.forward_with(&[rows.tensor()?], &[], &BTreeMap::new(), |value, tensor| {
        let node = graph.producer(value).and_then(|node| graph.node(node));
        if first.is_none()
            && tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?.iter().any(|x| !x.is_finite())
        {
            first = Some(node.map_or_else(|| graph.value(value).name.clone(), |node| node.name.clone()));
        }
        Ok(tensor)
    })?;
    Ok(first)
}
