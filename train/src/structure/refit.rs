//! Weights of a smaller graph that give what the whole one gave.
//!
//! One layer after the other, in the order in which they run: the weights and bias that bring its results nearest to the whole graph's,
//! from what the layers before it, already fitted, give on the calibration rows (He, Zhang and Sun 2017). What was lost where two results
//! are added is asked of the second of them.

use super::is_layer;
use super::products::{Products, columns};
use super::solve::Factor;
use crate::network::{Network, evaluate, windows_of};
use crate::rows::Rows;
use bantam_tools::graph::ops::BinaryKind;
use bantam_tools::graph::{Activation, Graph, Node, Op, ValueId};
use candle_core::{Device, Result, Tensor};
use std::collections::BTreeMap;

/// Shares of its power that are added to each input: weights stay near those they had where the rows say little. Taken is the one that
/// does best on a quarter of the images after a fit to the others.
const RIDGES: [f64; 5] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// Fits the layers of `student`, which is `teacher` without some channels; `kept` tells which positions of a
/// value's last axis are left.
///
/// # Errors
/// What candle says.
pub(super) fn refit(
    teacher: &Network,
    student: &Network,
    kept: &dyn Fn(ValueId) -> Vec<usize>,
    rows: &Rows,
) -> Result<Graph> {
    let input = [rows.tensor()?];
    let known = values(teacher, &input)?;
    let graph = student.graph();
    let mut result = graph.clone();
    let mut made: BTreeMap<ValueId, Tensor> = BTreeMap::new();
    student.forward_with(&input, &[], &BTreeMap::new(), |value, tensor| {
        let node = graph.producer(value).and_then(|node| graph.node(node));
        let mut tensor = tensor;
        if let Some(node) = node.filter(|node| is_layer(&node.op))
            && let Some(whole) = named(teacher.graph(), &node.name)
            && let Some((weights, bias)) =
                (Layer { graph, node, teacher: teacher.graph(), whole, known: &known, made: &made, kept }).fitted()?
        {
            for (&value, tensor) in node.inputs[1..].iter().zip([&weights, &bias]) {
                let items = tensor.flatten_all()?.to_vec1::<f32>()?;
                if let Some(target) = result.constant_mut(value).and_then(|constant| constant.as_mut_slice().ok()) {
                    target.copy_from_slice(&items);
                }
            }
            let mut operands = vec![made[&node.inputs[0]].clone(), weights, bias];
            operands.truncate(node.inputs.len());
            tensor = evaluate(graph, node, &operands)?;
        }
        made.insert(value, tensor.clone());
        Ok(tensor)
    })?;
    Ok(result)
}

/// All values of a network.
pub(super) fn values(network: &Network, input: &[Tensor]) -> Result<BTreeMap<ValueId, Tensor>> {
    let mut values = BTreeMap::new();
    network.forward_with(input, &[], &BTreeMap::new(), |value, tensor| {
        values.insert(value, tensor.clone());
        Ok(tensor)
    })?;
    Ok(values)
}

fn named<'a>(graph: &'a Graph, name: &str) -> Option<&'a Node> {
    graph.nodes().map(|(_, node)| node).find(|node| node.name == name)
}

/// A layer of the smaller graph and what it was made of.
struct Layer<'a> {
    graph: &'a Graph,
    node: &'a Node,
    teacher: &'a Graph,
    whole: &'a Node,
    known: &'a BTreeMap<ValueId, Tensor>,
    made: &'a BTreeMap<ValueId, Tensor>,
    kept: &'a dyn Fn(ValueId) -> Vec<usize>,
}

