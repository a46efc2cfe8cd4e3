//! WebAssembly: simd128, and relaxed SIMD where a probe finds an exact product of bytes; with `--cfg bantam_fused` of relaxed SIMD
//! only the product of floats with its sum. What a module may use is settled when it is compiled, so there is nothing to detect but
//! the probe's answer.

#[cfg(not(bantam_relaxed_dot))]
use super::pairs;
use super::{floats, lanes};
use crate::kernels::generic::{Finish, Kernel, Of, Outputs, Products, ROUNDING, Sum, finish_each, put};
use core::arch::wasm32::*;

/// A register from an array of its size.
macro_rules! load {
    ($from:expr) => {{
        // SAFETY: the pointer comes from a reference to an array of 16 bytes, and loads ask for no alignment.
        unsafe { v128_load(core::ptr::from_ref($from).cast()) }
    }};
}

/// An array of its size from a register.
macro_rules! store {
    ($register:expr, $start:expr) => {{
        let mut stored = $start;
        // SAFETY: the pointer comes from a reference to an array of 16 bytes, and stores ask for no alignment.
        unsafe { v128_store(core::ptr::from_mut(&mut stored).cast(), $register) };
        stored
    }};
}

macro_rules! float_products {
    ($name:ident) => {
        impl Products<f32> for $name {
            floats!(4);

            #[inline(always)]
            fn run<K: Kernel>(self, kernel: K) -> Option<()> {
                kernel.run(&Of::<f32, _>::new(self))
            }

            type Vector = v128;
            const ROWS: usize = 4;
            const SMALL_TILES: bool = false;

            #[inline(always)]
            fn splat(self, word: u32) -> v128 {
                i32x4_splat(word.cast_signed())
            }

            #[inline(always)]
            fn load(self, words: &[u32; 4]) -> v128 {
                load!(words)
            }

            #[inline(always)]
            fn load_values(self, values: &[u8; 16]) -> v128 {
                load!(values)
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
            fn finish(self, sums: v128, finish: &Finish, _: &[u32]) -> [u8; 16] {
                store!(clamp(sums, splats(finish.bounds)), [0; 16])
            }

            #[inline(never)]
            fn finish_all(self, sums: &[[v128; 2]], rows: Outputs<'_>) -> Option<()> {
                if rows.bytes < 32 {
                    return finish_each::<f32, _>(self, sums, rows);
                }
                let Outputs { finish, apart, output, .. } = rows;
                let bounds = splats(finish.bounds);
                let mut at = 0;
                for &[first, second] in sums {
                    let outputs = [store!(clamp(first, bounds), [0_u8; 16]), store!(clamp(second, bounds), [0_u8; 16])];
                    *output.get_mut(at..)?.first_chunk_mut::<32>()? = zerocopy::transmute!(outputs);
                    at += apart;
                }
                Some(())
            }
        }
    };
}

/// Two numbers, each in every lane.
#[inline(always)]
fn splats([low, high]: [f32; 2]) -> [v128; 2] {
    [f32x4_splat(low), f32x4_splat(high)]
}

/// Clamps floats. NaN and the sign of nought stay.
#[inline(always)]
fn clamp(value: v128, [low, high]: [v128; 2]) -> v128 {
    #[cfg(not(target_feature = "relaxed-simd"))]
    let clamped = f32x4_pmin(f32x4_pmax(value, low), high);
    // Of those the compiler would make relaxed ones here, which keep neither. Every engine selects alike by lanes of equal bits.
    #[cfg(target_feature = "relaxed-simd")]
    let value = i32x4_relaxed_laneselect(low, value, f32x4_lt(value, low));
    #[cfg(target_feature = "relaxed-simd")]
    let clamped = i32x4_relaxed_laneselect(high, value, f32x4_gt(value, high));
    clamped
}

/// What 8-bit products have in common.
macro_rules! integers {
    () => {
        #[inline(always)]
        fn run<K: Kernel>(self, kernel: K) -> Option<()> {
            kernel.run(&Of::<i8, _>::new(self))
        }

        type Vector = v128;
        const ROWS: usize = 4;
        const SMALL_TILES: bool = false;

        #[inline(always)]
        fn splat(self, word: u32) -> v128 {
            i32x4_splat(word.cast_signed())
        }

        #[inline(always)]
        fn load(self, words: &[u32; 4]) -> v128 {
            load!(words)
        }

        #[inline(always)]
        fn finish(self, sums: v128, finish: &Finish, table: &[u32]) -> [u8; 4] {
            let [outputs, _] = Products::<i8>::finish_pair(self, [sums; 2], finish, [table; 2]);
            outputs
        }

        #[inline(always)]
        fn finish_pair(self, sums: [v128; 2], finish: &Finish, tables: [&[u32]; 2]) -> [[u8; 4]; 2] {
            let mut outputs = [[0; 4]; 2];
            let output = outputs.as_flattened_mut();
            let _ = requantize(&[sums], Outputs { finish, tables, bytes: output.len(), apart: 0, output });
            outputs
        }

        #[inline(always)]
        fn finish_all(self, sums: &[[v128; 2]], rows: Outputs<'_>) -> Option<()> {
            requantize(sums, rows)
        }
    };
}

/// Outputs of two vectors of sums a row: a product of floats is rounded; what lies too near to a tie for the `tflite`
/// arithmetic is done again in integers.
#[inline(never)]
fn requantize(sums: &[[v128; 2]], rows: Outputs<'_>) -> Option<()> {
    let Outputs { finish, tables: [first, second], bytes, apart, output } = rows;
    let (first, second) = (first.as_chunks::<4>().0.first_chunk()?, second.as_chunks::<4>().0.first_chunk()?);
    let zero_point = i16x8_splat(finish.zero_point as i16);
    let (factors, ties) = ([load!(&first[2]), load!(&second[2])], [load!(&first[3]), load!(&second[3])]);
    let bounds = splats(finish.bounds);
    let scaled = |sums: &[v128; 2]| {
        let a = nearest(f32x4_mul(f32x4_convert_i32x4(sums[0]), factors[0]), bounds);
        (a, nearest(f32x4_mul(f32x4_convert_i32x4(sums[1]), factors[1]), bounds))
    };
    let mut at = 0;
    if !finish.tflite && bytes >= 8 {
        // What is never done again fits into the registers.
        for sums in sums {
            let ((a, _), (b, _)) = scaled(sums);
            *output.get_mut(at..)?.first_chunk_mut()? = narrow(a, b, zero_point);
            at += apart;
        }
        return Some(());
    }
    for sums in sums {
        let ((mut whole_a, distance_a), (mut whole_b, distance_b)) = scaled(sums);
        if finish.tflite && v128_any_true(v128_or(f32x4_gt(distance_a, ties[0]), f32x4_gt(distance_b, ties[1]))) {
            whole_a = tflite(sums[0], first, finish);
            whole_b = tflite(sums[1], second, finish);
        }
        put(&[narrow(whole_a, whole_b, zero_point)], bytes, output.get_mut(at..)?);
        at += apart;
    }
    Some(())
}

/// Whole numbers as bytes, the zero point added.
#[inline(always)]
fn narrow(first: v128, second: v128, zero_point: v128) -> [u8; 8] {
    let words = i16x8_add(i16x8_narrow_i32x4(first, second), zero_point);
    zerocopy::transmute!(i64x2_extract_lane::<0>(i8x16_narrow_i16x8(words, words)))
}

/// The nearest whole numbers to clamped ones, as integers, and how far they are from them.
#[inline(always)]
fn nearest(value: v128, [low, high]: [v128; 2]) -> (v128, v128) {
    let rounding = f32x4_splat(ROUNDING);
    let value = f32x4_pmin(f32x4_pmax(value, low), high);
    let shifted = f32x4_add(value, rounding);
    (i32x4_sub(shifted, rounding), f32x4_abs(f32x4_sub(value, f32x4_sub(shifted, rounding))))
}

/// [`Sum`] of eight elements, in the place of the first operands; false where not all of them are sure.
#[inline(always)]
pub fn sum(sum: &Sum, data: &mut [i8; 8], values: &[i8; 8]) -> bool {
    let operand = |bytes: &[i8; 8], index: usize| {
        let words = i16x8_extend_low_i8x16(i64x2_splat(zerocopy::transmute!(*bytes)));
        let words = i16x8_sub(words, i16x8_splat(sum.zero_points[index] as i16));
        let factors = f32x4_splat(sum.factors[index]);
        let [low, high] = [i32x4_extend_low_i16x8(words), i32x4_extend_high_i16x8(words)];
        [f32x4_mul(f32x4_convert_i32x4(low), factors), f32x4_mul(f32x4_convert_i32x4(high), factors)]
    };
    let ([a, b], [c, d]) = (operand(data, 0), operand(values, 1));
    let bounds = splats(sum.bounds);
    let (low, low_distance) = nearest(f32x4_add(a, c), bounds);
    let (high, high_distance) = nearest(f32x4_add(b, d), bounds);
    let distance = f32x4_pmax(low_distance, high_distance);
    let sure = !v128_any_true(f32x4_gt(distance, f32x4_splat(sum.tie)));
    if sure {
        let words = i16x8_add(i16x8_narrow_i32x4(low, high), i16x8_splat(sum.zero_point as i16));
        *data = zerocopy::transmute!(i64x2_extract_lane::<0>(i8x16_narrow_i16x8(words, words)));
    }
    sure
}

/// Products times powers of two, as integers, ties away from zero.
fn divide(product: v128, exponents: v128) -> v128 {
    let real = f64x2_mul(f64x2_convert_low_i32x4(product), i64x2_shl(exponents, 52));
    let half = v128_or(v128_and(real, f64x2_splat(-0.0)), f64x2_splat(0.5));
    i32x4_trunc_sat_f64x2_zero(f64x2_add(real, half))
}

/// The `tflite` rounding. There are no shifts by lane, so powers of two are made as floats; a division by one of them
/// is exact in 64 bits, where half is added towards the sign and the rest cut off.
#[cold]
#[inline(never)]
fn tflite(sums: v128, [multipliers, shifts, ..]: &[[u32; 4]; 4], finish: &Finish) -> v128 {
    let [low, high] = finish.integer_bounds();
    let (multipliers, shifts) = (load!(multipliers), load!(shifts));
    let left = i32x4_max(shifts, i32x4_splat(0));
    let right = i32x4_sub(left, shifts);
    let power = i32x4_trunc_sat_f32x4(i32x4_shl(i32x4_add(left, i32x4_splat(127)), 23));
    let value = i32x4_mul(sums, power);
    let nudge = i64x2_splat(1 << 30);
    let first = u64x2_shr(i64x2_add(i64x2_extmul_low_i32x4(value, multipliers), nudge), 31);
    let second = u64x2_shr(i64x2_add(i64x2_extmul_high_i32x4(value, multipliers), nudge), 31);
    let product = i32x4_shuffle::<0, 2, 4, 6>(first, second);
    let exponents = i32x4_sub(i32x4_splat(1023), right);
    let first = divide(product, u64x2_extend_low_u32x4(exponents));
    let second = divide(i32x4_shuffle::<2, 3, 2, 3>(product, product), u64x2_extend_high_u32x4(exponents));
    let rounded = i64x2_shuffle::<0, 2>(first, second);
    i32x4_min(i32x4_max(rounded, i32x4_splat(low)), i32x4_splat(high))
}

/// Bytes of two taps in turn.
#[inline(always)]
fn pair(first: &[[u8; 4]; 2], second: &[[u8; 4]; 2]) -> v128 {
    let first = i64x2_splat(zerocopy::transmute!(*first));
    let second = i64x2_splat(zerocopy::transmute!(*second));
    i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(first, second)
}

#[cfg(not(bantam_relaxed_dot))]
mod words {
    use super::*;

    /// simd128; floats as the module may.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Simd128(());

    impl Simd128 {
        /// Always there in a module compiled for it.
        pub fn new() -> Option<Self> {
            Some(Self(()))
        }
    }

    float_products!(Simd128);

    impl Products<i8> for Simd128 {
        pairs!(4);
        integers!();

        #[inline(always)]
        fn multiply_add(self, sum: v128, activations: v128, weights: v128) -> v128 {
            i32x4_add(sum, i32x4_dot_i16x8(activations, weights))
        }

        #[inline(always)]
        fn widen(self, chunk: &[u8; 8]) -> [u32; 4] {
            let bytes = i64x2_splat(zerocopy::transmute!(*chunk));
            store!(i16x8_extend_low_i8x16(bytes), [0; 4])
        }

        #[inline(always)]
        fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [[u8; 4]; 2]>) -> Option<[[u32; 4]; 2]> {
            let bytes = pair(tap(0)?, tap(1)?);
            Some([store!(i16x8_extend_low_i8x16(bytes), [0; 4]), store!(i16x8_extend_high_i8x16(bytes), [0; 4])])
        }
    }
}

