//! Instruction sets: thin types whose values prove that the machine has the instructions, and the vector operations of
//! [`super::generic`] on them. This is the only unsafe code of the crate: one intrinsic per block, on values or on
//! arrays of exactly the register's size. Devices have loops in assembly instead, whose bounds are checked around them.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(test)]
pub mod model;
#[cfg(any(test, target_feature = "relaxed-simd"))]
pub mod relaxed;
#[cfg(bantam_riscv)]
pub mod riscv;
#[cfg(bantam_dsp)]
pub mod thumb;
#[cfg(bantam_thumb1)]
pub mod thumb1;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128", feature = "wasm-kernels"))]
pub mod wasm32;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

/// The parts of `Products<i8>` that differ only in the element's type: 16-bit differences from the zero point, in pairs.
#[allow(unused_macros)]
macro_rules! pairs {
    ($lanes:literal) => {
        const GROUP: usize = 2;
        const LANES: usize = $lanes;
        type Element = i16;
        type Group = [i16; 2];
        type Weight = i16;
        type Weights = [[i16; 2]; $lanes];
        type Sums = [i32; $lanes];
        type Outputs = [i8; $lanes];

        #[inline(always)]
        fn element(value: i8, zero_point: i32) -> i16 {
            i16::from(value) - zero_point as i16
        }

        #[inline(always)]
        fn zero(_: i32) -> i16 {
            0
        }

        fn excess(_: i32) -> i32 {
            0
        }

        fn weight(value: i8) -> i16 {
            i16::from(value)
        }

        #[inline(always)]
        fn groups(elements: &[i16]) -> &[[i16; 2]] {
            elements.as_chunks().0
        }

        #[inline(always)]
        fn sums(sums: &[i32]) -> Option<&[i32; $lanes]> {
            sums.first_chunk()
        }
    };
}

/// The same for products of bytes in fours, where activations are `$element`: the stored value plus `$offset`.
#[allow(unused_macros)]
macro_rules! quads {
    ($lanes:literal, $element:ty, $offset:literal) => {
        const GROUP: usize = 4;
        const LANES: usize = $lanes;
        type Element = $element;
        type Group = [$element; 4];
        type Weight = i8;
        type Weights = [[i8; 4]; $lanes];
        type Sums = [i32; $lanes];
        type Outputs = [i8; $lanes];

        #[inline(always)]
        fn element(value: i8, _: i32) -> $element {
            (i16::from(value) + $offset) as $element
        }

        #[inline(always)]
        fn zero(zero_point: i32) -> $element {
            (zero_point + $offset) as $element
        }

        fn excess(zero_point: i32) -> i32 {
            zero_point + $offset
        }

        fn weight(value: i8) -> i8 {
            value
        }

        #[inline(always)]
        fn groups(elements: &[$element]) -> &[[$element; 4]] {
            elements.as_chunks().0
        }

        #[inline(always)]
        fn sums(sums: &[i32]) -> Option<&[i32; $lanes]> {
            sums.first_chunk()
        }
    };
}

/// The same for floats.
#[allow(unused_macros)]
macro_rules! floats {
    ($lanes:literal) => {
        const GROUP: usize = 1;
        const LANES: usize = $lanes;
        type Element = f32;
        type Group = [f32; 1];
        type Weight = f32;
        type Weights = [[f32; 1]; $lanes];
        type Sums = [f32; $lanes];
        type Outputs = [f32; $lanes];

        #[inline(always)]
        fn element(value: f32, _: i32) -> f32 {
            value
        }

        #[inline(always)]
        fn zero(_: i32) -> f32 {
            0.0
        }

        fn excess(_: i32) -> i32 {
            0
        }

        fn weight(value: f32) -> f32 {
            value
        }

        #[inline(always)]
        fn groups(elements: &[f32]) -> &[[f32; 1]] {
            elements.as_chunks().0
        }

        #[inline(always)]
        fn sums(sums: &[f32]) -> Option<&[f32; $lanes]> {
            sums.first_chunk()
        }
    };
}

#[allow(unused_imports)]
pub(crate) use {floats, pairs, quads};
