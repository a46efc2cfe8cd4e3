//! Images of another size.

use super::super::lowering::{Lowering, Options};
use super::movement::sizes;
use crate::graph::Op;
use crate::graph::ops::{Resize, Tap};
use crate::import::Reason;
use crate::tensor::element_count;

/// Sizes of an axis: before, after, and how positions of the one lie in the other.
#[derive(Clone, Copy)]
struct Axis {
    from: usize,
    to: usize,
    corners: bool,
    centers: bool,
}

impl Axis {
    /// Height and width of an operator's image, whose options hold both flags from `field` on.
    fn pair(lowering: &mut Lowering<'_, '_>, options: Options<'_>, field: usize) -> Result<[Self; 2], Reason> {
        let (corners, centers) = (options.flag(field)?, options.flag(field + 1)?);
        let input = lowering.input(0)?;
        let (shape, size) = (lowering.shape(input), sizes(lowering, 1)?);
        let (&[_, height, width, _], &[to_height, to_width]) = (shape.as_slice(), size.as_slice()) else {
            return Err(Reason::Operand("an image of 4 dimensions and two sizes are expected".to_owned()));
        };
        element_count(&size)?;
        Ok([(height, to_height), (width, to_width)].map(|(from, to)| Self { from, to, corners, centers }))
    }

    /// Input positions per output position, as the reference computes it in f32.
    fn scale(self) -> f32 {
        let Self { from, to, corners, .. } = self;
        if corners && to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { from as f32 / to as f32 }
    }

    /// The taps of linear interpolation between real numbers (`ComputeInterpolationValues`).
    fn taps(self) -> Vec<Tap> {
        let (scale, half) = (self.scale(), if self.centers { 0.5 } else { 0.0 });
        let tap = |at: usize| {
            let exact = (at as f32 + half) * scale - half;
            let low = (exact.floor().max(0.0) as usize).min(self.from - 1);
            // Before the first element and behind the last both neighbours are the same.
            let weight = (exact - low as f32).clamp(0.0, 1.0);
            Tap { low, high: (exact.ceil().max(0.0) as usize).min(self.from - 1), weight }
        };
        (0..self.to).map(tap).collect()
    }

    /// The taps of linear interpolation between integers: positions have 10 fractional bits
    /// (`ComputeInterpolationValuesInteger`).
    fn fixed_point_taps(self) -> Vec<Tap> {
        const ONE: i64 = 1 << 10;
        let (from, to) = (self.from as i64, self.to as i64);
        let (distance, steps) = if self.corners && to > 1 { (from - 1, to - 1) } else { (from, to) };
        let scale = (ONE * distance + steps / 2) / steps.max(1);
        let tap = |at: i64| {
            let exact = if self.centers { at * scale + scale / 2 - ONE / 2 } else { at * scale };
            let low = (exact / ONE).clamp(0, from - 1);
            let high = ((exact + ONE - 1) / ONE).clamp(0, from - 1);
            let weight = (exact - ONE * low).clamp(0, ONE) as f32 / ONE as f32;
            Tap { low: low as usize, high: high as usize, weight }
        };
        (0..to).map(tap).collect()
    }
}

/// `RESIZE_BILINEAR`: quantised images between integers, others between real numbers.
pub(super) fn bilinear(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(15);
    let axes = Axis::pair(lowering, options, 2)?;
    let taps = if lowering.quantization(0)?.is_some() { Axis::fixed_point_taps } else { Axis::taps };
    let [rows, columns] = axes.map(taps);
    let input = lowering.input(0)?;
    let result = lowering.emit(Op::Resize(Resize { first_axis: 1, rows, columns }), &[input])?;
    lowering.set_output(0, result)
}

/// `RESIZE_NEAREST_NEIGHBOR`: positions as the reference computes them, in f32.
pub(super) fn nearest(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(74);
    let mut result = lowering.input(0)?;
    for (number, axis) in (1..).zip(Axis::pair(lowering, options, 0)?) {
        let (scale, half) = (axis.scale(), if axis.centers { 0.5 } else { 0.0 });
        let position = |at: usize| {
            let exact = (at as f32 + half) * scale;
            let position = if axis.corners { exact.round() } else { exact.floor() };
            (position.max(0.0) as usize).min(axis.from - 1)
        };
        let positions: Vec<usize> = (0..axis.to).map(position).collect();
        result = lowering.pick(result, number, &positions)?;
    }
    lowering.set_output(0, result)
}
