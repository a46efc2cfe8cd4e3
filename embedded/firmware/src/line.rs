//! Lines of text without the standard library's formatting, which would be a good part of a small program.

use core::ffi::CStr;
use semihosting::sys::arm_compat::sys_write0;

/// Bytes of a line at most; what is longer is cut.
const LENGTH: usize = 96;

/// A line in the making.
#[derive(Debug)]
pub struct Line {
    /// Ends with a zero.
    bytes: [u8; LENGTH + 2],
    used: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; LENGTH + 2], used: 0 }
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for &byte in text.as_bytes() {
            self.byte(byte);
        }
        self
    }

    /// Adds a whole number.
    pub fn number(&mut self, number: u32) -> &mut Self {
        let mut digits = [0; 10];
        let (mut rest, mut count) = (number, 0);
        for digit in &mut digits {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        for &digit in digits.iter().take(count).rev() {
            self.byte(digit);
        }
        self
    }

    /// Adds a number that may be negative.
    pub fn signed(&mut self, number: i32) -> &mut Self {
        if number < 0 {
            self.byte(b'-');
        }
        self.number(number.unsigned_abs())
    }

    /// Prints it on the host.
    pub fn print(&mut self) {
        if let Some(end) = self.bytes.get_mut(self.used) {
            *end = b'\n';
        }
        if let Ok(text) = CStr::from_bytes_until_nul(&self.bytes) {
            sys_write0(text);
        }
        *self = Self::new();
    }

    fn byte(&mut self, byte: u8) {
        if self.used < LENGTH
            && let Some(place) = self.bytes.get_mut(self.used)
        {
            *place = byte;
            self.used += 1;
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints a line made of these texts.
pub fn print(texts: &[&str]) {
    let mut line = Line::new();
    for text in texts {
        line.text(text);
    }
    line.print();
}
