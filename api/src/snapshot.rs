//! Snapshot: what a node answers when it is asked to take snapshots; the JSON
//! of `/v1/snapshots`.
//!
//! The answer comes before the snapshots do. Whether they are there, the status
//! says ([`GroupStatus::snapshot`](crate::status::GroupStatus::snapshot)).

use serde::{Deserialize, Serialize};

/// The node has taken note, and will take the snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The name of the node that answers.
    pub node: String,
    /// Every group with a replica there to which anything was applied.
    pub groups: Vec<Goal>,
}

/// What a group's next snapshot will hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// The group's id.
    pub gid: u32,
    /// The index that was applied when the node was asked: all up to it will be
    /// in the snapshot.
    pub index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented JSON (docs/api.md), field for field.
    #[test]
    fn the_json_is_the_documented_one_and_is_read_back() {
        let goals = vec![Goal { gid: 0, index: 9 }, Goal { gid: 1, index: 1234 }];
        let noted = Noted { node: "a".to_owned(), groups: goals };
        let text = r#"{"node":"a","groups":[{"gid":0,"index":9},{"gid":1,"index":1234}]}"#;
        assert_eq!(serde_json::to_string(&noted).unwrap(), text);
        assert_eq!(serde_json::from_str::<Noted>(text).unwrap(), noted);
    }
}
