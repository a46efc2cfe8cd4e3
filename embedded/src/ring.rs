//! Sliding windows.

/// The last `N` samples, and whether a window is due. Samples stay where they were put; a window is copied once, into
/// the input of a model.
#[derive(Clone, Debug)]
pub struct Ring<T, const N: usize> {
    samples: [T; N],
    /// Where the next sample goes: the oldest one.
    next: usize,
    /// Samples still missing from the next window.
    missing: usize,
    hop: usize,
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// Windows of `N` samples, of which each starts `hop` after the one before (at least 1; more than `N` leaves gaps).
    pub fn new(hop: usize) -> Self {
        Self { samples: [T::default(); N], next: 0, missing: N, hop: hop.max(1) }
    }

    /// Adds a sample; true when a window is complete that shall be looked at.
    pub fn push(&mut self, sample: T) -> bool {
        if let Some(oldest) = self.samples.get_mut(self.next) {
            *oldest = sample;
        }
        self.next = self.next.saturating_add(1);
        if self.next >= N {
            self.next = 0;
        }
        self.missing = self.missing.saturating_sub(1);
        let due = self.missing == 0;
        if due {
            self.missing = self.hop;
        }
        due
    }

    /// Forgets everything: after a lost sample, so that no window has a hole. The next one is due after `N` samples.
    pub fn clear(&mut self) {
        self.missing = N;
        self.next = 0;
    }

    /// The window in two parts, oldest sample first, where it lies.
    pub fn window(&self) -> (&[T], &[T]) {
        let (newer, older) = self.samples.split_at_checked(self.next).unwrap_or((&[], &self.samples));
        (older, newer)
    }

    /// Writes the window, oldest sample first, as the model takes it. Ends with the shorter of the two.
    pub fn copy_to<U>(&self, input: &mut [U], mut convert: impl FnMut(&T) -> U) {
        let (older, newer) = self.window();
        for (to, from) in input.iter_mut().zip(older.iter().chain(newer)) {
            *to = convert(from);
        }
    }
}

impl<T: Copy + Default, const CHANNELS: usize, const N: usize> Ring<[T; CHANNELS], N>
where
    [T; CHANNELS]: Default,
{
    /// Writes the window channel by channel within each sample. Ends with the shorter of the two.
    pub fn copy_channels_to<U>(&self, input: &mut [U], mut convert: impl FnMut(T) -> U) {
        let (older, newer) = self.window();
        for (to, from) in input.iter_mut().zip(older.iter().chain(newer).flatten()) {
            *to = convert(*from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows<const N: usize>(hop: usize, samples: impl Iterator<Item = i32>) -> impl Iterator<Item = [i32; N]> {
        let mut ring = Ring::<i32, N>::new(hop);
        samples.filter_map(move |sample| {
            if !ring.push(sample) {
                return None;
            }
            let mut window = [0; N];
            ring.copy_to(&mut window, |&sample| sample);
            Some(window)
        })
    }

    #[test]
    fn windows_slide_by_the_hop() {
        assert!(windows::<4>(2, 0..9).eq([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]));
        assert!(windows::<3>(3, 0..9).eq([[0, 1, 2], [3, 4, 5], [6, 7, 8]]));
        assert!(windows::<2>(3, 0..9).eq([[0, 1], [3, 4], [6, 7]]));
        assert!(windows::<1>(0, 0..3).eq([[0], [1], [2]]));
    }

    #[test]
    fn a_cleared_ring_needs_a_whole_window_again() {
        let mut ring = Ring::<u8, 3>::new(1);
        assert!([1, 2, 3, 4].map(|sample| ring.push(sample)) == [false, false, true, true]);
        ring.clear();
        assert!([5, 6, 7, 8].map(|sample| ring.push(sample)) == [false, false, true, true]);
        assert_eq!(ring.window(), (&[6, 7][..], &[8][..]));
    }

    #[test]
    fn channels_are_laid_out_one_after_the_other() {
        let mut ring = Ring::<[i16; 2], 2>::new(1);
        for sample in [[1, 2], [3, 4], [5, 6]] {
            ring.push(sample);
        }
        let mut input = [0i8; 4];
        ring.copy_channels_to(&mut input, |value| value as i8 * 10);
        assert_eq!(input, [30, 40, 50, 60]);
    }

    #[test]
    fn an_empty_ring_is_always_due_and_empty() {
        let mut ring = Ring::<u8, 0>::new(1);
        assert!(ring.push(1));
        assert_eq!(ring.window(), (&[][..], &[][..]));
    }
}
