//! x86-64: AVX2 with FMA, AVX-VNNI, AVX-512 with VNNI.

use super::{floats, lanes, pairs, quads, run, wide_pairs, woven_quads};
use crate::kernels::generic::{Finish, Kernel, Of, Products};
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
    ($(#[$about:meta])* $name:ident: $($feature:tt),*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(());

        impl $name {
            /// `None` where this machine lacks the instructions.
            pub fn new() -> Option<Self> {
                features!($($feature),*).then_some(Self(()))
            }
        }
    };
}

instruction_set! {
    /// AVX2 and FMA: every x86-64 since about 2014.
    Avx2: "avx2", "fma"
}

instruction_set! {
    /// AVX2 with AVX-VNNI: client processors since about 2021.
    AvxVnni: "avx2", "fma", "avxvnni"
}

instruction_set! {
    /// AVX-512 with VNNI: server processors since about 2019.
    Avx512Vnni: "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"
}

/// Outputs of 8 bits as products of floats that are rounded; where one is not sure, all are computed in integers.
macro_rules! rounded {
    ($vector:ty, $lanes:literal) => {
        #[inline(always)]
        fn finish(self, sums: $vector, finish: &Finish, table: &[u32]) -> [u8; $lanes] {
            let [outputs, _] = Products::<i8>::finish_pair(self, [sums; 2], finish, [table; 2]);
            outputs
        }

        #[inline(always)]
        fn finish_pair(self, sums: [$vector; 2], finish: &Finish, tables: [&[u32]; 2]) -> [[u8; $lanes]; 2] {
            let Some([rows, other]) = self.rows(tables) else { return [[0; $lanes]; 2] };
            let [a, b] = [self.scale(sums[0], finish, rows), self.scale(sums[1], finish, other)];
            if finish.tflite && self.unsure(a, finish, rows) | self.unsure(b, finish, other) != 0 {
                let [outputs, _] = self.exactly([sums; 2], finish, [rows, other]);
                return outputs;
            }
            self.pair(self.narrow(a, b, finish), finish)
        }

        #[inline(always)]
        fn finish_rows(
            self,
            sums: [[$vector; 2]; 2],
            finish: &Finish,
            tables: [&[u32]; 2],
            outputs: [&mut [[u8; $lanes]; 2]; 2],
        ) {
            let Some([rows, other]) = self.rows(tables) else { return };
            let [[first, second], [third, fourth]] = sums;
            let [a, b] = [self.scale(first, finish, rows), self.scale(second, finish, other)];
            let [c, d] = [self.scale(third, finish, rows), self.scale(fourth, finish, other)];
            if finish.tflite {
                let first = self.unsure(a, finish, rows) | self.unsure(b, finish, other);
                let second = self.unsure(c, finish, rows) | self.unsure(d, finish, other);
                if first | second != 0 {
                    let [one, two] = outputs;
                    [*one, *two] = self.exactly(sums, finish, [rows, other]);
                    return;
                }
            }
            self.put(self.narrow(a, b, finish), self.narrow(c, d, finish), finish, outputs);
        }
    };
}

/// What [`rounded`] needs beside vectors.
macro_rules! exactly {
    ($name:ident, $vector:ty, $lanes:literal, $all:literal) => {
        impl $name {
            /// Outputs of two rows, not all of them sure.
            #[inline(always)]
            fn exactly(
                self,
                sums: [[$vector; 2]; 2],
                finish: &Finish,
                rows: [&[[u32; $lanes]; 4]; 2],
            ) -> [[[u8; $lanes]; 2]; 2] {
                #[cold]
                #[inline(never)]
                #[target_feature(enable = $all)]
                fn apart(
                    of: $name,
                    sums: [[$vector; 2]; 2],
                    finish: &Finish,
                    [rows, other]: [&[[u32; $lanes]; 4]; 2],
                ) -> [[[u8; $lanes]; 2]; 2] {
                    sums.map(|[first, second]| [of.exact(first, finish, rows), of.exact(second, finish, other)])
                }
                // SAFETY: a value of this type is made by `new` alone, where these features were found.
                unsafe { apart(self, sums, finish, rows) }
            }

            /// The rows of two packed tables.
            #[inline(always)]
            fn rows(self, [first, second]: [&[u32]; 2]) -> Option<[&[[u32; $lanes]; 4]; 2]> {
                Some([first.as_chunks().0.first_chunk()?, second.as_chunks().0.first_chunk()?])
            }
        }
    };
}

exactly!(Avx2, __m256i, 8, "avx2");
exactly!(AvxVnni, __m256i, 8, "avx2");
exactly!(Avx512Vnni, __m512i, 16, "avx512f,avx512bw,avx512vl,avx512dq");

