//! Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019), over plain vectors, so that its state can be
//! written to a checkpoint.
//!
//! Weights move by shares of their size, as in Adafactor (Shazeer and Stern 2018), but channel by channel: where norms have been folded,
//! the weights of a layer that reads bytes are hundreds of times smaller than those of others, and no rate fits all.

use crate::network::Variable;
use candle_core::{Device, Result, Tensor};

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Longer gradients are shortened to this length.
const LONGEST: f64 = 5.0;
/// Channels count as no smaller than this share of their layer, biases and other vectors as no smaller than this number.
const SMALLEST: f64 = 0.1;

/// Running moments of the gradients of variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adam {
    /// Means, variable by variable.
    pub first: Vec<Vec<f32>>,
    /// Means of squares.
    pub second: Vec<Vec<f32>>,
}

impl Adam {
    /// Moments of nothing yet.
    #[must_use]
    pub fn new(variables: &[Variable]) -> Self {
        let zeros = || variables.iter().map(|variable| vec![0.0; variable.var.elem_count()]).collect();
        Self { first: zeros(), second: zeros() }
    }

    /// Moves variables against their gradients, by about `rate` of their size. `step` counts from 1; matrices and kernels decay, biases do
    /// not.
    ///
    /// # Errors
    /// What candle says.
    pub fn step(
        &mut self,
        variables: &[Variable],
        gradients: &[Vec<f32>],
        step: usize,
        rate: f64,
        decay: f64,
    ) -> Result<()> {
        let squares = |items: &Vec<f32>| items.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let length = gradients.iter().map(squares).sum::<f64>().sqrt();
        let shorten = if length > LONGEST { LONGEST / length } else { 1.0 };
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let (unbias_first, unbias_second) = (1.0 - FIRST_DECAY.powi(power), 1.0 - SECOND_DECAY.powi(power));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((variable, gradient), (first, second)) in variables.iter().zip(gradients).zip(moments) {
            let decay = if variable.var.rank() > 1 { rate * decay } else { 0.0 };
            let mut items = variable.var.flatten_all()?.to_vec1::<f32>()?;
            let sizes = sizes(&items, variable.var.dims());
            let taps = items.len() / sizes.len().max(1);
            let sizes = sizes.into_iter().flat_map(|size| std::iter::repeat_n(size, taps));
            for ((((item, gradient), first), second), size) in
                items.iter_mut().zip(gradient).zip(first).zip(second).zip(sizes)
            {
                let gradient = f64::from(*gradient) * shorten;
                let mean = FIRST_DECAY * f64::from(*first) + (1.0 - FIRST_DECAY) * gradient;
                let power = SECOND_DECAY * f64::from(*second) + (1.0 - SECOND_DECAY) * gradient * gradient;
                let change = rate * size * (mean / unbias_first) / ((power / unbias_second).sqrt() + EPSILON);
                *item = (f64::from(*item) * (1.0 - decay) - change) as f32;
                (*first, *second) = (mean as f32, power as f32);
            }
            variable.var.set(&Tensor::from_vec(items, variable.var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}

/// Root mean squares of the channels of a matrix or kernel, whose first axis they are, or the one of a vector.
fn sizes(items: &[f32], shape: &[usize]) -> Vec<f64> {
    let size = |items: &[f32]| {
        let power = items.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        (power / items.len().max(1) as f64).sqrt()
    };
    let whole = size(items);
    match shape {
        [channels, _, ..] => {
            let taps = (items.len() / channels.max(&1)).max(1);
            let least = if whole > 0.0 { SMALLEST * whole } else { SMALLEST };
            items.chunks(taps).map(|channel| size(channel).max(least)).collect()
        }
        _ => vec![whole.max(SMALLEST)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use bantam_tools::graph::ops::FullyConnected;
    use bantam_tools::graph::{Graph, Op};
    use bantam_tools::tensor::{DataType, Tensor as HostTensor};

    /// Two dense layers that differ by a factor are moved by steps that differ by that factor.
    #[test]
    fn steps_are_shares_of_what_is_moved() {
        let moved = |factor: f32| {
            let mut graph = Graph::new("scaled");
            let x = graph.add_input("x", vec![1, 2], DataType::F32);
            let items = [1.0, -2.0, 0.01, 0.0, 3.0, 4.0].map(|x| x * factor).to_vec();
            let w = graph.add_constant("w", HostTensor::from_vec(vec![3, 2], items).unwrap());
            let y = graph.add_node("dense", Op::FullyConnected(FullyConnected::default()), &[x, w]).unwrap();
            graph.add_output("y", y);
            let network = Network::trainable(&graph).unwrap();
            let variables = network.variables();
            let gradients = [vec![0.1, -0.2, 0.3, 0.1, 0.2, -0.3]];
            Adam::new(variables).step(variables, &gradients, 1, 0.01, 0.0).unwrap();
            variables[0].var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (small, large) = (moved(0.004), moved(1.0));
        for (small, large) in small.iter().zip(&large) {
            assert!((small - large * 0.004).abs() < 1e-8, "{small} {large}");
        }
        let row = (2.5f32).sqrt();
        assert!((large[0] - (1.0 - 0.01 * row)).abs() < 1e-6 && (large[1] - (-2.0 + 0.01 * row)).abs() < 1e-6);
    }
}
