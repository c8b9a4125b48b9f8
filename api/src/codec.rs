//! Codec: strict reading and writing of the log's binary forms.
//!
//! Numbers are big-endian, byte strings carry a 32-bit length. A [`Reader`]
//! borrows from the entry, so decoding a command copies no value.

use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes are not a valid log form. The reader of the log stops on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The form ends before the field does.
    #[error("form ends inside {field}")]
    Short {
        /// Which field was being read.
        field: &'static str,
    },
    /// The form goes on after its last field.
    #[error("{bytes} bytes after the end of the form")]
    Long {
        /// How many bytes are left over.
        bytes: usize,
    },
    /// A version, tag or flag that this release does not know.
    #[error("unknown {field} {tag}")]
    UnknownTag {
        /// Which field holds it.
        field: &'static str,
        /// What it holds.
        tag: u64,
    },
    /// A list is longer than any that is written.
    #[error("more than {most} {field}")]
    TooMany {
        /// Which list.
        field: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A text field is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotText {
        /// Which field.
        field: &'static str,
    },
}

/// Takes fields off the front of a form.
#[derive(Debug, Clone)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Starts at the front of `form`.
    #[must_use]
    pub fn new(form: Bytes) -> Self {
        Self { rest: form }
    }

    /// Takes `N` bytes.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let array = *self.rest.first_chunk::<N>().ok_or(Malformed::Short { field })?;
        let _taken = self.rest.split_to(N);
        Ok(array)
    }

    /// Takes one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Takes a 16-bit number.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Takes a 32-bit number.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Takes a 64-bit number.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// Takes a byte string with its length in front.
    pub fn bytes(&mut self, field: &'static str) -> Result<Bytes, Malformed> {
        let length = self.u32(field)? as usize;
        if length > self.rest.len() {
            return Err(Malformed::Short { field });
        }
        Ok(self.rest.split_to(length))
    }

    /// Takes a text with its length in front.
    pub fn text(&mut self, field: &'static str) -> Result<String, Malformed> {
        let bytes = self.bytes(field)?;
        String::from_utf8(bytes.into()).map_err(|_| Malformed::NotText { field })
    }

    /// Takes items up to the end. One more than `most` is refused before any
    /// memory is taken for it: an item may be far larger than its form.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let mut items = Vec::new();
        while !self.is_empty() {
            if items.len() == most {
                return Err(Malformed::TooMany { field, most });
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(Malformed::Long { bytes }),
        }
    }

    /// Whether everything was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Appends a byte string with its length in front.
///
/// # Panics
///
/// If `bytes` is longer than 4 GiB, which no limit of the system allows.
pub fn put_bytes(form: &mut BytesMut, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("limits keep fields far below 4 GiB");
    form.put_u32(length);
    form.put_slice(bytes);
}
