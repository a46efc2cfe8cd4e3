//! Views: how the elements of a tensor are found in the memory of another one. Transposes, slices, repetitions and
//! their compositions are views, and a `StridedCopy` makes a tensor of one.

use crate::tensor::strides;
use bantam_format::MAX_RANK;
use bantam_format::ops::StridedCopy;

/// Element `(i0, i1, ..)` is element `offset + i0 * strides[0] + i1 * strides[1] + ..` of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements from one to the next along each axis.
    pub strides: Vec<i64>,
    /// The first element.
    pub offset: usize,
}

impl View {
    /// A tensor of this shape as it is.
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        let strides = strides(shape).iter().map(|&stride| stride as i64).collect();
        Self { shape: shape.to_vec(), strides, offset: 0 }
    }

    /// Axis `i` of the result is axis `permutation[i]`.
    #[must_use]
    pub fn permuted(&self, permutation: &[usize]) -> Self {
        Self {
            shape: permutation.iter().map(|&axis| self.shape[axis]).collect(),
            strides: permutation.iter().map(|&axis| self.strides[axis]).collect(),
            offset: self.offset,
        }
    }

    /// The inverse of [`Self::permuted`]: axis `order[i]` of the result is axis `i`.
    #[must_use]
    pub fn moved_back(&self, order: &[usize]) -> Self {
        let mut back = vec![0; order.len()];
        for (position, &axis) in order.iter().enumerate() {
            back[axis] = position;
        }
        self.permuted(&back)
    }

    /// `count` positions of an axis from `start` on, `step` apart, which may be negative. They must exist.
    #[must_use]
    pub fn sliced(mut self, axis: usize, start: usize, count: usize, step: i64) -> Self {
        let stride = self.strides[axis];
        self.offset = usize::try_from(self.offset as i64 + start as i64 * stride).unwrap_or(usize::MAX);
        self.strides[axis] = stride * step;
        self.shape[axis] = count;
        self
    }

    /// Repeated to the shape `to`: axes are aligned at the last one, and those of size 1 repeat.
    #[must_use]
    pub fn broadcast(&self, to: &[usize]) -> Self {
        let missing = to.len() - self.shape.len();
        let stride = |(axis, &size): (usize, &usize)| match axis.checked_sub(missing) {
            Some(own) if self.shape[own] == size => self.strides[own],
            _ => 0,
        };
        Self { shape: to.to_vec(), strides: to.iter().enumerate().map(stride).collect(), offset: self.offset }
    }

    /// Axis `axis` split in two, the outer one of this size.
    #[must_use]
    pub fn split(mut self, axis: usize, outer: usize) -> Self {
        let inner = self.shape[axis] / outer.max(1);
        self.shape.splice(axis..=axis, [outer, inner]);
        let stride = self.strides[axis];
        self.strides.splice(axis..=axis, [stride * inner as i64, stride]);
        self
    }

    /// The same elements in the same order with as few axes as possible.
    fn collapsed(&self) -> (Vec<usize>, Vec<i64>) {
        let (mut shape, mut steps): (Vec<usize>, Vec<i64>) = (vec![], vec![]);
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            match (shape.last_mut(), steps.last_mut()) {
                _ if size == 1 => {}
                (Some(outer), Some(step)) if *step == stride * size as i64 => {
                    *outer *= size;
                    *step = stride;
                }
                _ => {
                    shape.push(size);
                    steps.push(stride);
                }
            }
        }
        (shape, steps)
    }

    /// Whether the elements stand one behind the other from the first one on.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let (shape, strides) = self.collapsed();
        self.offset == 0 && (shape.is_empty() || strides == [1])
    }

    /// The record of the copy.
    ///
    /// # Errors
    /// The copy needs more axes or larger numbers than the record has.
    pub fn copy(&self) -> Result<StridedCopy, String> {
        let (shape, steps) = self.collapsed();
        let first = MAX_RANK.checked_sub(shape.len()).ok_or("the elements move along more than 6 axes")?;
        let too_large = |_| String::from("the tensor is too large");
        let (mut dimensions, mut strides) = ([1; MAX_RANK], [0; MAX_RANK]);
        for (axis, (&size, &step)) in (first..).zip(shape.iter().zip(&steps)) {
            dimensions[axis] = u32::try_from(size).map_err(too_large)?;
            strides[axis] = i32::try_from(step).map_err(too_large)?;
        }
        Ok(StridedCopy { offset: u32::try_from(self.offset).map_err(too_large)?, dimensions, strides })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_stay_together_are_one() {
        assert!(View::of(&[2, 3, 4]).is_contiguous());
        let transposed = View::of(&[2, 3, 4, 5]).permuted(&[0, 3, 1, 2]);
        let copy = transposed.copy().unwrap();
        assert_eq!((copy.dimensions, copy.strides), ([1, 1, 1, 2, 5, 12], [0, 0, 0, 60, 1, 5]));
        assert!(View::of(&[1, 3, 1, 4]).permuted(&[2, 1, 3, 0]).is_contiguous());
    }

    #[test]
    fn views_compose() {
        let backwards = View::of(&[4, 3]).sliced(0, 3, 2, -2);
        let copy = backwards.copy().unwrap();
        assert_eq!(
            (copy.offset, copy.dimensions[4..].to_vec(), copy.strides[4..].to_vec()),
            (9, vec![2, 3], vec![-6, 1])
        );
        let repeated = View::of(&[3, 1]).broadcast(&[2, 3, 4]);
        assert_eq!((repeated.shape, repeated.strides), (vec![2, 3, 4], vec![0, 1, 0]));
        // Depth to space, with the block before the channels: [h, w, b, b, c] to [h, b, w, b, c].
        let blocks = View::of(&[2, 3, 8]).split(2, 2).split(3, 2).permuted(&[0, 2, 1, 3, 4]);
        assert_eq!((blocks.shape, blocks.strides), (vec![2, 2, 3, 2, 2], vec![24, 4, 8, 2, 1]));
    }
}
