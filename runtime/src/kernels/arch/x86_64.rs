//! x86-64: AVX2 with FMA, AVX-VNNI, AVX-512 with VNNI.

use super::{floats, lanes, pairs, quads, wide_pairs};
use crate::kernels::generic::{Finish, Kernel, Of, Products, Simd};
use core::arch::x86_64::*;

/// Whether the features of a type are there: asked of the machine with `std`, else of the compiler.
macro_rules! features {
    ($($feature:tt),*) => {{
        #[cfg(feature = "std")]
        let found = $(std::arch::is_x86_feature_detected!($feature))&&*;
        #[cfg(not(feature = "std"))]
        let found = $(cfg!(target_feature = $feature))&&*;
        found
    }};
}

/// One intrinsic on register values.
macro_rules! intrinsic {
    ($name:ident $(::<$constant:literal>)? ($($argument:expr),*)) => {{
        // SAFETY: `self` is a value of the instruction set's type, which is made only where the machine has it.
        unsafe { $name $(::<$constant>)? ($($argument),*) }
    }};
}

/// One load from, or store to, an array of a register's size.
macro_rules! memory {
    ($name:ident($($argument:expr),*)) => {{
        // SAFETY: as for `intrinsic`; the pointer comes from a reference to an array of exactly the register's size,
        // and the instruction asks for no alignment.
        unsafe { $name($($argument),*) }
    }};
}

