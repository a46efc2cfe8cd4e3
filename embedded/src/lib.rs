//! What stands around a model on a device: sensors that are sampled, windows over what they gave, decisions on pins.
//!
//! ```
//! use bantam_embedded::{Detector, Event, FromFn, Ring, Sampler};
//!
//! let mut sensor = FromFn::new(|| Ok::<_, ()>([7]));
//! let mut windows = Ring::<[i16; 1], 4>::new(2); // the last 4 samples, every 2
//! let mut detector = Detector::new().on_at(50).off_below(10);
//! let mut input = [0i8; 4];
//! let mut heard = false;
//! for _ in 0..8 {
//!     let Ok(sample) = sensor.sample() else { continue };
//!     if windows.push(sample) {
//!         windows.copy_to(&mut input, |&[value]| value as i8); // straight into the model's input
//!         let score = input.iter().map(|&x| i32::from(x)).sum::<i32>() * 2; // here the model runs
//!         heard |= detector.update(score as i8) == Some(Event::On);
//!     }
//! }
//! assert!(heard);
//! ```
//!
//! - [`Sampler`]: [`FromFn`] for closures (embedded-hal 1.0 has no trait for converters), [`I2cSensor`] and [`SpiSensor`]
//!   for sensors whose axes stand in consecutive registers, with `async` their asynchronous twins.
//! - [`Ring`]: sliding windows, copied once, into the input of a model.
//! - [`Smoothing`], [`Hysteresis`], [`Majority`], [`Refractory`], and [`Detector`] that joins them; [`drive`] puts what
//!   they say on a pin, [`dim`] on a PWM channel.
//! - [`Pacer`] keeps a period with a [`DelayNs`](embedded_hal::delay::DelayNs), [`Profiler`] counts what a run takes.
//! - With the feature `float`, `features` that are computed in floating point; everything else does without.
//!
//! Nothing here allocates or panics. Features `defmt` or `log` make lost samples and decisions visible; without them nothing
//! is logged.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "async")]
mod asynchronous;
mod bus;
mod decision;
mod detector;
#[cfg(feature = "float")]
pub mod features;
mod logging;
mod output;
mod pace;
mod profile;
mod ring;
mod sampler;

#[cfg(feature = "async")]
pub use asynchronous::{AsyncI2cSensor, AsyncSampler, AsyncSpiSensor};
pub use bus::{ByteOrder, I2cSensor, Registers, SpiSensor};
pub use decision::{Hysteresis, Majority, Refractory, Smoothing, strongest};
pub use detector::{Detector, Event};
pub use output::{dim, drive};
pub use pace::{Overrun, Pacer};
#[cfg(all(feature = "dwt", target_arch = "arm"))]
pub use profile::CycleCounter;
pub use profile::{Counter, Profiler};
pub use ring::Ring;
pub use sampler::{FromFn, Sampler};
