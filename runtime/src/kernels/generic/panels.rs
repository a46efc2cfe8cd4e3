//! What is packed of the channels of a panel: their weights in the order in which vectors take them, where their sums start, and the
//! tables of their epilogue.

use super::loops::Layout;
use super::requantize::pack_table;
use super::{Source, word};
use crate::kernels::Requantization;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::kernels::arch::baseline;
use crate::kernels::weights::{ByteWeights, RUN, Weights};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use zerocopy::transmute;

/// What panels are packed of.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a> {
    /// The weights.
    pub weights: Source<'a>,
    /// A word for each channel, or none.
    pub bias: &'a [i32],
    /// Multipliers and shifts of an integer epilogue.
    pub scales: Option<&'a Requantization<'a>>,
}

/// The channels of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The first one, and how many there are.
    pub channels: [usize; 2],
    /// How far it is from the weight of a channel to that of the next one, and from one weight of a channel to the next.
    pub strides: [usize; 2],
    /// Runs of weights of a channel, each in words of its own, and weights of a run.
    pub runs: [usize; 2],
}

/// Where a panel is packed. It has as many lanes as sums start in it; those without a channel are nought.
#[derive(Debug)]
pub struct Target<'a> {
    /// Depth by depth a word for each lane.
    pub panel: &'a mut [u32],
    /// A word for each lane.
    pub starts: &'a mut [u32],
    /// The tables of whole vectors.
    pub tables: &'a mut [u32],
}

impl Constants<'_> {
    /// Packs a panel. Sums start at the bias less the weights times `excess`, what activations exceed theirs by. `None` where weights
    /// are missing.
    pub fn pack(&self, layout: &Layout, excess: i32, rows: &Rows, target: Target<'_>) -> Option<()> {
        let Target { panel, starts, tables } = target;
        let ([first, count], [across, along], [runs, taps]) = (rows.channels, rows.strides, rows.runs);
        let words = (panel.len() / runs.max(1)).max(1);
        let run = |index: usize, taps: usize| Run {
            first: first * across + index * taps * along,
            strides: rows.strides,
            extent: [count, taps],
        };
        for (index, panel) in panel.chunks_mut(words).enumerate() {
            run(index, taps).pack(&self.weights, layout.group, starts.len(), panel)?;
        }
        let mut sums = [0; RUN];
        if let (Source::Bytes(weights), true) = (&self.weights, excess != 0) {
            run(0, runs * taps).add_to(&mut sums, weights)?;
        }
        for (lane, (start, sum)) in starts.iter_mut().zip(sums).enumerate() {
            let bias = self.bias.get(first + lane).filter(|_| lane < count).map_or(0, |&bias| bias);
            *start = bias.wrapping_sub(sum.wrapping_mul(excess)).cast_unsigned();
        }
        if let Some(scales) = self.scales {
            for (vector, table) in tables.chunks_exact_mut((layout.lanes * layout.table).max(1)).enumerate() {
                let done = vector * layout.lanes;
                pack_table(scales, [first + done, count.saturating_sub(done)], table)?;
            }
        }
        Some(())
    }
}

/// A run of weights of every lane.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first one of the first lane.
    first: usize,
    /// From one lane to the next, and from one weight of a lane to the next.
    strides: [usize; 2],
    /// Lanes with weights, and weights of each.
    extent: [usize; 2],
}

impl Run {
    /// Packs words of `group` weights, 1, 2 or 4. On WebAssembly in less code than elsewhere.
    fn pack(&self, weights: &Source<'_>, group: usize, lanes: usize, panel: &mut [u32]) -> Option<()> {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        return match lanes {
            4 => self.arrange::<4>(weights, group, panel),
            8 => self.arrange::<8>(weights, group, panel),
            16 => self.arrange::<16>(weights, group, panel),
            32 => self.arrange::<32>(weights, group, panel),
            _ => self.words(weights, group, lanes, panel),
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        self.words(weights, group, lanes, panel)
    }

    /// Packs one word after the other.
    fn words(&self, weights: &Source<'_>, group: usize, lanes: usize, panel: &mut [u32]) -> Option<()> {
        let ([across, along], [count, taps]) = (self.strides, self.extent);
        for (depth, words) in panel.chunks_mut(lanes.max(1)).enumerate() {
            for (lane, to) in words.iter_mut().enumerate() {
                *to = word(group, |slot| match depth * group + slot {
                    tap if lane < count && tap < taps => weights.at(self.first + lane * across + tap * along),
                    _ => 0,
                });
            }
        }
        Some(())
    }

