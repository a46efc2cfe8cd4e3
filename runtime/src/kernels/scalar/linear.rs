//! Matrix products with constant weights.

use super::{Number, TILE, biased};
use crate::kernels::Epilogue;

/// Every row of `depth` inputs times weights `[channels, depth]`.
#[allow(clippy::too_many_arguments)]
pub fn fully_connected<T: Number, E: Epilogue<T::Accumulator, T>>(
    depth: usize,
    channels: usize,
    input: &[T],
    zero_point: i32,
    weights: &[T],
    bias: &[T::Accumulator],
    epilogue: &E,
    output: &mut [T],
) {
    let rows = output.chunks_exact_mut(channels.max(1)).zip(input.chunks_exact(depth.max(1)));
    for (outputs, inputs) in rows {
        for (tile, outputs) in outputs.chunks_mut(TILE).enumerate() {
            let first = tile * TILE;
            let mut accumulators = biased::<T>(bias, first);
            let filters = weights.chunks_exact(depth.max(1)).skip(first);
            for (accumulator, filter) in accumulators.iter_mut().take(outputs.len()).zip(filters) {
                for (&value, &weight) in inputs.iter().zip(filter) {
                    *accumulator = value.multiply_add(*accumulator, zero_point, weight);
                }
            }
            epilogue.store(first, &accumulators, outputs);
        }
    }
}