/// A type for an instruction set.
macro_rules! instruction_set {
    ($(#[$about:meta])* $name:ident, $all:literal: $($feature:tt),*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(());

        impl $name {
            /// `None` where this machine lacks the instructions.
            pub fn new() -> Option<Self> {
                features!($($feature),*).then_some(Self(()))
            }
        }

        impl Simd for $name {
            #[inline(always)]
            fn run_integers<K: Kernel>(self, kernel: K) -> Option<()> {
                #[target_feature(enable = $all)]
                fn inner<K: Kernel>(simd: $name, kernel: K) -> Option<()> {
                    kernel.run(&Of::<i8, _>::new(simd))
                }
                // SAFETY: a value of this type is made by `new` alone, where all of these features were found.
                unsafe { inner(self, kernel) }
            }

            #[inline(always)]
            fn run_floats<K: Kernel>(self, kernel: K) -> Option<()> {
                #[target_feature(enable = $all)]
                fn inner<K: Kernel>(simd: $name, kernel: K) -> Option<()> {
                    kernel.run(&Of::<f32, _>::new(simd))
                }
                // SAFETY: as above.
                unsafe { inner(self, kernel) }
            }
        }
    };
}

instruction_set! {
    /// AVX2 and FMA: every x86-64 since about 2014.
    Avx2, "avx2,fma": "avx2", "fma"
}

instruction_set! {
    /// AVX2 with AVX-VNNI: client processors since about 2021.
    AvxVnni, "avx2,fma,avxvnni": "avx2", "fma", "avxvnni"
}

instruction_set! {
    /// AVX-512 with VNNI: server processors since about 2019.
    Avx512Vnni, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni":
    "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"
}

/// 8-bit products in AVX2 registers.
macro_rules! integers_256 {
    () => {
        type Vector = __m256i;
        const ROWS: usize = 6;

        #[inline(always)]
        fn splat(self, word: u32) -> __m256i {
            intrinsic!(_mm256_set1_epi32(word.cast_signed()))
        }

        #[inline(always)]
        fn load(self, words: &[u32; 8]) -> __m256i {
            memory!(_mm256_loadu_si256(core::ptr::from_ref(words).cast()))
        }

        #[inline(always)]
        fn finish_pair(self, sums: [__m256i; 2], finish: &Finish, tables: [&[u32]; 2]) -> [[u8; 8]; 2] {
            let [table, other] = tables;
            let (Some(rows), Some(other_rows)) = (self.rows(table), self.rows(other)) else { return [[0; 8]; 2] };
            let [first, second] = sums;
            let (a, a_unsure) = self.quick(first, finish, rows);
            let (b, b_unsure) = self.quick(second, finish, other_rows);
            if a_unsure | b_unsure != 0 {
                return [
                    Products::<i8>::finish(self, first, finish, table),
                    Products::<i8>::finish(self, second, finish, other),
                ];
            }
            let words = self.narrow(a, b, finish);
            let bytes = intrinsic!(_mm256_packs_epi16(words, words));
            let bytes = intrinsic!(_mm256_max_epi8(bytes, _mm256_set1_epi8(finish.clamp[0] as i8)));
            let order = intrinsic!(_mm256_set_epi32(0, 0, 0, 0, 5, 1, 4, 0));
            let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, order));
            let bytes = intrinsic!(_mm256_castsi256_si128(bytes));
            let mut stored = [[0; 8]; 2];
            memory!(_mm_storeu_si128(core::ptr::from_mut(&mut stored).cast(), bytes));
            stored
        }

        #[inline(always)]
        fn finish_rows(self, sums: [[__m256i; 2]; 2], finish: &Finish, tables: [&[u32]; 2]) -> [[[u8; 8]; 2]; 2] {
            let [table, other] = tables;
            let (Some(rows), Some(other_rows)) = (self.rows(table), self.rows(other)) else { return [[[0; 8]; 2]; 2] };
            let [[first, second], [third, fourth]] = sums;
            let (a, a_unsure) = self.quick(first, finish, rows);
            let (b, b_unsure) = self.quick(second, finish, other_rows);
            let (c, c_unsure) = self.quick(third, finish, rows);
            let (d, d_unsure) = self.quick(fourth, finish, other_rows);
            if a_unsure | b_unsure | c_unsure | d_unsure != 0 {
                return sums.map(|sums| Products::<i8>::finish_pair(self, sums, finish, tables));
            }
            let words = self.narrow(a, b, finish);
            let more = self.narrow(c, d, finish);
            let bytes = intrinsic!(_mm256_packs_epi16(words, more));
            let bytes = intrinsic!(_mm256_max_epi8(bytes, _mm256_set1_epi8(finish.clamp[0] as i8)));
            let order = intrinsic!(_mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
            let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, order));
            let mut stored = [[[0; 8]; 2]; 2];
            memory!(_mm256_storeu_si256(core::ptr::from_mut(&mut stored).cast(), bytes));
            stored
        }

        #[inline(always)]
        fn finish(self, sums: __m256i, finish: &Finish, table: &[u32]) -> [u8; 8] {
            let ([multipliers, shifts, ..], _) = table.as_chunks::<8>() else { return [0; 8] };
            let [low, high] = finish.bounds();
            let bound = |bound| intrinsic!(_mm256_set1_epi32(bound));
            let rounded = if finish.tflite {
                let multipliers = Products::<i8>::load(self, multipliers);
                let shifts = Products::<i8>::load(self, shifts);
                let left = intrinsic!(_mm256_max_epi32(shifts, bound(0)));
                let right = intrinsic!(_mm256_sub_epi32(left, shifts));
                let value = intrinsic!(_mm256_sllv_epi32(sums, left));
                // The high halves of twice the products, of even lanes and of odd ones.
                let even = intrinsic!(_mm256_mul_epi32(value, multipliers));
                let odd_value = intrinsic!(_mm256_srli_epi64::<32>(value));
                let odd_multipliers = intrinsic!(_mm256_srli_epi64::<32>(multipliers));
                let odd = intrinsic!(_mm256_mul_epi32(odd_value, odd_multipliers));
                let nudge = intrinsic!(_mm256_set1_epi64x(1 << 30));
                let even = intrinsic!(_mm256_add_epi64(even, nudge));
                let odd = intrinsic!(_mm256_add_epi64(odd, nudge));
                let even = intrinsic!(_mm256_srli_epi64::<31>(even));
                let odd = intrinsic!(_mm256_slli_epi64::<1>(odd));
                let product = intrinsic!(_mm256_blend_epi32::<0b1010_1010>(even, odd));
                // Division by a power of two, ties away from zero.
                let power = intrinsic!(_mm256_sllv_epi32(bound(1), right));
                let mask = intrinsic!(_mm256_sub_epi32(power, bound(1)));
                let remainder = intrinsic!(_mm256_and_si256(product, mask));
                let half = intrinsic!(_mm256_srli_epi32::<1>(mask));
                let negative = intrinsic!(_mm256_srli_epi32::<31>(product));
                let threshold = intrinsic!(_mm256_add_epi32(half, negative));
                let quotient = intrinsic!(_mm256_srav_epi32(product, right));
                let up = intrinsic!(_mm256_cmpgt_epi32(remainder, threshold));
                let rounded = intrinsic!(_mm256_sub_epi32(quotient, up));
                let rounded = intrinsic!(_mm256_max_epi32(rounded, bound(low)));
                intrinsic!(_mm256_min_epi32(rounded, bound(high)))
            } else {
                let multipliers = Products::<i8>::load(self, multipliers);
                let multipliers = intrinsic!(_mm256_castsi256_ps(multipliers));
                let value = intrinsic!(_mm256_cvtepi32_ps(sums));
                let value = intrinsic!(_mm256_mul_ps(value, multipliers));
                let low = intrinsic!(_mm256_set1_ps(low as f32));
                let high = intrinsic!(_mm256_set1_ps(high as f32));
                let value = intrinsic!(_mm256_max_ps(value, low));
                let value = intrinsic!(_mm256_min_ps(value, high));
                // Nearest, ties to even: the only rounding mode that Rust programs run in.
                intrinsic!(_mm256_cvtps_epi32(value))
            };
            let outputs = intrinsic!(_mm256_add_epi32(rounded, bound(finish.zero_point)));
            let words = intrinsic!(_mm256_packs_epi32(outputs, outputs));
            let bytes = intrinsic!(_mm256_packs_epi16(words, words));
            let halves = intrinsic!(_mm256_set_epi32(0, 0, 0, 0, 0, 0, 4, 0));
            let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, halves));
            let bytes = intrinsic!(_mm256_castsi256_si128(bytes));
            intrinsic!(_mm_cvtsi128_si64(bytes)).to_le_bytes()
        }
    };
}

