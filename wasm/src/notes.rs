//! Numbers for the page: written here, read there.

/// The most that is said at once: of a tensor eight numbers and its dimensions.
const NUMBERS: usize = 16;

/// The last answer of a session.
#[derive(Default)]
pub(crate) struct Notes {
    numbers: [f64; NUMBERS],
    count: usize,
}

impl Notes {
    /// Adds a number. One function: there are many calls.
    #[inline(never)]
    pub(crate) fn push(&mut self, number: f64) {
        if let Some(place) = self.numbers.get_mut(self.count) {
            *place = number;
            self.count += 1;
        }
    }

    /// Adds where bytes are and how many.
    pub(crate) fn point_at(&mut self, bytes: &[u8]) {
        self.push(bytes.as_ptr().addr() as f64);
        self.push(bytes.len() as f64);
    }

    /// Forgets what was said before.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn address(&self) -> usize {
        self.numbers.as_ptr().addr()
    }
}
