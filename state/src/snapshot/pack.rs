//! Pack: a data file to a snapshot file, and back.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use disk::Fault;
use disk::fault::OrFault;
use flate2::{Compression, GzBuilder};

use super::file::Hashing;
use super::{BadSnapshot, Header, SnapshotFile};

/// Compresses the data file `raw` into the new file `to` and syncs it.
pub(crate) fn pack(raw: &Path, header: &Header, to: &Path) -> Result<SnapshotFile, Fault> {
    let extra = header
        .to_extra()
        .ok_or_else(|| Fault::corrupt("pack snapshot", to, "membership too long for a header"))?;
    let mut source = File::open(raw).or_fault("open copy", raw)?;
    let file = File::create_new(to).or_fault("make snapshot", to)?;
    // The fast level: a database page compresses nearly as well, in a third of the time.
    let mut encoder = GzBuilder::new().extra(extra).write(Hashing::new(file), Compression::fast());
    let bytes = io::copy(&mut BufReader::with_capacity(1 << 18, &mut source), &mut encoder)
        .or_fault("pack snapshot", to)?;
    assert_eq!(bytes, header.raw_bytes, "the copy is not written to while it is packed");
    let mut packed = encoder.finish().or_fault("pack snapshot", to)?;
    packed.flush().or_fault("pack snapshot", to)?;
    packed.inner().sync_all().or_fault("sync snapshot", to)?;
    let bytes = packed.bytes();
    Ok(SnapshotFile::packed(to.to_owned(), bytes, packed.finish(), header.clone()))
}

/// Unpacks `snapshot` into the new file `to` and syncs it.
pub(crate) fn unpack(snapshot: &SnapshotFile, to: &Path) -> Result<(), BadSnapshot> {
    let mut file = File::create_new(to).or_fault("make data file", to)?;
    snapshot.unpack_into(&mut file)?;
    file.sync_all().or_fault("sync data file", to)?;
    Ok(())
}