/// What both sets of AVX2 registers have in common beside.
macro_rules! quick_256 {
    ($name:ident) => {
        impl $name {
            /// A vector of products. They are clamped from above, as beyond 2^31 they would be negative as integers; what is far below
            /// stays so when it is made narrow.
            #[inline(always)]
            fn scale(self, sums: __m256i, finish: &Finish, [_, _, factors, _]: &[[u32; 8]; 4]) -> __m256 {
                let factors = intrinsic!(_mm256_castsi256_ps(Products::<i8>::load(self, factors)));
                let value = intrinsic!(_mm256_cvtepi32_ps(sums));
                let value = intrinsic!(_mm256_mul_ps(value, factors));
                intrinsic!(_mm256_min_ps(value, _mm256_set1_ps(finish.bounds[1])))
            }

            /// Which of them are not sure.
            #[inline(always)]
            fn unsure(self, value: __m256, finish: &Finish, [_, _, _, ties]: &[[u32; 8]; 4]) -> i32 {
                let value = intrinsic!(_mm256_max_ps(value, _mm256_set1_ps(finish.bounds[0])));
                let whole = intrinsic!(_mm256_round_ps::<8>(value));
                let ties = intrinsic!(_mm256_castsi256_ps(Products::<i8>::load(self, ties)));
                let distance = intrinsic!(_mm256_sub_ps(value, whole));
                let distance = intrinsic!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), distance));
                let beyond = intrinsic!(_mm256_cmp_ps::<30>(distance, ties));
                intrinsic!(_mm256_movemask_ps(beyond))
            }

            /// Two vectors of products as outputs of 16 bits, not yet clamped from below.
            #[inline(always)]
            fn narrow(self, first: __m256, second: __m256, finish: &Finish) -> __m256i {
                // Nearest, ties to even: the only rounding mode that Rust programs run in.
                let first = intrinsic!(_mm256_cvtps_epi32(first));
                let second = intrinsic!(_mm256_cvtps_epi32(second));
                let words = intrinsic!(_mm256_packs_epi32(first, second));
                intrinsic!(_mm256_adds_epi16(words, _mm256_set1_epi16(finish.zero_point as i16)))
            }

            /// Two vectors of outputs of 16 bits as bytes.
            #[inline(always)]
            fn clamp(self, first: __m256i, second: __m256i, finish: &Finish) -> __m256i {
                let bytes = intrinsic!(_mm256_packs_epi16(first, second));
                intrinsic!(_mm256_max_epi8(bytes, _mm256_set1_epi8(finish.clamp[0] as i8)))
            }

            /// A row of them.
            #[inline(always)]
            fn pair(self, words: __m256i, finish: &Finish) -> [[u8; 8]; 2] {
                let bytes = self.clamp(words, words, finish);
                let order = intrinsic!(_mm256_set_epi32(0, 0, 0, 0, 5, 1, 4, 0));
                let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, order));
                let bytes = intrinsic!(_mm256_castsi256_si128(bytes));
                let mut stored = [[0; 8]; 2];
                memory!(_mm_storeu_si128(core::ptr::from_mut(&mut stored).cast(), bytes));
                stored
            }

            /// Two rows of them.
            #[inline(always)]
            fn put(self, first: __m256i, second: __m256i, finish: &Finish, [one, two]: [&mut [[u8; 8]; 2]; 2]) {
                let bytes = self.clamp(first, second, finish);
                let order = intrinsic!(_mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
                let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, order));
                let low = intrinsic!(_mm256_castsi256_si128(bytes));
                let high = intrinsic!(_mm256_extracti128_si256::<1>(bytes));
                memory!(_mm_storeu_si128(core::ptr::from_mut(one).cast(), low));
                memory!(_mm_storeu_si128(core::ptr::from_mut(two).cast(), high));
            }

            /// The `tflite` arithmetic in integers.
            #[inline(always)]
            fn exact(self, sums: __m256i, finish: &Finish, [multipliers, shifts, ..]: &[[u32; 8]; 4]) -> [u8; 8] {
                let [low, high] = finish.integer_bounds();
                let bound = |bound| intrinsic!(_mm256_set1_epi32(bound));
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
                let rounded = intrinsic!(_mm256_min_epi32(rounded, bound(high)));
                let outputs = intrinsic!(_mm256_add_epi32(rounded, bound(finish.zero_point)));
                let words = intrinsic!(_mm256_packs_epi32(outputs, outputs));
                let bytes = intrinsic!(_mm256_packs_epi16(words, words));
                let halves = intrinsic!(_mm256_set_epi32(0, 0, 0, 0, 0, 0, 4, 0));
                let bytes = intrinsic!(_mm256_permutevar8x32_epi32(bytes, halves));
                let bytes = intrinsic!(_mm256_castsi256_si128(bytes));
                intrinsic!(_mm_cvtsi128_si64(bytes)).to_le_bytes()
            }
        }
    };
}

