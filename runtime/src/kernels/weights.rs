//! Constant weights as kernels read them: runs of elements, which lie in the file as they are or in fewer bits.

/// Most weights that are unpacked at once; even.
pub const RUN: usize = 32;

/// Weights of elements `T`.
pub trait Weights<T>: Copy {
    /// The weights from `at` on, at most `count`: those that lie in memory as elements, or up to [`RUN`] unpacked into `buffer`. None where
    /// there are no more.
    fn run<'a>(&'a self, at: usize, count: usize, buffer: &'a mut [T; RUN]) -> &'a [T];

    /// All of them, where they lie in memory as elements.
    fn elements(&self) -> Option<&[T]>;

    /// One weight.
    fn at(&self, at: usize) -> Option<T>;
}

impl<T: Copy> Weights<T> for &[T] {
    fn run<'a>(&'a self, at: usize, count: usize, _: &'a mut [T; RUN]) -> &'a [T] {
        let rest = self.get(at..).unwrap_or(&[]);
        rest.get(..count).unwrap_or(rest)
    }

    fn elements(&self) -> Option<&[T]> {
        Some(self)
    }

    fn at(&self, at: usize) -> Option<T> {
        self.get(at).copied()
    }
}

/// Weights of 8-bit inputs.
#[derive(Clone, Copy, Debug)]
pub enum ByteWeights<'a> {
    /// One in a byte.
    Bytes(&'a [i8]),
    /// Two in a byte: the first in the lower half, each from -8 to 7.
    Nibbles(&'a [u8]),
}

/// Weights of float inputs.
#[derive(Clone, Copy, Debug)]
pub enum FloatWeights<'a> {
    /// binary32.
    Singles(&'a [f32]),
    /// binary16, little-endian.
    Halves(&'a [[u8; 2]]),
}

/// The weights from `at` on, at most `count`, each read by itself.
fn unpack<'a, T: Copy>(weights: &impl Weights<T>, at: usize, count: usize, buffer: &'a mut [T; RUN]) -> &'a [T] {
    let mut unpacked = 0;
    for (target, at) in buffer.iter_mut().zip(at..at.saturating_add(count)) {
        let Some(weight) = weights.at(at) else { break };
        *target = weight;
        unpacked += 1;
    }
    buffer.get(..unpacked).unwrap_or(&[])
}

impl Weights<f32> for FloatWeights<'_> {
    fn run<'a>(&'a self, at: usize, count: usize, buffer: &'a mut [f32; RUN]) -> &'a [f32] {
        match self {
            Self::Singles(weights) => weights.run(at, count, buffer),
            Self::Halves(_) => unpack(self, at, count, buffer),
        }
    }

    fn elements(&self) -> Option<&[f32]> {
        match self {
            Self::Singles(weights) => Some(weights),
            Self::Halves(_) => None,
        }
    }

    fn at(&self, at: usize) -> Option<f32> {
        match self {
            Self::Singles(weights) => weights.at(at),
            Self::Halves(weights) => weights.at(at).map(|bytes| half_to_single(u16::from_le_bytes(bytes))),
        }
    }
}

/// The binary32 of a binary16, which is exact. The bits of a NaN keep their places behind the exponent.
#[must_use]
pub fn half_to_single(half: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(half & 0x8000) << 16, half >> 10 & 0x1f, u32::from(half & 0x3ff));
    let magnitude = match exponent {
        // Multiples of 2^-24. None of these numbers is subnormal itself, so no mode of the machine makes it nought.
        0 => (fraction as f32 * (1.0 / 16_777_216.0)).to_bits(),
        0x1f => 0x7f80_0000 | fraction << 13,
        // The bias of the exponent is 127 instead of 15.
        _ => (u32::from(exponent) + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

impl Weights<i8> for ByteWeights<'_> {
    fn run<'a>(&'a self, at: usize, count: usize, buffer: &'a mut [i8; RUN]) -> &'a [i8] {
        match self {
            Self::Bytes(weights) => weights.run(at, count, buffer),
            Self::Nibbles(_) => unpack(self, at, count, buffer),
        }
    }

    fn elements(&self) -> Option<&[i8]> {
        match self {
            Self::Bytes(weights) => Some(weights),
            Self::Nibbles(_) => None,
        }
    }

    fn at(&self, at: usize) -> Option<i8> {
        match self {
            Self::Bytes(weights) => weights.at(at),
            Self::Nibbles(bytes) => {
                let byte = bytes.at(at / 2)?;
                // The half moves up and comes down with its sign.
                Some((if at.is_multiple_of(2) { byte << 4 } else { byte & 0xf0 }).cast_signed() >> 4)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_keep_their_order_and_sign() {
        let weights = ByteWeights::Nibbles(&[0x21, 0x8f, 0x07]);
        let all: std::vec::Vec<Option<i8>> = (0..7).map(|at| weights.at(at)).collect();
        assert_eq!(all, [Some(1), Some(2), Some(-1), Some(-8), Some(7), Some(0), None]);
        let buffer = &mut [0; RUN];
        assert_eq!(weights.run(1, 3, buffer), [2, -1, -8]);
        assert_eq!(weights.run(4, 9, buffer), [7, 0]);
        assert_eq!(weights.run(9, 9, buffer), []);
        assert_eq!(ByteWeights::Bytes(&[5, 6]).run(1, 9, buffer), [6]);
    }

    #[test]
    fn every_half_is_the_single_that_its_formula_says() {
        for half in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff) / 1024.0);
            let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
            let single = half_to_single(half);
            assert_eq!(single.is_sign_negative(), half >> 15 == 1, "{half:#x}");
            match exponent {
                0x1f if fraction != 0.0 => assert!(single.is_nan(), "{half:#x}"),
                0x1f => assert!(single.is_infinite(), "{half:#x}"),
                0 => assert_eq!(f64::from(single), sign * fraction * 2f64.powi(-14), "{half:#x}"),
                _ => assert_eq!(f64::from(single), sign * (1.0 + fraction) * 2f64.powi(exponent - 15), "{half:#x}"),
            }
        }
    }

    #[test]
    fn halves_are_read_in_runs_as_one_by_one() {
        let bytes: std::vec::Vec<[u8; 2]> = (0..70u16).map(|i| (0x3c00 + i * 37).to_le_bytes()).collect();
        let weights = FloatWeights::Halves(&bytes);
        let one_by_one: std::vec::Vec<f32> = (0..70).map_while(|at| weights.at(at)).collect();
        assert_eq!((one_by_one.len(), one_by_one[0]), (70, 1.0));
        let buffer = &mut [0.0; RUN];
        assert_eq!(weights.run(3, 90, buffer), &one_by_one[3..3 + RUN]);
        assert_eq!(weights.run(60, 90, buffer), &one_by_one[60..]);
        assert_eq!(weights.run(70, 1, buffer), &[] as &[f32]);
    }
}
