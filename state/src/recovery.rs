//! Recovery: can the state that lies here be trusted, and if not, what brings it back?
//!
//! The truth of a group is its newest snapshot and its log. The environment is
//! a cache of it that is not synced per commit: a crash of the process leaves
//! it whole in the page cache, a crash of the machine may leave anything. The
//! marker beside it tells which of the two happened.
//!
//! # Invariants
//!
//! * V1: an environment that was open for writing when the machine went down is
//!   never read again.
//! * V2: state of another cluster, group or life of the data directory is never
//!   opened.
//! * V3: state that is behind the start of its log, with no snapshot to close
//!   the gap, is never opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use api::{ClusterId, GroupId, Incarnation};
use disk::Fault;
use disk::fault::OrFault;
use disk::file::write_durably;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::snapshot::shelf::Shelf;
use crate::snapshot::{BadSnapshot, SnapshotFile};
use crate::step::{Step, Steps};
use crate::system::FORMAT;

/// How an environment was left, and by whom. `marker` in the group's directory, JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The layout's version.
    pub format: u8,
    /// The cluster the state belongs to.
    pub cluster: ClusterId,
    /// The group the state belongs to.
    pub group: GroupId,
    /// The life of the data directory that it lies in.
    pub incarnation: Incarnation,
    /// The boot of the machine that had it open last.
    pub boot_id: String,
    /// Everything was synced and nothing was written since.
    pub clean: bool,
}

/// Whose state is to be opened, and on which boot of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// The life of the data directory.
    pub incarnation: Incarnation,
    /// The boot.
    pub boot_id: String,
}

/// Why a group's state was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to someone else; the operator has mixed up directories.
    #[error("state in {} belongs to {what} {found}, not {expected}", path.display())]
    Foreign {
        /// The group's directory.
        path: PathBuf,
        /// Which part of the identity differs.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// Another release wrote it; the operator starts that release.
    #[error("state in {} has format {found}, this release reads {FORMAT}", path.display())]
    Format {
        /// The group's directory.
        path: PathBuf,
        /// The format that stands there.
        found: u64,
    },
    /// There is an environment that no node of this release has opened; the
    /// operator says where it comes from, or rebuilds.
    #[error(
        "state in {} has no marker: its origin is unknown; move it away and run \
         `{}`", path.display(), rebuild_command(*group)
    )]
    Unmarked {
        /// The group's directory.
        path: PathBuf,
        /// The group.
        group: GroupId,
    },
    /// The state is behind the start of the log; the operator rebuilds it from a peer.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The disk refused, or what lies there is damaged.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// State that its log cannot bring up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "state of group {group} is lost: it is applied up to {}, its newest snapshot ends at {}, but \
     its log starts after {purged}; run `{}` to fetch it from a peer",
    position(*applied), position(*snapshot), rebuild_command(*group)
)]
pub struct Lost {
    /// The group.
    pub group: GroupId,
    /// The last applied index.
    pub applied: Option<u64>,
    /// The last index in the newest snapshot.
    pub snapshot: Option<u64>,
    /// The index up to which the log is purged.
    pub purged: u64,
}

/// What opening a state against its log comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The log goes on where the state ends.
    Ok,
    /// The newest snapshot closes the gap between state and log.
    RebuildFromSnapshot,
    /// Nothing here closes the gap.
    Refuse(Lost),
}

/// Compares a state with its log: `applied` is the last applied index, `purged`
/// the index up to which log entries are gone, `snapshot` the last index in the
/// newest snapshot.
#[must_use]
pub fn check(
    group: GroupId,
    applied: Option<u64>,
    purged: Option<u64>,
    snapshot: Option<u64>,
) -> Check {
    match purged {
        Some(purged) if applied < Some(purged) && snapshot < Some(purged) => {
            Check::Refuse(Lost { group, applied, snapshot, purged })
        }
        Some(purged) if applied < Some(purged) => Check::RebuildFromSnapshot,
        Some(_) | None => Check::Ok,
    }
}

/// The command that fetches a group's state from a peer.
#[must_use]
pub fn rebuild_command(group: GroupId) -> String {
    format!("rdb rebuild-state --config <file> --group {group}")
}

