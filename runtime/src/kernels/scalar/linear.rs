//! Matrix products with constant weights.

use super::{Number, TILE, add_products, biased};
use crate::kernels::{Accumulation, Epilogue};

/// Every row of `depth` inputs times weights `[channels, depth]`.
pub fn fully_connected<T: Number, E: Epilogue<T::Accumulator, T>>(
    depth: usize,
    channels: usize,
    input: &[T],
    &Accumulation { zero_point, weights, bias, ref epilogue }: &Accumulation<'_, T, E>,
    output: &mut [T],
) {
    let rows = output.chunks_exact_mut(channels.max(1)).zip(input.chunks_exact(depth.max(1)));
    for (outputs, inputs) in rows {
        for (tile, outputs) in outputs.chunks_mut(TILE).enumerate() {
            let first = tile * TILE;
            let mut accumulators = biased::<T>(bias, first);
            let starts = (first * depth..).step_by(depth.max(1));
            for (accumulator, start) in accumulators.iter_mut().take(outputs.len()).zip(starts) {
                add_products(accumulator, inputs, zero_point, weights, start);
            }
            epilogue.store(first, &accumulators, outputs);
        }
    }
}

/// A matrix `[rows, depth]` times a matrix `[depth, columns]`.
pub fn mat_mul<T: Number, E: Epilogue<T::Accumulator, T>>(
    depth: usize,
    columns: usize,
    [first_zero_point, second_zero_point]: [i32; 2],
    first: &[T],
    second: &[T],
    epilogue: &E,
    output: &mut [T],
) {
    let rows = output.chunks_exact_mut(columns.max(1)).zip(first.chunks_exact(depth.max(1)));
    for (outputs, left) in rows {
        for (tile, outputs) in outputs.chunks_mut(TILE).enumerate() {
            let mut accumulators = [T::ZERO; TILE];
            for (&value, right) in left.iter().zip(second.chunks_exact(columns.max(1))) {
                let right = right.get(tile * TILE..).unwrap_or(&[]);
                for (accumulator, &other) in accumulators.iter_mut().take(outputs.len()).zip(right) {
                    *accumulator = value.multiply_add_both(*accumulator, first_zero_point, other, second_zero_point);
                }
            }
            epilogue.store(tile * TILE, &accumulators, outputs);
        }
    }
}
