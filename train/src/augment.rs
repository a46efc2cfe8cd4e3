//! Rows changed at random in ways that keep their meaning.
//!
//! Images are moved, mirrored and cropped; spectra of sound are moved in time, made louder or softer (which adds to logarithms)
//! and given noise. Any row may be mixed with another one, an image also be given a part of another one. What is drawn depends on the
//! seed, the epoch and the row alone.

use crate::random::{around, generator, normal, signed, unit};
use std::str::FromStr;

/// What the generator is for.
const AUGMENT: u64 = 2;
/// What the generator of mixtures is for.
const MIX: u64 = 8;

/// How much rows are changed; zero everywhere for not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Most steps along the second axis: rows of an image, time of a spectrum.
    pub rows: usize,
    /// Most steps along the third axis: columns of an image.
    pub columns: usize,
    /// Whether every other image is mirrored.
    pub flip: bool,
    /// Largest share of the height and width that is cut away before the rest is stretched back.
    pub crop: f32,
    /// Largest number added to all elements of a row.
    pub gain: f32,
    /// Deviation of the noise added to every element.
    pub noise: f32,
    /// Share of the rows that are mixed with another one (Zhang and others 2018): what the teacher says between rows is as good a lesson as
    /// what it says of them (Beyer and others 2022).
    pub mix: f32,
    /// Share of the images in which a rectangle is that of another one, of those that are not mixed (Yun and others 2019).
    pub cutmix: f32,
}

/// What a row is mixed with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partner {
    /// The other row.
    pub row: usize,
    /// Its share, up to a half.
    pub share: f32,
    /// Top, left, height and width of the rectangle that is all of the other image; none where every element is mixed.
    pub patch: Option<[usize; 4]>,
}

impl Partner {
    /// One row with its part of the other. `shape` is `[1, ..]`.
    #[must_use]
    pub fn mixed(&self, mut own: Vec<f32>, other: &[f32], shape: &[usize]) -> Vec<f32> {
        match (self.patch, shape) {
            (Some([top, left, height, width]), &[_, _, across, channels]) => {
                for y in top..top + height {
                    let row = (y * across + left) * channels..(y * across + left + width) * channels;
                    own[row.clone()].copy_from_slice(&other[row]);
                }
            }
            _ => {
                own.iter_mut().zip(other).for_each(|(own, other)| *own = *own * (1.0 - self.share) + other * self.share)
            }
        }
        own
    }
}

impl Augmentation {
    /// For photographs.
    pub const IMAGES: Self =
        Self { rows: 4, columns: 4, flip: true, crop: 0.2, gain: 0.0, noise: 0.0, mix: 0.5, cutmix: 0.3 };
    /// For the front end's spectra, in its units.
    pub const SOUND: Self =
        Self { rows: 3, columns: 0, flip: false, crop: 0.0, gain: 12.0, noise: 6.0, mix: 0.0, cutmix: 0.0 };

    /// The row changed as its seed, epoch and number say. `shape` is `[1, ..]`; other than images, rows are only given gain and
    /// noise.
    #[must_use]
    pub fn apply(&self, row: &[f32], shape: &[usize], seed: u64, epoch: usize, number: usize) -> Vec<f32> {
        if *self == Self::default() {
            return row.to_vec();
        }
        let mut random = generator(seed, &[AUGMENT, epoch as u64, number as u64]);
        let mut items = row.to_vec();
        if let &[_, height, width, channels] = shape {
            let (down, right) = (around(&mut random, self.rows), around(&mut random, self.columns));
            let mirrored = self.flip && random.bits() & 1 == 1;
            let side = 1.0 - self.crop * unit(&mut random);
            let [top, left] =
                [height, width].map(|size| unit(&mut random) * (1.0 - side) * size.saturating_sub(1) as f32);
            let at = |y: usize, x: usize, channel: usize| row[(y * width + x) * channels + channel];
            for y in 0..height {
                let from_y = position(y, down, height) * side + top;
                for x in 0..width {
                    let moved = position(x, right, width);
                    let moved = if mirrored { (width - 1) as f32 - moved } else { moved };
                    let from_x = moved * side + left;
                    let (y0, x0) = (from_y as usize, from_x as usize);
                    let (y1, x1) = ((y0 + 1).min(height - 1), (x0 + 1).min(width - 1));
                    let (dy, dx) = (from_y - y0 as f32, from_x - x0 as f32);
                    for channel in 0..channels {
                        let above = at(y0, x0, channel) * (1.0 - dx) + at(y0, x1, channel) * dx;
                        let below = at(y1, x0, channel) * (1.0 - dx) + at(y1, x1, channel) * dx;
                        items[(y * width + x) * channels + channel] = above * (1.0 - dy) + below * dy;
                    }
                }
            }
        }
        let gain = self.gain * signed(&mut random);
        if self.gain > 0.0 || self.noise > 0.0 {
            for item in &mut items {
                *item += gain + self.noise * normal(&mut random);
            }
        }
        items
    }

