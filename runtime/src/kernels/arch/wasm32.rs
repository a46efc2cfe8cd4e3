//! WebAssembly: simd128, and relaxed SIMD where a probe finds an exact product of bytes. What a module may use is settled
//! when it is compiled, so there is nothing to detect but the probe's answer.

use super::{floats, pairs};
#[cfg(target_feature = "relaxed-simd")]
use super::{quads, relaxed};
use crate::kernels::generic::{Clamp, Kernel, Products, Requantize, Simd, WHOLE};
use core::arch::wasm32::*;

/// A register from an array of its size.
macro_rules! load {
    ($from:expr) => {{
        // SAFETY: the pointer comes from a reference to an array of 16 bytes, and loads ask for no alignment.
        unsafe { v128_load(core::ptr::from_ref($from).cast()) }
    }};
}

macro_rules! instruction_set {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(());

        impl Simd for $name {
            #[inline(always)]
            fn whole(self, sums: v128, starts: v128) -> v128 {
                i32x4_add(sums, i32x4_sub(starts, i32x4_splat(WHOLE.to_bits() as i32)))
            }

            #[inline(always)]
            fn run<K: Kernel>(self, kernel: K) -> K::Output {
                kernel.run(self)
            }
        }

        impl Products<f32> for $name {
            floats!(4);
            type Vector = v128;
            const ROWS: usize = 4;

            #[inline(always)]
            fn splat(self, [value]: &[f32; 1]) -> v128 {
                f32x4_splat(*value)
            }

            #[inline(always)]
            fn weights(self, weights: &[[f32; 1]; 4]) -> v128 {
                load!(weights)
            }

            #[inline(always)]
            fn load(self, sums: &[f32; 4]) -> v128 {
                load!(sums)
            }

            #[inline(always)]
            fn multiply_add(self, sum: v128, activations: v128, weights: v128) -> v128 {
                #[cfg(target_feature = "relaxed-simd")]
                let sum = f32x4_relaxed_madd(activations, weights, sum);
                #[cfg(not(target_feature = "relaxed-simd"))]
                let sum = f32x4_add(sum, f32x4_mul(activations, weights));
                sum
            }

            #[inline(always)]
            fn finish(self, sums: v128, finish: &Clamp, _: &[i32]) -> [f32; 4] {
                // These give the first operand where one of them is NaN.
                let outputs = f32x4_pmax(sums, f32x4_splat(finish.low));
                let outputs = f32x4_pmin(outputs, f32x4_splat(finish.high));
                [
                    f32x4_extract_lane::<0>(outputs),
                    f32x4_extract_lane::<1>(outputs),
                    f32x4_extract_lane::<2>(outputs),
                    f32x4_extract_lane::<3>(outputs),
                ]
            }
        }
    };
}

/// What 8-bit products have in common.
macro_rules! integers {
    () => {
        type Vector = v128;
        const ROWS: usize = 4;

        #[inline(always)]
        fn splat(self, group: &Self::Group) -> v128 {
            i32x4_splat(zerocopy::transmute!(*group))
        }

        #[inline(always)]
        fn weights(self, weights: &Self::Weights) -> v128 {
            load!(weights)
        }

        #[inline(always)]
        fn load(self, sums: &[i32; 4]) -> v128 {
            load!(sums)
        }

        #[inline(always)]
        fn finish(self, sums: v128, finish: &Requantize, table: &[i32]) -> [i8; 4] {
            let ([multipliers, shifts, ..], _) = table.as_chunks::<4>() else { return [0; 4] };
            let [low, high] = finish.bounds();
            let rounded = if finish.tflite {
                tflite(sums, load!(multipliers), load!(shifts), low, high)
            } else {
                let value = f32x4_mul(f32x4_convert_i32x4(sums), load!(multipliers));
                let value = f32x4_pmax(value, f32x4_splat(low as f32));
                let value = f32x4_pmin(value, f32x4_splat(high as f32));
                // Adding 1.5 * 2^23 rounds to nearest, ties to even, into the last bits.
                i32x4_sub(f32x4_add(value, f32x4_splat(WHOLE)), i32x4_splat(WHOLE.to_bits() as i32))
            };
            let outputs = i32x4_add(rounded, i32x4_splat(finish.zero_point));
            let words = i16x8_narrow_i32x4(outputs, outputs);
            let bytes = i8x16_narrow_i16x8(words, words);
            i32x4_extract_lane::<0>(bytes).to_le_bytes().map(u8::cast_signed)
        }
    };
}

