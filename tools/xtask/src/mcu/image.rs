//! What a linked program takes, from its ELF file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

/// Sizes in bytes, and names.
pub struct Image {
    /// `.text`, `.rodata` and `.data`.
    pub code: u64,
    /// All that is written to flash.
    pub total: u64,
    /// `.data`, `.bss` and `.uninit`: RAM besides the stack.
    pub statics: u64,
    /// Weights, biases and tables of compiled models.
    pub constants: u64,
    /// Names of its functions and variables.
    pub symbols: Vec<String>,
}

impl Image {
    /// Reads a program.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let file = object::File::parse(&*bytes).with_context(|| format!("{} is no program", path.display()))?;
        let mut image = Self { code: 0, total: 0, statics: 0, constants: 0, symbols: Vec::new() };
        for section in file.sections() {
            let (name, size) = (section.name()?, section.size());
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            let has_bytes = section.file_range().is_some();
            if sh_flags & u64::from(elf::SHF_ALLOC) != 0 && has_bytes {
                image.total += size;
            }
            if [".text", ".rodata", ".data"].contains(&name) {
                image.code += size;
            }
            if [".data", ".bss", ".uninit"].contains(&name) {
                image.statics += size;
            }
        }
        ensure!(image.code > 0, "{} has no code", path.display());
        for symbol in file.symbols() {
            let name = symbol.name()?;
            // Mangled: the length of a name stands before it.
            if name.contains("9CONSTANTS") {
                image.constants += symbol.size();
            }
            if !name.is_empty() {
                image.symbols.push(name.to_owned());
            }
        }
        Ok(image)
    }
}