    /// What to mix row `number` of `count` with; none for a row that stays whole.
    #[must_use]
    pub fn partner(&self, count: usize, shape: &[usize], seed: u64, epoch: usize, number: usize) -> Option<Partner> {
        let mut random = generator(seed, &[MIX, epoch as u64, number as u64]);
        let drawn = unit(&mut random);
        if count == 0 || drawn >= self.mix + self.cutmix {
            return None;
        }
        let (row, share) = (random.below(count), 0.5 * unit(&mut random));
        if drawn < self.mix {
            return Some(Partner { row, share, patch: None });
        }
        let &[_, rows, columns, _] = shape else { return None };
        let [height, width] = [rows, columns].map(|size| (libm::sqrtf(share) * size as f32) as usize);
        let (top, left) = (random.below(rows - height + 1), random.below(columns - width + 1));
        let share = (height * width) as f32 / (rows * columns).max(1) as f32;
        Some(Partner { row, share, patch: Some([top, left, height, width]) })
    }
}

/// Where position `at` of a moved axis is taken from; what is moved in repeats the border.
fn position(at: usize, by: isize, size: usize) -> f32 {
    (at as isize - by).clamp(0, size.saturating_sub(1) as isize) as f32
}

impl FromStr for Augmentation {
    type Err = String;

    /// `none`, `images`, `sound`, or parts joined by commas such as `rows=2,columns=2,flip,crop=0.1,gain=8,noise=4,mix=0.5,cutmix=0.25`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => return Ok(Self::default()),
            "images" => return Ok(Self::IMAGES),
            "sound" => return Ok(Self::SOUND),
            _ => {}
        }
        let mut result = Self::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let whole = || value.parse::<usize>().map_err(|_| format!("{key} takes a whole number, such as {key}=2"));
            let real = || {
                let number = value.parse::<f32>().ok().filter(|number| number.is_finite() && *number >= 0.0);
                number.ok_or_else(|| format!("{key} takes a number from 0, such as {key}=0.1"))
            };
            match key {
                "rows" => result.rows = whole()?,
                "columns" => result.columns = whole()?,
                "flip" if value.is_empty() => result.flip = true,
                "crop" => result.crop = real()?.min(0.9),
                "gain" => result.gain = real()?,
                "noise" => result.noise = real()?,
                "mix" => result.mix = real()?.min(1.0),
                "cutmix" => result.cutmix = real()?.min(1.0),
                _ => {
                    return Err(format!(
                        "expected none, images, sound, or parts such as rows=2,columns=2,flip,crop=0.1,gain=8,noise=4,mix=0.5,cutmix=0.25; got {part:?}"
                    ));
                }
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_move_and_mirror_whole() {
        let image: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let shape = [1, 3, 4, 1];
        let moved = Augmentation { rows: 1, columns: 1, flip: true, ..Augmentation::default() };
        let mut kinds = std::collections::BTreeSet::new();
        for number in 0..200 {
            let result = moved.apply(&image, &shape, 1, 1, number);
            assert_eq!(result, moved.apply(&image, &shape, 1, 1, number));
            assert!(result.iter().all(|x| x.fract() == 0.0 && (0.0..12.0).contains(x)));
            kinds.insert(format!("{result:?}"));
        }
        assert_eq!(kinds.len(), 18, "three places down, three right, two ways round");
        assert_eq!(Augmentation::default().apply(&image, &shape, 1, 1, 1), image);
    }

    #[test]
    fn crops_stay_between_neighbours_and_gain_moves_all() {
        let image: Vec<f32> = (0..16).map(|x| x as f32).collect();
        let crop = Augmentation { crop: 0.5, ..Augmentation::default() };
        let result = crop.apply(&image, &[1, 4, 4, 1], 1, 1, 1);
        assert!(result.iter().all(|x| (0.0..=15.0).contains(x)) && result != image);
        let gain = Augmentation { gain: 3.0, ..Augmentation::default() };
        let result = gain.apply(&image, &[1, 16], 1, 1, 1);
        let change = result[0] - image[0];
        assert!(change.abs() <= 3.0 && result.iter().zip(&image).all(|(a, b)| (a - b - change).abs() < 1e-5));
    }

    #[test]
    fn parts_of_other_images_are_put_in() {
        let shape = [1, 4, 6, 2];
        let (own, other) = (vec![0.0f32; 48], vec![1.0f32; 48]);
        let both = Augmentation { mix: 0.25, cutmix: 0.5, ..Augmentation::default() };
        let partners: Vec<Option<Partner>> = (0..400).map(|row| both.partner(9, &shape, 1, 1, row)).collect();
        let count = |patch: bool| partners.iter().flatten().filter(|partner| partner.patch.is_some() == patch).count();
        assert!((70..130).contains(&count(false)) && (160..240).contains(&count(true)));
        for partner in partners.into_iter().flatten() {
            let mixed = partner.mixed(own.clone(), &other, &shape);
            assert!(partner.row < 9 && (0.0..=0.5).contains(&partner.share));
            assert!((mixed.iter().sum::<f32>() / 48.0 - partner.share).abs() < 1e-6);
            assert!(partner.patch.is_none() || mixed.iter().all(|&x| x == 0.0 || x == 1.0));
        }
        assert!((0..400).all(|row| both.partner(9, &[1, 48], 1, 1, row).is_none_or(|other| other.patch.is_none())));
    }

    #[test]
    fn parts_are_read_and_mistakes_named() {
        let parsed: Augmentation = "rows=2,flip,noise=0.5".parse().unwrap();
        assert_eq!(parsed, Augmentation { rows: 2, flip: true, noise: 0.5, ..Augmentation::default() });
        assert!("rows=x".parse::<Augmentation>().unwrap_err().contains("rows=2"));
        assert!("turn".parse::<Augmentation>().unwrap_err().contains("flip"));
    }
}
