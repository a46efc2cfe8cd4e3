//! Linear equations of symmetric positive definite matrices, by Cholesky's factor.

/// A lower triangle `L` with `L L' = matrix`, row by row whole.
pub(super) struct Factor {
    size: usize,
    rows: Vec<f64>,
}

impl Factor {
    /// Of a matrix, row by row; none where it is not positive definite.
    pub fn of(matrix: &[f64], size: usize) -> Option<Self> {
        let mut rows = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let (above, own) = rows.split_at(row * size);
                let known = if column < row { &above[column * size..][..column] } else { &own[..column] };
                let sum: f64 = own[..column].iter().zip(known).map(|(a, b)| a * b).sum();
                let rest = matrix[row * size + column] - sum;
                rows[row * size + column] = if column < row {
                    rest / rows[column * size + column]
                } else if rest > 0.0 && rest.is_finite() {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(Self { size, rows })
    }

    /// `L^-1 right` in place; `right` has `width` numbers in each of its rows.
    pub fn forward(&self, right: &mut [f64], width: usize) {
        for row in 0..self.size {
            let (known, own) = right.split_at_mut(row * width);
            let own = &mut own[..width];
            for (column, known) in known.chunks_exact(width).enumerate() {
                subtract(own, self.rows[row * self.size + column], known);
            }
            let scale = self.rows[row * self.size + row];
            own.iter_mut().for_each(|x| *x /= scale);
        }
    }

    /// `matrix^-1 right` in place.
    pub fn solve(&self, right: &mut [f64], width: usize) {
        self.forward(right, width);
        for row in (0..self.size).rev() {
            let (own, known) = right.split_at_mut((row + 1) * width);
            let own = &mut own[row * width..];
            for (below, known) in known.chunks_exact(width).enumerate() {
                subtract(own, self.rows[(row + 1 + below) * self.size + row], known);
            }
            let scale = self.rows[row * self.size + row];
            own.iter_mut().for_each(|x| *x /= scale);
        }
    }

    /// The inverse of the matrix, row by row.
    pub fn inverse(&self) -> Vec<f64> {
        let mut inverse = vec![0.0; self.size * self.size];
        inverse.iter_mut().step_by(self.size + 1).for_each(|x| *x = 1.0);
        self.solve(&mut inverse, self.size);
        inverse
    }
}

fn subtract(own: &mut [f64], factor: f64, other: &[f64]) {
    own.iter_mut().zip(other).for_each(|(own, other)| *own -= factor * other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let matrix = [4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let factor = Factor::of(&matrix, 3).unwrap();
        let expected = [1.0, -2.0, 0.5, 3.0, 2.0, -1.0];
        let mut right = vec![0.0; 6];
        for row in 0..3 {
            for column in 0..2 {
                right[row * 2 + column] = (0..3).map(|k| matrix[row * 3 + k] * expected[k * 2 + column]).sum();
            }
        }
        factor.solve(&mut right, 2);
        assert!(right.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{right:?}");
        let inverse = factor.inverse();
        for row in 0..3 {
            for column in 0..3 {
                let product: f64 = (0..3).map(|k| matrix[row * 3 + k] * inverse[k * 3 + column]).sum();
                assert!((product - f64::from(u8::from(row == column))).abs() < 1e-12);
            }
        }
        assert!(Factor::of(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
