//! What a run takes.

/// Ticks that count up and wrap around: a hardware timer, a cycle counter, any monotonic clock.
pub trait Counter {
    /// The present count.
    fn ticks(&mut self) -> u32;
}

impl<F: FnMut() -> u32> Counter for F {
    fn ticks(&mut self) -> u32 {
        self()
    }
}

/// The cycle counter of the debug unit: Cortex-M3 and larger.
#[cfg(all(feature = "dwt", target_arch = "arm"))]
#[allow(missing_debug_implementations)] // the register block has none
pub struct CycleCounter(cortex_m::peripheral::DWT);

#[cfg(all(feature = "dwt", target_arch = "arm"))]
impl CycleCounter {
    /// Starts it; `None` where the core has none.
    pub fn new(mut unit: cortex_m::peripheral::DWT, debug: &mut cortex_m::peripheral::DCB) -> Option<Self> {
        debug.enable_trace();
        if !cortex_m::peripheral::DWT::has_cycle_counter() {
            return None;
        }
        unit.enable_cycle_counter();
        Some(Self(unit))
    }

    /// Gives the debug unit back.
    pub fn release(self) -> cortex_m::peripheral::DWT {
        self.0
    }
}

#[cfg(all(feature = "dwt", target_arch = "arm"))]
impl Counter for CycleCounter {
    fn ticks(&mut self) -> u32 {
        cortex_m::peripheral::DWT::cycle_count()
    }
}

/// Counts the ticks of runs. A run must be shorter than one turn of the counter.
#[derive(Clone, Debug)]
pub struct Profiler<C> {
    counter: C,
    runs: u32,
    last: u32,
    least: u32,
    most: u32,
    total: u64,
}

impl<C: Counter> Profiler<C> {
    /// Nothing measured yet.
    pub const fn new(counter: C) -> Self {
        Self { counter, runs: 0, last: 0, least: u32::MAX, most: 0, total: 0 }
    }

    /// Counts what `work` takes.
    pub fn measure<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = self.counter.ticks();
        let result = work();
        self.last = self.counter.ticks().wrapping_sub(start);
        self.least = self.least.min(self.last);
        self.most = self.most.max(self.last);
        self.total = self.total.saturating_add(u64::from(self.last));
        self.runs = self.runs.saturating_add(1);
        result
    }

    /// Runs measured.
    pub const fn runs(&self) -> u32 {
        self.runs
    }

    /// Ticks of the last run; 0 before the first.
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// Ticks of the shortest and of the longest run; `None` before the first.
    pub const fn range(&self) -> Option<(u32, u32)> {
        if self.runs == 0 { None } else { Some((self.least, self.most)) }
    }

    /// Mean ticks of a run, rounded down; `None` before the first.
    pub fn mean(&self) -> Option<u32> {
        let mean = self.total.checked_div(u64::from(self.runs))?;
        u32::try_from(mean).ok()
    }
}