/// Makes the group's next start begin from `snapshot`: checks it, keeps it,
/// forgets environment and marker. For a stopped node only.
///
/// `directory` is the group's directory; `snapshot` may lie anywhere.
pub fn rebuild(
    directory: &Path,
    cluster: ClusterId,
    group: GroupId,
    snapshot: &Path,
) -> Result<(), BadSnapshot> {
    let folder = Folder::new(directory);
    folder.prepare()?;
    let shelf = Shelf::scan(&folder, cluster, group, u64::MAX)?;
    let file = SnapshotFile::open(snapshot)?;
    shelf.check_header(&file)?;
    file.verify_content()?;
    let place = shelf.place(&file);
    if file.path() != place {
        let copy = folder.incoming().join(file.name());
        if file.path() != copy {
            fs::copy(file.path(), &copy).or_fault("copy snapshot", &copy)?;
        }
        let copied = SnapshotFile::open(&copy)?;
        copied.verify_hash()?;
        fs::File::open(&copy).and_then(|file| file.sync_all()).or_fault("sync snapshot", &copy)?;
        disk::file::rename_durably(&copy, &place)?;
    }
    // The environment goes first: one without a marker is refused.
    folder.discard_environment()?;
    disk::file::remove_if_present(&folder.marker())?;
    folder.sync()?;
    Ok(())
}

/// What to do with the environment that lies in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Use it, or make the first one.
    Keep,
    /// It may be torn: forget it.
    Discard,
}

/// Forgets an environment that cannot be trusted, and marks the folder as in
/// use by `owner`. Returns whether something was forgotten.
pub(crate) fn enter(folder: &Folder, owner: &Owner, steps: &Steps) -> Result<bool, OpenError> {
    let marker = read_marker(folder)?;
    let fate = judge(folder.path(), marker.as_ref(), folder.data().exists(), owner)?;
    if fate == Fate::Discard {
        // Before the marker, or a crash in between would leave the torn
        // environment under a marker that vouches for it.
        folder.discard_environment()?;
        steps.reach(Step::Discarded)?;
    }
    write_marker(folder, owner, false)?;
    steps.reach(Step::MarkedDirty)?;
    Ok(fate == Fate::Discard)
}

/// Marks the folder's environment as synced and closed.
pub(crate) fn leave(folder: &Folder, owner: &Owner) -> Result<(), Fault> {
    write_marker(folder, owner, true)
}

/// Reads the marker; `None` if there is none.
pub(crate) fn read_marker(folder: &Folder) -> Result<Option<Marker>, OpenError> {
    let path = folder.marker();
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.or_fault("read marker", &path)?,
    };
    let broken = |error: serde_json::Error| Fault::corrupt("read marker", &path, error.to_string());
    // The format is read first: another release's marker has other fields.
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(broken)?;
    let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found != u64::from(FORMAT) {
        return Err(OpenError::Format { path: folder.path().to_owned(), found });
    }
    Ok(Some(serde_json::from_value(value).map_err(broken)?))
}

/// The decision of [`enter`], without its effects.
fn judge(
    path: &Path,
    marker: Option<&Marker>,
    has_environment: bool,
    owner: &Owner,
) -> Result<Fate, OpenError> {
    let Some(marker) = marker else {
        if has_environment {
            return Err(OpenError::Unmarked { path: path.to_owned(), group: owner.group });
        }
        return Ok(Fate::Keep);
    };
    let foreign = |what, found: String, expected: String| OpenError::Foreign {
        path: path.to_owned(),
        what,
        found,
        expected,
    };
    if marker.cluster != owner.cluster {
        let (found, expected) = (marker.cluster.to_string(), owner.cluster.to_string());
        return Err(foreign("cluster", found, expected));
    }
    if marker.group != owner.group {
        let (found, expected) = (marker.group.to_string(), owner.group.to_string());
        return Err(foreign("group", found, expected));
    }
    if marker.incarnation != owner.incarnation {
        let (found, expected) = (marker.incarnation.to_string(), owner.incarnation.to_string());
        return Err(foreign("incarnation", found, expected));
    }
    let whole = marker.clean || marker.boot_id == owner.boot_id;
    Ok(if whole { Fate::Keep } else { Fate::Discard })
}

fn write_marker(folder: &Folder, owner: &Owner, clean: bool) -> Result<(), Fault> {
    let marker = Marker {
        format: FORMAT,
        cluster: owner.cluster,
        group: owner.group,
        incarnation: owner.incarnation,
        boot_id: owner.boot_id.clone(),
        clean,
    };
    let text = serde_json::to_vec_pretty(&marker).expect("a marker is plain JSON");
    write_durably(&folder.marker(), &text)
}

