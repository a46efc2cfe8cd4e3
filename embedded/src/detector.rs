//! From scores to decisions: the parts joined.

use crate::decision::{Hysteresis, Refractory, Smoothing};
use crate::logging::inform;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// What is looked for has begun.
    On,
    /// It has ended.
    Off,
}

/// Watches the score of one class: smoothed, with two thresholds, and silent for a while after it has switched on.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Detector {
    smoothing: Smoothing,
    hysteresis: Hysteresis,
    refractory: Refractory,
    on_at: i8,
    on: bool,
}

impl Detector {
    /// On from a score of 0, off below it, not smoothed, never silent.
    pub const fn new() -> Self {
        Self {
            smoothing: Smoothing::new(0),
            hysteresis: Hysteresis::new(0, 0),
            refractory: Refractory::new(0),
            on_at: 0,
            on: false,
        }
    }

    /// Smooths scores: see [`Smoothing::new`].
    pub const fn smoothed(self, shift: u8) -> Self {
        Self { smoothing: Smoothing::new(shift), ..self }
    }

    /// On from this score; off below it, unless [`Self::off_below`] follows.
    pub const fn on_at(self, score: i8) -> Self {
        Self { hysteresis: Hysteresis::new(score, score), on_at: score, ..self }
    }

    /// Off below this score only, which is not above that of [`Self::on_at`].
    pub const fn off_below(self, score: i8) -> Self {
        Self { hysteresis: Hysteresis::new(self.on_at, score), ..self }
    }

    /// After switching on, does not do so again within this many windows.
    pub const fn silent_for(self, windows: u16) -> Self {
        Self { refractory: Refractory::new(windows), ..self }
    }

    /// Takes the score of a window; what it changed, if anything.
    pub fn update(&mut self, score: i8) -> Option<Event> {
        let wanted = self.hysteresis.update(self.smoothing.update(score));
        let begins = self.refractory.update(wanted && !self.on);
        if begins {
            self.on = true;
            inform!("on: score {}", score);
            Some(Event::On)
        } else if self.on && !wanted {
            self.on = false;
            inform!("off: score {}", score);
            Some(Event::Off)
        } else {
            None
        }
    }

    /// Whether it is on.
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Forgets what it has seen: after a gap in the samples.
    pub fn reset(&mut self) {
        self.smoothing.reset();
        self.hysteresis.reset();
        self.refractory.reset();
        self.on = false;
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_event() {
        let mut detector = Detector::new().on_at(60).off_below(20).silent_for(4);
        let events = [0, 70, 30, 70, 10, 90, 0, 90, 90].map(|score| detector.update(score));
        let (on, off) = (Some(Event::On), Some(Event::Off));
        assert_eq!(events, [None, on, None, None, off, None, None, on, None]);
        assert!(detector.is_on());
        detector.reset();
        assert!(!detector.is_on());
        assert_eq!(detector.update(60), on);
    }

    #[test]
    fn smoothing_hides_a_single_spike() {
        let mut plain = Detector::default().on_at(50);
        assert_eq!([0, 100, 0].map(|score| plain.update(score)), [None, Some(Event::On), Some(Event::Off)]);
        let mut smoothed = Detector::new().smoothed(2).on_at(50);
        assert_eq!([0, 100, 0].map(|score| smoothed.update(score)), [None; 3]);
        assert!([100; 9].map(|score| smoothed.update(score)).contains(&Some(Event::On)));
    }
}