quick_256!(Avx2);
quick_256!(AvxVnni);

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

        rounded!(__m256i, 8);
    };
}

/// Floats in AVX2 registers.
macro_rules! floats_256 {
    ($name:ident, $all:literal) => {
        impl Products<f32> for $name {
            run!($name, f32, $all);
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
            fn load_values(self, values: &[u8; 32]) -> __m256 {
                memory!(_mm256_loadu_ps(core::ptr::from_ref(values).cast()))
            }

            #[inline(always)]
            fn multiply_add(self, sum: __m256, activations: __m256, weights: __m256) -> __m256 {
                intrinsic!(_mm256_fmadd_ps(activations, weights, sum))
            }

            #[inline(always)]
            fn finish(self, sums: __m256, finish: &Finish, _: &[u32]) -> [u8; 32] {
                let [low, high] = finish.bounds;
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
    run!(Avx2, i8, "avx2,fma");
    pairs!(8);
    wide_pairs!(8);
    integers_256!();

    #[inline(always)]
    fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [[u8; 8]; 2]>) -> Option<[[u32; 8]; 2]> {
        let (first, second) = (tap(0)?, tap(1)?);
        let first = memory!(_mm_loadu_si128(core::ptr::from_ref(first).cast()));
        let second = memory!(_mm_loadu_si128(core::ptr::from_ref(second).cast()));
        let low = intrinsic!(_mm_unpacklo_epi8(first, second));
        let high = intrinsic!(_mm_unpackhi_epi8(first, second));
        let low = intrinsic!(_mm256_cvtepi8_epi16(low));
        let high = intrinsic!(_mm256_cvtepi8_epi16(high));
        let mut words = [[0; 8]; 2];
        memory!(_mm256_storeu_si256(core::ptr::from_mut(&mut words[0]).cast(), low));
        memory!(_mm256_storeu_si256(core::ptr::from_mut(&mut words[1]).cast(), high));
        Some(words)
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m256i, activations: __m256i, weights: __m256i) -> __m256i {
        let products = intrinsic!(_mm256_madd_epi16(activations, weights));
        intrinsic!(_mm256_add_epi32(sum, products))
    }
}

floats_256!(Avx2, "avx2,fma");

impl Products<i8> for AvxVnni {
    run!(AvxVnni, i8, "avx2,fma,avxvnni");
    quads!(8, 128);
    woven_quads!(8, 128);
    integers_256!();

    #[inline(always)]
    fn multiply_add(self, sum: __m256i, activations: __m256i, weights: __m256i) -> __m256i {
        intrinsic!(_mm256_dpbusd_avx_epi32(sum, activations, weights))
    }
}

floats_256!(AvxVnni, "avx2,fma,avxvnni");

impl Products<i8> for Avx512Vnni {
    run!(Avx512Vnni, i8, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni");
    quads!(16, 128);
    woven_quads!(16, 128);
    type Vector = __m512i;
    const ROWS: usize = 6;
    const COLUMNS: bool = true;

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
    fn weave_all(self, taps: &[[[u8; 16]; 2]; 4]) -> [__m512i; 2] {
        let ([first, second], _) = taps.as_flattened().as_chunks::<4>() else {
            return [intrinsic!(_mm512_setzero_si512()); 2];
        };
        let first = memory!(_mm512_loadu_si512(core::ptr::from_ref(first).cast()));
        let second = memory!(_mm512_loadu_si512(core::ptr::from_ref(second).cast()));
        // Four neighbouring channels of each tap, then the taps of each channel.
        let low = intrinsic!(_mm512_set_epi32(27, 19, 11, 3, 26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0));
        let high = intrinsic!(_mm512_set_epi32(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4));
        let order = intrinsic!(_mm512_set4_epi32(0x0f0b_0703, 0x0e0a_0602, 0x0d09_0501, 0x0c08_0400));
        let word = |order_of_channels| {
            let taps = intrinsic!(_mm512_permutex2var_epi32(first, order_of_channels, second));
            let taps = intrinsic!(_mm512_shuffle_epi8(taps, order));
            intrinsic!(_mm512_xor_si512(taps, _mm512_set1_epi8(i8::MIN)))
        };
        [word(low), word(high)]
    }

    rounded!(__m512i, 16);
}

impl Avx512Vnni {
    run!(Avx512Vnni, f32, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni", wide);

    /// A vector of products. They are clamped from above, as beyond 2^31 they would be negative as integers; what is far below stays so
    /// when it is made narrow.
    #[inline(always)]
    fn scale(self, sums: __m512i, finish: &Finish, [_, _, factors, _]: &[[u32; 16]; 4]) -> __m512 {
        let factors = intrinsic!(_mm512_castsi512_ps(Products::<i8>::load(self, factors)));
        let value = intrinsic!(_mm512_cvtepi32_ps(sums));
        let value = intrinsic!(_mm512_mul_ps(value, factors));
        intrinsic!(_mm512_min_ps(value, _mm512_set1_ps(finish.bounds[1])))
    }

    /// Which of them are not sure.
    #[inline(always)]
    fn unsure(self, value: __m512, finish: &Finish, [_, _, _, ties]: &[[u32; 16]; 4]) -> u16 {
        let value = intrinsic!(_mm512_max_ps(value, _mm512_set1_ps(finish.bounds[0])));
        let ties = intrinsic!(_mm512_castsi512_ps(Products::<i8>::load(self, ties)));
        // What is left of them without the nearest whole number.
        let distance = intrinsic!(_mm512_abs_ps(_mm512_reduce_ps::<8>(value)));
        intrinsic!(_mm512_cmp_ps_mask::<30>(distance, ties))
    }

    /// Two vectors of products as outputs of 16 bits, not yet clamped from below.
    #[inline(always)]
    fn narrow(self, first: __m512, second: __m512, finish: &Finish) -> __m512i {
        // Nearest, ties to even: the only rounding mode that Rust programs run in.
        let first = intrinsic!(_mm512_cvtps_epi32(first));
        let second = intrinsic!(_mm512_cvtps_epi32(second));
        let words = intrinsic!(_mm512_packs_epi32(first, second));
        intrinsic!(_mm512_adds_epi16(words, _mm512_set1_epi16(finish.zero_point as i16)))
    }

    /// A row of outputs of 16 bits as bytes.
    #[inline(always)]
    fn pair(self, words: __m512i, finish: &Finish) -> [[u8; 16]; 2] {
        let order = intrinsic!(_mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0));
        let words = intrinsic!(_mm512_permutexvar_epi64(order, words));
        let bytes = intrinsic!(_mm512_cvtsepi16_epi8(words));
        let bytes = intrinsic!(_mm256_max_epi8(bytes, _mm256_set1_epi8(finish.clamp[0] as i8)));
        let mut stored = [[0; 16]; 2];
        memory!(_mm256_storeu_si256(core::ptr::from_mut(&mut stored).cast(), bytes));
        stored
    }

    /// Two rows of them.
    #[inline(always)]
    fn put(self, first: __m512i, second: __m512i, finish: &Finish, [one, two]: [&mut [[u8; 16]; 2]; 2]) {
        let bytes = intrinsic!(_mm512_packs_epi16(first, second));
        let bytes = intrinsic!(_mm512_max_epi8(bytes, _mm512_set1_epi8(finish.clamp[0] as i8)));
        let order = intrinsic!(_mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
        let bytes = intrinsic!(_mm512_permutexvar_epi32(order, bytes));
        let low = intrinsic!(_mm512_castsi512_si256(bytes));
        let high = intrinsic!(_mm512_extracti64x4_epi64::<1>(bytes));
        memory!(_mm256_storeu_si256(core::ptr::from_mut(one).cast(), low));
        memory!(_mm256_storeu_si256(core::ptr::from_mut(two).cast(), high));
    }

    /// The `tflite` arithmetic in integers.
    #[inline(always)]
    fn exact(self, sums: __m512i, finish: &Finish, [multipliers, shifts, ..]: &[[u32; 16]; 4]) -> [u8; 16] {
        let [low, high] = finish.integer_bounds();
        let bound = |bound| intrinsic!(_mm512_set1_epi32(bound));
        let multipliers = Products::<i8>::load(self, multipliers);
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
        let rounded = intrinsic!(_mm512_min_epi32(rounded, bound(high)));
        let outputs = intrinsic!(_mm512_add_epi32(rounded, bound(finish.zero_point)));
        let bytes = intrinsic!(_mm512_cvtepi32_epi8(outputs));
        let mut stored = [0; 16];
        memory!(_mm_storeu_si128(core::ptr::from_mut(&mut stored).cast(), bytes));
        stored
    }
}

impl Products<f32> for Avx512Vnni {
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Option<()> {
        // Two half vectors have more sums than one.
        if kernel.channels() <= 16 {
            return Products::<f32>::run(Avx2(()), kernel);
        }
        self.wide(kernel)
    }

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
    fn load_values(self, values: &[u8; 64]) -> __m512 {
        memory!(_mm512_loadu_ps(core::ptr::from_ref(values).cast()))
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m512, activations: __m512, weights: __m512) -> __m512 {
        intrinsic!(_mm512_fmadd_ps(activations, weights, sum))
    }

    #[inline(always)]
    fn finish(self, sums: __m512, finish: &Finish, _: &[u32]) -> [u8; 64] {
        let [low, high] = finish.bounds;
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
