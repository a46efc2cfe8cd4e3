//! From scores to decisions: the parts. Scores are 8-bit, as models give them; larger means surer.

/// Exponential smoothing: each score moves the mean by `1 / 2^shift` of the difference. 0 follows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Smoothing {
    shift: u8,
    /// The mean, with 16 fractional bits.
    mean: Option<i32>,
}

impl Smoothing {
    /// `shift` from 0 to 15.
    pub const fn new(shift: u8) -> Self {
        Self { shift: if shift > 15 { 15 } else { shift }, mean: None }
    }

    /// The smoothed score. It starts from the first one.
    pub fn update(&mut self, score: i8) -> i8 {
        let score = i32::from(score) << 16;
        let mean = self.mean.map_or(score, |mean| mean + ((score - mean) >> self.shift));
        self.mean = Some(mean);
        // Between two scores, so it is one.
        ((mean + (1 << 15)) >> 16) as i8
    }

    /// Forgets what it has seen.
    pub fn reset(&mut self) {
        self.mean = None;
    }
}

/// A switch with two thresholds, so that a score between them changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hysteresis {
    on_at: i8,
    off_below: i8,
    on: bool,
}

impl Hysteresis {
    /// On from `on_at`, off below `off_below`, which is not above it.
    pub const fn new(on_at: i8, off_below: i8) -> Self {
        Self { on_at, off_below: if off_below < on_at { off_below } else { on_at }, on: false }
    }

    /// Whether it is on after this score.
    pub fn update(&mut self, score: i8) -> bool {
        self.on = score >= if self.on { self.off_below } else { self.on_at };
        self.on
    }

    /// Switches off.
    pub fn reset(&mut self) {
        self.on = false;
    }
}

/// The class that more than half of the last `N` windows gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Majority<const N: usize> {
    votes: [Option<u8>; N],
    next: usize,
}

impl<const N: usize> Majority<N> {
    /// No votes yet.
    pub const fn new() -> Self {
        Self { votes: [None; N], next: 0 }
    }

    /// Counts a vote in place of the oldest; the winner, where there is one. Votes not yet given count for nobody.
    pub fn vote(&mut self, class: u8) -> Option<u8> {
        if let Some(oldest) = self.votes.get_mut(self.next) {
            *oldest = Some(class);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= N {
            self.next = 0;
        }
        // Only the class just voted for can have become the majority, or another one that still is.
        let votes = |class: u8| self.votes.iter().filter(|vote| **vote == Some(class)).count();
        self.votes.iter().flatten().copied().find(|&class| votes(class) > N / 2)
    }

    /// Forgets all votes.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl<const N: usize> Default for Majority<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Lets an event through and holds back those that follow within a number of windows: one word, one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refractory {
    windows: u16,
    left: u16,
}

impl Refractory {
    /// Holds back during the `windows` after an event.
    pub const fn new(windows: u16) -> Self {
        Self { windows, left: 0 }
    }

    /// Called once per window; whether the event, if there is one, passes.
    pub fn update(&mut self, event: bool) -> bool {
        let passes = event && self.left == 0;
        self.left = if passes { self.windows } else { self.left.saturating_sub(1) };
        passes
    }

    /// Lets the next event pass.
    pub fn reset(&mut self) {
        self.left = 0;
    }
}

/// The class with the largest score and that score; of equal ones the first. `None` without scores.
pub fn strongest(scores: &[i8]) -> Option<(u8, i8)> {
    let mut best: Option<(u8, i8)> = None;
    for (class, &score) in (0..=u8::MAX).zip(scores) {
        if best.is_none_or(|(_, highest)| score > highest) {
            best = Some((class, score));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_approaches_and_keeps_the_range() {
        let mut smoothing = Smoothing::new(1);
        assert_eq!([0, 100, 100, 100].map(|score| smoothing.update(score)), [0, 50, 75, 88]);
        smoothing.reset();
        assert_eq!(smoothing.update(-128), -128);
        let mut slow = Smoothing::new(200);
        slow.update(127);
        assert_eq!((0..1000).map(|_| slow.update(127)).min(), Some(127));
        assert_eq!((0..1_000_000).map(|_| slow.update(-128)).last(), Some(-128));
        let mut none = Smoothing::new(0);
        assert_eq!([-128, 127, -1].map(|score| none.update(score)), [-128, 127, -1]);
    }

    #[test]
    fn scores_between_the_thresholds_change_nothing() {
        let mut switch = Hysteresis::new(50, 10);
        let states = [49, 50, 10, 9, 49, 10].map(|score| switch.update(score));
        assert_eq!(states, [false, true, true, false, false, false]);
        let mut crossed = Hysteresis::new(10, 50);
        assert_eq!([9, 10, 9].map(|score| crossed.update(score)), [false, true, false]);
        crossed.update(127);
        crossed.reset();
        assert!(!crossed.update(9));
    }

    #[test]
    fn a_majority_is_more_than_half() {
        let mut majority = Majority::<4>::new();
        assert_eq!([1, 1, 1, 2, 2, 2].map(|class| majority.vote(class)), [None, None, Some(1), Some(1), None, Some(2)]);
        majority.reset();
        assert_eq!(majority.vote(2), None);
        assert_eq!(Majority::<1>::default().vote(7), Some(7));
        assert_eq!(Majority::<0>::new().vote(7), None);
    }

    #[test]
    fn events_are_held_back_for_a_while() {
        let mut refractory = Refractory::new(2);
        let passed = [true, true, true, true, false, true].map(|event| refractory.update(event));
        assert_eq!(passed, [true, false, false, true, false, false]);
        refractory.reset();
        assert!(refractory.update(true));
        assert_eq!([true; 3].map(|event| Refractory::new(0).update(event)), [true; 3]);
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(strongest(&[-5, 3, 3, -128]), Some((1, 3)));
        assert_eq!(strongest(&[-128]), Some((0, -128)));
        assert_eq!(strongest(&[]), None);
    }
}
