//! Windows over channels-last images, as operations that candle differentiates.
//!
//! Convolution is a gathering of windows and a matrix product; the gradient of gathering is scattering, and the other way round.
//! Depthwise convolution is a sum of shifted images, each times the weights of its tap. All loops run over one image after the other
//! on the calling thread, so that sums have one order.

use bantam_tools::graph::ops::Padding;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// Where the windows of an image lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Windows {
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// Step between windows, down and right.
    pub stride: [usize; 2],
    /// Distance between taps, down and right.
    pub dilation: [usize; 2],
    /// Positions around the image.
    pub padding: Padding,
    /// Rows and columns of the image.
    pub image: [usize; 2],
    /// Windows down and right.
    pub count: [usize; 2],
}

impl Windows {
    /// Positions in a window.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether the windows are the pixels.
    pub fn are_pixels(&self) -> bool {
        self.taps() == 1 && self.stride == [1, 1] && self.padding.is_none()
    }

    /// Calls `visit` with a tap, a window and the pixel under that tap, for every tap inside the image; windows and pixels
    /// are counted over the whole batch.
    fn walk(&self, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.image;
        let [rows, columns] = self.count;
        for sample in 0..batch {
            for row in 0..rows {
                for tap_row in 0..self.kernel[0] {
                    let y = (row * self.stride[0] + tap_row * self.dilation[0]).checked_sub(self.padding.top);
                    let Some(y) = y.filter(|&y| y < height) else { continue };
                    for tap_column in 0..self.kernel[1] {
                        let tap = tap_row * self.kernel[1] + tap_column;
                        for column in 0..columns {
                            let x = column * self.stride[1] + tap_column * self.dilation[1];
                            let Some(x) = x.checked_sub(self.padding.left).filter(|&x| x < width) else { continue };
                            visit(tap, (sample * rows + row) * columns + column, (sample * height + y) * width + x);
                        }
                    }
                }
            }
        }
    }

    /// How many of a window's taps lie inside the image, window by window.
    pub fn inside(&self) -> Vec<f32> {
        let mut counts = vec![0.0; self.count[0] * self.count[1]];
        self.walk(1, |_, window, _| counts[window] += 1.0);
        counts
    }

    /// `[n, h, w, c]` to `[n, rows, columns, taps, c]`; what lies outside the image is `fill`.
    pub fn gather(self, images: &Tensor, fill: f32) -> Result<Tensor> {
        images.contiguous()?.apply_op1(Gather { windows: self, fill })
    }

    /// `[n, rows, columns, taps, c]` to `[n, h, w, c]`: what lies on one pixel is added.
    pub fn scatter(self, patches: &Tensor) -> Result<Tensor> {
        patches.contiguous()?.apply_op1(Scatter { windows: self })
    }

    /// `[n, h, w, c]` and weights `[c, taps]` to `[n, rows, columns, c]`.
    pub fn depthwise(self, images: &Tensor, weights: &Tensor) -> Result<Tensor> {
        images.contiguous()?.apply_op2(&weights.t()?.contiguous()?, Depthwise { windows: self })
    }
}

/// The elements of a contiguous tensor.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("windows are cut from contiguous tensors"),
    }
}

#[derive(Clone, Copy)]
struct Gather {
    windows: Windows,
    fill: f32,
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather-windows"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, channels) = layout.shape().dims4()?;
        let images = floats(storage, layout)?;
        let (windows, taps) = (&self.windows, self.windows.taps());
        let [rows, columns] = windows.count;
        let mut patches = vec![self.fill; batch * rows * columns * taps * channels];
        windows.walk(batch, |tap, window, pixel| {
            let target = (window * taps + tap) * channels;
            patches[target..target + channels].copy_from_slice(&images[pixel * channels..(pixel + 1) * channels]);
        });
        Ok((CpuStorage::F32(patches), Shape::from((batch, rows, columns, taps, channels))))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.contiguous()?.apply_op1_no_bwd(&Scatter { windows: self.windows }).map(Some)
    }
}

