//! Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019), over plain vectors, so that its state can be
//! written to a checkpoint.

use crate::network::Variable;
use candle_core::{Device, Result, Tensor};

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Longer gradients are shortened to this length.
const LONGEST: f64 = 5.0;

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

    /// Moves variables against their gradients. `step` counts from 1; matrices and kernels decay, biases do not.
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
            for (((item, gradient), first), second) in items.iter_mut().zip(gradient).zip(first).zip(second) {
                let gradient = f64::from(*gradient) * shorten;
                let mean = FIRST_DECAY * f64::from(*first) + (1.0 - FIRST_DECAY) * gradient;
                let power = SECOND_DECAY * f64::from(*second) + (1.0 - SECOND_DECAY) * gradient * gradient;
                let change = rate * (mean / unbias_first) / ((power / unbias_second).sqrt() + EPSILON);
                *item = (f64::from(*item) * (1.0 - decay) - change) as f32;
                (*first, *second) = (mean as f32, power as f32);
            }
            variable.var.set(&Tensor::from_vec(items, variable.var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}
