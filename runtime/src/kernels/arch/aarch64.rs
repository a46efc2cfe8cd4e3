//! AArch64: NEON, which every such processor has, and the product of bytes of Armv8.4 (dotprod).

use super::{floats, lanes, pairs, quads, run, wide_pairs, woven_quads};
use crate::kernels::generic::{Finish, Kernel, Of, Products};
use core::arch::aarch64::*;

/// One intrinsic on register values.
macro_rules! intrinsic {
    ($name:ident $(::<$constant:literal>)? ($($argument:expr),*)) => {{
        // SAFETY: every AArch64 processor that runs Rust's std and no_std targets with floats has NEON, and values of
        // these types are made only where their features were found.
        unsafe { $name $(::<$constant>)? ($($argument),*) }
    }};
}

/// One load from, or store to, an array of a register's size.
macro_rules! memory {
    ($name:ident($($argument:expr),*)) => {{
        // SAFETY: as for `intrinsic`; the pointer comes from a reference to an array of exactly the register's size,
        // and the instruction asks for no more alignment than the elements have.
        unsafe { $name($($argument),*) }
    }};
}

macro_rules! instruction_set {
    ($(#[$about:meta])* $name:ident, $features:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(());

        impl Products<f32> for $name {
            run!($name, f32, $features);
            floats!(4);
            type Vector = float32x4_t;
            const ROWS: usize = 6;

            #[inline(always)]
            fn splat(self, word: u32) -> float32x4_t {
                intrinsic!(vdupq_n_f32(f32::from_bits(word)))
            }

            #[inline(always)]
            fn load(self, words: &[u32; 4]) -> float32x4_t {
                memory!(vld1q_f32(core::ptr::from_ref(words).cast()))
            }

            #[inline(always)]
            fn load_values(self, values: &[u8; 16]) -> float32x4_t {
                memory!(vreinterpretq_f32_u8(vld1q_u8(core::ptr::from_ref(values).cast())))
            }

            #[inline(always)]
            fn multiply_add(self, sum: float32x4_t, activations: float32x4_t, weights: float32x4_t) -> float32x4_t {
                intrinsic!(vfmaq_f32(sum, activations, weights))
            }

            #[inline(always)]
            fn finish(self, sums: float32x4_t, finish: &Finish, _: &[u32]) -> [u8; 16] {
                let [low, high] = finish.bounds;
                let low = intrinsic!(vdupq_n_f32(low));
                let high = intrinsic!(vdupq_n_f32(high));
                // Both give NaN where one operand is NaN.
                let outputs = intrinsic!(vmaxq_f32(sums, low));
                let outputs = intrinsic!(vminq_f32(outputs, high));
                let mut stored = [0.0_f32; 4];
                memory!(vst1q_f32(core::ptr::from_mut(&mut stored).cast(), outputs));
                zerocopy::transmute!(stored)
            }
        }
    };
}

/// What 8-bit products have in common.
macro_rules! integers {
    () => {
        type Vector = int32x4_t;
        const ROWS: usize = 6;

        #[inline(always)]
        fn splat(self, word: u32) -> int32x4_t {
            intrinsic!(vdupq_n_s32(word.cast_signed()))
        }

        #[inline(always)]
        fn load(self, words: &[u32; 4]) -> int32x4_t {
            memory!(vld1q_s32(core::ptr::from_ref(words).cast()))
        }

        #[inline(always)]
        fn finish(self, sums: int32x4_t, finish: &Finish, table: &[u32]) -> [u8; 4] {
            let ([multipliers, shifts, ..], _) = table.as_chunks::<4>() else { return [0; 4] };
            let [low, high] = finish.integer_bounds();
            let bound = |bound| intrinsic!(vdupq_n_s32(bound));
            let multipliers = Products::<i8>::load(self, multipliers);
            let rounded = if finish.tflite {
                let shifts = Products::<i8>::load(self, shifts);
                let left = intrinsic!(vmaxq_s32(shifts, bound(0)));
                let right = intrinsic!(vminq_s32(shifts, bound(0)));
                let value = intrinsic!(vshlq_s32(sums, left));
                let product = intrinsic!(vqrdmulhq_s32(value, multipliers));
                // The shift rounds ties up; negative ones are lowered first, so that theirs round down.
                let fix = intrinsic!(vandq_s32(product, right));
                let fix = intrinsic!(vshrq_n_s32::<31>(fix));
                let product = intrinsic!(vqaddq_s32(product, fix));
                let rounded = intrinsic!(vrshlq_s32(product, right));
                let rounded = intrinsic!(vmaxq_s32(rounded, bound(low)));
                intrinsic!(vminq_s32(rounded, bound(high)))
            } else {
                let multipliers = intrinsic!(vreinterpretq_f32_s32(multipliers));
                let value = intrinsic!(vcvtq_f32_s32(sums));
                let value = intrinsic!(vmulq_f32(value, multipliers));
                let low = intrinsic!(vdupq_n_f32(low as f32));
                let high = intrinsic!(vdupq_n_f32(high as f32));
                let value = intrinsic!(vmaxq_f32(value, low));
                let value = intrinsic!(vminq_f32(value, high));
                // Nearest, ties to even.
                intrinsic!(vcvtnq_s32_f32(value))
            };
            let outputs = intrinsic!(vaddq_s32(rounded, bound(finish.zero_point)));
            let mut stored = [0_i32; 4];
            memory!(vst1q_s32(core::ptr::from_mut(&mut stored).cast(), outputs));
            stored.map(|output| output as u8)
        }
    };
}

instruction_set! {
    /// NEON.
    Neon, "neon"
}

impl Neon {
    /// Always there.
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "neon").then_some(Self(()))
    }
}

