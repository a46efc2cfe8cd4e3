//! Reductions over whole axes.

use super::{Number, TILE};
use crate::kernels::Epilogue;

/// Sums of `input - zero_point` over the middle of `[outer, reduced, inner]`, handed to the epilogue.
pub fn sum<T: Number, E: Epilogue<T::Accumulator, T>>(
    [_, reduced, inner]: [usize; 3],
    input: &[T],
    zero_point: i32,
    epilogue: &E,
    output: &mut [T],
) {
    let blocks = input.chunks_exact((reduced * inner).max(1));
    for (outputs, block) in output.chunks_exact_mut(inner.max(1)).zip(blocks) {
        for (tile, outputs) in outputs.chunks_mut(TILE).enumerate() {
            let mut sums = [T::ZERO; TILE];
            for row in block.chunks_exact(inner.max(1)) {
                let values = row.get(tile * TILE..).unwrap_or(&[]);
                for (sum, &value) in sums.iter_mut().take(outputs.len()).zip(values) {
                    *sum = value.add(*sum, zero_point);
                }
            }
            epilogue.store(tile * TILE, &sums, outputs);
        }
    }
}

/// Index of the largest of every `classes` elements; of equal ones the first, or the last. NaN is never chosen
/// unless it stands first.
pub fn arg_max<T: Number + PartialEq>(classes: usize, select_last: bool, input: &[T], output: &mut [i32]) {
    for (out, row) in output.iter_mut().zip(input.chunks_exact(classes.max(1))) {
        let mut best = (0, row.first().copied().unwrap_or(T::LOWEST));
        for (index, &value) in (0i32..).zip(row) {
            if value.exceeds(best.1) || (select_last && value == best.1) {
                best = (index, value);
            }
        }
        *out = best.0;
    }
}
