//! What a layer reads, as sums of products.
//!
//! Each result of a convolution or dense layer is made of one row of numbers: of a window, tap by tap and channel by channel, or of all
//! inputs. The rows of a data set, with a one behind each, are only needed as the mean of their products with each other.

use super::is_layer;
use crate::network::windows_of;
use bantam_tools::graph::{Graph, Node};
use candle_core::{Device, Result, Tensor};

/// Layers that read more numbers for a result are left as they are: equations of so many unknowns take minutes.
const MOST_COLUMNS: usize = 1200;
/// Images whose windows are held at a time.
const IMAGES: usize = 16;
/// Every so many of these blocks are kept apart.
const APART: usize = 4;

/// The columns of a layer whose products are few enough.
pub(super) fn columns(graph: &Graph, node: &Node) -> Option<usize> {
    let weights = graph.constant(node.inputs[1]).filter(|weights| is_layer(&node.op) && weights.as_f32().is_ok())?;
    let columns = weights.shape().iter().skip(1).product::<usize>();
    (columns > 0 && columns <= MOST_COLUMNS).then_some(columns)
}

/// Sums over rows of `own' own` and of `own' other`: `own` is what a layer reads with a one behind. Row by row, in the order of the columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Products {
    pub own: Vec<f64>,
    pub crossed: Vec<f64>,
    pub rows: usize,
}

impl Products {
    /// Of a layer, from its input; `other` gives, of some of the images, what is multiplied with their rows. A quarter of the images is
    /// summed apart.
    pub fn of(
        graph: &Graph,
        node: &Node,
        images: &Tensor,
        mut other: impl FnMut(usize, usize, &Tensor) -> Result<Option<Tensor>>,
    ) -> Result<[Self; 2]> {
        let count = images.dim(0)?;
        let block = IMAGES.min(count / APART).max(1);
        let mut sums: [Self; 2] = Default::default();
        for (index, first) in (0..count).step_by(block).enumerate() {
            let length = block.min(count - first);
            let sums = &mut sums[usize::from(index % APART == APART - 1)];
            let windows = windows_of(graph, node, &images.narrow(0, first, length)?)?;
            let rows = windows.dim(0)?;
            sums.rows += rows;
            let ones = Tensor::ones((rows, 1), windows.dtype(), &Device::Cpu)?;
            let windows = Tensor::cat(&[&windows, &ones], 1)?;
            let across = windows.t()?.contiguous()?;
            add(&mut sums.own, &across.matmul(&windows)?.flatten_all()?.to_vec1::<f32>()?);
            if let Some(other) = other(first, length, &windows)? {
                add(&mut sums.crossed, &across.matmul(&other)?.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(sums)
    }

    /// Of both rows.
    pub fn and(mut self, other: &Self) -> Self {
        add(&mut self.own, &other.own);
        add(&mut self.crossed, &other.crossed);
        self.rows += other.rows;
        self
    }
}

fn add<T: Copy + Into<f64>>(sums: &mut Vec<f64>, more: &[T]) {
    sums.resize(sums.len().max(more.len()), 0.0);
    sums.iter_mut().zip(more).for_each(|(sum, &x)| *sum += x.into());
}