impl Products<i8> for Neon {
    run!(Neon, i8, "neon");
    pairs!(4);
    wide_pairs!(4);
    integers!();

    #[inline(always)]
    fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [[u8; 4]; 2]>) -> Option<[[u32; 4]; 2]> {
        let mut words = [[[0_i16; 2]; 4]; 2];
        let values = tap(0)?.as_flattened().iter().zip(tap(1)?.as_flattened());
        for (word, (first, second)) in words.as_flattened_mut().iter_mut().zip(values) {
            *word = [first, second].map(|value| i16::from(value.cast_signed()));
        }
        Some(zerocopy::transmute!(words))
    }

    #[inline(always)]
    fn multiply_add(self, sum: int32x4_t, activations: int32x4_t, weights: int32x4_t) -> int32x4_t {
        let activations = intrinsic!(vreinterpretq_s16_s32(activations));
        let weights = intrinsic!(vreinterpretq_s16_s32(weights));
        let low_activations = intrinsic!(vget_low_s16(activations));
        let low_weights = intrinsic!(vget_low_s16(weights));
        let low = intrinsic!(vmull_s16(low_activations, low_weights));
        let high = intrinsic!(vmull_high_s16(activations, weights));
        let pairs = intrinsic!(vpaddq_s32(low, high));
        intrinsic!(vaddq_s32(sum, pairs))
    }
}

instruction_set! {
    /// NEON with dotprod: most since about 2018.
    NeonDot, "neon,dotprod"
}

impl NeonDot {
    /// `None` where this machine lacks dotprod.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let found = std::arch::is_aarch64_feature_detected!("dotprod");
        #[cfg(not(feature = "std"))]
        let found = cfg!(target_feature = "dotprod");
        found.then_some(Self(()))
    }
}

impl Products<i8> for NeonDot {
    run!(NeonDot, i8, "neon,dotprod");
    quads!(4, 0);
    woven_quads!(4, 0);
    integers!();

    #[inline(always)]
    fn multiply_add(self, mut sum: int32x4_t, activations: int32x4_t, weights: int32x4_t) -> int32x4_t {
        // SAFETY: `self` proves dotprod. The instruction reads and writes the three named registers and nothing else.
        unsafe {
            core::arch::asm!(
                ".arch_extension dotprod",
                "sdot {sum:v}.4s, {activations:v}.16b, {weights:v}.16b",
                sum = inout(vreg) sum,
                activations = in(vreg) activations,
                weights = in(vreg) weights,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sum
    }
}
