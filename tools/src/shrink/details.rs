//! Everything a report tells of an artifact beyond its scores.

use super::{Outputs, Quantizer};
use crate::compare::{Truth, class_of, classes_of};
use crate::data::{DataError, Dataset};
use crate::graph::ValueId;
use crate::interval::{Interval, bootstrap};
use crate::plan::timeline;
use crate::quantize::layers::Layer;
use bantam::Model;
use serde::Serialize;
use std::collections::BTreeMap;

/// Groups of a column up to which each value is one; beyond, they are quarters of the rows.
const MOST_GROUPS: usize = 12;
/// Bars of a histogram.
const BARS: usize = 48;

/// Rows of one class or slice, and how many of them are right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The class or the values of the slice.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Share that the float model gets right.
    pub float_top1: f64,
    /// Share that the artifact gets right.
    pub top1: f64,
    /// The artifact's share less the float model's.
    pub gap: f64,
    /// Where the artifact's share lies with 95 % confidence.
    pub interval: Interval,
}

/// Scores of the groups that a column of the data makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slices {
    /// The column.
    pub column: String,
    /// Its groups.
    pub groups: Vec<Group>,
}

/// Counts over a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bars {
    /// The smallest number.
    pub low: f64,
    /// The largest number.
    pub high: f64,
    /// Numbers in each of equal parts of the range.
    pub counts: Vec<u64>,
    /// The range that 8 bits hold, where it was chosen.
    pub range: Option<[f64; 2]>,
}

/// One op of the artifact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpDetails {
    /// Its name.
    pub name: String,
    /// Its opcode.
    pub operator: &'static str,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of weights, bias and requantisation; 0 for other ops.
    pub bytes: usize,
    /// Width of its weights, where it has any.
    pub weight_bits: Option<usize>,
    /// Real weights.
    pub weights: Option<Bars>,
    /// Results over the calibration data.
    pub activations: Option<Bars>,
}

/// A tensor in the arena.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// The first and the last op it is there for.
    pub ops: [usize; 2],
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Details {
    /// Scores by class.
    pub classes: Vec<Group>,
    /// Rows by right class, then by class chosen: the float model's and the artifact's; empty without classes.
    pub confusion: Vec<Vec<Vec<usize>>>,
    /// Scores by the values of columns.
    pub slices: Vec<Slices>,
    /// The ops in order.
    pub ops: Vec<OpDetails>,
    /// What lies in the arena.
    pub memory: Vec<Block>,
    /// Bytes in use during each op.
    pub occupancy: Vec<usize>,
}

/// Scores by class and by the columns named.
///
/// # Errors
/// [`DataError::Column`] for a column that the data does not have.
pub(super) fn groups(
    outputs: &Outputs,
    data: &Dataset,
    labels: &[String],
    columns: &[String],
    seed: u64,
) -> Result<Details, DataError> {
    let mut details = Details::default();
    let Some(Truth::Classes(truth)) = &outputs.truth else { return Ok(details) };
    let choices = [classes_of(&outputs.before), classes_of(&outputs.after)];
    let class_count = 1 + truth.iter().chain(choices.iter().flatten()).copied().max().unwrap_or(0);
    let name = |class: usize| labels.get(class).cloned().unwrap_or_else(|| class.to_string());
    for chosen in &choices {
        let mut table = vec![vec![0; class_count]; class_count];
        truth.iter().zip(chosen).for_each(|(&right, &class)| table[right][class] += 1);
        details.confusion.push(table);
    }
    let right = |outputs: &[Vec<Vec<f32>>], row: usize| f64::from(u8::from(class_of(&outputs[row]) == truth[row]));
    let group = |name: String, rows: &[usize]| -> Group {
        let [old, new] =
            [&outputs.before, &outputs.after].map(|of| rows.iter().map(|&row| right(of, row)).collect::<Vec<_>>());
        let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        let (float_top1, top1) = (mean(&old), mean(&new));
        Group { name, rows: rows.len(), float_top1, top1, gap: top1 - float_top1, interval: bootstrap(&new, seed) }
    };
    for class in 0..class_count {
        let rows: Vec<usize> = (0..truth.len()).filter(|&row| truth[row] == class).collect();
        if !rows.is_empty() {
            details.classes.push(group(name(class), &rows));
        }
    }
    for column in columns {
        let values = data.column(column)?;
        let groups = sliced(values).into_iter().map(|(name, rows)| group(name, &rows)).collect();
        details.slices.push(Slices { column: column.clone(), groups });
    }
    Ok(details)
}