    /// Adds each lane's weights to its sum. `None` where weights are missing.
    fn add_to(&self, sums: &mut [i32; RUN], weights: &ByteWeights<'_>) -> Option<()> {
        let ([across, along], [count, taps]) = (self.strides, self.extent);
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        match (weights.elements(), self.strides) {
            (Some(elements), [_, 1]) => {
                for (lane, sum) in sums.iter_mut().enumerate().take(count) {
                    *sum = baseline::sum(elements.get(self.first + lane * across..)?.get(..taps)?);
                }
                return Some(());
            }
            (Some(elements), [1, _]) => {
                for tap in 0..taps {
                    add(sums, elements.get(self.first + tap * along..)?.get(..count)?)?;
                }
                return Some(());
            }
            _ => {}
        }
        for (lane, sum) in sums.iter_mut().enumerate().take(count) {
            for tap in 0..taps {
                *sum = sum.wrapping_add(weights.at(self.first + lane * across + tap * along)?.into());
            }
        }
        Some(())
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Run {
    /// Packs lanes in vectors.
    fn arrange<const LANES: usize>(&self, weights: &Source<'_>, group: usize, panel: &mut [u32]) -> Option<()> {
        match (weights, self.strides) {
            (Source::Reals(weights), [_, 1]) => {
                self.transpose::<_, LANES, 4>(weights, |reals| reals.map(f32::to_bits), panel)
            }
            (Source::Reals(weights), [1, _]) => self.weave::<_, LANES, 1>(weights, |[real]| real.to_bits(), panel),
            (Source::Bytes(weights), [_, 1]) if group == 2 => {
                self.transpose::<_, LANES, 8>(weights, baseline::widen, panel)
            }
            (Source::Bytes(weights), [1, _]) if group == 2 => self.weave::<_, LANES, 2>(weights, pair, panel),
            (Source::Bytes(weights), [_, 1]) => {
                self.transpose::<_, LANES, 16>(weights, |bytes| transmute!(*bytes), panel)
            }
            (Source::Bytes(weights), [1, _]) => self.weave::<_, LANES, 4>(weights, |bytes| transmute!(bytes), panel),
            _ => self.words(weights, group, LANES, panel),
        }
    }

    /// Packs lanes whose weights are neighbours, of which `SPAN` make four words.
    #[inline(always)]
    fn transpose<T: Copy + Default, const LANES: usize, const SPAN: usize>(
        &self,
        weights: &impl Weights<T>,
        words: impl Fn(&[T; SPAN]) -> [u32; 4],
        panel: &mut [u32],
    ) -> Option<()> {
        let ([across, _], [count, taps]) = (self.strides, self.extent);
        // Where they lie in memory, whole spans are read there.
        let elements = weights.elements().filter(|_| count == LANES);
        let whole = elements.map_or(0, |_| taps / SPAN);
        let (lines, rest) = panel.as_chunks_mut::<LANES>().0.split_at_mut_checked(whole * 4)?;
        let mut rows = [&[][..]; LANES];
        for (lane, row) in rows.iter_mut().enumerate().filter(|_| whole > 0) {
            *row = elements?.get(self.first + lane * across..)?.as_chunks::<SPAN>().0.get(..whole)?;
        }
        for (at, lines) in lines.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            for (side, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
                let [a, b, c, d] = rows;
                let [a, b, c, d] = [words(a.get(at)?), words(b.get(at)?), words(c.get(at)?), words(d.get(at)?)];
                put(lines, side, baseline::transpose([&a, &b, &c, &d]));
            }
        }
        for (at, lines) in (whole..).zip(rest.chunks_mut(4)) {
            let mut spans = [[T::default(); SPAN]; LANES];
            for (lane, span) in spans.iter_mut().enumerate().take(count) {
                let (first, left) = (self.first + lane * across + at * SPAN, taps.saturating_sub(at * SPAN));
                read(weights, first, span.get_mut(..left.min(SPAN))?)?;
            }
            for (side, [a, b, c, d]) in spans.as_chunks::<4>().0.iter().enumerate() {
                put(lines, side, baseline::transpose([&words(a), &words(b), &words(c), &words(d)]));
            }
        }
        Some(())
    }

    /// Packs neighbouring lanes whose weights are neighbours, of which each gives `GROUP` to a word.
    #[inline(always)]
    fn weave<T: Copy + Default, const LANES: usize, const GROUP: usize>(
        &self,
        weights: &impl Weights<T>,
        word: impl Fn([T; GROUP]) -> u32,
        panel: &mut [u32],
    ) -> Option<()> {
        let ([_, along], [count, taps]) = (self.strides, self.extent);
        let elements = weights.elements();
        for (depth, to) in panel.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut lines = [[T::default(); LANES]; GROUP];
            for (tap, line) in (depth * GROUP..taps).zip(&mut lines) {
                let first = self.first + tap * along;
                match elements.and_then(|elements| elements.get(first..)?.first_chunk()) {
                    Some(chunk) if count == LANES => *line = *chunk,
                    _ => read(weights, first, line.get_mut(..count)?)?,
                }
            }
            for (lane, to) in to.iter_mut().enumerate() {
                let mut group = [T::default(); GROUP];
                for (weight, line) in group.iter_mut().zip(&lines) {
                    *weight = *line.get(lane)?;
                }
                *to = word(group);
            }
        }
        Some(())
    }
}

