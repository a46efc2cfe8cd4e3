//! How data become the model's input: what `bantam.toml` says, made into the artifact's tables.

use crate::quantize::Parameters;
use bantam_format::writer::{ModelDescription, PreprocessingDescription};
use bantam_format::{DataType, ImageChannels, ImageFilter, ImageFit, IoRole, PreprocessingKind, PreprocessingRecord};
use serde::Deserialize;
use thiserror::Error;

/// `[input.image]` or `[input.fields]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Preparation {
    /// The input is made from 8-bit pixels.
    Image(ImagePreparation),
    /// The input is made from named numbers.
    Fields(FieldPreparation),
}

/// `[input.image]`: an element is `(pixel - mean) * scale`, pixels being 0 to 255.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ImagePreparation {
    channels: Channels,
    #[serde(default)]
    fit: Fit,
    #[serde(default)]
    filter: Filter,
    /// Grey under transparent pixels.
    #[serde(default)]
    background: u8,
    /// Crop: what the shorter side is resized to before the middle is cut out.
    #[serde(default)]
    resize: u32,
    #[serde(default = "Numbers::zero")]
    mean: Numbers,
    #[serde(default = "Numbers::one")]
    scale: Numbers,
}

/// `[input.fields]`: an element is `(field - mean) / deviation`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FieldPreparation {
    names: Vec<String>,
    #[serde(default = "Numbers::zero")]
    mean: Numbers,
    #[serde(default = "Numbers::one")]
    deviation: Numbers,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Channels {
    Grey,
    Rgb,
    Bgr,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Fit {
    Stretch,
    #[default]
    Crop,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Filter {
    Area,
    #[default]
    Bilinear,
}

/// One number for all, or one for each.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Numbers {
    All(f64),
    Each(Vec<f64>),
}

/// Why a description does not fit the model.
#[derive(Debug, Error, PartialEq)]
pub enum PreparationError {
    /// An image for something that is none.
    #[error(
        "[input.image] says {expected} channels, but input '{input}' has the shape {shape:?}, not [1, height, width, {expected}]"
    )]
    Shape {
        /// The input.
        input: String,
        /// Its shape.
        shape: Vec<u32>,
        /// Channels described.
        expected: usize,
    },
    /// A list of the wrong length.
    #[error("{what} holds {given} entries, but input '{input}' needs {expected}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The input.
        input: String,
        /// Entries needed.
        expected: usize,
        /// Entries given.
        given: usize,
    },
    /// A number that cannot be used.
    #[error("{what} holds {value}: expected a finite number that is not 0 where it divides")]
    Number {
        /// Where.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// An input of integers.
    #[error("input '{input}' takes 32-bit integers, which cannot be prepared")]
    Type {
        /// The input.
        input: String,
    },
}

impl ImagePreparation {
    /// The whole image in the size of the input, an element being `(pixel - mean) / deviation`: numbers for all channels,
    /// grey or red, green and blue, or one for each. None where the numbers do not fit.
    #[must_use]
    pub fn normalized(channels: usize, mean: &[f32], deviation: &[f32]) -> Option<Self> {
        let kind = match channels {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            _ => return None,
        };
        let fits = |numbers: &[f32]| {
            (numbers.len() == 1 || numbers.len() == channels) && numbers.iter().all(|number| number.is_finite())
        };
        let each = |numbers: &[f32], function: fn(f64) -> f64| {
            Numbers::Each((0..channels).map(|at| function(numbers[at % numbers.len()].into())).collect())
        };
        let usable = fits(mean) && fits(deviation) && deviation.iter().all(|&deviation| deviation != 0.0);
        usable.then(|| Self {
            channels: kind,
            fit: Fit::Stretch,
            filter: Filter::Bilinear,
            background: 0,
            resize: 0,
            mean: each(mean, |mean| mean),
            scale: each(deviation, f64::recip),
        })
    }
}

impl Numbers {
    fn zero() -> Self {
        Self::All(0.0)
    }

    fn one() -> Self {
        Self::All(1.0)
    }

    fn each(&self, what: &'static str, input: &str, count: usize) -> Result<Vec<f64>, PreparationError> {
        let numbers = match self {
            Self::All(number) => vec![*number; count],
            Self::Each(numbers) => numbers.clone(),
        };
        if numbers.len() != count {
            let (input, given) = (input.to_owned(), numbers.len());
            return Err(PreparationError::Count { what, input, expected: count, given });
        }
        match numbers.iter().find(|number| !number.is_finite()) {
            Some(&value) => Err(PreparationError::Number { what, value }),
            None => Ok(numbers),
        }
    }
}

