//! What the epilogues of fast kernels need: the numbers of [`crate::kernels::requantize`], and tables that packing has
//! filled up to whole vectors.

use super::Value;
use crate::kernels::requantize::Requantization;
use bantam_format::ops::FloatEpilogue;

/// 8-bit outputs.
#[derive(Clone, Copy, Debug)]
pub struct Requantize {
    /// Zero point of the output.
    pub zero_point: i32,
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// The arithmetic: `tflite`, else `onnx`.
    pub tflite: bool,
}

impl Requantize {
    /// The epilogue of an op.
    pub fn new(requantization: &Requantization<'_>) -> Self {
        Self {
            zero_point: requantization.zero_point,
            clamp: requantization.clamp,
            tflite: !requantization.shifts.is_empty(),
        }
    }

    /// Smallest and largest output less the zero point.
    #[inline(always)]
    pub fn bounds(&self) -> [i32; 2] {
        self.clamp.map(|bound| bound - self.zero_point)
    }
}

/// Clamped floats.
#[derive(Clone, Copy, Debug)]
pub struct Clamp {
    /// Smallest output.
    pub low: f32,
    /// Largest output.
    pub high: f32,
}

impl Clamp {
    /// From the stored bounds.
    pub fn new(epilogue: &FloatEpilogue) -> Self {
        Self { low: epilogue.clamp_min, high: epilogue.clamp_max }
    }
}

/// The tables of an epilogue before they are packed.
#[derive(Clone, Copy, Debug)]
pub enum Tables<'a> {
    /// None.
    None,
    /// Multipliers and shifts.
    Scales(&'a Requantization<'a>),
}

impl Tables<'_> {
    /// Packs the tables of vectors of `lanes` channels: multipliers, then shifts. `channel` tells which channel an
    /// entry is of; `None` fills up.
    pub fn pack<T: Value>(&self, lanes: usize, channel: impl Fn(usize) -> Option<usize>, packed: &mut [i32]) {
        let Self::Scales(scales) = self else { return };
        for (vector, table) in packed.chunks_exact_mut((lanes * T::TABLE).max(1)).enumerate() {
            for (index, entry) in table.iter_mut().enumerate() {
                let Some(channel) = channel(vector * lanes + index % lanes) else { continue };
                let from = if scales.per_channel { channel } else { 0 };
                *entry = if index < lanes {
                    scales.multipliers.get(from).copied().unwrap_or(0)
                } else {
                    scales.shifts.get(from).copied().map_or(0, i32::from)
                };
            }
        }
    }
}
