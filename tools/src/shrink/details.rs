//! Everything a report tells of an artifact beyond its scores.

use super::Outputs;
use crate::compare::{Truth, class_of, classes_of};
use crate::data::{DataError, Dataset, Values};
use crate::execute::dequantized;
use crate::graph::{Graph, Op as GraphOp, ValueId};
use crate::interval::{Interval, bootstrap};
use crate::plan::timeline;
use crate::quantize::Calibration;
use bantam::Model;
use bantam_format::ops::Accumulation;
use bantam_format::{ABSENT, Arithmetic, DataType, Op};
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
    /// Results of the float network over the calibration data.
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

/// Rows by what a column says of them.
fn sliced(values: &Values) -> Vec<(String, Vec<usize>)> {
    match values {
        Values::Numbers(numbers) => sliced_numbers(numbers),
        Values::Text(texts) => sliced_texts(texts),
    }
}

/// Rows by text; of many texts the most frequent, and the rest as one.
fn sliced_texts(texts: &[String]) -> Vec<(String, Vec<usize>)> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, text) in texts.iter().enumerate() {
        groups.entry(text).or_default().push(row);
    }
    let mut groups: Vec<(String, Vec<usize>)> =
        groups.into_iter().map(|(text, rows)| (text.to_owned(), rows)).collect();
    if groups.len() > MOST_GROUPS {
        groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        let mut rest: Vec<usize> = groups.drain(MOST_GROUPS - 1..).flat_map(|(_, rows)| rows).collect();
        rest.sort_unstable();
        groups.push(("all others".to_owned(), rest));
    }
    groups
}

/// A number with five digits that matter at most.
fn shown(number: f32) -> String {
    format!("{number:.4e}").parse::<f32>().unwrap_or(number).to_string()
}

/// Rows by number, or by quarter where there are many numbers; those without one last.
fn sliced_numbers(values: &[f32]) -> Vec<(String, Vec<usize>)> {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f32::total_cmp);
    let mut known = sorted.clone();
    known.dedup();
    let rows = |chosen: &dyn Fn(f32) -> bool| (0..values.len()).filter(|&row| chosen(values[row])).collect();
    let mut groups: Vec<(String, Vec<usize>)> = if known.len() <= MOST_GROUPS {
        known.into_iter().map(|value| (value.to_string(), rows(&|x| x == value))).collect()
    } else {
        let mut edges: Vec<f32> = (1..4).map(|quarter| sorted[sorted.len() * quarter / 4]).collect();
        edges.dedup();
        let part = |part: usize| {
            let (low, high) = (part.checked_sub(1).map(|below| edges[below]), edges.get(part).copied());
            let inside = |x: f32| !x.is_nan() && low.is_none_or(|low| x >= low) && high.is_none_or(|high| x < high);
            let name = match [low, high].map(|edge| edge.map(shown)) {
                [None, Some(high)] => format!("below {high}"),
                [Some(low), Some(high)] => format!("{low} to {high}"),
                [low, _] => format!("from {}", low.unwrap_or_default()),
            };
            (name, rows(&inside))
        };
        (0..=edges.len()).map(part).collect()
    };
    groups.push(("no number".to_owned(), rows(&f32::is_nan)));
    groups.retain(|(_, rows)| !rows.is_empty());
    groups
}

