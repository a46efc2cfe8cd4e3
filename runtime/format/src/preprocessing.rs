//! How data become the inputs of a model: images by an exact resize and a table, named fields by a scaler.

use crate::bytes::{Field, coded, record, size};
use crate::check::ensure;
use crate::real;
use crate::strings::Strings;
use crate::{Artifact, DataType, IoRole, LoadError, SectionKind, Shape};

/// Largest side of an image, as source or as input of a model: the sums of a resize then fit 64 bits.
pub const MAX_IMAGE_SIDE: u32 = 8192;

/// Bytes before the first record: the number of records.
const COUNT_BYTES: usize = 4;

record! {
    /// How one input is prepared: 24 bytes. The section starts with the number of records (`u32`), the records follow,
    /// then what they point at; offsets count from the start of the section.
    pub struct PreprocessingRecord {
        /// Index of the input; ascending over the records.
        pub input: u16,
        /// Code of [`PreprocessingKind`].
        pub kind: u8,
        /// Code of [`ImageFit`]; 0 for fields.
        pub fit: u8,
        /// Code of [`ImageFilter`]; 0 for fields.
        pub filter: u8,
        /// Code of [`ImageChannels`]; 0 for fields.
        pub channels: u8,
        /// Grey that transparent pixels lie on, 0 to 255; 0 for fields.
        pub background: u8,
        /// Zero.
        pub reserved: u8,
        /// Crop: what the shorter side of the source is resized to before the input is cut out of its middle; 0 for
        /// as little as possible cut off. Else 0.
        pub shorter_side: u32,
        /// Offset of the values, a multiple of 4.
        pub values: u32,
        /// Offset of a string list: names of the fields. 0 for images.
        pub names: u32,
        /// Bytes of that list, 0 where there is none.
        pub names_bytes: u32,
    }
}

coded! {
    /// What becomes an input.
    pub enum PreprocessingKind: u8 {
        /// 8-bit pixels. Values: per channel a table of 256 elements of the input's type.
        Image = 1,
        /// Numbers. Values: a factor per element, then an offset per element, `f32` each.
        Fields = 2,
    }
}

coded! {
    /// Which part of a source image is used.
    pub enum ImageFit: u8 {
        /// All of it, each axis by its own factor.
        Stretch = 0,
        /// The middle, both axes by the same factor.
        Crop = 1,
    }
}

coded! {
    /// How source pixels share in a pixel of the input.
    pub enum ImageFilter: u8 {
        /// By the area they cover.
        Area = 0,
        /// By their distance: a triangle as wide as two pixels of the coarser side.
        Bilinear = 1,
    }
}

coded! {
    /// The channels of an image input.
    pub enum ImageChannels: u8 {
        /// One: brightness.
        Grey = 0,
        /// Three: red, green, blue.
        Rgb = 1,
        /// Three: blue, green, red.
        Bgr = 2,
    }
}

impl ImageChannels {
    /// How many they are.
    pub const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// How an input is prepared. Everything in it has been checked.
#[derive(Clone, Debug)]
pub enum Preprocessing<'a> {
    /// The input is `[1, height, width, channels]`.
    Image {
        /// Which part of the source is used.
        fit: ImageFit,
        /// How pixels are averaged.
        filter: ImageFilter,
        /// The channels of the input.
        channels: ImageChannels,
        /// Grey under transparent pixels.
        background: u8,
        /// See [`PreprocessingRecord::shorter_side`].
        shorter_side: u32,
        /// Per channel 256 elements of the input's type.
        table: &'a [u8],
    },
    /// The input's elements are numbers of their own.
    Fields {
        /// One `f32` per element, little-endian. For 8-bit inputs it counts in steps.
        factors: &'a [u8],
        /// One `f32` per element, little-endian. For 8-bit inputs it counts in steps and holds the zero point.
        offsets: &'a [u8],
        /// The fields' names in order; empty where the file carries none.
        names: Strings<'a>,
    },
}

