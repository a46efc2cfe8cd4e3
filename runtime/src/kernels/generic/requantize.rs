//! The epilogue as vectors compute it: the formulas of [`crate::kernels::requantize`], and tables that packing has
//! filled up to whole vectors.

use super::loops::Layout;
use super::pack::take_mut;
use crate::kernels::requantize::Requantization;
use bantam_format::ops::FloatEpilogue;

/// How sums become outputs.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// Zero point of 8-bit outputs.
    pub zero_point: i32,
    /// Smallest and largest 8-bit output.
    pub clamp: [i32; 2],
    /// The same less the zero point; or smallest and largest float.
    pub bounds: [f32; 2],
    /// The arithmetic of 8-bit outputs: `tflite`, else `onnx`.
    pub tflite: bool,
}

impl Finish {
    /// That of integers.
    pub fn new(requantization: &Requantization<'_>) -> Self {
        let (zero_point, clamp) = (requantization.zero_point, requantization.clamp);
        let bounds = [(clamp[0] - zero_point) as f32, (clamp[1] - zero_point) as f32];
        Self { zero_point, clamp, bounds, tflite: !requantization.shifts.is_empty() }
    }

    /// That of floats.
    pub fn of_floats(epilogue: &FloatEpilogue) -> Self {
        let bounds = [epilogue.clamp_min, epilogue.clamp_max];
        Self { zero_point: 0, clamp: [0; 2], bounds, tflite: false }
    }

    /// Smallest and largest 8-bit output less the zero point.
    #[inline(always)]
    pub fn integer_bounds(&self) -> [i32; 2] {
        let [low, high] = self.clamp;
        [low - self.zero_point, high - self.zero_point]
    }
}

/// What is packed of all channels beside their weights.
#[derive(Clone, Copy, Debug)]
pub struct Epilogues<'a> {
    /// How operands are packed.
    pub layout: Layout,
    /// How many there are, those that fill up vectors included.
    pub channels: usize,
    /// What activations exceed theirs by.
    pub excess: i32,
    /// A word for each, or none.
    pub bias: &'a [i32],
    /// Multipliers and shifts of an integer epilogue.
    pub scales: Option<&'a Requantization<'a>>,
}

/// Packs where the sums of channels start, each at its bias less the weights times what activations exceed theirs by, and the
/// tables. `channel` tells which channel an entry is of, `sum` that of its weights; `None` fills up, with the multiplier nought.
pub fn pack_epilogue(
    &Epilogues { layout, channels, excess, bias, scales }: &Epilogues<'_>,
    channel: &dyn Fn(usize) -> Option<usize>,
    sum: &dyn Fn(usize) -> i32,
    packed: &mut &mut [u8],
) -> Option<()> {
    for (index, word) in take_mut(packed, channels)?.iter_mut().enumerate() {
        let Some(channel) = channel(index) else {
            *word = 0;
            continue;
        };
        let sum = if excess == 0 { 0 } else { sum(channel) };
        *word = bias.get(channel).map_or(0, |&bias| bias).wrapping_sub(excess.wrapping_mul(sum)).cast_unsigned();
    }
    let tables = take_mut(packed, channels.checked_mul(layout.table)?)?;
    if let Some(scales) = scales {
        pack_tables(scales, layout.lanes, channel, tables);
    }
    Some(())
}

/// Packs the tables of vectors of `lanes` channels: multipliers, shifts, and what [`quick`] makes of them.
fn pack_tables(
    scales: &Requantization<'_>,
    lanes: usize,
    channel: &dyn Fn(usize) -> Option<usize>,
    packed: &mut [u32],
) {
    for (vector, table) in packed.chunks_exact_mut((lanes * 4).max(1)).enumerate() {
        for (index, entry) in table.iter_mut().enumerate() {
            let from =
                channel(vector * lanes + index % lanes).map(|channel| if scales.per_channel { channel } else { 0 });
            let multiplier = from.and_then(|from| scales.multipliers.get(from).copied()).unwrap_or(0);
            let shift = from.and_then(|from| scales.shifts.get(from).copied());
            let [factor, tie] = quick(multiplier, shift);
            let shift = shift.map_or(0, i32::from);
            let rows = [multiplier.cast_unsigned(), shift.cast_unsigned(), factor.to_bits(), tie.to_bits()];
            *entry = rows.get(index / lanes.max(1)).copied().unwrap_or(0);
        }
    }
}

/// 1.5 * 2^23: adding it to a number of at most 2^22 rounds that to nearest, ties to even, into the last bits.
pub const ROUNDING: f32 = 12_582_912.0;

/// A power of two, from 2^-126 to 2^127.
pub fn power(exponent: i32) -> f32 {
    f32::from_bits((127 + exponent).unsigned_abs() << 23)
}

/// What sums are multiplied with in floats, and how far such a product may be from the nearest whole number for that to
/// be the output; beyond, the `tflite` arithmetic has to be done in integers. It is never needed for `onnx`.
///
/// Products that count are less than 2^9 (others are clamped), so the three roundings of sum, factor and product move them
/// by less than 2^-13. The first rounding of `tflite` moves them by half a unit of the last bit that is shifted out.
pub fn quick(multiplier: i32, shift: Option<i8>) -> [f32; 2] {
    match shift.map(i32::from) {
        None => [f32::from_bits(multiplier.cast_unsigned()), 1.0],
        Some(shift @ -30..0) if multiplier >= 0 => {
            [multiplier as f32 * power(shift - 31), 0.5 - power(shift - 1) - power(-12)]
        }
        Some(_) => [0.0, -1.0],
    }
}