fn position(index: Option<u64>) -> String {
    index.map_or_else(|| "nothing".to_owned(), |index| format!("index {index}"))
}

#[cfg(test)]
mod tests {
    use fuzz::{Taken, Target};

    use super::*;

    fn owner(boot: &str) -> Owner {
        Owner {
            cluster: ClusterId([1; 16]),
            group: GroupId(2),
            incarnation: Incarnation([3; 16]),
            boot_id: boot.to_owned(),
        }
    }

    fn marker(boot: &str, clean: bool) -> Marker {
        let Owner { cluster, group, incarnation, boot_id } = owner(boot);
        Marker { format: FORMAT, cluster, group, incarnation, boot_id, clean }
    }

    #[test]
    fn an_environment_is_kept_unless_it_was_dirty_on_another_boot() {
        let path = Path::new("x");
        let fate = |marker: Option<&Marker>| judge(path, marker, true, &owner("now")).unwrap();
        assert_eq!(fate(Some(&marker("now", false))), Fate::Keep);
        assert_eq!(fate(Some(&marker("now", true))), Fate::Keep);
        assert_eq!(fate(Some(&marker("before", true))), Fate::Keep);
        assert_eq!(fate(Some(&marker("before", false))), Fate::Discard);
        assert_eq!(judge(path, None, false, &owner("now")).unwrap(), Fate::Keep);
    }

    #[test]
    fn state_of_someone_else_or_of_nobody_is_refused() {
        let path = Path::new("x");
        let judge = |marker: Option<&Marker>| judge(path, marker, true, &owner("now")).unwrap_err();
        assert!(matches!(judge(None), OpenError::Unmarked { .. }));
        let own = marker("now", true);
        let cluster = Marker { cluster: ClusterId([9; 16]), ..own.clone() };
        let group = Marker { group: GroupId(9), ..own.clone() };
        let life = Marker { incarnation: Incarnation([9; 16]), ..own };
        for (marker, part) in [(cluster, "cluster"), (group, "group"), (life, "incarnation")] {
            let OpenError::Foreign { what, .. } = judge(Some(&marker)) else { panic!("{part}") };
            assert_eq!(what, part);
        }
    }

    #[test]
    fn a_state_behind_its_log_needs_a_snapshot() {
        let check = |applied, purged, snapshot| check(GroupId(3), applied, purged, snapshot);
        assert_eq!(check(None, None, None), Check::Ok);
        assert_eq!(check(Some(5), None, None), Check::Ok);
        assert_eq!(check(Some(5), Some(5), None), Check::Ok);
        assert_eq!(check(Some(4), Some(5), Some(5)), Check::RebuildFromSnapshot);
        assert_eq!(check(None, Some(0), Some(0)), Check::RebuildFromSnapshot);
        let Check::Refuse(lost) = check(None, Some(7), Some(5)) else { panic!("must refuse") };
        assert_eq!(
            lost.to_string(),
            "state of group 3 is lost: it is applied up to nothing, its newest snapshot ends at \
             index 5, but its log starts after 7; run `rdb rebuild-state --config <file> --group \
             3` to fetch it from a peer"
        );
    }

    #[test]
    fn fuzz_markers() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path());
        let seeds = [marker("now", false), marker("5f0c-1", true)]
            .map(|marker| serde_json::to_vec_pretty(&marker).unwrap());
        Target::new("markers", seeds)
            .words(["\"format\":", "1,", "null", "{", "}", "\"clean\":true", "1e999", "\\u0000"])
            .memory(|bytes| 160 * bytes + 16_384)
            .run(|input| {
                // A new file each time: ext4 syncs one that is written over.
                let _absent = fs::remove_file(folder.marker());
                fs::write(folder.marker(), input.bytes).unwrap();
                match input.decode(|_| read_marker(&folder)) {
                    Ok(read) => {
                        let read = read.expect("it is there");
                        let again = serde_json::to_vec(&read).unwrap();
                        assert_eq!(serde_json::from_slice::<Marker>(&again).unwrap(), read);
                        Taken::Read
                    }
                    // It may quote what it found, for the operator.
                    Err(_) => Taken::Refused,
                }
            });
    }
}