impl<'a> Artifact<'a> {
    /// How input `input` is prepared, where the file says so.
    pub fn preprocessing(&self, input: usize) -> Option<Preprocessing<'a>> {
        let record = self.preprocessing_records().find(|record| usize::from(record.input) == input)?;
        let io = self.io(IoRole::Input).nth(input)?;
        let tensor = self.tensor(usize::from(io.tensor));
        self.decode_preprocessing(&record, &tensor.shape, tensor.data_type)
    }

    fn preprocessing_records(&self) -> impl Iterator<Item = PreprocessingRecord> + 'a {
        let section = self.section(SectionKind::Preprocessing);
        let records = section.get(COUNT_BYTES..).unwrap_or(&[]).chunks_exact(PreprocessingRecord::BYTES);
        records.take(size(u32::read(section, 0))).map(PreprocessingRecord::read)
    }

    /// `None` where a code is unknown or something lies outside the section.
    fn decode_preprocessing(
        &self,
        record: &PreprocessingRecord,
        shape: &Shape,
        data_type: DataType,
    ) -> Option<Preprocessing<'a>> {
        let section = self.section(SectionKind::Preprocessing);
        let part = |offset: u32, bytes: usize| section.get(size(offset)..)?.get(..bytes);
        match PreprocessingKind::from_code(record.kind)? {
            PreprocessingKind::Image => {
                let channels = ImageChannels::from_code(record.channels)?;
                let bytes = channels.count().checked_mul(256)?.checked_mul(data_type.bytes())?;
                Some(Preprocessing::Image {
                    fit: ImageFit::from_code(record.fit)?,
                    filter: ImageFilter::from_code(record.filter)?,
                    channels,
                    background: record.background,
                    shorter_side: record.shorter_side,
                    table: part(record.values, bytes)?,
                })
            }
            PreprocessingKind::Fields => {
                let bytes = shape.elements().checked_mul(4)?;
                let (factors, offsets) = part(record.values, bytes.checked_mul(2)?)?.split_at_checked(bytes)?;
                let names = Strings(part(record.names, size(record.names_bytes))?);
                Some(Preprocessing::Fields { factors, offsets, names })
            }
        }
    }

    /// Rules 110 to 118.
    pub(crate) fn check_preprocessing(&self) -> Result<(), LoadError> {
        let section = self.section(SectionKind::Preprocessing);
        if section.is_empty() {
            return Ok(());
        }
        let count = u32::read(section, 0);
        let end = size(count).checked_mul(PreprocessingRecord::BYTES).and_then(|bytes| bytes.checked_add(COUNT_BYTES));
        let whole = section.len() >= COUNT_BYTES && end.is_some_and(|end| end <= section.len());
        ensure(whole, LoadError::PreprocessingRecords { count })?;
        let mut previous = None;
        for (record, index) in self.preprocessing_records().zip(0u32..) {
            let io = self.io(IoRole::Input).nth(usize::from(record.input));
            let io = io.filter(|_| previous.is_none_or(|previous| previous < record.input));
            previous = Some(record.input);
            let io = io.ok_or(LoadError::PreprocessingInput { index, input: u32::from(record.input) })?;
            let tensor = self.tensor(usize::from(io.tensor));
            let kind = PreprocessingKind::from_code(record.kind)
                .ok_or(LoadError::PreprocessingKind { index, code: u32::from(record.kind) })?;
            ensure(
                matches!(tensor.data_type, DataType::I8 | DataType::F32),
                LoadError::PreprocessingType { index, code: u32::from(tensor.data_type.code()) },
            )?;
            match kind {
                PreprocessingKind::Image => check_image(&record, &tensor.shape, index)?,
                PreprocessingKind::Fields => {
                    let unused = [record.fit, record.filter, record.channels, record.background, record.reserved];
                    let zero = unused == [0; 5] && record.shorter_side == 0;
                    ensure(zero, LoadError::PreprocessingReserved { index })?;
                }
            }
            let decoded = self.decode_preprocessing(&record, &tensor.shape, tensor.data_type);
            let decoded = decoded.filter(|_| record.values.is_multiple_of(4));
            let decoded = decoded.ok_or(LoadError::PreprocessingValues { index })?;
            if let Preprocessing::Fields { factors, offsets, .. } = decoded {
                let mut numbers = factors.as_chunks::<4>().0.iter().chain(offsets.as_chunks::<4>().0);
                let finite = numbers.all(|bytes| real::is_finite(f32::from_le_bytes(*bytes)));
                ensure(finite, LoadError::PreprocessingNumber { index })?;
            }
        }
        Ok(())
    }
}

fn check_image(record: &PreprocessingRecord, shape: &Shape, index: u32) -> Result<(), LoadError> {
    let unknown = |code: u8| LoadError::PreprocessingMode { index, code: u32::from(code) };
    let fit = ImageFit::from_code(record.fit).ok_or(unknown(record.fit))?;
    ensure(ImageFilter::from_code(record.filter).is_some(), unknown(record.filter))?;
    let channels = ImageChannels::from_code(record.channels).ok_or(unknown(record.channels))?;
    let unused = record.reserved == 0 && record.names == 0 && record.names_bytes == 0;
    ensure(unused, LoadError::PreprocessingReserved { index })?;
    let limit = size(MAX_IMAGE_SIDE);
    let side = match shape.nhwc() {
        Some([1, h, w, c]) if c == channels.count() && h.max(w) <= limit => h.max(w),
        _ => return Err(LoadError::PreprocessingShape { index }),
    };
    let shorter = size(record.shorter_side);
    let fits = shorter == 0 || (fit == ImageFit::Crop && shorter >= side && shorter <= limit);
    ensure(fits, LoadError::PreprocessingShape { index })
}
