//! Watching a float graph on sample data.

use super::histogram::{Histogram, RangeMethod};
use crate::data::Dataset;
use crate::execute::{ExecuteError, execute_observed};
use crate::graph::{Graph, ValueId};
use crate::parallel;
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why calibration failed.
#[derive(Debug, Error)]
pub enum CalibrationError {
    /// The graph could not be run on a row.
    #[error("calibration row {row}: {error}")]
    Execute {
        /// The row, from 0.
        row: usize,
        /// What went wrong.
        error: ExecuteError,
    },
    /// An activation is NaN or infinite.
    #[error("calibration row {row}: '{value}' becomes NaN or infinite; the model or this row is broken")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The activation.
        value: String,
    },
}

/// What calibration found.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// What each activation was like.
    pub histograms: BTreeMap<ValueId, Histogram>,
    /// The chosen range of each activation.
    pub ranges: BTreeMap<ValueId, (f32, f32)>,
    /// Rows looked at.
    pub rows: usize,
}

/// Runs the graph twice over the data: once for the bounds of each activation, once for the histograms that ranges
/// are chosen from. Deterministic, whatever the number of threads.
///
/// # Errors
/// [`CalibrationError`].
pub fn calibrate(graph: &Graph, data: &Dataset, method: RangeMethod) -> Result<Calibration, CalibrationError> {
    type Bounds = BTreeMap<ValueId, (f32, f32)>;
    let bounds = parallel::fold_rows(
        data.rows(),
        Bounds::new,
        |bounds, row| {
            observe(graph, data, row, |value, items| {
                let (low, high) = bounds.entry(value).or_insert((f32::INFINITY, f32::NEG_INFINITY));
                for &item in items {
                    *low = low.min(item);
                    *high = high.max(item);
                }
            })
        },
        |all, part| {
            for (value, (low, high)) in part {
                let entry = all.entry(value).or_insert((low, high));
                *entry = (entry.0.min(low), entry.1.max(high));
            }
        },
    )?;
    type Histograms = BTreeMap<ValueId, Histogram>;
    let histograms = parallel::fold_rows(
        data.rows(),
        Histograms::new,
        |histograms, row| {
            observe(graph, data, row, |value, items| {
                let (low, high) = bounds[&value];
                histograms.entry(value).or_insert_with(|| Histogram::new(low, high)).add(items);
            })
        },
        |all, part| {
            for (value, histogram) in part {
                all.entry(value).and_modify(|known| known.merge(&histogram)).or_insert(histogram);
            }
        },
    )?;
    let chosen = parallel::map_rows(histograms.len(), |index| {
        Ok::<_, std::convert::Infallible>(histograms.values().nth(index).map(|histogram| histogram.range(method)))
    });
    let Ok(chosen) = chosen;
    let ranges = histograms.keys().copied().zip(chosen).filter_map(|(value, range)| Some((value, range?))).collect();
    Ok(Calibration { ranges, histograms, rows: data.rows() })
}

/// Shows every float activation of one row.
fn observe(
    graph: &Graph,
    data: &Dataset,
    row: usize,
    mut see: impl FnMut(ValueId, &[f32]),
) -> Result<(), CalibrationError> {
    let mut broken = None;
    let result = execute_observed(graph, &data.inputs(graph, row), |value, tensor: &Tensor| {
        if let Ok(items) = tensor.as_f32() {
            if items.iter().all(|item| item.is_finite()) {
                see(value, items);
            } else {
                broken.get_or_insert(value);
            }
        }
    });
    result.map_err(|error| CalibrationError::Execute { row, error })?;
    match broken {
        Some(value) => Err(CalibrationError::NotFinite { row, value: graph.value(value).name.clone() }),
        None => Ok(()),
    }
}
