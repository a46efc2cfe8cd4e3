//! What a student is trained for.

use candle_core::{D, Device, Result, Tensor};

use crate::network::log_softmax;

/// Parts of the loss and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// What the logits of both are divided by before they are compared.
    pub temperature: f64,
    /// Weight of the teacher's answers.
    pub teacher: f64,
    /// Weight of the labels.
    pub labels: f64,
    /// Weight of the places at which layers of the same name are active.
    pub features: f64,
}

impl Loss {
    /// The teacher alone, at temperature 4.
    pub const DISTIL: Self = Self { temperature: 4.0, teacher: 1.0, labels: 0.0, features: 0.0 };
    /// Labels alone.
    pub const LABELS: Self = Self { temperature: 1.0, teacher: 0.0, labels: 1.0, features: 0.0 };
}

/// T^2 times the Kullback-Leibler divergence of the student's answers from the teacher's, both at temperature T, summed over rows
/// (Hinton, Vinyals and Dean 2015: the factor keeps the gradient's size). Logits are `[rows, classes]`.
pub fn divergence(student: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor> {
    let [student, teacher] = [student, teacher].map(|logits| log_softmax(&(logits / temperature)?, D::Minus1));
    let (student, teacher) = (student?, teacher?);
    let terms = (teacher.exp()? * (teacher - student)?)?;
    terms.sum_all()? * (temperature * temperature)
}

/// The negative logarithm of the probability of the right class, summed over rows. Of rows that were mixed both classes count, by their
/// shares: `mixed` has the class and share of what was mixed in, or nothing.
pub fn cross_entropy(logits: &Tensor, labels: &[usize], mixed: &[(usize, f32)]) -> Result<Tensor> {
    let classes = logits.dim(D::Minus1)?;
    let mut chosen = vec![0f32; labels.len() * classes];
    for (row, &label) in labels.iter().enumerate() {
        let (other, share) = mixed.get(row).copied().unwrap_or((label, 0.0));
        chosen[row * classes + label] += 1.0 - share;
        chosen[row * classes + other] += share;
    }
    let chosen = Tensor::from_vec(chosen, (labels.len(), classes), &Device::Cpu)?;
    (log_softmax(logits, D::Minus1)? * chosen)?.sum_all()?.neg()
}

/// The squared difference, summed over rows and averaged over the numbers of a row.
pub fn squared(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    (student - teacher)?.sqr()?.mean(D::Minus1)?.sum_all()
}

/// How differently two layers are active over the same places, whatever their channels: squared distance of the two maps of mean
/// squares, each of length 1 (Zagoruyko and Komodakis 2017), summed over rows. Both are `[rows, h, w, ..]`.
pub fn attention(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let map = |layer: &Tensor| {
        let map = layer.sqr()?.mean(D::Minus1)?.flatten_from(1)?;
        let length = (map.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;
        map.broadcast_div(&length)
    };
    (map(student)? - map(teacher)?)?.sqr()?.sum_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(rows: &[[f32; 3]]) -> Tensor {
        Tensor::from_slice(&rows.concat(), (rows.len(), 3), &Device::Cpu).unwrap()
    }

    fn number(tensor: Tensor) -> f64 {
        f64::from(tensor.to_scalar::<f32>().unwrap())
    }

    #[test]
    fn losses_follow_their_definitions() {
        let (student, teacher) = ([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [[2.0, 1.0, 0.0], [0.5, -1.0, 2.0]]);
        let softmax = |row: &[f32; 3], t: f64| {
            let powers = row.map(|x| (f64::from(x) / t).exp());
            powers.map(|power| power / powers.iter().sum::<f64>())
        };
        let t = 3.0;
        let expected: f64 = (0..2)
            .map(|row| {
                let (p, q) = (softmax(&teacher[row], t), softmax(&student[row], t));
                (0..3).map(|i| t * t * p[i] * (p[i] / q[i]).ln()).sum::<f64>()
            })
            .sum();
        assert!((number(divergence(&tensor(&student), &tensor(&teacher), t).unwrap()) - expected).abs() < 1e-5);
        assert!(number(divergence(&tensor(&student), &tensor(&student), t).unwrap()).abs() < 1e-6);
        let expected = -softmax(&student[0], 1.0)[1].ln() - softmax(&student[1], 1.0)[0].ln();
        assert!((number(cross_entropy(&tensor(&student), &[1, 0], &[]).unwrap()) - expected).abs() < 1e-5);
        let expected = expected - 0.25 * (softmax(&student[0], 1.0)[2].ln() - softmax(&student[0], 1.0)[1].ln());
        let mixed = cross_entropy(&tensor(&student), &[1, 0], &[(2, 0.25), (0, 0.0)]).unwrap();
        assert!((number(mixed) - expected).abs() < 1e-5);
    }

    #[test]
    fn attention_knows_places_not_channels() {
        let layer = |items: &[f32], channels: usize| {
            Tensor::from_slice(items, (1, 2, items.len() / 2 / channels, channels), &Device::Cpu).unwrap()
        };
        let narrow = layer(&[1.0, 2.0, 0.0, 3.0], 1);
        let wide = layer(&[2.0, -2.0, 4.0, 4.0, 0.0, 0.0, 6.0, -6.0], 2);
        assert!(number(attention(&narrow, &wide).unwrap()) < 1e-9);
        let other = layer(&[3.0, 2.0, 0.0, 1.0], 1);
        assert!(number(attention(&narrow, &other).unwrap()) > 0.1);
    }
}
