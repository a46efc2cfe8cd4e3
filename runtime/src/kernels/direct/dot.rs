//! The inner loop: values of two pixels times weights of two channels.

#[cfg(bantam_dsp)]
use crate::kernels::arch::thumb;

/// The sums of two pixels (inner) and two output channels (outer).
pub type Sums = [i32; 4];

/// Runs of values and of weights that are multiplied.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// How many runs.
    pub count: usize,
    /// Elements of a run.
    pub length: usize,
    /// From the start of one run to that of the next, in the values and in the weights.
    pub steps: [usize; 2],
}

/// The values of two pixels under the taps of a window.
pub struct Values<'a> {
    pixels: [&'a [i8]; 2],
    rows: Rows,
    zero_point: i32,
    #[cfg(bantam_dsp)]
    words: thumb::Words<'a>,
}

impl<'a> Values<'a> {
    pub fn new(left: &'a [i8], right: &'a [i8], rows: &Rows, zero_point: i32) -> Self {
        Self {
            pixels: [left, right],
            rows: *rows,
            zero_point,
            #[cfg(bantam_dsp)]
            words: thumb::Words::new([left, right], rows, zero_point),
        }
    }

    /// Adds the products of `value - zero_point` and `weight` over all runs. Runs that do not fit into the slices end
    /// it.
    pub fn add(&self, weights: [&[i8]; 2], sums: &mut Sums) {
        #[cfg(bantam_dsp)]
        let from = self.words.add(weights, sums);
        #[cfg(not(bantam_dsp))]
        let from = 0;
        if from < self.rows.length {
            self.add_from(from, weights, sums);
        }
    }

    /// The elements from `from` on of each run.
    #[inline(never)]
    fn add_from(&self, from: usize, [first, second]: [&[i8]; 2], sums: &mut Sums) {
        let ([left, right], rows) = (self.pixels, &self.rows);
        let [mut a, mut b, mut c, mut d] = *sums;
        let (mut at, mut filter) = (from, from);
        let length = rows.length.wrapping_sub(from);
        for _ in 0..rows.count {
            let run = |of: &'a [i8], at: usize| of.get(at..at.wrapping_add(length)).unwrap_or(&[]);
            let (values, others) = (run(left, at), run(right, at));
            let end = filter.wrapping_add(length);
            let (first, second) = (first.get(filter..end).unwrap_or(&[]), second.get(filter..end).unwrap_or(&[]));
            for (((&value, &other), &first), &second) in values.iter().zip(others).zip(first).zip(second) {
                let (value, other) =
                    (i32::from(value).wrapping_sub(self.zero_point), i32::from(other).wrapping_sub(self.zero_point));
                let (first, second) = (i32::from(first), i32::from(second));
                a = a.wrapping_add(value.wrapping_mul(first));
                b = b.wrapping_add(other.wrapping_mul(first));
                c = c.wrapping_add(value.wrapping_mul(second));
                d = d.wrapping_add(other.wrapping_mul(second));
            }
            at = at.wrapping_add(rows.steps[0]);
            filter = filter.wrapping_add(rows.steps[1]);
        }
        *sums = [a, b, c, d];
    }
}
