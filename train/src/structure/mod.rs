//! Smaller graphs: whole channels taken away, chosen by how much they do.
//!
//! A set of joined channels counts for what layers lose that read it when their other inputs take over what they can, as a share of the
//! variance of their results over the calibration rows ([`elimination`]); in layers too wide for that, the variance of each channel times
//! the square of the weights on it. Its mean is not lost, it goes into the bias. What is left is fitted to what the whole graph gave
//! ([`refit`]).

pub mod channels;
pub mod cut;
mod elimination;
mod products;
mod refit;
mod solve;
#[cfg(test)]
mod tests;

use crate::error::TrainError;
use crate::network::Network;
use crate::rows::Rows;
use bantam_tools::execute::multiply_accumulates;
use bantam_tools::graph::{Graph, Node, Op, ValueId};
use bantam_tools::shrink::logits;
use candle_core::Tensor;
use channels::{Channels, Group, Unit};
use cut::{Means, cut};
use elimination::Reader;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Rows over which channels are watched.
const WATCHED: usize = 512;
/// Numbers that all values of those rows may have.
const NUMBERS: usize = 1 << 28;

/// What is asked of the smaller graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// This share of the channels of every group.
    Width(f64),
    /// At most this share of the multiply-accumulates, taken where that costs least.
    Share(f64),
}

/// A smaller graph and what was done.
#[derive(Clone, Debug)]
pub struct Smaller {
    /// The graph.
    pub graph: Graph,
    /// Every group of channels.
    pub groups: Vec<GroupReport>,
    /// Multiply-accumulates before and after.
    pub macs: [u64; 2],
}

/// What became of a group of channels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    /// The layers that make them.
    pub layers: Vec<String>,
    /// Sets of joined channels before.
    pub before: usize,
    /// Sets after.
    pub after: usize,
    /// Change of the logits, as a share of their power, were half of this group's sets taken away and nothing else.
    pub sensitivity: f64,
}

/// Means and variances of what layers read.
#[derive(Clone, Debug, Default)]
struct Moments {
    means: Means,
    variances: BTreeMap<ValueId, Vec<f32>>,
}

/// Takes channels away until the graph is as small as asked.
///
/// # Errors
/// [`TrainError::TooSmall`], what candle says.
pub fn smaller(network: &Network, rows: &Rows, size: Size) -> Result<Smaller, TrainError> {
    let graph = &network.trained()?;
    let fixed = |graph: &Graph| Network::fixed(graph).map_err(|refused| TrainError::Device(refused.to_string()));
    let network = &fixed(graph)?;
    let channels = Channels::of(graph);
    let groups = channels.groups();
    let per_row: usize =
        graph.nodes().map(|(_, node)| graph.value(node.output()).shape.iter().product::<usize>()).sum();
    let watched = rows.count().min(WATCHED).min((NUMBERS / per_row.max(1)).max(1));
    let rows = rows.select(&(0..watched).map(|row| row * rows.count() / watched).collect::<Vec<_>>());
    let values = refit::values(network, &[rows.tensor()?])?;
    let moments = Moments::of(graph, &values)?;
    let mut losses = Losses::of(graph, &channels, &moments, &values)?;
    drop(values);
    let first = losses.all();
    let cost = |gone: &BTreeSet<Unit>| macs_without(graph, &channels, gone);
    let all = cost(&BTreeSet::new());
    let mut gone = BTreeSet::new();
    match size {
        Size::Width(width) => {
            for group in &groups {
                let kept = ((group.sets.len() as f64 * width).ceil() as usize).clamp(1, group.sets.len());
                let mut left = group.sets.clone();
                while left.len() > kept {
                    let index = losses.least(&left);
                    let set = left.remove(index);
                    losses.remove(set);
                    gone.insert(set);
                }
            }
        }
        Size::Share(share) => {
            let most = (all as f64 * share) as u64;
            let mut left: Vec<Vec<Unit>> = groups.iter().map(|group| group.sets.clone()).collect();
            let mut now = all;
            while now > most {
                // The next set of each group, by what is lost for each multiply-accumulate that is saved.
                let mut best: Option<(f64, usize, usize)> = None;
                for (group, left) in left.iter().enumerate().filter(|(_, left)| left.len() > 1) {
                    let index = losses.least(left);
                    gone.insert(left[index]);
                    let saved = now.saturating_sub(cost(&gone));
                    gone.remove(&left[index]);
                    let price = losses.of_set(left[index]) / saved.max(1) as f64;
                    if best.is_none_or(|(least, _, _)| price < least) {
                        best = Some((price, group, index));
                    }
                }
                let Some((_, group, index)) = best else {
                    return Err(TrainError::TooSmall {
                        asked: format!("{:.0} % of the multiply-accumulates", share * 100.0),
                        least: now,
                        all,
                    });
                };
                let set = left[group].remove(index);
                losses.remove(set);
                gone.insert(set);
                now = cost(&gone);
            }
        }
    }
    let by_loss = |group: &Group| {
        let mut sets = group.sets.clone();
        sets.sort_by(|a, b| first[a].total_cmp(&first[b]).then(a.cmp(b)));
        sets
    };
    let reports = groups
        .iter()
        .map(|group| {
            let half: BTreeSet<Unit> = by_loss(group).into_iter().take(group.sets.len() / 2).collect();
            Ok(GroupReport {
                layers: group.layers.clone(),
                before: group.sets.len(),
                after: group.sets.iter().filter(|set| !gone.contains(set)).count(),
                sensitivity: change(network, &cut(graph, &channels, &half, &moments.means)?, &rows)?,
            })
        })
        .collect::<Result<Vec<_>, TrainError>>()?;
    let less = cut(graph, &channels, &gone, &moments.means)?;
    let less = refit::refit(network, &fixed(&less)?, &|value| channels.kept(value, &gone), &rows)?;
    let macs = [all, macs(&less)];
    Ok(Smaller { graph: less, groups: reports, macs })
}