/// What both have in common beside.
macro_rules! quick_256 {
    ($name:ident) => {
        impl $name {
            /// The rows of a packed table.
            #[inline(always)]
            fn rows(self, table: &[u32]) -> Option<&[[u32; 8]; 4]> {
                table.as_chunks().0.first_chunk()
            }

            /// Two vectors of rounded products as outputs of 16 bits, not yet clamped from below.
            #[inline(always)]
            fn narrow(self, first: __m256i, second: __m256i, finish: &Finish) -> __m256i {
                let words = intrinsic!(_mm256_packs_epi32(first, second));
                intrinsic!(_mm256_adds_epi16(words, _mm256_set1_epi16(finish.zero_point as i16)))
            }

            /// A vector of rounded products, and which of them are not sure. They are clamped from above, as beyond 2^31 they
            /// would be negative; what is far below stays so when it is made narrow.
            #[inline(always)]
            fn quick(self, sums: __m256i, finish: &Finish, [_, _, factors, ties]: &[[u32; 8]; 4]) -> (__m256i, i32) {
                let [low, high] = finish.bounds();
                let factors = intrinsic!(_mm256_castsi256_ps(Products::<i8>::load(self, factors)));
                let value = intrinsic!(_mm256_cvtepi32_ps(sums));
                let value = intrinsic!(_mm256_mul_ps(value, factors));
                let value = intrinsic!(_mm256_min_ps(value, _mm256_set1_ps(high as f32)));
                // Nearest, ties to even: the only rounding mode that Rust programs run in.
                if !finish.tflite {
                    return (intrinsic!(_mm256_cvtps_epi32(value)), 0);
                }
                let value = intrinsic!(_mm256_max_ps(value, _mm256_set1_ps(low as f32)));
                let output = intrinsic!(_mm256_cvtps_epi32(value));
                let ties = intrinsic!(_mm256_castsi256_ps(Products::<i8>::load(self, ties)));
                let whole = intrinsic!(_mm256_cvtepi32_ps(output));
                let distance = intrinsic!(_mm256_sub_ps(value, whole));
                let distance = intrinsic!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), distance));
                let beyond = intrinsic!(_mm256_cmp_ps::<30>(distance, ties));
                (output, intrinsic!(_mm256_movemask_ps(beyond)))
            }
        }
    };
}

