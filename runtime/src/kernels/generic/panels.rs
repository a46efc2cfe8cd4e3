//! Weights in the order in which panels take them, written in runs.

use super::Source;
use crate::kernels::weights::{RUN, Weights};
use zerocopy::{FromBytes, IntoBytes};

/// Words of a lane that are written before those of the next lane: with as many lanes as a panel has they stay in the
/// first-level cache.
const BLOCK: usize = 128;

/// Packs a panel: depth by depth a word for each of its `lanes`, which holds `group` weights, 1, 2 or 4. `row` tells where
/// the weights of a lane begin, `step` how far it is from one to the next; lanes without weights are nought. `None` where
/// weights are missing.
/// On WebAssembly in less code instead.
pub fn pack(
    weights: &Source<'_>,
    row: &dyn Fn(usize) -> Option<usize>,
    [taps, step]: [usize; 2],
    group: usize,
    lanes: usize,
    panel: &mut [u32],
) -> Option<()> {
    if !cfg!(target_arch = "wasm32") {
        let taps = [taps, step];
        return match weights {
            Source::Reals(weights) => pack_runs(weights, row, taps, 0.0, 1, copy::<f32, f32>, lanes, panel),
            Source::Bytes(weights) if group == 2 => pack_runs(weights, row, taps, 0, 2, copy::<i8, i16>, lanes, panel),
            Source::Bytes(weights) => pack_runs(weights, row, taps, 0, 4, copy::<i8, i8>, lanes, panel),
        };
    }
    let mut words = panel.iter_mut();
    let mut depth = 0;
    while words.len() > 0 {
        for lane in 0..lanes {
            let row = row(lane);
            *words.next()? = super::word(group, |slot| match row {
                Some(row) if depth * group + slot < taps => weights.at(row + (depth * group + slot) * step),
                _ => 0,
            });
        }
        depth += 1;
    }
    Some(())
}

/// Makes words of weights that are packed as `E`, and tells how many; what is missing in the last one is nought.
#[inline(always)]
fn copy<T: Copy, E: From<T> + Default + FromBytes + IntoBytes>(run: &[T], words: &mut [u32; BLOCK]) -> usize {
    let elements = <[E]>::mut_from_bytes(words.as_mut_bytes()).unwrap_or(&mut []);
    let (whole, rest) = elements.split_at_mut(run.len().min(elements.len()));
    whole.iter_mut().zip(run).for_each(|(to, &weight)| *to = E::from(weight));
    rest.iter_mut().take(3).for_each(|to| *to = E::default());
    (run.len() * size_of::<E>()).div_ceil(4)
}

/// Calls `each` with the weights at `first`, `first + step` and so on, `count` in all, several at a time: a multiple of
/// four but for the last ones.
#[inline(always)]
pub fn runs<T: Copy, W: Weights<T>>(
    weights: &W,
    [first, step]: [usize; 2],
    count: usize,
    nothing: T,
    mut each: impl FnMut(&[T]) -> Option<()>,
) -> Option<()> {
    let mut buffer = [nothing; RUN];
    let mut done = 0;
    while done < count {
        let run = if step == 1 {
            weights.run(first + done, count - done, &mut buffer)
        } else {
            let places = (first + done * step..).step_by(step.max(1)).take(count - done);
            let mut taken = 0;
            for (to, at) in buffer.iter_mut().zip(places) {
                *to = weights.at(at)?;
                taken += 1;
            }
            buffer.get(..taken)?
        };
        if run.is_empty() {
            return None;
        }
        each(run)?;
        done += run.len();
    }
    Some(())
}

/// [`pack`] of weights of one type. `words` makes words of a run and tells how many.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn pack_runs<T: Copy, W: Weights<T>>(
    weights: &W,
    row: &dyn Fn(usize) -> Option<usize>,
    [taps, step]: [usize; 2],
    nothing: T,
    group: usize,
    words: impl Fn(&[T], &mut [u32; BLOCK]) -> usize,
    lanes: usize,
    panel: &mut [u32],
) -> Option<()> {
    let lanes = lanes.max(1);
    let mut buffer = [0; BLOCK];
    for (block, panel) in panel.chunks_mut(lanes * BLOCK).enumerate() {
        let first = block * BLOCK * group;
        let count = taps.saturating_sub(first).min(BLOCK * group);
        for lane in 0..lanes {
            let mut at = lane;
            if let Some(row) = row(lane) {
                runs(weights, [row + first * step, step], count, nothing, |run| {
                    let made = words(run, &mut buffer);
                    for word in buffer.iter().take(made) {
                        *panel.get_mut(at)? = *word;
                        at += lanes;
                    }
                    Some(())
                })?;
            }
            while let Some(word) = panel.get_mut(at) {
                *word = 0;
                at += lanes;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::weights::ByteWeights;
    use std::vec;
    use std::vec::Vec;

    /// What [`pack`] writes, one word after another.
    fn expected(weights: &ByteWeights<'_>, channels: usize, [taps, step]: [usize; 2], lanes: usize) -> Vec<u32> {
        let mut words = vec![];
        for depth in 0..taps.div_ceil(2) {
            for lane in 0..lanes {
                let tap = |tap: usize| {
                    let row = if step == 1 { lane * taps } else { lane };
                    if tap < taps && lane < channels { weights.at(row + tap * step).unwrap() } else { 0 }
                };
                words.push(word(&[tap(2 * depth), tap(2 * depth + 1)]));
            }
        }
        words
    }

    fn word(pair: &[i8]) -> u32 {
        pair.iter().rev().fold(0, |word, &weight| word << 16 | u32::from(i16::from(weight).cast_unsigned()))
    }

    #[test]
    fn panels_hold_bytes_and_halves_in_either_order() {
        let bytes: Vec<u8> = (0..4000_u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let whole: Vec<i8> = bytes.iter().map(|&byte| byte.cast_signed()).collect();
        for weights in [ByteWeights::Bytes(&whole), ByteWeights::Nibbles(&bytes)] {
            for (channels, taps) in [(1_usize, 1_usize), (3, 2), (5, 31), (8, 33), (7, 300), (4, 515)] {
                for step in [1, channels] {
                    let mut panel = vec![0xffff_ffff; taps.div_ceil(2) * 8];
                    let row = |lane| (lane < channels).then_some(if step == 1 { lane * taps } else { lane });
                    pack(&Source::Bytes(weights), &row, [taps, step], 2, 8, &mut panel).unwrap();
                    assert_eq!(panel, expected(&weights, channels, [taps, step], 8), "{channels} {taps} {step}");
                }
            }
        }
        assert_eq!(pack(&Source::Bytes(ByteWeights::Bytes(&whole[..9])), &Some, [10, 1], 2, 1, &mut [0; 5]), None);
    }
}
