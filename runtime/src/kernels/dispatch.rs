//! Which instruction set runs: what the compiler was told on targets without a system, what the machine has with `std`.
// Elsewhere nothing is packed.
#![cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", feature = "wasm-kernels")), allow(unused))]

use super::Convolution;
use super::arch;
use super::generic::{self, ConvolutionJob, DepthwiseJob, Simd, Sizes, Tables, Value};

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

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Scalar => "scalar",
                    $($(#[cfg($cfg)])? Self::$variant(_) => $name,)*
                }
            }
        }

        /// Calls something with the instruction set of a backend, or gives what is to be given for the oracle.
        macro_rules! with {
            ($backend:expr, $simd:ident => $fast:expr, $scalar:expr) => {
                match $backend {
                    Backend::Scalar => $scalar,
                    $($(#[cfg($cfg)])? Backend::$variant($simd) => $fast,)*
                }
            };
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
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd", feature = "wasm-kernels"))]
    #[doc = "WebAssembly's relaxed SIMD on engines that multiply signed bytes."]
    RelaxedSigned(arch::wasm32::RelaxedSigned) = "relaxed-signed",
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd", feature = "wasm-kernels"))]
    #[doc = "WebAssembly's relaxed SIMD on engines that multiply unsigned bytes by signed ones."]
    RelaxedUnsigned(arch::wasm32::RelaxedUnsigned) = "relaxed-unsigned",
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128", feature = "wasm-kernels"))]
    #[doc = "WebAssembly's simd128."]
    Simd128(arch::wasm32::Simd128) = "simd128",
    #[cfg(test)]
    #[doc = "Products of signed bytes, in software."]
    ModelSigned(arch::model::Signed) = "model-signed",
    #[cfg(test)]
    #[doc = "Products of unsigned bytes by signed ones, in software."]
    ModelUnsigned(arch::model::Unsigned) = "model-unsigned",
}

impl Backend {
    /// The best backend of this machine.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Scalar)
    }
}

/// An element type with fast kernels. `None` stands for "the oracle has to do it".
pub trait Fast: Value {
    /// Sizes of a packed convolution.
    fn convolution_sizes(backend: Backend, geometry: &Convolution) -> Option<Sizes> {
        with!(backend, simd => Some(generic::convolution_sizes(geometry, Self::of(simd))), None)
    }

    /// Packs a convolution.
    fn pack_convolution(
        backend: Backend,
        geometry: &Convolution,
        zero_point: i32,
        weights: (Self::Weights<'_>, [usize; 2]),
        bias: &[Self::Accumulator],
        tables: Tables<'_>,
        packed: &mut [u8],
    ) -> Option<()> {
        with!(
            backend,
            simd => generic::pack_convolution(geometry, zero_point, weights, bias, tables, Self::of(simd), packed),
            None
        )
    }

    /// Runs a packed convolution.
    fn convolution(backend: Backend, job: ConvolutionJob<'_, Self>) -> Option<()> {
        with!(backend, simd => Simd::run(simd, job), None)
    }

    /// Sizes of a packed depthwise convolution.
    fn depthwise_sizes(backend: Backend, geometry: &Convolution) -> Option<Sizes> {
        with!(backend, simd => generic::depthwise_sizes::<Self, _>(geometry, simd), None)
    }

    /// Packs a depthwise convolution.
    fn pack_depthwise(
        backend: Backend,
        geometry: &Convolution,
        weights: Self::Weights<'_>,
        bias: &[Self::Accumulator],
        tables: Tables<'_>,
        packed: &mut [u8],
    ) -> Option<()> {
        with!(backend, simd => generic::pack_depthwise::<Self, _>(geometry, weights, bias, tables, simd, packed), None)
    }

    /// Runs a packed depthwise convolution.
    fn depthwise(backend: Backend, job: DepthwiseJob<'_, Self>) -> Option<()> {
        with!(backend, simd => Simd::run(simd, job), None)
    }
}

impl<T: Value> Fast for T {}
