//! Instruction sets in software, for tests: products of bytes as they are on machines the tests do not run on.

use super::{floats, lanes, quads, woven_quads};
use crate::kernels::generic::{Finish, Kernel, Of, Products};
use crate::kernels::requantize::{multiply_by_quantized_multiplier, round_and_saturate};

macro_rules! model {
    ($(#[$about:meta])* $name:ident, $element:ty, $offset:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl $name {
            /// Always there.
            pub fn new() -> Option<Self> {
                Some(Self)
            }
        }

        impl Products<i8> for $name {
            fn run<K: Kernel>(self, kernel: K) -> Option<()> {
                kernel.run(&Of::<i8, _>::new(self))
            }

            quads!(4, $offset);
            woven_quads!(4, $offset);
            /// Sums, or four bytes in each lane.
            type Vector = [i32; 4];
            const ROWS: usize = 6;
            const COLUMNS: bool = $offset != 0;

            fn splat(self, word: u32) -> [i32; 4] {
                [word.cast_signed(); 4]
            }

            fn load(self, words: &[u32; 4]) -> [i32; 4] {
                words.map(u32::cast_signed)
            }

            fn multiply_add(self, sum: [i32; 4], activations: [i32; 4], weights: [i32; 4]) -> [i32; 4] {
                core::array::from_fn(|lane| {
                    let activations: [$element; 4] = zerocopy::transmute!(activations[lane]);
                    let weights: [i8; 4] = zerocopy::transmute!(weights[lane]);
                    let products = activations.iter().zip(weights).map(|(&a, w)| i32::from(a) * i32::from(w));
                    products.fold(sum[lane], i32::wrapping_add)
                })
            }

            fn finish(self, sums: [i32; 4], finish: &Finish, table: &[u32]) -> [u8; 4] {
                core::array::from_fn(|lane| {
                    let (multiplier, [low, high]) = (table[lane].cast_signed(), finish.clamp);
                    if finish.tflite {
                        let value = multiply_by_quantized_multiplier(sums[lane], multiplier, table[4 + lane] as i8);
                        value.saturating_add(finish.zero_point).max(low).min(high) as u8
                    } else {
                        let value = sums[lane] as f32 * f32::from_bits(table[lane]);
                        round_and_saturate(value, finish.zero_point, finish.clamp).cast_unsigned()
                    }
                })
            }
        }

        impl Products<f32> for $name {
            fn run<K: Kernel>(self, kernel: K) -> Option<()> {
                kernel.run(&Of::<f32, _>::new(self))
            }

            floats!(4);
            type Vector = [f32; 4];
            const ROWS: usize = 6;

            fn splat(self, word: u32) -> [f32; 4] {
                [f32::from_bits(word); 4]
            }

            fn load(self, words: &[u32; 4]) -> [f32; 4] {
                words.map(f32::from_bits)
            }

            fn load_values(self, values: &[u8; 16]) -> [f32; 4] {
                zerocopy::transmute!(*values)
            }

            fn multiply_add(self, sum: [f32; 4], activations: [f32; 4], weights: [f32; 4]) -> [f32; 4] {
                core::array::from_fn(|lane| sum[lane] + activations[lane] * weights[lane])
            }

            fn finish(self, sums: [f32; 4], finish: &Finish, _: &[u32]) -> [u8; 16] {
                let [low, high] = finish.bounds;
                zerocopy::transmute!(sums.map(|sum| if sum < low { low } else if sum > high { high } else { sum }))
            }
        }
    };
}

model! {
    /// Signed activations: NEON with dotprod, relaxed SIMD on Arm.
    Signed, i8, 0
}

model! {
    /// Unsigned activations: VNNI, relaxed SIMD on x86 with VNNI.
    Unsigned, u8, 128
}
