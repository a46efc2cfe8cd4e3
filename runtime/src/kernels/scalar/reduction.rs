//! Reductions over whole axes.

use super::{Number, WHOLE};
use crate::kernels::{ClampFloat, Epilogue};
use bantam_format::ops::ReduceKind;

/// Elements summed side by side.
const TILE: usize = if WHOLE { 64 } else { super::TILE };

/// Elements of a block, so far from each other. Less code than the library's, which is made for speed.
#[derive(Clone)]
struct Line<'a, T> {
    rest: &'a [T],
    step: usize,
}

impl<'a, T> Line<'a, T> {
    fn new(block: &'a [T], first: usize, step: usize) -> Self {
        Self { rest: block.get(first..).unwrap_or(&[]), step: step.max(1) }
    }
}

impl<T: Copy> Iterator for Line<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (&first, _) = self.rest.split_first()?;
        self.rest = self.rest.get(self.step..).unwrap_or(&[]);
        Some(first)
    }
}

/// Sums of `input - zero_point` over the middle of `[outer, reduced, inner]`, handed to the epilogue.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(always))]
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
                if WHOLE
                    && outputs.len() == TILE
                    && let Some(values) = values.first_chunk::<TILE>()
                {
                    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum = value.add(*sum, zero_point));
                    continue;
                }
                for (sum, &value) in sums.iter_mut().take(outputs.len()).zip(values) {
                    *sum = value.add(*sum, zero_point);
                }
            }
            epilogue.store(tile * TILE, &sums, outputs);
        }
    }
}

/// The largest (or smallest) of `input - zero_point` over the middle of `[outer, reduced, inner]`, requantised.
pub fn extreme<T: Number<Accumulator: Ord>, E: Epilogue<T::Accumulator, T>>(
    [_, reduced, inner]: [usize; 3],
    smallest: bool,
    input: &[T],
    zero_point: i32,
    epilogue: &E,
    output: &mut [T],
) {
    let blocks = input.chunks_exact((reduced * inner).max(1));
    for (outputs, block) in output.chunks_exact_mut(inner.max(1)).zip(blocks) {
        for (index, out) in outputs.iter_mut().enumerate() {
            let values = Line::new(block, index, inner).map(|value| value.add(T::ZERO, zero_point));
            let best = if smallest { values.min() } else { values.max() };
            epilogue.store(0, &[best.unwrap_or(T::ZERO)], core::slice::from_mut(out));
        }
    }
}

/// A float reduction over the middle of `[outer, reduced, inner]`, in order, clamped.
pub fn reduce_f32(
    kind: ReduceKind,
    [_, reduced, inner]: [usize; 3],
    input: &[f32],
    clamp: &ClampFloat,
    output: &mut [f32],
) {
    let blocks = input.chunks_exact((reduced * inner).max(1));
    for (outputs, block) in output.chunks_exact_mut(inner.max(1)).zip(blocks) {
        for (index, out) in outputs.iter_mut().enumerate() {
            *out = clamp.apply(reduce_line(kind, Line::new(block, index, inner)));
        }
    }
}

/// The library's fold, of which short code has one.
fn fold<T: Copy>(values: Line<'_, T>, start: T, function: fn(T, T) -> T) -> T {
    values.fold(start, function)
}

fn reduce_line(kind: ReduceKind, values: Line<'_, f32>) -> f32 {
    let squares = |sum: f32, x: f32| sum + x * x;
    let add = |sum: f32, x: f32| sum + x;
    let largest = |best: f32, x: f32| if x > best { x } else { best };
    match kind {
        ReduceKind::Max => fold(values, f32::NEG_INFINITY, largest),
        ReduceKind::Min => fold(values, f32::INFINITY, |best, x| if x < best { x } else { best }),
        ReduceKind::Product => fold(values, 1.0, |product, x| product * x),
        ReduceKind::L1 => fold(values, 0.0, |sum, x| sum + libm::fabsf(x)),
        ReduceKind::L2 => libm::sqrtf(fold(values, 0.0, squares)),
        ReduceKind::SumSquare => fold(values, 0.0, squares),
        ReduceKind::LogSum => libm::logf(fold(values, 0.0, add)),
        ReduceKind::LogSumExp => {
            // Without overflow: no exponent is above zero.
            let largest = fold(values.clone(), f32::NEG_INFINITY, largest);
            if largest.is_infinite() {
                return largest;
            }
            let mut sum = 0.0;
            for x in values {
                sum += libm::expf(x - largest);
            }
            largest + libm::logf(sum)
        }
        _ => fold(values, 0.0, add),
    }
}

