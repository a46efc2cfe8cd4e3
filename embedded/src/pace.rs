//! Keeping a period.

use embedded_hal::delay::DelayNs;

/// The work took longer than the period: so many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Overrun {
    /// Nanoseconds beyond the period.
    pub by_ns: u32,
}

/// Waits for what is left of a period.
#[derive(Clone, Debug)]
pub struct Pacer<D> {
    delay: D,
    period_ns: u32,
    /// Nanoseconds that an overrun took from the next period.
    debt_ns: u32,
}

impl<D: DelayNs> Pacer<D> {
    /// A period of so many nanoseconds.
    pub const fn new(delay: D, period_ns: u32) -> Self {
        Self { delay, period_ns, debt_ns: 0 }
    }

    /// Waits for the rest of the period after work that took `busy_ns`. An overrun shortens the next wait, so the
    /// period holds on average.
    ///
    /// # Errors
    /// There was no rest.
    pub fn wait(&mut self, busy_ns: u32) -> Result<(), Overrun> {
        let used = busy_ns.saturating_add(self.debt_ns);
        match self.period_ns.checked_sub(used) {
            Some(rest) => {
                self.debt_ns = 0;
                self.delay.delay_ns(rest);
                Ok(())
            }
            None => {
                self.debt_ns = used.saturating_sub(self.period_ns);
                Err(Overrun { by_ns: self.debt_ns })
            }
        }
    }

    /// Gives the delay back.
    pub fn release(self) -> D {
        self.delay
    }
}