/// Puts columns of four lanes into lines of words.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn put<const LANES: usize>(lines: &mut [[u32; LANES]], side: usize, columns: [[u32; 4]; 4]) {
    for (line, column) in lines.iter_mut().zip(columns) {
        if let Some(to) = line.as_chunks_mut().0.get_mut(side) {
            *to = column;
        }
    }
}

/// Adds a row of weights, in whole vectors as far as it goes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn add(sums: &mut [i32; RUN], row: &[i8]) -> Option<()> {
    let (whole, rest) = row.as_chunks::<8>();
    let (front, behind) = sums.split_at_mut_checked(whole.len() * 8)?;
    for (sums, row) in front.as_chunks_mut::<8>().0.iter_mut().zip(whole) {
        for (sum, &weight) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(weight.into());
        }
    }
    for (sum, &weight) in behind.iter_mut().zip(rest) {
        *sum = sum.wrapping_add(weight.into());
    }
    Some(())
}

/// Reads neighbouring weights.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn read<T: Copy + Default>(weights: &impl Weights<T>, mut at: usize, mut to: &mut [T]) -> Option<()> {
    let mut buffer = [T::default(); RUN];
    while !to.is_empty() {
        let run = weights.run(at, to.len(), &mut buffer);
        let part = to.split_off_mut(..run.len()).filter(|part| !part.is_empty())?;
        part.copy_from_slice(run);
        at += part.len();
    }
    Some(())
}

/// A pair of bytes as a word.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn pair(bytes: [i8; 2]) -> u32 {
    transmute!(bytes.map(i16::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::weights::FloatWeights;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn panels_hold_what_is_packed_word_by_word(
            bytes in proptest::collection::vec(any::<u8>(), 12_000),
            [size, vectors] in [0..3_usize, 1..3_usize],
            left_out in 0..4_usize,
            taps in prop_oneof![1..40_usize, 100..300_usize],
            adjacent in any::<bool>(),
            kind in 0..4_usize,
            quads in any::<bool>(),
            first in 0..9_usize,
        ) {
            let lanes = (4 << size) * vectors;
            let count = lanes.saturating_sub(left_out).max(1);
            let whole: vec::Vec<i8> = bytes.iter().map(|&byte| byte.cast_signed()).collect();
            let reals: vec::Vec<f32> = (0..bytes.len()).map(|at| at as f32).collect();
            let halves = bytes.as_chunks().0;
            let (weights, group) = match kind {
                0 => (Source::Bytes(ByteWeights::Bytes(&whole)), if quads { 4 } else { 2 }),
                1 => (Source::Bytes(ByteWeights::Nibbles(&bytes)), if quads { 4 } else { 2 }),
                2 => (Source::Reals(FloatWeights::Singles(&reals)), 1),
                _ => (Source::Reals(FloatWeights::Halves(halves)), 1),
            };
            let taps = taps.min(5_000 / lanes);
            let strides = if adjacent { [1, lanes + 1] } else { [taps + 1, 1] };
            let run = Run { first, strides, extent: [count, taps] };
            let mut expected = vec![0xa5a5_a5a5; taps.div_ceil(group) * lanes];
            let mut got = expected.clone();
            prop_assert_eq!(run.words(&weights, group, lanes, &mut expected), Some(()));
            prop_assert_eq!(run.pack(&weights, group, lanes, &mut got), Some(()));
            prop_assert_eq!(got, expected);
        }
    }
}
