//! From real numbers to 8-bit integers: ranges, scales, multipliers, weights.
//!
//! [`normalize`] keeps tabular fields of different size apart, [`equalize`] evens out the channels between layers, `calibrate`
//! watches the float graph on sample data, [`histogram`] turns what it saw into a range per value, and [`parameters`] and
//! [`multiplier`] turn ranges into the integers that the artifact stores. [`layers`] chooses the integers of weights: what each layer reads
//! ([`statistics`]) decides the scale of narrow weights ([`clip`]), the rounding ([`rounding`], and for narrow weights
//! [`reconstruction`]) and the bias ([`bias`]). Weights of layers that stay in floats may be rounded to 16 bits ([`half`](mod@half)).

pub mod bias;
pub mod calibrate;
pub mod clip;
pub mod equalize;
pub mod half;
pub mod histogram;
pub mod layers;
pub mod multiplier;
pub mod normalize;
pub mod parameters;
pub mod reconstruction;
pub mod reference;
pub mod rounding;
pub mod statistics;
pub mod weights;
pub mod wide;
pub mod widen;

pub use calibrate::{Calibration, CalibrationError, calibrate};
pub use half::FloatWeights;
pub use histogram::RangeMethod;
pub use normalize::{NormalizeError, normalize_inputs};
pub use parameters::Parameters;
pub use weights::{QuantizedWeights, WeightBits};