/// Describes how the input called `name` (the first one, where there is no name) is prepared.
///
/// # Errors
/// [`PreparationError`].
pub fn describe(
    preparation: &Preparation,
    name: Option<&str>,
    model: &ModelDescription,
) -> Result<PreprocessingDescription, PreparationError> {
    let inputs: Vec<_> = model.io.iter().filter(|io| io.role == IoRole::Input.code()).collect();
    let tensor_name = |index: usize| model.tensors[usize::from(inputs[index].tensor)].name.as_str();
    // A name that is not there has been refused before.
    let index = (0..inputs.len()).find(|&index| name == Some(tensor_name(index))).unwrap_or(0);
    let io = inputs[index];
    let tensor = &model.tensors[usize::from(io.tensor)];
    let parameters = match tensor.data_type {
        DataType::I8 => Some(Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false }),
        DataType::F32 => None,
        _ => return Err(PreparationError::Type { input: tensor.name.clone() }),
    };
    let target = Target { name: &tensor.name, shape: &tensor.dimensions, parameters };
    let (mut record, values, names) = match preparation {
        Preparation::Image(image) => image.describe(&target)?,
        Preparation::Fields(fields) => fields.describe(&target)?,
    };
    record.input = u16::try_from(index).unwrap_or(u16::MAX);
    Ok(PreprocessingDescription { record, values, names })
}

/// The input that is prepared; `parameters` where it is 8-bit.
struct Target<'a> {
    name: &'a str,
    shape: &'a [u32],
    parameters: Option<Parameters>,
}

type Described = (PreprocessingRecord, Vec<u8>, Vec<String>);

impl ImagePreparation {
    fn describe(&self, target: &Target<'_>) -> Result<Described, PreparationError> {
        let channels = match self.channels {
            Channels::Grey => ImageChannels::Grey,
            Channels::Rgb => ImageChannels::Rgb,
            Channels::Bgr => ImageChannels::Bgr,
        };
        let count = channels.count();
        if !matches!(target.shape, [1, _, _, c] if *c as usize == count) {
            let (input, shape) = (target.name.to_owned(), target.shape.to_vec());
            return Err(PreparationError::Shape { input, shape, expected: count });
        }
        let means = self.mean.each("mean", target.name, count)?;
        let scales = self.scale.each("scale", target.name, count)?;
        let mut values = Vec::new();
        for (mean, scale) in means.iter().zip(&scales) {
            for byte in 0..=u8::MAX {
                let value = ((f64::from(byte) - mean) * scale) as f32;
                match target.parameters {
                    Some(parameters) => values.push(parameters.quantize(value).cast_unsigned()),
                    None => values.extend(value.to_le_bytes()),
                }
            }
        }
        let record = PreprocessingRecord {
            kind: PreprocessingKind::Image.code(),
            fit: match self.fit {
                Fit::Stretch => ImageFit::Stretch,
                Fit::Crop => ImageFit::Crop,
            }
            .code(),
            filter: match self.filter {
                Filter::Area => ImageFilter::Area,
                Filter::Bilinear => ImageFilter::Bilinear,
            }
            .code(),
            channels: channels.code(),
            background: self.background,
            shorter_side: self.resize,
            ..PreprocessingRecord::read(&[])
        };
        Ok((record, values, vec![]))
    }
}

impl FieldPreparation {
    fn describe(&self, target: &Target<'_>) -> Result<Described, PreparationError> {
        let count = target.shape.iter().map(|&d| d as usize).product();
        if self.names.len() != count {
            let (input, given) = (target.name.to_owned(), self.names.len());
            return Err(PreparationError::Count { what: "names", input, expected: count, given });
        }
        let means = self.mean.each("mean", target.name, count)?;
        let deviations = self.deviation.each("deviation", target.name, count)?;
        if let Some(&value) = deviations.iter().find(|&&deviation| deviation == 0.0) {
            return Err(PreparationError::Number { what: "deviation", value });
        }
        // 8-bit inputs count in steps.
        let (step, zero) = target.parameters.map_or((1.0, 0.0), |p| (f64::from(p.scale), f64::from(p.zero_point)));
        let factors: Vec<f32> = deviations.iter().map(|deviation| (1.0 / (deviation * step)) as f32).collect();
        let offsets = means.iter().zip(&deviations).map(|(mean, deviation)| (zero - mean / (deviation * step)) as f32);
        let values = factors.iter().copied().chain(offsets).flat_map(f32::to_le_bytes).collect();
        let record = PreprocessingRecord { kind: PreprocessingKind::Fields.code(), ..PreprocessingRecord::read(&[]) };
        Ok((record, values, self.names.clone()))
    }
}