quick_256!(Avx2);
quick_256!(AvxVnni);

/// Floats in AVX2 registers.
macro_rules! floats_256 {
    ($name:ident) => {
        impl Products<f32> for $name {
            floats!(8);
            type Vector = __m256;
            const ROWS: usize = 6;

            #[inline(always)]
            fn splat(self, word: u32) -> __m256 {
                intrinsic!(_mm256_set1_ps(f32::from_bits(word)))
            }

            #[inline(always)]
            fn load(self, words: &[u32; 8]) -> __m256 {
                memory!(_mm256_loadu_ps(core::ptr::from_ref(words).cast()))
            }

            #[inline(always)]
            fn multiply_add(self, sum: __m256, activations: __m256, weights: __m256) -> __m256 {
                intrinsic!(_mm256_fmadd_ps(activations, weights, sum))
            }

            #[inline(always)]
            fn finish(self, sums: __m256, finish: &Finish, _: &[u32]) -> [u8; 32] {
                let [low, high] = finish.real_bounds();
                let low = intrinsic!(_mm256_set1_ps(low));
                let high = intrinsic!(_mm256_set1_ps(high));
                // The second operand is the result where one of them is NaN.
                let outputs = intrinsic!(_mm256_max_ps(low, sums));
                let outputs = intrinsic!(_mm256_min_ps(high, outputs));
                let mut stored = [0; 32];
                memory!(_mm256_storeu_ps(core::ptr::from_mut(&mut stored).cast(), outputs));
                stored
            }
        }
    };
}

impl Products<i8> for Avx2 {
    pairs!(8);
    wide_pairs!(8);
    integers_256!();

    #[inline(always)]
    fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [[u8; 8]; 2]>) -> Option<[__m256i; 2]> {
        let (first, second) = (tap(0)?, tap(1)?);
        let first = memory!(_mm_loadu_si128(core::ptr::from_ref(first).cast()));
        let second = memory!(_mm_loadu_si128(core::ptr::from_ref(second).cast()));
        let low = intrinsic!(_mm_unpacklo_epi8(first, second));
        let high = intrinsic!(_mm_unpackhi_epi8(first, second));
        Some([intrinsic!(_mm256_cvtepi8_epi16(low)), intrinsic!(_mm256_cvtepi8_epi16(high))])
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m256i, activations: __m256i, weights: __m256i) -> __m256i {
        let products = intrinsic!(_mm256_madd_epi16(activations, weights));
        intrinsic!(_mm256_add_epi32(sum, products))
    }
}

floats_256!(Avx2);

impl Products<i8> for AvxVnni {
    quads!(8, 128);
    integers_256!();

    #[inline(always)]
    fn multiply_add(self, sum: __m256i, activations: __m256i, weights: __m256i) -> __m256i {
        intrinsic!(_mm256_dpbusd_avx_epi32(sum, activations, weights))
    }
}

floats_256!(AvxVnni);