impl Layer<'_> {
    /// Weights and bias; none where nothing has changed or equations are too many.
    fn fitted(&self) -> Result<Option<(Tensor, Tensor)>> {
        let (own, theirs) = (&self.made[&self.node.inputs[0]], &self.known[&self.whole.inputs[0]]);
        let (Some(columns), Some(_)) = (columns(self.graph, self.node), columns(self.teacher, self.whole)) else {
            return Ok(None);
        };
        if own.dims() == theirs.dims() && (own - theirs)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0 {
            return Ok(None);
        }
        let Some(weights) = constant(self.graph, self.node.inputs[1])? else { return Ok(None) };
        let outputs = weights.dim(0)?;
        let biased = self.node.inputs.len() > 2;
        let bias = match self.node.inputs.get(2) {
            Some(&bias) => constant(self.graph, bias)?,
            None => Some(Tensor::zeros(outputs, weights.dtype(), &Device::Cpu)?),
        };
        let Some(bias) = bias else { return Ok(None) };
        let now = Tensor::cat(&[&weights.reshape((outputs, columns))?, &bias.unsqueeze(1)?], 1)?.t()?.contiguous()?;
        let [some, others] = Products::of(self.graph, self.node, own, |first, length, windows| {
            let expected = self.expected(theirs, first, length)?;
            (expected - windows.matmul(&now)?).map(Some)
        })?;
        let least = |ridge: &f64| Some((*ridge, others.gain(&some.change(columns, biased, *ridge)?, columns)));
        let best = RIDGES.iter().filter_map(least).max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((ridge, _)) = best.filter(|(_, gain)| *gain > 0.0) else { return Ok(None) };
        let Some(mut change) = some.and(&others).change(columns, biased, ridge) else { return Ok(None) };
        change.resize((columns + 1) * outputs, 0.0);
        let change = change.into_iter().map(|x| x as f32).collect::<Vec<f32>>();
        let fitted = (now + Tensor::from_vec(change, (columns + 1, outputs), &Device::Cpu)?)?.t()?.contiguous()?;
        let fitted_weights = fitted.narrow(1, 0, columns)?.contiguous()?.reshape(weights.shape())?;
        Ok(Some((fitted_weights, fitted.narrow(1, columns, 1)?.contiguous()?.reshape(outputs)?)))
    }

    /// What the whole graph has before its activation, at the channels that are left, for some of the images.
    fn expected(&self, inputs: &Tensor, first: usize, length: usize) -> Result<Tensor> {
        let windows = windows_of(self.teacher, self.whole, &inputs.narrow(0, first, length)?)?;
        let places = |kept: &[usize]| {
            let kept: Vec<u32> = kept.iter().map(|&channel| channel as u32).collect();
            Tensor::from_slice(&kept, kept.len(), &Device::Cpu)
        };
        let outputs = places(&(self.kept)(self.whole.output()))?;
        let failed = || candle_core::Error::Msg(format!("'{}' has no weights", self.whole.name));
        let weights = constant(self.teacher, self.whole.inputs[1])?.ok_or_else(failed)?;
        let weights = weights.index_select(&outputs, 0)?.flatten_from(1)?;
        let mut sums = windows.matmul(&weights.t()?)?;
        if let Some(&bias) = self.whole.inputs.get(2) {
            let bias = constant(self.teacher, bias)?.ok_or_else(failed)?;
            sums = sums.broadcast_add(&bias.index_select(&outputs, 0)?)?;
        }
        if let Some((theirs, own)) = self.beside() {
            let [theirs, own] = [theirs, own].map(|value| value.narrow(0, first, length));
            let lost =
                (theirs?.contiguous()?.index_select(&outputs, own.as_ref().map_or(0, Tensor::rank) - 1)? - own?)?;
            sums = (sums + lost.contiguous()?.reshape((windows.dim(0)?, outputs.dim(0)?))?)?;
        }
        Ok(sums)
    }

    /// What the results are added to, in the whole graph and in this one; none where that is not there yet.
    fn beside(&self) -> Option<(&Tensor, &Tensor)> {
        let other = |graph: &Graph, node: &Node| {
            let activation = match &node.op {
                Op::Conv2d(conv) => conv.activation,
                Op::FullyConnected(linear) => linear.activation,
                _ => return None,
            };
            let value = node.output();
            let &[reader] = graph.consumers(value) else { return None };
            let reader = graph.node(reader).filter(|_| activation == Activation::NONE)?;
            match &reader.op {
                Op::Binary(binary) if binary.kind == BinaryKind::Add => {
                    reader.inputs.iter().copied().find(|&input| input != value)
                }
                _ => None,
            }
        };
        let theirs = self.known.get(&other(self.teacher, self.whole)?)?;
        let own = self.made.get(&other(self.graph, self.node)?)?;
        let shape = &self.graph.value(self.node.output()).shape;
        (own.dims().get(1..) == shape.get(1..)).then_some((theirs, own))
    }
}

impl Products {
    /// What is to be added to weights, and to the bias where there is one, for what is wrong (`crossed`) to be least.
    fn change(&self, columns: usize, biased: bool, ridge: f64) -> Option<Vec<f64>> {
        let size = columns + usize::from(biased);
        let entries = (0..size).flat_map(|row| &self.own[row * (columns + 1)..][..size]);
        let mut matrix: Vec<f64> = entries.copied().collect();
        let power = matrix.iter().step_by(size + 1).take(columns).sum::<f64>() / columns as f64;
        // An input that is always nought has no power of its own.
        let add = |x: &mut f64| *x += ridge * (*x).max(1e-6 * power) + f64::MIN_POSITIVE;
        matrix.iter_mut().step_by(size + 1).take(columns).for_each(add);
        let outputs = self.crossed.len() / (columns + 1);
        let mut change = self.crossed[..size * outputs].to_vec();
        Factor::of(&matrix, size)?.solve(&mut change, outputs);
        Some(change)
    }

    /// By how much such a change lowers the squared error over these rows.
    fn gain(&self, change: &[f64], columns: usize) -> f64 {
        let outputs = self.crossed.len() / (columns + 1);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let rows = change.chunks_exact(outputs);
        let of = |(row, own): (usize, &[f64])| {
            let mut made = vec![0.0; outputs];
            for (other, &product) in change.chunks_exact(outputs).zip(&self.own[row * (columns + 1)..]) {
                made.iter_mut().zip(other).for_each(|(made, other)| *made += product * other);
            }
            2.0 * dot(own, &self.crossed[row * outputs..][..outputs]) - dot(own, &made)
        };
        rows.enumerate().map(of).sum()
    }
}

fn constant(graph: &Graph, value: ValueId) -> Result<Option<Tensor>> {
    graph.constant(value).map(crate::network::tensor_of).transpose()
}
