//! Decisions on pins.

use crate::detector::Event;
use embedded_hal::digital::{OutputPin, PinState};
use embedded_hal::pwm::SetDutyCycle;

/// Sets the pin high when something begins and low when it ends.
///
/// # Errors
/// Those of the pin. The event is lost; setting the pin again from [`crate::Detector::is_on`] makes up for it.
pub fn drive<P: OutputPin>(pin: &mut P, event: Event) -> Result<(), P::Error> {
    pin.set_state(PinState::from(event == Event::On))
}

/// Sets a duty cycle in proportion to a score: none at -128, full at 127.
///
/// # Errors
/// Those of the channel.
pub fn dim<P: SetDutyCycle>(channel: &mut P, score: i8) -> Result<(), P::Error> {
    let level = i16::from(score) + 128;
    channel.set_duty_cycle_fraction(level.unsigned_abs(), 255)
}
