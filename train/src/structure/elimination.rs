//! What layers lose without some of their inputs, when all others take over what they can.
//!
//! Over the calibration rows a layer's error is a quadratic form of its weights, so that the least error without some inputs, and the
//! weights that give it, are known in closed form (optimal brain surgeon: Hassibi and Stork 1993), here for whole channels: with `w` their
//! weights and `P` their block of the inverse covariance, `w' P^-1 w` is lost. What is taken away changes what the others
//! count for.

use super::channels::{Channels, Unit};
use super::products::{Products, columns};
use super::solve::Factor;
use crate::error::TrainError;
use bantam_tools::graph::{Graph, Node, ValueId};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Share of its variance that is added to each input: of inputs that say the same, none counts for nothing.
const RIDGE: f64 = 1e-4;

/// One layer's inputs, less and less of them.
pub(super) struct Reader {
    /// The columns of every set that is still there.
    columns: BTreeMap<Unit, Vec<usize>>,
    size: usize,
    outputs: usize,
    /// The inverse of the covariance, `size` by `size`.
    inverse: Vec<f64>,
    /// The weights that lose least, `size` by `outputs`.
    weights: Vec<f64>,
    /// The variance of the layer's results, summed over outputs.
    whole: f64,
    /// What each set would take with it, as a share of that variance.
    pub losses: BTreeMap<Unit, f64>,
}

impl Reader {
    /// A layer with all its inputs; none for one that is too wide or whose inputs are all the same.
    pub fn of(
        graph: &Graph,
        channels: &Channels,
        node: &Node,
        values: &BTreeMap<ValueId, Tensor>,
    ) -> Result<Option<Self>, TrainError> {
        let roots = channels.roots(node.inputs[0]);
        let (Some(size), Some(images)) = (columns(graph, node), values.get(&node.inputs[0])) else { return Ok(None) };
        let Some(Ok(items)) = graph.constant(node.inputs[1]).map(|weights| weights.as_f32()) else { return Ok(None) };
        if roots.is_empty() || size % roots.len() != 0 {
            return Ok(None);
        }
        let [some, others] = Products::of(graph, node, images, |_, _, _| Ok(None))?;
        let products = some.and(&others);
        let product = |row: usize, column: usize| products.own[row * (size + 1) + column] / products.rows as f64;
        let mut covariance = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..size {
                covariance[row * size + column] = product(row, column) - product(row, size) * product(column, size);
            }
        }
        let outputs = items.len() / size;
        let mut weights = vec![0.0; items.len()];
        for (output, row) in items.chunks_exact(size).enumerate() {
            row.iter().enumerate().for_each(|(column, &weight)| weights[column * outputs + output] = weight.into());
        }
        let mut whole = 0.0;
        for row in 0..size {
            for column in 0..size {
                let both: f64 = weights[row * outputs..][..outputs]
                    .iter()
                    .zip(&weights[column * outputs..][..outputs])
                    .map(|(a, b)| a * b)
                    .sum();
                whole += covariance[row * size + column] * both;
            }
        }
        let mean = covariance.iter().step_by(size + 1).sum::<f64>() / size as f64;
        covariance.iter_mut().step_by(size + 1).for_each(|x| *x += RIDGE * (*x).max(RIDGE * mean));
        let Some(factor) = Factor::of(&covariance, size).filter(|_| whole > 0.0) else { return Ok(None) };
        let mut columns: BTreeMap<Unit, Vec<usize>> = BTreeMap::new();
        for column in 0..size {
            columns.entry(roots[column % roots.len()]).or_default().push(column);
        }
        let inverse = factor.inverse();
        let mut reader = Self { columns, size, outputs, inverse, weights, whole, losses: BTreeMap::new() };
        reader.weigh();
        Ok(Some(reader))
    }

    /// The weights of some columns, and their block of the inverse as a factor.
    fn block(&self, columns: &[usize]) -> Option<(Factor, Vec<f64>)> {
        let entry = |&row: &usize| columns.iter().map(move |column| self.inverse[row * self.size + column]);
        let block: Vec<f64> = columns.iter().flat_map(entry).collect();
        let weights = columns.iter().flat_map(|column| &self.weights[column * self.outputs..][..self.outputs]);
        Some((Factor::of(&block, columns.len())?, weights.copied().collect()))
    }

    fn weigh(&mut self) {
        let loss = |columns: &Vec<usize>| {
            // What rounding has left of a block that is all but nothing counts for nothing.
            let Some((factor, mut weights)) = self.block(columns) else { return 0.0 };
            factor.forward(&mut weights, self.outputs);
            weights.iter().map(|x| x * x).sum::<f64>() / self.whole
        };
        self.losses = self.columns.iter().map(|(&set, columns)| (set, loss(columns))).collect();
    }

    /// Takes a set away and gives its part to the others.
    pub fn remove(&mut self, set: Unit) {
        let Some(gone) = self.columns.remove(&set) else { return };
        if let Some((factor, mut weights)) = self.block(&gone) {
            let (count, size) = (gone.len(), self.size);
            factor.solve(&mut weights, self.outputs);
            // The rows of the inverse at these columns, which are its columns too.
            let across: Vec<f64> = gone.iter().flat_map(|row| &self.inverse[row * size..][..size]).copied().collect();
            let mut solved = across.clone();
            factor.solve(&mut solved, size);
            for row in 0..size {
                for index in 0..count {
                    let factor = across[index * size + row];
                    let (inverse, weight) = (&mut self.inverse[row * size..][..size], &solved[index * size..][..size]);
                    inverse.iter_mut().zip(weight).for_each(|(x, y)| *x -= factor * y);
                    let own = &mut self.weights[row * self.outputs..][..self.outputs];
                    let lost = &weights[index * self.outputs..][..self.outputs];
                    own.iter_mut().zip(lost).for_each(|(x, y)| *x -= factor * y);
                }
            }
        }
        self.weigh();
    }
}
