//! File: one whole snapshot on disk, and whether it is what its name says.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use api::{ClusterId, GroupId};
use disk::fault::OrFault;
use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use super::{BadSnapshot, Header};

const PREFIX: &str = "state_";
const SUFFIX: &str = ".gz";

/// How much is shown of what is no name. A name is shorter.
const NAME_CHARS_SHOWN: usize = 100;

/// One snapshot file whose name and header were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    path: PathBuf,
    bytes: u64,
    sha256: [u8; 32],
    header: Header,
}

impl SnapshotFile {
    /// Reads name, size and header of the file at `path`. Its content is not looked at.
    pub fn open(path: &Path) -> Result<Self, BadSnapshot> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let sha256 = parse_name(&name)?;
        let file = File::open(path).or_fault("open snapshot", path)?;
        let bytes = file.metadata().or_fault("measure snapshot", path)?.len();
        let decoder = GzDecoder::new(BufReader::new(file));
        let header = read_header(&decoder)?;
        Ok(Self { path: path.to_owned(), bytes, sha256, header })
    }

    pub(super) fn packed(path: PathBuf, bytes: u64, sha256: [u8; 32], header: Header) -> Self {
        Self { path, bytes, sha256, header }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `state_<sha256>.gz`.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.sha256)
    }

    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// What it says about itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Checks that the file's content fits its name.
    pub fn verify_hash(&self) -> Result<(), BadSnapshot> {
        let file = File::open(&self.path).or_fault("open snapshot", &self.path)?;
        let mut reader = Hashing::new(file);
        io::copy(&mut reader, &mut io::sink()).or_fault("read snapshot", &self.path)?;
        self.expect_hash(reader.finish())
    }

    /// Checks that it belongs to this group and does not unpack to too much.
    pub(crate) fn verify_header(
        &self,
        cluster: ClusterId,
        group: GroupId,
        raw_bytes_max: u64,
    ) -> Result<(), BadSnapshot> {
        let header = &self.header;
        if (header.cluster, header.group) != (cluster, group) {
            let found = Header::owner(header.cluster, header.group);
            return Err(BadSnapshot::Foreign { found, expected: Header::owner(cluster, group) });
        }
        if header.raw_bytes > raw_bytes_max {
            let bytes = header.raw_bytes;
            return Err(BadSnapshot::TooLarge { bytes, bytes_max: raw_bytes_max });
        }
        Ok(())
    }

    /// Checks the hash and, by unpacking it to nowhere, the whole file.
    pub fn verify_content(&self) -> Result<(), BadSnapshot> {
        self.unpack_into(&mut io::sink())
    }

    /// Unpacks the data file into `to`: never more than the header says, and
    /// only `Ok` if the whole file was read and its hash is right.
    pub(super) fn unpack_into(&self, to: &mut impl io::Write) -> Result<(), BadSnapshot> {
        let file = File::open(&self.path).or_fault("open snapshot", &self.path)?;
        let decoder = GzDecoder::new(BufReader::with_capacity(CHUNK, Hashing::new(file)));
        if read_header(&decoder)? != self.header {
            return Err(BadSnapshot::Content { what: "another header".to_owned() });
        }
        let bytes_max = self.header.raw_bytes;
        let mut limited = decoder.take(bytes_max.saturating_add(1));
        let bytes = copy(&mut limited, to, &self.path)?;
        if bytes > bytes_max {
            return Err(BadSnapshot::TooLarge { bytes, bytes_max });
        }
        let mut rest = limited.into_inner().into_inner();
        let trailing =
            io::copy(&mut rest, &mut io::sink()).or_fault("read snapshot", &self.path)?;
        if trailing != 0 {
            return Err(malformed(format!("{trailing} bytes after its end")));
        }
        self.expect_hash(rest.into_inner().finish())?;
        if bytes != bytes_max {
            let what = format!("{bytes} bytes, not {bytes_max}");
            return Err(BadSnapshot::Content { what });
        }
        Ok(())
    }

    fn expect_hash(&self, found: [u8; 32]) -> Result<(), BadSnapshot> {
        if found == self.sha256 {
            return Ok(());
        }
        let (named, found) = (hex::encode(self.sha256), hex::encode(found));
        Err(BadSnapshot::Hash { named, found })
    }

    /// The same file after it was moved or copied to `path`.
    pub(super) fn moved_to(&self, path: PathBuf) -> Self {
        Self { path, ..self.clone() }
    }

    /// Removes the file; a file that is not there counts as removed.
    pub(super) fn remove(&self) -> Result<(), disk::Fault> {
        disk::file::remove_if_present(&self.path)
    }

    /// The file's size now, if it is there.
    pub(super) fn still_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == self.bytes)
    }
}

const CHUNK: usize = 1 << 18;

/// The name of a snapshot with this hash.
pub(crate) fn name_of(sha256: &[u8; 32]) -> String {
    format!("{PREFIX}{}{SUFFIX}", hex::encode(sha256))
}

/// The hash in a snapshot's name. Nothing but a plain snapshot name passes, so
/// a name from a peer cannot lead out of a directory.
pub(crate) fn parse_name(name: &str) -> Result<[u8; 32], BadSnapshot> {
    let mut sha256 = [0; 32];
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    let decoded = digits.map(|digits| hex::decode_to_slice(digits, &mut sha256));
    match decoded {
        Some(Ok(())) if name_of(&sha256) == name => Ok(sha256),
        // It may come from a peer, and goes into logs.
        _ => Err(BadSnapshot::Name { name: name.chars().take(NAME_CHARS_SHOWN).collect() }),
    }
}

fn read_header(decoder: &GzDecoder<impl io::BufRead>) -> Result<Header, BadSnapshot> {
    let extra = decoder.header().and_then(flate2::GzHeader::extra);
    let extra = extra.ok_or_else(|| malformed("no gzip header of ours"))?;
    Header::from_extra(extra).map_err(|error| malformed(error.to_string()))
}

/// Copies, telling apart a bad source from a disk that does not take the copy.
fn copy(from: &mut impl Read, to: &mut impl io::Write, path: &Path) -> Result<u64, BadSnapshot> {
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_bad_gzip(&error) => return Err(malformed(error.to_string())),
            Err(error) => return Err(disk::Fault::io("read snapshot", path, error).into()),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        to.write_all(chunk).or_fault("unpack snapshot", path)?;
        bytes += chunk.len() as u64;
    }
}

fn is_bad_gzip(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

fn malformed(what: impl Into<String>) -> BadSnapshot {
    BadSnapshot::Malformed { what: what.into() }
}

/// Hashes what passes through, read or written.
pub(super) struct Hashing<F> {
    inner: F,
    hasher: Sha256,
    bytes: u64,
}

impl<F> Hashing<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    pub(super) fn inner(&self) -> &F {
        &self.inner
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.hasher.finalize().into()
    }

    fn passed(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
    }
}

impl<F: Read> Read for Hashing<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.passed(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<F: io::Write> io::Write for Hashing<F> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(chunk)?;
        self.passed(chunk.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_snapshot_names_are_names() {
        let good = name_of(&[0xab; 32]);
        assert_eq!(parse_name(&good).unwrap(), [0xab; 32]);
        let upper = good.to_uppercase();
        let short = good.replace("ab.gz", ".gz");
        for bad in ["", "state_.gz", "../state_00.gz", &format!("../{good}"), &upper, &short] {
            assert!(matches!(parse_name(bad), Err(BadSnapshot::Name { .. })), "{bad}");
        }
    }
}