/// Multiply-accumulates of one run.
#[must_use]
pub fn macs(graph: &Graph) -> u64 {
    let of = |(_, node): (_, &Node)| {
        let facts: Vec<_> = node.inputs.iter().map(|&input| graph.facts(input)).collect();
        multiply_accumulates(&node.op, &facts, &graph.facts(node.output()))
    };
    graph.nodes().map(of).sum()
}

/// The same without some channels, from shapes alone.
fn macs_without(graph: &Graph, channels: &Channels, gone: &BTreeSet<Unit>) -> u64 {
    let kept = |value: ValueId| channels.roots(value).iter().filter(|unit| !gone.contains(unit)).count();
    let of = |(_, node): (_, &Node)| {
        let [mut first, mut result] = [node.inputs[0], node.output()].map(|value| graph.facts(value));
        let mut facts: Vec<_> = node.inputs.iter().map(|&input| graph.facts(input)).collect();
        for (shape, value) in [(&mut first.shape, node.inputs[0]), (&mut result.shape, node.output())] {
            if let Some(last) = shape.last_mut().filter(|_| channels.units.contains_key(&value)) {
                *last = kept(value);
            }
        }
        let inputs = first.shape.last().copied().unwrap_or(1);
        facts[0] = first;
        match &node.op {
            Op::Conv2d(conv) if conv.groups == 1 => facts[1].shape[3] = inputs,
            Op::FullyConnected(_) => facts[1].shape[1] = inputs,
            _ => {}
        }
        multiply_accumulates(&node.op, &facts, &result)
    };
    graph.nodes().map(of).sum()
}

impl Moments {
    /// Of what convolutions and fully connected layers read.
    fn of(graph: &Graph, values: &BTreeMap<ValueId, Tensor>) -> Result<Self, TrainError> {
        let read: BTreeSet<ValueId> =
            graph.nodes().filter(|(_, node)| is_layer(&node.op)).map(|(_, node)| node.inputs[0]).collect();
        let mut moments = Self::default();
        for (value, tensor) in read.into_iter().filter_map(|value| Some((value, values.get(&value)?))) {
            let width = tensor.dims().last().copied().unwrap_or(1);
            let items = tensor.flatten_all()?.to_vec1::<f32>()?;
            let (mut sums, mut squares) = (vec![0f64; width], vec![0f64; width]);
            for pixel in items.chunks_exact(width) {
                for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(pixel) {
                    *sum += f64::from(x);
                    *square += f64::from(x) * f64::from(x);
                }
            }
            let count = (items.len() / width.max(1)).max(1) as f64;
            let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
            let spread =
                squares.iter().zip(&means).map(|(square, mean)| (square / count - mean * mean).max(0.0) as f32);
            moments.variances.insert(value, spread.collect());
            moments.means.insert(value, means.iter().map(|&mean| mean as f32).collect());
        }
        Ok(moments)
    }
}

