//! The choices that nothing else beats in both size and loss.

use super::Point;

/// The Pareto front: by size, each losing less than all smaller ones.
#[must_use]
pub fn front(points: &[Point]) -> Vec<&Point> {
    let mut sorted: Vec<&Point> = points.iter().collect();
    sorted.sort_by(|a, b| a.file_bytes.cmp(&b.file_bytes).then(a.loss().total_cmp(&b.loss())));
    let mut best = f64::INFINITY;
    sorted.retain(|point| {
        let better = point.loss() < best;
        best = best.min(point.loss());
        better
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::super::Quality;
    use super::*;

    fn point(file_bytes: usize, drop: f64) -> Point {
        let quality = Quality { score: 1.0 - drop, drop };
        Point {
            four_bit_layers: vec![],
            refined: false,
            sixteen_bit_layers: vec![],
            float_weight_bits: None,
            file_bytes,
            arena_bytes: 0,
            macs: 0,
            logit_error: Some(drop),
            quality,
        }
    }

    #[test]
    fn a_larger_file_must_lose_less() {
        let points = [point(300, 0.0), point(100, 0.2), point(200, 0.3), point(200, 0.1), point(400, 0.0)];
        let sizes: Vec<usize> = front(&points).iter().map(|point| point.file_bytes).collect();
        assert_eq!(sizes, [100, 200, 300]);
    }
}
