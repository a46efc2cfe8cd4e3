//! Constant weights as kernels read them: runs of elements, which lie in the file as they are or two to a byte.

/// Most weights that are unpacked at once; even.
pub const RUN: usize = 32;

/// Weights of elements `T`.
pub trait Weights<T>: Copy {
    /// The weights from `at` on, at most `count`: those that lie in memory as elements, or up to [`RUN`] unpacked into `buffer`. None where
    /// there are no more.
    fn run<'a>(&'a self, at: usize, count: usize, buffer: &'a mut [T; RUN]) -> &'a [T];

    /// One weight.
    fn at(&self, at: usize) -> Option<T>;
}

impl<T: Copy> Weights<T> for &[T] {
    fn run<'a>(&'a self, at: usize, count: usize, _: &'a mut [T; RUN]) -> &'a [T] {
        let rest = self.get(at..).unwrap_or(&[]);
        rest.get(..count).unwrap_or(rest)
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

impl Weights<i8> for ByteWeights<'_> {
    fn run<'a>(&'a self, at: usize, count: usize, buffer: &'a mut [i8; RUN]) -> &'a [i8] {
        match self {
            Self::Bytes(weights) => weights.run(at, count, buffer),
            Self::Nibbles(_) => {
                let mut unpacked = 0;
                for (target, at) in buffer.iter_mut().zip(at..at.saturating_add(count)) {
                    let Some(weight) = self.at(at) else { break };
                    *target = weight;
                    unpacked += 1;
                }
                buffer.get(..unpacked).unwrap_or(&[])
            }
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
}
