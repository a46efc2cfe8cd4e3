//! Images: the part that is used, blending, resizing, channels.

use super::resample::Axis;
use crate::error::PrepareError;
use bantam_format::{ImageChannels, ImageFilter, ImageFit, MAX_IMAGE_SIDE};

/// 8-bit pixels, row by row from the top: 1 (grey), 3 (red, green, blue) or 4 (with alpha) bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Image<'p> {
    pixels: &'p [u8],
    width: u32,
    height: u32,
    channels: usize,
}

/// A rectangle of source pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl<'p> Image<'p> {
    /// An image over borrowed pixels.
    ///
    /// # Errors
    /// A side is 0 or above [`MAX_IMAGE_SIDE`]; the pixels are not 1, 3 or 4 bytes each.
    pub fn new(pixels: &'p [u8], width: u32, height: u32) -> Result<Self, PrepareError> {
        let sides = 1..=MAX_IMAGE_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(PrepareError::ImageSize { width, height });
        }
        // At most 2^26, which every target's usize holds.
        let count = usize::try_from(width.saturating_mul(height)).unwrap_or(usize::MAX);
        let channels = pixels.len().checked_div(count).unwrap_or(0);
        if !matches!(channels, 1 | 3 | 4) || channels.checked_mul(count) != Some(pixels.len()) {
            return Err(PrepareError::ImageBytes { pixels: count, bytes: pixels.len() });
        }
        Ok(Self { pixels, width, height, channels })
    }

    /// The part of the image that an input of this size is made from.
    pub(super) fn region(&self, fit: ImageFit, shorter_side: u32, height: usize, width: usize) -> Region {
        let side = |side: usize| u64::try_from(side).unwrap_or(1).max(1);
        let (own_width, own_height) = (u64::from(self.width), u64::from(self.height));
        let (w, h) = (side(width), side(height));
        let (cut_width, cut_height) = if fit == ImageFit::Stretch {
            (own_width, own_height)
        } else if shorter_side > 0 {
            let shorter = own_width.min(own_height);
            (nearest(w * shorter, u64::from(shorter_side)), nearest(h * shorter, u64::from(shorter_side)))
        } else if own_width * h <= own_height * w {
            (own_width, nearest(own_width * h, w))
        } else {
            (nearest(own_height * w, h), own_height)
        };
        let width = u32::try_from(cut_width).unwrap_or(1).min(self.width).max(1);
        let height = u32::try_from(cut_height).unwrap_or(1).min(self.height).max(1);
        Region { left: (self.width - width) / 2, top: (self.height - height) / 2, width, height }
    }

    /// Hands over the bytes of an input of this size, each with its channel: rows, columns, channels.
    pub(super) fn resample(
        &self,
        region: Region,
        filter: ImageFilter,
        channels: ImageChannels,
        background: u8,
        [height, width]: [usize; 2],
        mut take: impl FnMut(usize, u8),
    ) {
        let [height, width] = [height, width].map(|side| u32::try_from(side).unwrap_or(1));
        let (rows, columns) = (Axis::new(filter, region.height, height), Axis::new(filter, region.width, width));
        for y in 0..height {
            for x in 0..width {
                let [red, green, blue] = self.mean(region, rows, columns, background, y, x);
                let bytes = match channels {
                    ImageChannels::Rgb => [red, green, blue],
                    ImageChannels::Bgr => [blue, green, red],
                    _ => [brightness([red, green, blue]); 3],
                };
                for (channel, byte) in bytes.into_iter().enumerate().take(channels.count()) {
                    take(channel, byte);
                }
            }
        }
    }

    /// The weighted mean of the source pixels of one target pixel, rounded to nearest, halves up.
    fn mean(&self, region: Region, rows: Axis, columns: Axis, background: u8, y: u32, x: u32) -> [u8; 3] {
        let mut sums = [0u64; 3];
        let mut total = 0;
        for row in rows.taps(y) {
            for column in columns.taps(x) {
                let weight = rows.weight(y, row) * columns.weight(x, column);
                let pixel = self.pixel(region.top + row, region.left + column, background);
                for (sum, byte) in sums.iter_mut().zip(pixel) {
                    *sum += weight * u64::from(byte);
                }
                total += weight;
            }
        }
        sums.map(|sum| u8::try_from(nearest(sum, total.max(1))).unwrap_or(u8::MAX))
    }

    /// Red, green and blue of a pixel, blended over a grey where it is transparent.
    fn pixel(&self, row: u32, column: u32, background: u8) -> [u8; 3] {
        let position = usize::try_from(row * self.width + column).unwrap_or(usize::MAX);
        let bytes = self.pixels.get(position.saturating_mul(self.channels)..).unwrap_or(&[]);
        match (self.channels, bytes) {
            (1, [grey, ..]) => [*grey; 3],
            (3, [red, green, blue, ..]) | (4, [red, green, blue, 255, ..]) => [*red, *green, *blue],
            (4, [red, green, blue, alpha, ..]) => [*red, *green, *blue].map(|byte| blend(byte, background, *alpha)),
            _ => [background; 3],
        }
    }
}

