//! Files of the host, read and written a few bytes at a time. The standard way through `semihosting::fs` serves every mode
//! and error and is twice the code.

use core::ffi::CStr;

use semihosting::fd::{AsFd, OwnedFd};
use semihosting::sys::arm_compat::{OpenMode, sys_open, sys_read_orig, sys_write_orig};

use crate::fail;

/// A file of the host, open for reading.
#[derive(Debug)]
pub struct HostFile(OwnedFd);

impl HostFile {
    /// Opens it, or ends the run.
    pub fn open(name: &CStr) -> Self {
        let Ok(file) = sys_open(name, OpenMode::RDONLY_BINARY) else { fail("the host lacks a file of input") };
        Self(file)
    }

    /// The next bytes; false where the file ends before.
    pub fn bytes(&self, to: &mut [u8]) -> bool {
        matches!(sys_read_orig(self.0.as_fd(), to), Ok(0))
    }

    /// The next 8-bit integers; false where the file ends before.
    pub fn integers(&self, to: &mut [i8]) -> bool {
        let mut bytes = [0; 64];
        to.chunks_mut(bytes.len()).all(|to| {
            let Some(bytes) = bytes.get_mut(..to.len()) else { return false };
            let complete = self.bytes(bytes);
            for (to, from) in to.iter_mut().zip(&*bytes) {
                *to = from.cast_signed();
            }
            complete
        })
    }

    /// The next 32-bit floats; false where the file ends before.
    pub fn floats(&self, to: &mut [f32]) -> bool {
        to.iter_mut().all(|to| {
            let mut bytes = [0; 4];
            let complete = self.bytes(&mut bytes);
            *to = f32::from_le_bytes(bytes);
            complete
        })
    }
}

/// A file of the host, open for writing from its start.
#[derive(Debug)]
pub struct HostOutput(OwnedFd);

impl HostOutput {
    /// Makes it, or ends the run.
    pub fn create(name: &CStr) -> Self {
        let Ok(file) = sys_open(name, OpenMode::WRONLY_TRUNC_BINARY) else { fail("the host takes no file of output") };
        Self(file)
    }

    /// Adds integers; false where the host does not take them.
    pub fn integers(&self, values: &[i8]) -> bool {
        values.iter().all(|value| sys_write_orig(self.0.as_fd(), &[value.cast_unsigned()]).is_ok())
    }
}