#[cfg(bantam_relaxed_dot)]
mod bytes {
    use super::super::relaxed;
    use super::*;

    /// Relaxed SIMD whose product of bytes is exact: it takes both as signed (Arm), or the second as unsigned without
    /// saturation (x86 with VNNI). A page whose engine does otherwise gets the program for simd128.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RelaxedDot {
        /// What is added to activations.
        offset: i8,
    }

    impl RelaxedDot {
        /// `None` where the engine multiplies otherwise.
        pub fn new() -> Option<Self> {
            let regime = relaxed::probe(|signed, other, sums| {
                // Opaque, or the compiler would fold an instruction that only the engine can evaluate.
                let (signed, other) = core::hint::black_box((signed, other));
                let (signed, other, sums) = (load!(&signed), load!(&other), load!(&sums));
                store!(i32x4_relaxed_dot_i8x16_i7x16_add(signed, other, sums), [0; 4])
            })?;
            Some(Self { offset: if regime == relaxed::Regime::Unsigned { -128 } else { 0 } })
        }
    }

    float_products!(RelaxedDot);

    impl Products<i8> for RelaxedDot {
        lanes!(4, 4, 1, 4);
        integers!();

        fn excess(self, zero_point: i32) -> i32 {
            // Of the stored value with the top bit turned, where the engine takes it as unsigned.
            zero_point - i32::from(self.offset)
        }

        #[inline(always)]
        fn widen(self, chunk: &[u8; 16]) -> [u32; 4] {
            let bytes = load!(chunk);
            store!(i8x16_add(bytes, i8x16_splat(self.offset)), [0; 4])
        }

        #[inline(always)]
        fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [[u8; 4]; 2]>) -> Option<[[u32; 4]; 2]> {
            let offset = i8x16_splat(self.offset);
            let first = i8x16_add(pair(tap(0)?, tap(1)?), offset);
            let second = i8x16_add(pair(tap(2)?, tap(3)?), offset);
            Some([
                store!(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(first, second), [0; 4]),
                store!(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(first, second), [0; 4]),
            ])
        }

        #[inline(always)]
        fn multiply_add(self, sum: v128, activations: v128, weights: v128) -> v128 {
            i32x4_relaxed_dot_i8x16_i7x16_add(weights, activations, sum)
        }
    }
}

#[cfg(bantam_relaxed_dot)]
pub use bytes::RelaxedDot;
#[cfg(not(bantam_relaxed_dot))]
pub use words::Simd128;