/// `a / b` rounded to nearest, halves up.
fn nearest(a: u64, b: u64) -> u64 {
    (2 * a + b) / (2 * b)
}

fn blend(byte: u8, background: u8, alpha: u8) -> u8 {
    let (alpha, rest) = (u16::from(alpha), 255 - u16::from(alpha));
    let sum = u16::from(byte) * alpha + u16::from(background) * rest;
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

/// ITU-R BT.601 luma with 16 fractional bits.
fn brightness([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    u8::try_from((sum + 32_768) >> 16).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn resized(pixels: &[u8], [width, height]: [u32; 2], filter: ImageFilter, [h, w]: [usize; 2]) -> Vec<u8> {
        let image = Image::new(pixels, width, height).unwrap();
        let region = image.region(ImageFit::Stretch, 0, h, w);
        let mut bytes = Vec::new();
        image.resample(region, filter, ImageChannels::Grey, 0, [h, w], |_, byte| bytes.push(byte));
        bytes
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let pixels: Vec<u8> = (0..=255).collect();
        for filter in [ImageFilter::Area, ImageFilter::Bilinear] {
            assert_eq!(resized(&pixels, [16, 16], filter, [16, 16]), pixels);
        }
    }

    #[test]
    fn means_round_halves_up() {
        assert_eq!(resized(&[0, 1, 2, 4], [2, 2], ImageFilter::Area, [1, 1]), [2]);
        assert_eq!(resized(&[0, 255, 0], [3, 1], ImageFilter::Area, [1, 2]), [85, 85]);
        assert_eq!(resized(&[0, 100], [2, 1], ImageFilter::Bilinear, [1, 4]), [0, 25, 75, 100]);
    }

    #[test]
    fn crops_are_centred() {
        let image = Image::new(&[0; 48], 8, 6).unwrap();
        let region = |shorter, h, w| image.region(ImageFit::Crop, shorter, h, w);
        assert_eq!(region(0, 3, 3), Region { left: 1, top: 0, width: 6, height: 6 });
        assert_eq!(region(0, 3, 6), Region { left: 0, top: 1, width: 8, height: 4 });
        assert_eq!(region(6, 3, 3), Region { left: 2, top: 1, width: 3, height: 3 });
    }

    #[test]
    fn colours_and_transparency() {
        let image = Image::new(&[255, 0, 0, 255, 0, 0, 0, 0], 2, 1).unwrap();
        let region = image.region(ImageFit::Stretch, 0, 1, 2);
        let bytes = |channels| {
            let mut bytes = Vec::new();
            image.resample(region, ImageFilter::Area, channels, 200, [1, 2], |_, byte| bytes.push(byte));
            bytes
        };
        assert_eq!(bytes(ImageChannels::Rgb), [255, 0, 0, 200, 200, 200]);
        assert_eq!(bytes(ImageChannels::Bgr), [0, 0, 255, 200, 200, 200]);
        assert_eq!(bytes(ImageChannels::Grey), [76, 200]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let error = |bytes: usize, width, height| Image::new(&[0; 64][..bytes], width, height).err();
        assert_eq!(error(0, 0, 4), Some(PrepareError::ImageSize { width: 0, height: 4 }));
        assert_eq!(error(64, 8193, 1), Some(PrepareError::ImageSize { width: 8193, height: 1 }));
        for bytes in [0, 1, 15, 17, 32, 63] {
            assert_eq!(error(bytes, 4, 4), Some(PrepareError::ImageBytes { pixels: 16, bytes }), "{bytes}");
        }
        assert_eq!([16, 48, 64].map(|bytes| error(bytes, 4, 4)), [None; 3]);
    }
}
