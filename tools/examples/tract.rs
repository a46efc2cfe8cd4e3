//! Times an ONNX file on tract, for `cargo xtask bench native`: one sample, printed as JSON.
//!
//!     tract MODEL.onnx

use bantam_tools::import::onnx::ImportOptions;
use bantam_tools::reference::ReferenceModel;
use bantam_tools::subject::SourceModel;
use bantam_tools::tensor::{Data, Tensor};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: tract MODEL.onnx")?;
    let model = SourceModel::load(path.as_ref(), &ImportOptions::default())?;
    let reference: &ReferenceModel = model.reference.as_ref().ok_or("tract cannot load it")?;
    let ports = model.graph.inputs().iter();
    let inputs: Result<Vec<Tensor>, _> = ports
        .map(|port| {
            let value = model.graph.value(port.value);
            let count: usize = value.shape.iter().product();
            let items = (0..count).map(|index| (index % 17) as f32 / 8.0 - 1.0).collect::<Vec<f32>>();
            Tensor::new(value.shape.clone(), Data::F32(items)).and_then(|tensor| port.layout.to_source(&tensor))
        })
        .collect();
    let inputs = inputs?;
    let mut runs = 1u32;
    loop {
        let start = Instant::now();
        for _ in 0..runs {
            reference.run(&inputs)?;
        }
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if milliseconds >= 10.0 {
            println!("{{\"median_ms\": {}, \"version\": \"0.23.9\"}}", milliseconds / f64::from(runs));
            return Ok(());
        }
        runs = (runs * 2).max((f64::from(runs) * 12.0 / milliseconds.max(0.01)) as u32).min(runs * 20);
    }
}
