//! What a file says about its model beside the graph: TensorFlow Lite Metadata, and the files appended to it.
//!
//! A buffer called `TFLITE_METADATA` holds a FlatBuffer of its own (`metadata_schema.fbs`, kind `M001`), which describes
//! inputs and outputs and names files; these stand in a .zip that is appended to the model. None of it is needed to run the
//! model: what cannot be read or used is said in a note.

use super::flatbuffer::{Flatbuffer, FlatbufferError, Table};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Name of the buffer.
pub(super) const BUFFER: &str = "TFLITE_METADATA";
/// The four letters of the metadata's kind.
const KIND: [u8; 4] = *b"M001";
/// Most bytes of a file of labels.
const MAX_LABEL_BYTES: u64 = 1 << 20;
/// Code of a file with one label per line.
const AXIS_LABELS: u8 = 2;

/// Codes of what is done to numbers before or after the model.
mod unit {
    pub const NORMALIZATION: u8 = 1;
    pub const SCORE_CALIBRATION: u8 = 2;
    pub const SCORE_THRESHOLDING: u8 = 3;
}

/// What is known of a model beside its graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Class labels of the first output.
    pub labels: Vec<String>,
    /// How the first input is normalised.
    pub normalization: Option<Normalization>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// An element of the input is `(pixel - mean) / deviation`, pixels being 0 to 255.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One for all channels, or one for each.
    pub mean: Vec<f32>,
    /// Likewise.
    pub deviation: Vec<f32>,
    /// Whether the input is said to be an image; where it is, of how many channels, if that is said too.
    pub image: Option<Option<usize>>,
}

impl Metadata {
    /// Reads the metadata of a file whose buffer of this name holds `buffer`.
    pub(super) fn read(file: &[u8], buffer: &[u8]) -> Self {
        let mut metadata = Self::default();
        if let Err(error) = metadata.fill(file, buffer) {
            metadata.notes.push(format!("the file's metadata cannot be read: {error}"));
        }
        metadata
    }

    fn fill(&mut self, file: &[u8], buffer: &[u8]) -> Result<(), FlatbufferError> {
        let flatbuffer = Flatbuffer::new(buffer);
        let (root, kind) = flatbuffer.root()?;
        if kind != KIND {
            self.notes.push("the file's metadata is of an unknown kind and was not read".into());
            return Ok(());
        }
        let Some(&subgraph) = root.tables(3)?.first() else { return Ok(()) };
        if let Some(input) = subgraph.tables(2)?.first() {
            self.normalization = normalization(input)?;
        }
        let Some(&output) = subgraph.tables(3)?.first() else { return Ok(()) };
        for unit in output.tables(4)? {
            let what = match unit.byte(0, 0)? {
                unit::SCORE_CALIBRATION => "calibration of scores",
                unit::SCORE_THRESHOLDING => "a threshold for scores",
                _ => continue,
            };
            self.notes.push(format!("the file's metadata asks for {what}, which is left to the caller"));
        }
        let mut described = None;
        for associated in output.tables(6)? {
            if associated.byte(2, 0)? == AXIS_LABELS {
                // Translations have a locale.
                let translated = !associated.text(3)?.is_empty();
                if described.is_none() || !translated {
                    described = Some(associated.text(0)?);
                }
                if !translated {
                    break;
                }
            }
        }
        if let Some(name) = described {
            match labels(file, name) {
                Ok(labels) => self.labels = labels,
                Err(reason) => self.notes.push(format!("the file's labels '{name}' cannot be read: {reason}")),
            }
        }
        Ok(())
    }
}

fn normalization(input: &Table<'_, '_>) -> Result<Option<Normalization>, FlatbufferError> {
    let image = match input.table(3)? {
        Some(content) if content.byte(0, 0)? == 2 => {
            let space = content.table(1)?.map_or(Ok(0), |image| image.byte(0, 0))?;
            Some([None, Some(3), Some(1)].get(usize::from(space)).copied().flatten())
        }
        _ => None,
    };
    for unit in input.tables(4)? {
        if let (unit::NORMALIZATION, Some(options)) = (unit.byte(0, 0)?, unit.table(1)?) {
            return Ok(Some(Normalization { mean: options.floats(0)?, deviation: options.floats(1)?, image }));
        }
    }
    Ok(None)
}

/// The lines of an appended file.
fn labels(file: &[u8], name: &str) -> Result<Vec<String>, String> {
    let mut archive =
        ZipArchive::new(Cursor::new(file)).map_err(|_| "no files are appended to the model".to_owned())?;
    let member = archive.by_name(name).map_err(|_| "no such file is appended to the model".to_owned())?;
    let mut bytes = Vec::new();
    member.take(MAX_LABEL_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_LABEL_BYTES {
        return Err(format!("it has more than {MAX_LABEL_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let labels: Vec<String> = text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
    match labels.iter().find(|label| label.len() > usize::from(u16::MAX)) {
        Some(_) => Err("one of its lines is too long".to_owned()),
        None => Ok(labels),
    }
}