/// The `tflite` rounding. There are no shifts by lane, so powers of two are made as floats; a division by one of them
/// is exact in 64 bits, where half is added towards the sign and the rest cut off.
#[inline(always)]
fn tflite(sums: v128, multipliers: v128, shifts: v128, low: i32, high: i32) -> v128 {
    let left = i32x4_max(shifts, i32x4_splat(0));
    let right = i32x4_sub(left, shifts);
    let power = i32x4_trunc_sat_f32x4(i32x4_shl(i32x4_add(left, i32x4_splat(127)), 23));
    let value = i32x4_mul(sums, power);
    let nudge = i64x2_splat(1 << 30);
    let first = u64x2_shr(i64x2_add(i64x2_extmul_low_i32x4(value, multipliers), nudge), 31);
    let second = u64x2_shr(i64x2_add(i64x2_extmul_high_i32x4(value, multipliers), nudge), 31);
    let product = i32x4_shuffle::<0, 2, 4, 6>(first, second);
    let exponents = i32x4_sub(i32x4_splat(1023), right);
    let divide = |product: v128, exponents: v128| {
        let real = f64x2_mul(f64x2_convert_low_i32x4(product), i64x2_shl(exponents, 52));
        let half = v128_or(v128_and(real, f64x2_splat(-0.0)), f64x2_splat(0.5));
        i32x4_trunc_sat_f64x2_zero(f64x2_add(real, half))
    };
    let first = divide(product, u64x2_extend_low_u32x4(exponents));
    let second = divide(i32x4_shuffle::<2, 3, 2, 3>(product, product), u64x2_extend_high_u32x4(exponents));
    let rounded = i64x2_shuffle::<0, 2>(first, second);
    i32x4_min(i32x4_max(rounded, i32x4_splat(low)), i32x4_splat(high))
}

instruction_set! {
    /// simd128.
    Simd128
}

impl Simd128 {
    /// Always there in a module compiled for it.
    pub fn new() -> Option<Self> {
        Some(Self(()))
    }
}

impl Products<i8> for Simd128 {
    pairs!(4);
    integers!();

    #[inline(always)]
    fn multiply_add(self, sum: v128, activations: v128, weights: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(activations, weights))
    }
}

#[cfg(target_feature = "relaxed-simd")]
mod bytes {
    use super::*;

    /// What this engine makes of bytes whose top bit is set.
    fn probe() -> Option<relaxed::Regime> {
        relaxed::probe(|signed, other, sums| {
            // Opaque, or the compiler would fold an instruction that only the engine can evaluate.
            let (signed, other) = core::hint::black_box((signed, other));
            let sums = i32x4_relaxed_dot_i8x16_i7x16_add(load!(&signed), load!(&other), load!(&sums));
            [
                i32x4_extract_lane::<0>(sums),
                i32x4_extract_lane::<1>(sums),
                i32x4_extract_lane::<2>(sums),
                i32x4_extract_lane::<3>(sums),
            ]
        })
    }

    macro_rules! relaxed_set {
        ($(#[$about:meta])* $name:ident, $regime:ident, $element:ty, $offset:literal) => {
            instruction_set! {
                $(#[$about])*
                $name
            }

            impl $name {
                /// `None` where the engine multiplies otherwise.
                pub fn new() -> Option<Self> {
                    (probe() == Some(relaxed::Regime::$regime)).then_some(Self(()))
                }
            }

            impl Products<i8> for $name {
                quads!(4, $element, $offset);
                integers!();

                #[inline(always)]
                fn multiply_add(self, sum: v128, activations: v128, weights: v128) -> v128 {
                    i32x4_relaxed_dot_i8x16_i7x16_add(weights, activations, sum)
                }
            }
        };
    }

    relaxed_set! {
        /// Relaxed SIMD whose product of bytes takes both as signed: Arm.
        RelaxedSigned, Signed, i8, 0
    }

    relaxed_set! {
        /// Relaxed SIMD whose product of bytes takes the second as unsigned, without saturation: x86 with VNNI.
        RelaxedUnsigned, Unsigned, u8, 128
    }
}

#[cfg(target_feature = "relaxed-simd")]
pub use bytes::{RelaxedSigned, RelaxedUnsigned};