/// Ops and memory of an artifact with names, made of `graph`; of its activations what `calibration` saw. Ranges are those that integers
/// were made for.
pub(super) fn of_model(details: &mut Details, model: &Model<'_>, graph: &Graph, calibration: Option<&Calibration>) {
    let artifact = model.artifact();
    let names: Vec<&str> = artifact.names().collect();
    let name = |index: usize| names.get(index).map_or_else(|| index.to_string(), ToString::to_string);
    let by_name: BTreeMap<&str, ValueId> =
        graph.value_ids().map(|value| (graph.value(value).name.as_str(), value)).collect();
    details.ops = artifact
        .ops()
        .enumerate()
        .map(|(index, op)| {
            let value = by_name.get(name(op.operand(op.input_count)).as_str()).copied();
            let accumulation = op.accumulation();
            let activations = value.map(|value| real_value(graph, value)).and_then(|value| {
                let (low, high, counts) = calibration?.histograms.get(&value)?.grouped(BARS);
                let range = calibration?.ranges.get(&value).map(|&(low, high)| [f64::from(low), f64::from(high)]);
                Some(Bars { low: low.into(), high: high.into(), counts, range })
            });
            OpDetails {
                name: name(artifact.tensor_count() + index),
                operator: op.opcode.name(),
                macs: op.macs(),
                bytes: accumulation.as_ref().map_or(0, |own| accumulation_bytes(op, own, artifact.arithmetic())),
                // As many bytes as eight weights take.
                weight_bits: accumulation.as_ref().and_then(|own| own.weight_type().bytes(8)),
                weights: accumulation.and(value).and_then(|value| real_weights(graph, value)).map(|items| bars(&items)),
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

/// Bytes of weights, bias and requantisation.
fn accumulation_bytes(op: Op<'_>, own: &Accumulation, arithmetic: Arithmetic) -> usize {
    let shape = op.output(0).shape;
    let channels = shape.innermost().max(1);
    // Each weight is multiplied once for each position.
    let weights = op.macs() / (shape.elements() / channels).max(1) as u64;
    let input = op.input(0).data_type;
    let table = match input {
        DataType::F32 => 0,
        _ => arithmetic.table_bytes(if own.is_per_channel() { channels } else { 1 }),
    };
    let bias = match own.bias {
        ABSENT => 0,
        _ => channels * if input == DataType::I16 { 8 } else { 4 },
    };
    own.weight_type().bytes(weights as usize).unwrap_or(0) + bias + table
}

/// The value that this one is the integers of, or itself.
fn real_value(graph: &Graph, value: ValueId) -> ValueId {
    let node = graph.producer(value).and_then(|id| graph.node(id));
    node.filter(|node| matches!(node.op, GraphOp::Quantize(_))).map_or(value, |node| node.inputs[0])
}

/// The weights of the layer that makes a value, in real numbers.
fn real_weights(graph: &Graph, value: ValueId) -> Option<Vec<f32>> {
    let node = graph.node(graph.producer(real_value(graph, value))?)?;
    match node.op {
        GraphOp::Conv2d(_) | GraphOp::ConvTranspose2d(_) | GraphOp::FullyConnected(_) => {
            let weights = *node.inputs.get(1)?;
            let real = match graph.quantized_constant(weights) {
                Some((integers, dequantize)) => dequantized(integers, dequantize).ok()?,
                None => graph.constant(weights)?.clone(),
            };
            Some(real.as_f32().ok()?.to_vec())
        }
        _ => None,
    }
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
        let groups = sliced_numbers(&[1.0, 0.0, 1.0]);
        assert_eq!(groups, [("0".to_owned(), vec![1]), ("1".to_owned(), vec![0, 2])]);
        let values: Vec<f32> = (0..100).map(|x| x as f32).collect();
        let groups = sliced_numbers(&values);
        assert_eq!(groups.len(), 4);
        assert_eq!((groups[1].0.as_str(), shown(33.191_765)), ("25 to 50", "33.192".to_owned()));
        assert!(groups.iter().all(|(_, rows)| rows.len() == 25));
    }

    #[test]
    fn rows_without_a_number_are_a_group_of_their_own() {
        let groups = sliced_numbers(&[f32::NAN, 1.0, f32::NAN]);
        assert_eq!(groups, [("1".to_owned(), vec![1]), ("no number".to_owned(), vec![0, 2])]);
        let values: Vec<f32> = (0..100).map(|x| if x % 2 == 0 { x as f32 } else { f32::NAN }).collect();
        let groups = sliced_numbers(&values);
        assert_eq!(groups.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(), [12, 13, 12, 13, 50]);
    }

    #[test]
    fn texts_are_groups_and_rare_ones_are_put_together() {
        let texts: Vec<String> = ["north", "south", "north"].map(Into::into).to_vec();
        let groups = sliced(&Values::Text(texts));
        assert_eq!(groups, [("north".to_owned(), vec![0, 2]), ("south".to_owned(), vec![1])]);
        let texts: Vec<String> =
            (0..40).map(|row| if row < 5 { "often".into() } else { format!("once {row}") }).collect();
        let groups = sliced(&Values::Text(texts));
        assert_eq!((groups.len(), groups[0].1.len(), groups[11].1.len()), (12, 5, 25));
    }

    #[test]
    fn bars_hold_every_number() {
        let bars = bars(&[-1.0, 0.0, 0.5, 1.0]);
        assert_eq!(bars.counts.iter().sum::<u64>(), 4);
        assert_eq!((bars.low, bars.high), (-1.0, 1.0));
    }
}
