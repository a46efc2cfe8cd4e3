//! Evaluation of [`Opcode::FullyConnected`](bantam_format::Opcode::FullyConnected).

use super::Context;
use super::accumulation::{Accumulate, accumulate};
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Epilogue};
use crate::views::Element;
use bantam_format::ops;

struct FullyConnected {
    depth: usize,
    channels: usize,
}

impl Accumulate for FullyConnected {
    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>>(
        &self,
        context: &mut Context<'_>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        let (input, output) = context.operands(0)?;
        scalar::fully_connected(self.depth, self.channels, input, accumulation, output);
        Some(())
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::FullyConnected::read(context.op.attributes());
    let (depth, channels) = (context.op.input(0).shape.innermost(), context.op.output(0).shape.innermost());
    accumulate(context, &attributes.accumulation(), [channels, depth], &FullyConnected { depth, channels })
}
