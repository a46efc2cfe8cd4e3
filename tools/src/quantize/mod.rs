//! From real numbers to 8-bit integers: ranges, scales, multipliers, weights.
//!
//! [`normalize`] keeps tabular fields of different size apart, `calibrate` watches the float graph on sample data, [`histogram`] turns what it saw into a range per value,
//! and [`parameters`] and [`multiplier`] turn ranges into the integers that the artifact stores.

pub mod calibrate;
pub mod histogram;
pub mod multiplier;
pub mod normalize;
pub mod parameters;
pub mod reference;
pub mod weights;

pub use calibrate::{Calibration, CalibrationError, calibrate};
pub use histogram::RangeMethod;
pub use normalize::{NormalizeError, normalize_inputs};
pub use parameters::Parameters;
