//! Bias correction: what quantisation adds to a channel's results on average is taken off its bias (Nagel et al. 2019, empirical, layer
//! by layer, with inputs as the quantised layers before give them).

use super::statistics::Statistics;

/// The bias with which a channel's results have the float model's mean: what the float model gives on average, less what the
/// quantised weights make of the average input. `taps` are the real weights of the quantised channel.
#[must_use]
pub fn corrected(statistics: &Statistics, [channel, group]: [usize; 2], taps: &[f32]) -> Option<f32> {
    let products = statistics.mean_input(group);
    let products = products.iter().zip(taps).map(|(mean, &weight)| mean * f64::from(weight)).sum::<f64>();
    let bias = (statistics.mean_result(channel)? - products) as f32;
    bias.is_finite().then_some(bias)
}
