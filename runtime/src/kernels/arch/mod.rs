//! Instruction sets: thin types whose values prove that the machine has the instructions, and the vector operations of
//! [`super::generic`] on them. This is the only unsafe code of the crate: one intrinsic per block, on values or on
//! arrays of exactly the register's size. Devices have loops in assembly instead, whose bounds are checked around them.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod baseline;
#[cfg(test)]
pub mod model;
#[cfg(any(test, bantam_relaxed_dot))]
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

/// Runs kernels on elements of `$element`, compiled for the features of `$name`.
#[allow(unused_macros)]
macro_rules! run {
    ($name:ident, $element:ty, $all:literal) => {
        run!($name, $element, $all, run);
    };
    ($name:ident, $element:ty, $all:literal, $function:ident) => {
        #[inline(always)]
        fn $function<K: Kernel>(self, kernel: K) -> Option<()> {
            // Apart, so that its loops have the registers to themselves.
            #[inline(never)]
            #[target_feature(enable = $all)]
            fn inner<K: Kernel>(simd: $name, kernel: K) -> Option<()> {
                kernel.run(&Of::<$element, _>::new(simd))
            }
            // SAFETY: a value of this type is made by `new` alone, where all of these features were found.
            unsafe { inner(self, kernel) }
        }
    };
}

/// What all have in common: `$lanes` sums of products of groups, of elements of `$value` bytes.
#[allow(unused_macros)]
macro_rules! lanes {
    ($lanes:literal, $group:literal, $value:literal, $table:literal) => {
        const VALUE: usize = $value;
        const TABLE: usize = $table;
        const GROUP: usize = $group;
        const LANES: usize = $lanes;
        type Words = [u32; $lanes];
        type Values = [u8; $lanes * $value];
        type Taps = [[[u8; $lanes * $value]; 2]; $group];
        type Chunk = [u8; $lanes * $group * $value];

        #[inline(always)]
        fn vectors(words: &[u32]) -> &[[u32; $lanes]] {
            words.as_chunks().0
        }

        #[inline(always)]
        fn chunk(bytes: &[u8]) -> Option<&Self::Chunk> {
            bytes.first_chunk()
        }
    };
}

/// Elements of 8 bits that are multiplied as numbers of 16 bits, in pairs.
#[allow(unused_macros)]
macro_rules! pairs {
    ($lanes:literal) => {
        lanes!($lanes, 2, 1, 4);

        fn excess(self, zero_point: i32) -> i32 {
            zero_point
        }
    };
}

/// How they are widened in plain code.
#[allow(unused_macros)]
macro_rules! wide_pairs {
    ($lanes:literal) => {
        #[inline(always)]
        fn widen(self, chunk: &Self::Chunk) -> [u32; $lanes] {
            let words = chunk.map(|value| i16::from(value.cast_signed()));
            zerocopy::transmute!(words)
        }
    };
}

/// Elements of 8 bits that are multiplied as bytes in fours, each with `$offset` added.
#[allow(unused_macros)]
macro_rules! quads {
    ($lanes:literal, $offset:literal) => {
        lanes!($lanes, 4, 1, 4);

        fn excess(self, zero_point: i32) -> i32 {
            zero_point + $offset
        }

        #[inline(always)]
        fn widen(self, chunk: &Self::Chunk) -> [u32; $lanes] {
            let bytes = chunk.map(|value| value.wrapping_add($offset));
            zerocopy::transmute!(bytes)
        }
    };
}

/// How taps are woven into fours in plain code.
#[allow(unused_macros)]
macro_rules! woven_quads {
    ($lanes:literal, $offset:literal) => {
        #[inline(always)]
        fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [Self::Values; 2]>) -> Option<[Self::Words; 2]> {
            let mut words = [[[0_u8; 4]; $lanes]; 2];
            let first = tap(0)?.as_flattened().iter().zip(tap(1)?.as_flattened());
            let second = tap(2)?.as_flattened().iter().zip(tap(3)?.as_flattened());
            for (word, ((a, b), (c, d))) in words.as_flattened_mut().iter_mut().zip(first.zip(second)) {
                *word = [a, b, c, d].map(|value| value.wrapping_add($offset));
            }
            Some(zerocopy::transmute!(words))
        }
    };
}

/// Floats.
#[allow(unused_macros)]
macro_rules! floats {
    ($lanes:literal) => {
        lanes!($lanes, 1, 4, 0);

        fn excess(self, _: i32) -> i32 {
            0
        }

        #[inline(always)]
        fn widen(self, chunk: &Self::Chunk) -> [u32; $lanes] {
            zerocopy::transmute!(*chunk)
        }

        #[inline(always)]
        fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [Self::Values; 2]>) -> Option<[Self::Words; 2]> {
            Some(zerocopy::transmute!(*tap(0)?))
        }
    };
}

#[allow(unused_imports)]
pub(crate) use {floats, lanes, pairs, quads, run, wide_pairs, woven_quads};