/// Index of the largest (or smallest) of every `classes` elements; of equal ones the first, or the last. NaN is never
/// chosen unless it stands first.
pub fn arg_max<T: Number + PartialEq>(
    classes: usize,
    [select_last, select_least]: [bool; 2],
    input: &[T],
    output: &mut [i32],
) {
    for (out, row) in output.iter_mut().zip(input.chunks_exact(classes.max(1))) {
        let mut best = (0, row.first().copied().unwrap_or(T::LOWEST));
        for (index, &value) in (0i32..).zip(row) {
            let better = if select_least { best.1.exceeds(value) } else { value.exceeds(best.1) };
            if better || (select_last && value == best.1) {
                best = (index, value);
            }
        }
        *out = best.0;
    }
}

/// Positions of the `count` best of every `classes` elements, best first; of equal ones the first stands first. `key`
/// gives an element as a number that orders it, larger ones being better. Each position is found by a pass for the best
/// element behind the one before.
pub fn top_k(classes: usize, count: usize, key: &dyn Fn(usize) -> i32, output: &mut [i32]) {
    let before = |(i, a): (i32, i32), (j, b): (i32, i32)| a > b || (i < j && a == b);
    for (row, outputs) in output.chunks_exact_mut(count.max(1)).enumerate() {
        let mut last = None;
        for out in outputs {
            let mut best = None;
            for (position, index) in (0i32..).zip(row * classes..(row + 1) * classes) {
                let candidate = (position, key(index));
                let is_new = last.is_none_or(|last| before(last, candidate));
                if is_new && best.is_none_or(|best| before(candidate, best)) {
                    best = Some(candidate);
                }
            }
            *out = best.map_or(0, |(position, _)| position);
            last = best;
        }
    }
}

/// Orders floats as [`top_k`] asks for, the smallest first if `least`; NaN is worse than every number.
pub fn float_key(value: f32, least: bool) -> i32 {
    if value.is_nan() {
        return i32::MIN;
    }
    // Both zeros are alike; the bits of negative numbers grow downwards.
    let bits = (value + 0.0).to_bits().cast_signed();
    let key = if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits };
    if least { !key } else { key }
}

/// A reduction of 32-bit integers over the middle of `[outer, reduced, inner]`; sums and products wrap.
pub fn reduce_i32(kind: ReduceKind, [_, reduced, inner]: [usize; 3], input: &[i32], output: &mut [i32]) {
    let blocks = input.chunks_exact((reduced * inner).max(1));
    for (outputs, block) in output.chunks_exact_mut(inner.max(1)).zip(blocks) {
        for (index, out) in outputs.iter_mut().enumerate() {
            let values = Line::new(block, index, inner);
            *out = match kind {
                ReduceKind::Max => fold(values, i32::MIN, i32::max),
                ReduceKind::Min => fold(values, i32::MAX, i32::min),
                ReduceKind::Product => fold(values, 1, i32::wrapping_mul),
                _ => fold(values, 0, i32::wrapping_add),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_floats_order_them() {
        let ascending = [f32::NEG_INFINITY, -1.5, -1.0e-40, 0.0, 1.0e-40, 1.5, f32::INFINITY];
        for least in [false, true] {
            let keys = ascending.map(|value| float_key(value, least));
            assert!(keys.is_sorted_by(|a, b| if least { a > b } else { a < b }), "{keys:?}");
            assert!(keys.iter().all(|&key| key > float_key(f32::NAN, least)));
            assert_eq!(float_key(-0.0, least), float_key(0.0, least));
        }
    }

    #[test]
    fn the_best_come_first_and_of_equal_ones_the_first() {
        let values = [1.0, f32::NAN, 3.0, 3.0, -2.0];
        let best = |least: bool| {
            let mut output = [0; 4];
            top_k(5, 4, &|index| float_key(values[index], least), &mut output);
            output
        };
        assert_eq!([best(false), best(true)], [[2, 3, 0, 4], [4, 0, 2, 3]]);
    }
}
