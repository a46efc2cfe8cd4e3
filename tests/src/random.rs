//! A deterministic generator: the same seed gives the same cases on every machine.

use std::ops::Range;

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for this seed; neighbouring seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `range`, which must not be empty.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + (self.bits() % (range.end - range.start) as u64) as usize
    }

    /// A number in `range`, which must not be empty.
    pub fn integer(&mut self, range: Range<i64>) -> i64 {
        range.start + (self.bits() % (range.end - range.start) as u64) as i64
    }

    /// A real number in `[low, high)`.
    pub fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (self.bits() >> 11) as f64 / (1u64 << 53) as f64 * (high - low)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.bits().is_multiple_of(n)
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0..choices.len())]
    }

    /// Any 8-bit value.
    pub fn i8(&mut self) -> i8 {
        self.bits() as i8
    }

    /// `count` arbitrary 8-bit values.
    pub fn i8s(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.i8()).collect()
    }

    /// `count` values in `[low, high)`.
    pub fn f32s(&mut self, count: usize, low: f64, high: f64) -> Vec<f32> {
        (0..count).map(|_| self.real(low, high) as f32).collect()
    }

    /// Arbitrary bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
    }
}
