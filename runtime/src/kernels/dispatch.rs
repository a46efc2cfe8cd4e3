//! Which instruction set runs: what the compiler was told on targets without a system, what the machine has with `std`.
// Elsewhere nothing is packed.
#![cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(feature = "wasm-kernels", target_feature = "simd128")
    )),
    allow(unused)
)]

use super::arch;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::generic::{Channels, Matrix};
use super::generic::{Kernel, Products};

macro_rules! backends {
    ($($(#[cfg($cfg:meta)])? #[doc = $about:literal] $variant:ident($set:path) = $name:literal,)*) => {
        /// An instruction set that this machine has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Backend {
            /// The oracle.
            Scalar,
            $($(#[cfg($cfg)])? #[doc = $about] $variant($set),)*
        }

        impl Backend {
            /// Whether this target has any other backend than the oracle.
            pub const PACKS: bool = $($(cfg!($cfg) ||)?)* false;

            /// Every backend this machine can run, the best one first.
            pub fn available() -> impl Iterator<Item = Self> {
                let candidates = [$($(#[cfg($cfg)])? <$set>::new().map(Self::$variant),)* Some(Self::Scalar)];
                candidates.into_iter().flatten()
            }

            /// Runs a kernel on floats or on 8-bit integers; `None` where it is the oracle that has to do it.
            #[inline(always)]
            pub fn run<K: Kernel>(self, floats: bool, kernel: K) -> Option<()> {
                match self {
                    Self::Scalar => None,
                    $($(#[cfg($cfg)])? Self::$variant(simd) if floats => Products::<f32>::run(simd, kernel),
                    $(#[cfg($cfg)])? Self::$variant(simd) => Products::<i8>::run(simd, kernel),)*
                }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Scalar => "scalar",
                    $($(#[cfg($cfg)])? Self::$variant(_) => $name,)*
                }
            }
        }
    };
}

backends! {
    #[cfg(target_arch = "x86_64")]
    #[doc = "AVX-512 with VNNI."]
    Avx512Vnni(arch::x86_64::Avx512Vnni) = "avx512-vnni",
    #[cfg(target_arch = "x86_64")]
    #[doc = "AVX2 with AVX-VNNI."]
    AvxVnni(arch::x86_64::AvxVnni) = "avx-vnni",
    #[cfg(target_arch = "x86_64")]
    #[doc = "AVX2 and FMA."]
    Avx2(arch::x86_64::Avx2) = "avx2",
    #[cfg(target_arch = "aarch64")]
    #[doc = "NEON with dotprod."]
    NeonDot(arch::aarch64::NeonDot) = "neon-dotprod",
    #[cfg(target_arch = "aarch64")]
    #[doc = "NEON."]
    Neon(arch::aarch64::Neon) = "neon",
    #[cfg(all(target_arch = "wasm32", bantam_relaxed_dot, feature = "wasm-kernels"))]
    #[doc = "WebAssembly's relaxed SIMD on engines whose products of bytes are exact."]
    RelaxedDot(arch::wasm32::RelaxedDot) = "relaxed-dot",
    #[cfg(all(
        target_arch = "wasm32",
        target_feature = "simd128",
        not(bantam_relaxed_dot),
        feature = "wasm-kernels"
    ))]
    #[doc = "WebAssembly's simd128, and fused products of floats where the module may use them."]
    Simd128(arch::wasm32::Simd128) = "simd128",
    #[cfg(test)]
    #[doc = "Products of signed bytes, in software."]
    ModelSigned(arch::model::Signed) = "model-signed",
    #[cfg(test)]
    #[doc = "Products of unsigned bytes by signed ones, in software."]
    ModelUnsigned(arch::model::Unsigned) = "model-unsigned",
}

/// Computes an expression in loops that may become vectors of a backend's instruction set, where there is a choice of them.
macro_rules! compiled {
    ($backend:expr, $expression:expr) => {{
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        $backend.compile(
            #[inline(always)]
            || $expression,
        );
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let _ = $backend;
            $expression;
        }
    }};
}
pub(crate) use compiled;

/// A function as a kernel.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Plain<'f, F>(&'f mut F);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<F: FnMut()> Kernel for Plain<'_, F> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(self, _: &L) -> Option<()> {
        (self.0)();
        Some(())
    }
}

impl Backend {
    /// Calls a function whose loops may become vectors of this instruction set.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(always)]
    pub fn compile(self, mut function: impl FnMut()) {
        if self.run(true, Plain(&mut function)).is_none() {
            function();
        }
    }

    /// The best backend of this machine.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Scalar)
    }
}
