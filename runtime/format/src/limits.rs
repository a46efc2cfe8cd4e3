//! What a caller is willing to run.

/// Whether the checksum is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChecksumPolicy {
    /// Refuse a file whose checksum does not match.
    #[default]
    Verify,
    /// Skip the comparison, so that tests reach the rules behind it. Memory safety never depends on the checksum.
    Ignore,
}

/// Bounds checked while parsing, before anything is run or allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest arena extent accepted, in bytes.
    pub max_arena_bytes: u32,
    /// Most inner-loop steps of one inference: multiply-accumulates plus visited elements of the other ops.
    pub max_work: u64,
    /// Whether the checksum is compared.
    pub checksum: ChecksumPolicy,
}

impl Default for Limits {
    /// 256 MiB of arena, 2^38 steps, checksum verified.
    fn default() -> Self {
        Self { max_arena_bytes: 1 << 28, max_work: 1 << 38, checksum: ChecksumPolicy::Verify }
    }
}
