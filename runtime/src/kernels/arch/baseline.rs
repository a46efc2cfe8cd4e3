//! What packing does in vector registers that every processor of its kind has.

#[cfg(target_arch = "aarch64")]
use core::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;

/// One intrinsic on register values.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! intrinsic {
    ($name:ident ($($argument:expr),*)) => {{
        // SAFETY: SSE2 belongs to x86-64, and NEON to the AArch64 that Rust's targets with floats are for.
        unsafe { $name($($argument),*) }
    }};
}

/// One load from, or store to, an array of a register's size.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! memory {
    ($name:ident($($argument:expr),*)) => {{
        // SAFETY: as for `intrinsic`; the pointer comes from a reference to an array of exactly the register's size, and the
        // instruction asks for no more alignment than the elements have.
        unsafe { $name($($argument),*) }
    }};
}

/// Four words of each of four rows, as four columns.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn transpose([a, b, c, d]: [&[u32; 4]; 4]) -> [[u32; 4]; 4] {
    let load = |row: &[u32; 4]| memory!(_mm_loadu_si128(core::ptr::from_ref(row).cast()));
    let (a, b, c, d) = (load(a), load(b), load(c), load(d));
    let (low, high) = (intrinsic!(_mm_unpacklo_epi32(a, b)), intrinsic!(_mm_unpackhi_epi32(a, b)));
    let (other_low, other_high) = (intrinsic!(_mm_unpacklo_epi32(c, d)), intrinsic!(_mm_unpackhi_epi32(c, d)));
    let mut columns = [[0; 4]; 4];
    let [first, second, third, fourth] = &mut columns;
    let store = |to: &mut [u32; 4], words| memory!(_mm_storeu_si128(core::ptr::from_mut(to).cast(), words));
    store(first, intrinsic!(_mm_unpacklo_epi64(low, other_low)));
    store(second, intrinsic!(_mm_unpackhi_epi64(low, other_low)));
    store(third, intrinsic!(_mm_unpacklo_epi64(high, other_high)));
    store(fourth, intrinsic!(_mm_unpackhi_epi64(high, other_high)));
    columns
}

/// Four words of each of four rows, as four columns.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn transpose([a, b, c, d]: [&[u32; 4]; 4]) -> [[u32; 4]; 4] {
    let load = |row: &[u32; 4]| memory!(vld1q_u32(row.as_ptr()));
    let (a, b, c, d) = (load(a), load(b), load(c), load(d));
    let (low, high) = (intrinsic!(vzip1q_u32(a, c)), intrinsic!(vzip2q_u32(a, c)));
    let (other_low, other_high) = (intrinsic!(vzip1q_u32(b, d)), intrinsic!(vzip2q_u32(b, d)));
    let mut columns = [[0; 4]; 4];
    let [first, second, third, fourth] = &mut columns;
    let store = |to: &mut [u32; 4], words| memory!(vst1q_u32(to.as_mut_ptr(), words));
    store(first, intrinsic!(vzip1q_u32(low, other_low)));
    store(second, intrinsic!(vzip2q_u32(low, other_low)));
    store(third, intrinsic!(vzip1q_u32(high, other_high)));
    store(fourth, intrinsic!(vzip2q_u32(high, other_high)));
    columns
}

/// Bytes as numbers of 16 bits, two to a word.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn widen(bytes: &[i8; 8]) -> [u32; 4] {
    let bytes = intrinsic!(_mm_cvtsi64_si128(i64::from_le_bytes(zerocopy::transmute!(*bytes))));
    // Each comes into the upper half of its number and moves down with its sign.
    let doubled = intrinsic!(_mm_unpacklo_epi8(bytes, bytes));
    let mut words = [0; 4];
    memory!(_mm_storeu_si128(core::ptr::from_mut(&mut words).cast(), _mm_srai_epi16::<8>(doubled)));
    words
}

/// Bytes as numbers of 16 bits, two to a word.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn widen(bytes: &[i8; 8]) -> [u32; 4] {
    zerocopy::transmute!(bytes.map(i16::from))
}

/// The sum of bytes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn sum(bytes: &[i8]) -> i32 {
    let (whole, rest) = bytes.as_chunks::<16>();
    let (top, mut sums) = (intrinsic!(_mm_set1_epi8(i8::MIN)), intrinsic!(_mm_setzero_si128()));
    for bytes in whole {
        // Each with 128 added is what the instruction sums: a byte without a sign.
        let bytes = memory!(_mm_loadu_si128(core::ptr::from_ref(bytes).cast()));
        let bytes = intrinsic!(_mm_xor_si128(bytes, top));
        let both = intrinsic!(_mm_sad_epu8(bytes, _mm_setzero_si128()));
        sums = intrinsic!(_mm_add_epi64(sums, both));
    }
    let high = intrinsic!(_mm_unpackhi_epi64(sums, sums));
    let sum = intrinsic!(_mm_cvtsi128_si32(_mm_add_epi64(sums, high)));
    let excess = (whole.len() as i32).wrapping_mul(16 * 128);
    plain_sum(rest).wrapping_add(sum.wrapping_sub(excess))
}

/// The sum of bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn sum(bytes: &[i8]) -> i32 {
    plain_sum(bytes)
}

#[inline(always)]
fn plain_sum(bytes: &[i8]) -> i32 {
    bytes.iter().fold(0, |sum: i32, &byte| sum.wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_are_those_of_the_rows(rows in any::<[[u32; 4]; 4]>()) {
            let columns = transpose(rows.each_ref());
            for (row, words) in rows.iter().enumerate() {
                for (column, word) in words.iter().enumerate() {
                    prop_assert_eq!(columns[column][row], *word);
                }
            }
        }

        #[test]
        fn words_are_pairs_of_bytes(bytes in any::<[i8; 8]>()) {
            let words: [i16; 8] = zerocopy::transmute!(widen(&bytes));
            prop_assert_eq!(words, bytes.map(i16::from));
        }

        #[test]
        fn sums_are_those_of_one_byte_after_another(bytes in proptest::collection::vec(any::<i8>(), 0..300)) {
            prop_assert_eq!(sum(&bytes), bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>());
        }
    }
}
