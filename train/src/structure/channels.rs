//! Which channels of a graph must go together.
//!
//! Every channel that a layer with weights makes is a unit. The last axis of each activation is a list of units, followed through
//! whatever leaves them in place: elementwise operators, pooling, depthwise convolution, reductions of other axes, concatenation, parts,
//! flattening. Where two lists meet, as in a residual sum, their units are joined: what is joined goes or stays as one. Units
//! that reach something that reads them by place (a softmax, an output, an operator not followed here) are fixed.

use bantam_tools::graph::ops::{Concat, L2Normalize, LogSoftmax, Softmax};
use bantam_tools::graph::{Graph, Node, Op, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// A unit, by number.
pub type Unit = usize;

/// The units of a graph.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// For each activation, the unit at each position of its last axis.
    pub units: BTreeMap<ValueId, Vec<Unit>>,
    /// The unit that stands for all that are joined with one.
    parents: Vec<Unit>,
    fixed: Vec<bool>,
    /// The layer that makes a unit.
    layers: Vec<String>,
}

/// Channels that layers share: each of its sets can be taken away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The layers that make them, and the slices in which they are.
    pub layers: Vec<String>,
    /// Joined units, each set named by the unit that stands for it.
    pub sets: Vec<Unit>,
}

impl Channels {
    /// Follows the channels of a graph.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let mut channels = Self::default();
        for port in graph.inputs() {
            let width = graph.value(port.value).shape.last().copied().unwrap_or(1);
            channels.make(port.value, width, &port.name, true);
        }
        for (_, node) in graph.nodes() {
            channels.follow(graph, node);
        }
        for port in graph.outputs() {
            channels.fix(port.value);
        }
        channels
    }

    /// The unit that stands for all that are joined with this one.
    #[must_use]
    pub fn root(&self, unit: Unit) -> Unit {
        let mut unit = unit;
        while self.parents[unit] != unit {
            unit = self.parents[unit];
        }
        unit
    }

    /// The units, as those that stand for them, at each position of a value's last axis.
    #[must_use]
    pub fn roots(&self, value: ValueId) -> Vec<Unit> {
        self.units.get(&value).map_or_else(Vec::new, |units| units.iter().map(|&unit| self.root(unit)).collect())
    }

    /// Positions of a value's last axis that stay when the sets `gone` go.
    #[must_use]
    pub fn kept(&self, value: ValueId, gone: &BTreeSet<Unit>) -> Vec<usize> {
        let roots = self.roots(value);
        (0..roots.len()).filter(|&position| !gone.contains(&roots[position])).collect()
    }

    /// Sets that may go, by the layers that make them.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut fixed = vec![false; self.parents.len()];
        let mut layers: BTreeMap<Unit, Vec<String>> = BTreeMap::new();
        for unit in 0..self.parents.len() {
            let root = self.root(unit);
            fixed[root] |= self.fixed[unit];
            let names = layers.entry(root).or_default();
            if !names.contains(&self.layers[unit]) {
                names.push(self.layers[unit].clone());
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for (root, layers) in layers {
            if fixed[root] {
                continue;
            }
            match groups.iter_mut().find(|group| group.layers == layers) {
                Some(group) => group.sets.push(root),
                None => groups.push(Group { layers, sets: vec![root] }),
            }
        }
        groups
    }

    fn make(&mut self, value: ValueId, width: usize, layer: &str, fixed: bool) {
        let first = self.parents.len();
        self.parents.extend(first..first + width);
        self.fixed.extend(vec![fixed; width]);
        self.layers.extend(vec![layer.to_owned(); width]);
        self.units.insert(value, (first..first + width).collect());
    }

    fn fix(&mut self, value: ValueId) {
        for &unit in self.units.get(&value).into_iter().flatten() {
            self.fixed[unit] = true;
        }
    }

    fn join(&mut self, a: &[Unit], b: &[Unit]) {
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (self.root(a), self.root(b));
            let (low, high) = (a.min(b), a.max(b));
            self.parents[high] = low;
        }
    }

    fn follow(&mut self, graph: &Graph, node: &Node) {
        let output = node.output();
        let width = graph.value(output).shape.last().copied().unwrap_or(1);
        let first = node.inputs.first().and_then(|input| self.units.get(input)).cloned();
        let kept = match &node.op {
            Op::Conv2d(conv) => {
                let inputs = first.as_ref().map_or(0, Vec::len);
                if conv.groups == 1 {
                    self.make(output, width, &node.name, false);
                    return;
                }
                (conv.groups == inputs && width == inputs).then_some(first).flatten()
            }
            Op::FullyConnected(_) => {
                self.make(output, width, &node.name, false);
                return;
            }
            Op::Unary(_) | Op::Clip(_) | Op::BatchNorm | Op::MaxPool2d(_) | Op::AveragePool2d(_) => first,
            Op::Binary(_) => self.broadcast(graph, node, width),
            Op::Reduce(reduce) => {
                let last = graph.value(node.inputs[0]).shape.len().saturating_sub(1);
                (!reduce.axes.contains(&last)).then_some(first).flatten()
            }
            Op::Softmax(Softmax { axis, .. })
            | Op::LogSoftmax(LogSoftmax { axis })
            | Op::L2Normalize(L2Normalize { axis }) => {
                (axis + 1 < graph.value(output).shape.len()).then_some(first).flatten()
            }
            Op::Reshape(reshape) => first.and_then(|units| flattened(units, &reshape.shape, width)),
            Op::Transpose(transpose) => {
                let last = transpose.permutation.len().saturating_sub(1);
                (transpose.permutation.last() == Some(&last)).then_some(first).flatten()
            }
            Op::Pad(pad) => {
                let around = pad.before.last().unwrap_or(&0) + pad.after.last().unwrap_or(&0);
                (around == 0).then_some(first).flatten()
            }
            Op::Slice(slice) => match (slice.ranges.last(), first) {
                // What is left of every other channel is no range.
                (Some(range), Some(units)) if range.step == 1 => {
                    let part = units.get(range.start..range.start + range.count).unwrap_or_default().to_vec();
                    if part.len() < units.len() {
                        // A group of its own, so that something stays of each part.
                        self.make(output, part.len(), &node.name, false);
                        let own = self.units[&output].clone();
                        self.join(&part, &own);
                        return;
                    }
                    Some(units)
                }
                _ => None,
            },
            Op::Concat(concat) => self.joined(graph, node, concat),
            _ => None,
        };
        match kept.filter(|units| units.len() == width) {
            Some(units) => {
                self.units.insert(output, units);
            }
            None => {
                for &input in &node.inputs {
                    self.fix(input);
                }
                self.make(output, width, &node.name, true);
            }
        }
    }

    /// The units of an operation on two tensors: joined where both have them.
    fn broadcast(&mut self, graph: &Graph, node: &Node, width: usize) -> Option<Vec<Unit>> {
        let sides: Vec<Option<Vec<Unit>>> = node.inputs.iter().map(|input| self.units.get(input).cloned()).collect();
        let whole = |side: &Option<Vec<Unit>>| side.clone().filter(|units| units.len() == width);
        let narrow = |index: usize| match &sides[index] {
            // One channel that is repeated over the others is its own unit, which stays.
            Some(units) => units.len() == 1,
            None => graph.value(node.inputs[index]).shape.last().is_none_or(|&last| last == 1 || last == width),
        };
        match (whole(&sides[0]), whole(&sides[1])) {
            (Some(a), Some(b)) => {
                self.join(&a, &b);
                Some(a)
            }
            (Some(units), None) if narrow(1) => {
                self.fix(node.inputs[1]);
                Some(units)
            }
            (None, Some(units)) if narrow(0) => {
                self.fix(node.inputs[0]);
                Some(units)
            }
            _ => None,
        }
    }

    /// The units of joined tensors.
    fn joined(&self, graph: &Graph, node: &Node, concat: &Concat) -> Option<Vec<Unit>> {
        let last = graph.value(node.output()).shape.len().checked_sub(1)?;
        let parts: Option<Vec<&Vec<Unit>>> = node.inputs.iter().map(|input| self.units.get(input)).collect();
        // Along other axes the parts would have to be joined unit by unit; that is left out.
        (concat.axis == last).then(|| parts.map(|parts| parts.into_iter().flatten().copied().collect())).flatten()
    }
}

/// The units after a reshape: kept where the last axis is, repeated where all of an image becomes one axis.
fn flattened(units: Vec<Unit>, shape: &[usize], width: usize) -> Option<Vec<Unit>> {
    if width == units.len() {
        return Some(units);
    }
    let others: usize = shape.iter().rev().skip(1).product();
    let repeats = width.checked_div(units.len())?;
    (others == 1 && repeats * units.len() == width).then(|| units.iter().copied().cycle().take(width).collect())
}