impl Products<i8> for Avx512Vnni {
    quads!(16, 128);
    type Vector = __m512i;
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        intrinsic!(_mm512_set1_epi32(word.cast_signed()))
    }

    #[inline(always)]
    fn load(self, words: &[u32; 16]) -> __m512i {
        memory!(_mm512_loadu_si512(core::ptr::from_ref(words).cast()))
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m512i, activations: __m512i, weights: __m512i) -> __m512i {
        intrinsic!(_mm512_dpbusd_epi32(sum, activations, weights))
    }

    #[inline(always)]
    fn finish(self, sums: __m512i, finish: &Finish, table: &[u32]) -> [u8; 16] {
        let ([multipliers, shifts, ..], _) = table.as_chunks::<16>() else { return [0; 16] };
        let [low, high] = finish.bounds();
        let bound = |bound| intrinsic!(_mm512_set1_epi32(bound));
        let multipliers = Products::<i8>::load(self, multipliers);
        let rounded = if finish.tflite {
            let shifts = Products::<i8>::load(self, shifts);
            let left = intrinsic!(_mm512_max_epi32(shifts, bound(0)));
            let right = intrinsic!(_mm512_sub_epi32(left, shifts));
            let value = intrinsic!(_mm512_sllv_epi32(sums, left));
            let even = intrinsic!(_mm512_mul_epi32(value, multipliers));
            let odd_value = intrinsic!(_mm512_srli_epi64::<32>(value));
            let odd_multipliers = intrinsic!(_mm512_srli_epi64::<32>(multipliers));
            let odd = intrinsic!(_mm512_mul_epi32(odd_value, odd_multipliers));
            let nudge = intrinsic!(_mm512_set1_epi64(1 << 30));
            let even = intrinsic!(_mm512_add_epi64(even, nudge));
            let odd = intrinsic!(_mm512_add_epi64(odd, nudge));
            let even = intrinsic!(_mm512_srli_epi64::<31>(even));
            let odd = intrinsic!(_mm512_slli_epi64::<1>(odd));
            let product = intrinsic!(_mm512_mask_blend_epi32(0b1010_1010_1010_1010, even, odd));
            let power = intrinsic!(_mm512_sllv_epi32(bound(1), right));
            let mask = intrinsic!(_mm512_sub_epi32(power, bound(1)));
            let remainder = intrinsic!(_mm512_and_si512(product, mask));
            let half = intrinsic!(_mm512_srli_epi32::<1>(mask));
            let negative = intrinsic!(_mm512_srli_epi32::<31>(product));
            let threshold = intrinsic!(_mm512_add_epi32(half, negative));
            let quotient = intrinsic!(_mm512_srav_epi32(product, right));
            let up = intrinsic!(_mm512_cmpgt_epi32_mask(remainder, threshold));
            let rounded = intrinsic!(_mm512_mask_add_epi32(quotient, up, quotient, bound(1)));
            let rounded = intrinsic!(_mm512_max_epi32(rounded, bound(low)));
            intrinsic!(_mm512_min_epi32(rounded, bound(high)))
        } else {
            let multipliers = intrinsic!(_mm512_castsi512_ps(multipliers));
            let value = intrinsic!(_mm512_cvtepi32_ps(sums));
            let value = intrinsic!(_mm512_mul_ps(value, multipliers));
            let low = intrinsic!(_mm512_set1_ps(low as f32));
            let high = intrinsic!(_mm512_set1_ps(high as f32));
            let value = intrinsic!(_mm512_max_ps(value, low));
            let value = intrinsic!(_mm512_min_ps(value, high));
            // Nearest, ties to even: the only rounding mode that Rust programs run in.
            intrinsic!(_mm512_cvtps_epi32(value))
        };
        let outputs = intrinsic!(_mm512_add_epi32(rounded, bound(finish.zero_point)));
        let bytes = intrinsic!(_mm512_cvtepi32_epi8(outputs));
        let mut stored = [0; 16];
        memory!(_mm_storeu_si128(core::ptr::from_mut(&mut stored).cast(), bytes));
        stored
    }
}

impl Products<f32> for Avx512Vnni {
    floats!(16);
    type Vector = __m512;
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, word: u32) -> __m512 {
        intrinsic!(_mm512_set1_ps(f32::from_bits(word)))
    }

    #[inline(always)]
    fn load(self, words: &[u32; 16]) -> __m512 {
        memory!(_mm512_loadu_ps(core::ptr::from_ref(words).cast()))
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m512, activations: __m512, weights: __m512) -> __m512 {
        intrinsic!(_mm512_fmadd_ps(activations, weights, sum))
    }

    #[inline(always)]
    fn finish(self, sums: __m512, finish: &Finish, _: &[u32]) -> [u8; 64] {
        let [low, high] = finish.real_bounds();
        let low = intrinsic!(_mm512_set1_ps(low));
        let high = intrinsic!(_mm512_set1_ps(high));
        // The second operand is the result where one of them is NaN.
        let outputs = intrinsic!(_mm512_max_ps(low, sums));
        let outputs = intrinsic!(_mm512_min_ps(high, outputs));
        let mut stored = [0; 64];
        memory!(_mm512_storeu_ps(core::ptr::from_mut(&mut stored).cast(), outputs));
        stored
    }
}
