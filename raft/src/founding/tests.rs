//! Tests: who founds a cluster, who waits, and what does it say?

use super::*;
use peer::hello_response::State;

const NAMES: [&str; 3] = ["n0", "n1", "n2"];

fn addresses() -> BTreeMap<String, String> {
    NAMES.iter().map(|name| ((*name).to_owned(), format!("{name}:7402"))).collect()
}

fn identity(name: &str) -> Identity {
    let incarnation = incarnation_of(name);
    Identity { format: 1, name: name.to_owned(), incarnation, adopted: None }
}

fn incarnation_of(name: &str) -> Incarnation {
    let number = name.as_bytes().last().copied().unwrap_or_default();
    Incarnation([number; 16])
}

fn empty(name: &str) -> (String, Option<peer::HelloResponse>) {
    (name.to_owned(), Some(hello_of(&identity(name), 0)))
}

fn member_of_cluster(name: &str, state: State) -> (String, Option<peer::HelloResponse>) {
    let mut identity = identity(name);
    let member = |(node_id, name): (u64, &str)| Founder {
        node_id: NodeId(node_id),
        member: Member {
            name: name.to_owned(),
            peer: String::new(),
            incarnation: incarnation_of(name),
        },
    };
    identity.adopted = Some(Adopted {
        cluster_id: ClusterId([9; 16]),
        node_id: NodeId(1),
        groups: 2,
        members: (1..).zip(NAMES).map(member).collect(),
        started: true,
        founded: state == State::Founded,
    });
    (name.to_owned(), Some(hello_of(&identity, 0)))
}

fn wait_of(next: Next) -> String {
    match next {
        Next::Wait(why) => why,
        Next::Found(members) => panic!("founded with {members:?}"),
    }
}

#[test]
fn the_first_by_name_founds_when_all_are_empty() {
    let heard = [empty("n1"), empty("n2")].into();
    let Next::Found(members) = decide(&identity("n0"), &addresses(), &heard) else { panic!() };
    let names: Vec<_> = members.iter().map(|(id, m)| (id.0, m.name.as_str())).collect();
    assert_eq!(names, [(1, "n0"), (2, "n1"), (3, "n2")]);
    assert!(members.iter().all(|(_, m)| m.incarnation == incarnation_of(&m.name)));
}

#[test]
fn the_others_leave_founding_to_the_first() {
    let heard = [empty("n0"), empty("n2")].into();
    assert!(wait_of(decide(&identity("n1"), &addresses(), &heard)).contains("n0 founds"));
}

#[test]
fn nobody_founds_while_one_is_silent() {
    let heard = [empty("n1"), ("n2".to_owned(), None)].into();
    assert!(
        wait_of(decide(&identity("n0"), &addresses(), &heard)).contains("no answer yet from n2")
    );
}

#[test]
fn nobody_founds_beside_a_node_that_has_a_cluster() {
    for state in [State::Adopted, State::Founded] {
        let heard = [empty("n1"), member_of_cluster("n2", state)].into();
        assert!(wait_of(decide(&identity("n0"), &addresses(), &heard)).contains("waiting for n2"));
    }
}

#[test]
fn a_wiped_node_waits_and_says_what_to_do() {
    let mut wiped = identity("n0");
    wiped.incarnation = Incarnation([200; 16]);
    let heard =
        [member_of_cluster("n1", State::Founded), member_of_cluster("n2", State::Founded)].into();
    let why = wait_of(decide(&wiped, &addresses(), &heard));
    assert!(why.contains("wiped") && why.contains("restore"), "{why}");
}

fn registry(name: &str) -> (tempfile::TempDir, Arc<Registry>) {
    let data = tempfile::tempdir().unwrap();
    let load = || incarnation_of(name);
    let identity = Identity::load_or_create(data.path(), name, load).unwrap();
    let path = data.path().to_owned();
    (data, Registry::new(path, identity, |fault| panic!("{fault}")))
}

fn invitation(cluster: u8, incarnation: Incarnation) -> Adopted {
    let member = Member { name: "n1".into(), peer: String::new(), incarnation };
    Adopted {
        cluster_id: ClusterId([cluster; 16]),
        node_id: NodeId(2),
        groups: 2,
        members: vec![Founder { node_id: NodeId(2), member }],
        started: false,
        founded: false,
    }
}

#[test]
fn a_node_adopts_one_cluster_once_and_durably() {
    let (data, registry) = registry("n1");
    registry.adopt(invitation(1, incarnation_of("n1"))).unwrap();
    registry.adopt(invitation(1, incarnation_of("n1"))).unwrap();
    assert!(registry.adopt(invitation(2, incarnation_of("n1"))).is_err());
    let stored = Identity::load_or_create(data.path(), "n1", || unreachable!()).unwrap();
    assert_eq!(stored.adopted.map(|adopted| adopted.cluster_id), Some(ClusterId([1; 16])));
}

#[test]
fn an_invitation_for_another_life_is_refused() {
    let (_data, registry) = registry("n1");
    assert!(registry.adopt(invitation(1, Incarnation([77; 16]))).is_err());
    assert_eq!(registry.identity().adopted, None);
}

#[test]
fn a_stray_directory_is_outvoted_and_a_lone_stranger_outvotes_nobody() {
    let own = ClusterId([1; 16]);
    let stranger = |name| member_of_cluster(name, State::Founded);
    let most: Answers = [stranger("n1"), stranger("n2")].into();
    let why = outvoted(own, 3, &most).unwrap();
    assert!(why.contains("n1, n2") && why.contains(&own.to_string()), "{why}");
    let one: Answers = [stranger("n1"), empty("n2")].into();
    assert_eq!(outvoted(own, 3, &one), None);
    assert_eq!(outvoted(ClusterId([9; 16]), 3, &most), None);
}