fn is_layer(op: &Op) -> bool {
    match op {
        Op::Conv2d(conv) => conv.groups == 1,
        Op::FullyConnected(_) => true,
        _ => false,
    }
}

/// What each set counts for, as sets are taken away.
struct Losses {
    readers: Vec<Reader>,
    /// In layers without a reader: this does not change.
    fixed: BTreeMap<Unit, f64>,
}

impl Losses {
    fn of(
        graph: &Graph,
        channels: &Channels,
        moments: &Moments,
        values: &BTreeMap<ValueId, Tensor>,
    ) -> Result<Self, TrainError> {
        let fixed = channels.groups().into_iter().flat_map(|group| group.sets).map(|set| (set, 0.0)).collect();
        let mut losses = Self { readers: Vec::new(), fixed };
        for (_, node) in graph.nodes().filter(|(_, node)| is_layer(&node.op)) {
            let free = channels.roots(node.inputs[0]).iter().any(|set| losses.fixed.contains_key(set));
            match Reader::of(graph, channels, node, values)? {
                _ if !free => {}
                Some(reader) => losses.readers.push(reader),
                None => losses.watch(graph, channels, moments, node),
            }
        }
        Ok(losses)
    }

    /// Counts the inputs of a layer by themselves.
    fn watch(&mut self, graph: &Graph, channels: &Channels, moments: &Moments, node: &Node) {
        let weights = graph.constant(node.inputs[1]).and_then(|weights| weights.as_f32().ok());
        let (Some(variances), Some(weights)) = (moments.variances.get(&node.inputs[0]), weights) else { return };
        let mut lost: Vec<f64> = vec![0.0; variances.len()];
        for (index, &weight) in weights.iter().enumerate() {
            lost[index % variances.len()] += f64::from(weight).powi(2);
        }
        lost.iter_mut().zip(variances).for_each(|(lost, &variance)| *lost *= f64::from(variance));
        let all = lost.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        for (unit, lost) in channels.roots(node.inputs[0]).into_iter().zip(lost) {
            if let Some(sum) = self.fixed.get_mut(&unit) {
                *sum += lost / all;
            }
        }
    }

    fn of_set(&self, set: Unit) -> f64 {
        self.fixed[&set] + self.readers.iter().filter_map(|reader| reader.losses.get(&set)).sum::<f64>()
    }

    fn all(&self) -> BTreeMap<Unit, f64> {
        self.fixed.keys().map(|&set| (set, self.of_set(set))).collect()
    }

    /// The place of the set that counts for least; the first of equals.
    fn least(&self, sets: &[Unit]) -> usize {
        let losses: Vec<f64> = sets.iter().map(|&set| self.of_set(set)).collect();
        (0..sets.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0)
    }

    fn remove(&mut self, set: Unit) {
        self.readers.iter_mut().for_each(|reader| reader.remove(set));
    }
}

/// The mean squared change of the logits as a share of their power.
fn change(network: &Network, other: &Graph, rows: &Rows) -> Result<f64, TrainError> {
    let other = Network::fixed(other).map_err(|refused| TrainError::Device(refused.to_string()))?;
    let answers = |network: &Network| -> Result<Vec<f32>, TrainError> {
        let Some(value) = logits(network.graph()) else { return Ok(vec![]) };
        Ok(network.forward(&[rows.tensor()?], &[value])?[0].flatten_all()?.to_vec1()?)
    };
    let (before, after) = (answers(network)?, answers(&other)?);
    let power = before.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let squared = before.iter().zip(&after).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    Ok(squared / power.max(f64::MIN_POSITIVE))
}