/// Rows by value, or by quarter where there are many values.
fn sliced(values: &[f32]) -> Vec<(String, Vec<usize>)> {
    let mut known: Vec<f32> = values.to_vec();
    known.sort_by(f32::total_cmp);
    let sorted = known.clone();
    known.dedup();
    if known.len() <= MOST_GROUPS {
        let rows = |value: f32| (0..values.len()).filter(|&row| values[row] == value).collect();
        return known.into_iter().map(|value| (value.to_string(), rows(value))).collect();
    }
    let mut edges: Vec<f32> = (1..4).map(|quarter| sorted[sorted.len() * quarter / 4]).collect();
    edges.dedup();
    (0..=edges.len())
        .map(|part| {
            let (low, high) = (part.checked_sub(1).map(|below| edges[below]), edges.get(part).copied());
            let inside = |x: f32| low.is_none_or(|low| x >= low) && high.is_none_or(|high| x < high);
            let name = match (low, high) {
                (None, Some(high)) => format!("below {high}"),
                (Some(low), Some(high)) => format!("{low} to {high}"),
                (low, _) => format!("from {}", low.unwrap_or(0.0)),
            };
            (name, (0..values.len()).filter(|&row| inside(values[row])).collect())
        })
        .filter(|(_, rows): &(String, Vec<usize>)| !rows.is_empty())
        .collect()
}

/// Ops and memory of an artifact with names.
pub(super) fn of_model(
    details: &mut Details,
    model: &Model<'_>,
    quantizer: Option<&Quantizer<'_>>,
    layers: &BTreeMap<ValueId, Layer>,
) {
    let artifact = model.artifact();
    let names: Vec<&str> = artifact.names().collect();
    let name = |index: usize| names.get(index).map_or_else(|| index.to_string(), ToString::to_string);
    let by_name: BTreeMap<&str, ValueId> = quantizer
        .map(|quantizer| {
            quantizer.graph.value_ids().map(|value| (quantizer.graph.value(value).name.as_str(), value)).collect()
        })
        .unwrap_or_default();
    let tflite = artifact.arithmetic() == bantam_format::Arithmetic::Tflite;
    details.ops = artifact
        .ops()
        .enumerate()
        .map(|(index, op)| {
            let output = op.operand(op.input_count);
            let value = by_name.get(name(output).as_str()).copied();
            let layer = value.and_then(|value| layers.get(&value));
            let bytes = layer.map_or(0, |layer| {
                let channels = layer.weights.scales.len();
                let bias = if layer.weights.bias.iter().all(|&b| b == 0) { 0 } else { 4 * channels };
                layer.weights.bits.bytes(layer.weights.weights.len()) + bias + channels * if tflite { 5 } else { 4 }
            });
            let graph = quantizer.map(|quantizer| &quantizer.graph);
            let weights = layer.and(value).and_then(|value| {
                let graph = graph?;
                let node = graph.node(graph.producer(value)?)?;
                Some(bars(graph.constant(*node.inputs.get(1)?)?.as_f32().ok()?))
            });
            let activations = value.and_then(|value| {
                let calibration = &quantizer?.calibration;
                let (low, high, counts) = calibration.histograms.get(&value)?.grouped(BARS);
                let range = calibration.ranges.get(&value).map(|&(low, high)| [f64::from(low), f64::from(high)]);
                Some(Bars { low: low.into(), high: high.into(), counts, range })
            });
            OpDetails {
                name: name(artifact.tensor_count() + index),
                operator: op.opcode.name(),
                macs: op.macs(),
                bytes,
                weight_bits: layer.map(|layer| layer.weights.bits.number()),
                weights,
                activations,
            }
        })
        .collect();
    let last = artifact.op_count().saturating_sub(1);
    let block = |life: timeline::Lifetime| Block {
        name: name(life.tensor),
        offset: life.offset,
        bytes: life.bytes,
        ops: [life.written_by.unwrap_or(0), life.last_read_by.unwrap_or(last)],
    };
    details.memory = timeline::lifetimes(model).into_iter().map(block).collect();
    details.occupancy = timeline::occupancy(model);
}

fn bars(items: &[f32]) -> Bars {
    let (low, high) =
        items.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    let mut counts = vec![0; BARS];
    let width = f64::from(high) - f64::from(low);
    for &x in items {
        let bar = if width > 0.0 { ((f64::from(x) - f64::from(low)) / width * BARS as f64) as usize } else { 0 };
        counts[bar.min(BARS - 1)] += 1;
    }
    Bars { low: low.into(), high: high.into(), counts, range: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_groups_and_many_are_quarters() {
        let groups = sliced(&[1.0, 0.0, 1.0]);
        assert_eq!(groups, [("0".to_owned(), vec![1]), ("1".to_owned(), vec![0, 2])]);
        let values: Vec<f32> = (0..100).map(|x| x as f32).collect();
        let groups = sliced(&values);
        assert_eq!(groups.len(), 4);
        assert_eq!(groups[1].0, "25 to 50");
        assert!(groups.iter().all(|(_, rows)| rows.len() == 25));
    }

    #[test]
    fn bars_hold_every_number() {
        let bars = bars(&[-1.0, 0.0, 0.5, 1.0]);
        assert_eq!(bars.counts.iter().sum::<u64>(), 4);
        assert_eq!((bars.low, bars.high), (-1.0, 1.0));
    }
}
