//! Rows of one input, in memory, as training takes them.

use crate::error::TrainError;
use crate::random::{generator, shuffled};
use bantam_tools::data::Dataset;
use bantam_tools::graph::Graph;
use candle_core::{Device, Tensor};

/// What the generator of the split is for.
const SPLIT: u64 = 1;

/// Inputs of one model in the layout in which its graph is run, with labels where there are any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Shape of one row, with the batch of 1 in front.
    pub shape: Vec<usize>,
    /// Elements of all rows.
    pub items: Vec<f32>,
    /// The class of each row, where the data has classes.
    pub labels: Option<Vec<usize>>,
    /// The class of what was mixed into each row, and its share; nothing where nothing was.
    pub mixed: Vec<(usize, f32)>,
}

impl Rows {
    /// The rows of a data set for a graph with one input.
    ///
    /// # Errors
    /// [`TrainError::Inputs`] for graphs with several inputs.
    pub fn of(graph: &Graph, data: &Dataset) -> Result<Self, TrainError> {
        let [port] = graph.inputs() else { return Err(TrainError::Inputs(graph.inputs().len())) };
        let shape = graph.value(port.value).shape.clone();
        let mut items = Vec::new();
        for row in 0..data.rows() {
            let tensor = data.floats(row).swap_remove(0);
            items.extend_from_slice(tensor.as_f32().unwrap_or_default());
        }
        // Numbers to be met are no classes.
        Ok(Self { shape, items, labels: data.labels().ok(), mixed: vec![] })
    }

    /// Elements of one row.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len() / self.elements().max(1)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        let elements = self.elements();
        &self.items[index * elements..(index + 1) * elements]
    }

    /// Some of the rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let items = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        let labels = self.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect());
        let mixed = if self.mixed.is_empty() { vec![] } else { rows.iter().map(|&row| self.mixed[row]).collect() };
        Self { shape: self.shape.clone(), items, labels, mixed }
    }

    /// All rows as one batch.
    ///
    /// # Errors
    /// What candle says.
    pub fn tensor(&self) -> candle_core::Result<Tensor> {
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = self.count();
        }
        Tensor::from_slice(&self.items, shape, &Device::Cpu)
    }

    /// A share of the rows held out, drawn by `seed`: the others, and those; at least one row stays on each side where there are two.
    #[must_use]
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        let count = self.count();
        let out = ((count as f64 * share).round() as usize).clamp(usize::from(share > 0.0), count.saturating_sub(1));
        let order = shuffled(&mut generator(seed, &[SPLIT]), count);
        let (held, kept) = order.split_at(out);
        let (mut held, mut kept) = (held.to_vec(), kept.to_vec());
        held.sort_unstable();
        kept.sort_unstable();
        (self.select(&kept), self.select(&held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_one_side() {
        let rows = Rows {
            shape: vec![1, 2],
            items: (0..200).map(|x| x as f32).collect(),
            labels: Some((0..100).collect()),
            mixed: vec![],
        };
        let (kept, held) = rows.split(0.1, 3);
        assert_eq!((kept.count(), held.count()), (90, 10));
        let mut all: Vec<usize> = [kept.labels.clone().unwrap(), held.labels.clone().unwrap()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let label = held.labels.as_ref().unwrap()[4];
        assert_eq!(held.row(4), [2.0 * label as f32, 2.0 * label as f32 + 1.0]);
        assert_eq!(rows.split(0.1, 3).1, held);
        assert_ne!(rows.split(0.1, 4).1, held);
    }
}
