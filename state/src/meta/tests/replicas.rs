//! Replicas: whatever the commands and however they are batched and restarted,
//! two replicas hold the same bytes, and the state keeps its invariants.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::limits::{COLLECTIONS_MAX, SHARDS};
use api::{
    Answer, ClusterId, CollectionId, GroupId, Member, MetaOperation, NodeId, Outcome, Verdict,
};
use proptest::prelude::*;

use super::harness::{Harness, payload};
use crate::meta::apply;
use crate::meta::state::{Collection, MetaState};

fn found() -> MetaOperation {
    let members = vec![(NodeId(1), Member::default())];
    MetaOperation::Found { cluster: ClusterId([1; 16]), shards: SHARDS, groups: 2, members }
}

fn operation() -> impl Strategy<Value = MetaOperation> {
    let name = "[ab]{0,2}";
    let report = (0_u32..6, 0_u32..4);
    prop_oneof![
        1 => Just(found()),
        4 => name.prop_map(|name| MetaOperation::CreateCollection { name }),
        3 => name.prop_map(|name| MetaOperation::BeginDrop { name }),
        6 => report.clone().prop_map(|(collection, group)| MetaOperation::AckFence {
            collection: CollectionId(collection),
            group: GroupId(group)
        }),
        6 => report.prop_map(|(collection, group)| MetaOperation::AckSwept {
            collection: CollectionId(collection),
            group: GroupId(group)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn replicas_hold_the_same_bytes(
        operations in proptest::collection::vec((0_u64..40, operation()), 1..40),
        cuts in proptest::collection::vec(1_usize..8, 1..8),
    ) {
        let payloads: Vec<_> = operations
            .iter()
            .enumerate()
            .map(|(at, (id, operation))| {
                payload(*id, 1_000_000 + at as u64, std::slice::from_ref(operation))
            })
            .collect();
        let (mut one, mut other) = (Harness::new(), Harness::new());
        let mut answers = Vec::new();
        for payload in &payloads {
            answers.extend(one.apply_all(std::slice::from_ref(payload)));
        }
        let mut others = Vec::new();
        let mut rest = payloads.as_slice();
        for cut in cuts.iter().cycle() {
            let (chunk, left) = rest.split_at((*cut).min(rest.len()));
            others.extend(other.apply_all(chunk));
            other.reopen();
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(answers, others);
        prop_assert_eq!(one.dump(), other.dump());
    }

    #[test]
    fn collection_ids_are_given_once_and_config_only_grows(
        operations in proptest::collection::vec(operation(), 1..60),
    ) {
        let mut state = MetaState::default();
        let mut names = BTreeMap::new();
        apply::run(&mut state, &found());
        for operation in operations {
            let before = state.clone();
            if apply::is_blocked(&state, &operation) {
                continue;
            }
            let step = apply::run(&mut state, &operation);
            prop_assert_eq!(state.defect(), None);
            prop_assert!(state.config >= before.config);
            if step.changes.is_empty() {
                prop_assert_eq!(&state, &before, "no change is no change");
            }
            for (name, collection) in state.collections.iter() {
                let meant = names.entry(collection.id).or_insert_with(|| name.clone());
                prop_assert_eq!(&*meant, name, "M1: an id means one name for ever");
            }
        }
    }
}

#[test]
fn a_full_catalogue_takes_no_more_and_forgets_what_is_swept() {
    let mut state = MetaState::default();
    apply::run(&mut state, &found());
    let name = |number: usize| Arc::<str>::from(format!("c{number}").as_str());
    let id = |number: usize| CollectionId(u32::try_from(number).unwrap());
    let full = (1..=COLLECTIONS_MAX)
        .map(|number| (name(number), Collection { id: id(number), dropping: false }));
    state.collections = Arc::new(full.collect());
    state.next_collection = id(COLLECTIONS_MAX + 1);
    assert_eq!(state.defect(), None);

    let create = |state: &mut MetaState| {
        let operation = MetaOperation::CreateCollection { name: "one more".to_owned() };
        apply::run(state, &operation).outcome
    };
    let too_large = Outcome::bare(Verdict::TooLarge, 0);
    assert_eq!(create(&mut state), too_large);
    apply::run(&mut state, &MetaOperation::BeginDrop { name: "c7".to_owned() });
    for group in [1, 2].map(GroupId) {
        assert_eq!(create(&mut state), too_large, "the name is still taken");
        apply::run(&mut state, &MetaOperation::AckFence { collection: id(7), group });
    }
    for group in [1, 2].map(GroupId) {
        assert_eq!(create(&mut state), too_large, "its rows are still there");
        apply::run(&mut state, &MetaOperation::AckSwept { collection: id(7), group });
    }
    assert_eq!(create(&mut state).verdict, Verdict::Done);
}

#[test]
fn an_entry_of_many_commands_runs_them_in_order() {
    let mut harness = Harness::new();
    let create = || MetaOperation::CreateCollection { name: "c".to_owned() };
    let drop = || MetaOperation::BeginDrop { name: "c".to_owned() };
    let answers =
        harness.apply_all(&[payload(1, 5_000, &[found(), create(), create(), drop(), create()])]);
    let verdicts: Vec<_> = answers[0]
        .0
        .iter()
        .map(|answer| match answer {
            Answer::Executed { outcome, .. } => Some(outcome.verdict),
            Answer::Rejected(_) => None,
        })
        .collect();
    let expected = [
        Some(Verdict::Done),
        Some(Verdict::Done),
        Some(Verdict::Already),
        Some(Verdict::Done),
        None,
    ];
    assert_eq!(verdicts, expected);
}