#[derive(Clone, Copy)]
struct Scatter {
    windows: Windows,
}

impl CustomOp1 for Scatter {
    fn name(&self) -> &'static str {
        "scatter-windows"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, taps, channels) = layout.shape().dims5()?;
        let patches = floats(storage, layout)?;
        let [height, width] = self.windows.image;
        let mut images = vec![0.0f32; batch * height * width * channels];
        self.windows.walk(batch, |tap, window, pixel| {
            let source = &patches[(window * taps + tap) * channels..][..channels];
            let target = &mut images[pixel * channels..(pixel + 1) * channels];
            target.iter_mut().zip(source).for_each(|(sum, x)| *sum += x);
        });
        Ok((CpuStorage::F32(images), Shape::from((batch, height, width, channels))))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.contiguous()?.apply_op1_no_bwd(&Gather { windows: self.windows, fill: 0.0 }).map(Some)
    }
}

/// Images and weights `[taps, c]`.
#[derive(Clone, Copy)]
struct Depthwise {
    windows: Windows,
}

impl CustomOp2 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, channels) = l1.shape().dims4()?;
        let (images, weights) = (floats(s1, l1)?, floats(s2, l2)?);
        let [rows, columns] = self.windows.count;
        let mut sums = vec![0.0f32; batch * rows * columns * channels];
        self.windows.walk(batch, |tap, window, pixel| {
            let image = &images[pixel * channels..(pixel + 1) * channels];
            let weights = &weights[tap * channels..(tap + 1) * channels];
            let target = &mut sums[window * channels..(window + 1) * channels];
            for ((sum, x), weight) in target.iter_mut().zip(image).zip(weights) {
                *sum += x * weight;
            }
        });
        Ok((CpuStorage::F32(sums), Shape::from((batch, rows, columns, channels))))
    }

    fn bwd(
        &self,
        images: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let of_images = gradient.apply_op2_no_bwd(weights, &DepthwiseImages { windows: self.windows })?;
        let of_weights = gradient.apply_op2_no_bwd(images, &DepthwiseWeights { windows: self.windows })?;
        Ok((Some(of_images), Some(of_weights)))
    }
}

/// The gradient of the images, from that of the sums and the weights.
struct DepthwiseImages {
    windows: Windows,
}

impl CustomOp2 for DepthwiseImages {
    fn name(&self) -> &'static str {
        "depthwise-images"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, channels) = l1.shape().dims4()?;
        let (gradient, weights) = (floats(s1, l1)?, floats(s2, l2)?);
        let [height, width] = self.windows.image;
        let mut images = vec![0.0f32; batch * height * width * channels];
        self.windows.walk(batch, |tap, window, pixel| {
            let gradient = &gradient[window * channels..(window + 1) * channels];
            let weights = &weights[tap * channels..(tap + 1) * channels];
            let target = &mut images[pixel * channels..(pixel + 1) * channels];
            for ((sum, x), weight) in target.iter_mut().zip(gradient).zip(weights) {
                *sum += x * weight;
            }
        });
        Ok((CpuStorage::F32(images), Shape::from((batch, height, width, channels))))
    }
}

/// The gradient of the weights, from that of the sums and the images.
struct DepthwiseWeights {
    windows: Windows,
}

impl CustomOp2 for DepthwiseWeights {
    fn name(&self) -> &'static str {
        "depthwise-weights"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, channels) = l1.shape().dims4()?;
        let (gradient, images) = (floats(s1, l1)?, floats(s2, l2)?);
        let taps = self.windows.taps();
        let mut weights = vec![0.0f32; taps * channels];
        self.windows.walk(batch, |tap, window, pixel| {
            let gradient = &gradient[window * channels..(window + 1) * channels];
            let image = &images[pixel * channels..(pixel + 1) * channels];
            let target = &mut weights[tap * channels..(tap + 1) * channels];
            for ((sum, x), y) in target.iter_mut().zip(gradient).zip(image) {
                *sum += x * y;
            }
        });
        Ok((CpuStorage::F32(weights), Shape::from((taps, channels))))
    }
}
