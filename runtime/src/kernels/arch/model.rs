//! Instruction sets in software, for tests: products of bytes as they are on machines the tests do not run on.

use super::{floats, quads};
use crate::kernels::generic::{Clamp, Kernel, Products, Requantize, Simd, WHOLE};
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

        impl Simd for $name {
            fn whole(self, sums: [f32; 4], starts: [i32; 4]) -> [i32; 4] {
                core::array::from_fn(|lane| (sums[lane] - WHOLE) as i32 + starts[lane])
            }

            fn run<K: Kernel>(self, kernel: K) -> K::Output {
                kernel.run(self)
            }
        }

        impl Products<i8> for $name {
            quads!(4, $element, $offset);
            /// Sums, or four bytes in each lane.
            type Vector = [i32; 4];
            const ROWS: usize = 6;

            fn splat(self, group: &[$element; 4]) -> [i32; 4] {
                [zerocopy::transmute!(*group); 4]
            }

            fn weights(self, weights: &[[i8; 4]; 4]) -> [i32; 4] {
                zerocopy::transmute!(*weights)
            }

            fn load(self, sums: &[i32; 4]) -> [i32; 4] {
                *sums
            }

            fn multiply_add(self, sum: [i32; 4], activations: [i32; 4], weights: [i32; 4]) -> [i32; 4] {
                core::array::from_fn(|lane| {
                    let activations: [$element; 4] = zerocopy::transmute!(activations[lane]);
                    let weights: [i8; 4] = zerocopy::transmute!(weights[lane]);
                    let products = activations.iter().zip(weights).map(|(&a, w)| i32::from(a) * i32::from(w));
                    products.fold(sum[lane], i32::wrapping_add)
                })
            }

            fn finish(self, sums: [i32; 4], finish: &Requantize, table: &[i32]) -> [i8; 4] {
                core::array::from_fn(|lane| {
                    let (multiplier, [low, high]) = (table[lane], finish.clamp);
                    if finish.tflite {
                        let value = multiply_by_quantized_multiplier(sums[lane], multiplier, table[4 + lane] as i8);
                        value.saturating_add(finish.zero_point).max(low).min(high) as i8
                    } else {
                        let value = sums[lane] as f32 * f32::from_bits(multiplier as u32);
                        round_and_saturate(value, finish.zero_point, finish.clamp)
                    }
                })
            }
        }

        impl Products<f32> for $name {
            floats!(4);
            type Vector = [f32; 4];
            const ROWS: usize = 6;

            fn splat(self, [value]: &[f32; 1]) -> [f32; 4] {
                [*value; 4]
            }

            fn weights(self, weights: &[[f32; 1]; 4]) -> [f32; 4] {
                weights.map(|[weight]| weight)
            }

            fn load(self, sums: &[f32; 4]) -> [f32; 4] {
                *sums
            }

            fn multiply_add(self, sum: [f32; 4], activations: [f32; 4], weights: [f32; 4]) -> [f32; 4] {
                core::array::from_fn(|lane| sum[lane] + activations[lane] * weights[lane])
            }

            fn finish(self, sums: [f32; 4], finish: &Clamp, _: &[i32]) -> [f32; 4] {
                sums.map(|sum| if sum < finish.low { finish.low } else if sum > finish.high { finish.high } else { sum })
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
