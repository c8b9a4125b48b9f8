//! Founding: how empty nodes become a cluster, once, and never a second one.
//!
//! A node that belongs nowhere says hello to every expected node, again and
//! again. When *all* of them answer and *all* are empty, the one whose name
//! comes first makes up a cluster id and node ids and has every node adopt
//! them. Each persists its identity before it answers. Whoever has adopted goes
//! on inviting the members that have not: so a founding that was interrupted
//! anywhere is finished by whoever is left.
//!
//! # Invariants
//!
//! * F1: a cluster is founded only when every expected node answered and was
//!   empty. A majority is not enough: with three of five volumes lost it would
//!   found a second cluster over the survivors' data.
//! * F2: only the first by name makes up a cluster, and only once per life of
//!   its directory.
//! * F3: a node adopts at most one cluster in one life of its directory, and
//!   only as the incarnation that the cluster knows.
//! * F4: a node whose name is known under another incarnation was wiped. It
//!   registers nothing and votes nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use api::throttle::Throttle;
use api::wire::peer;
use api::wire::peer::founding_client::FoundingClient;
use api::wire::peer::founding_server::Founding;
use api::{ClusterId, Incarnation, Member, NodeId};
use disk::Fault;

use crate::clock::{ClusterClock, Entropy};
use crate::identity::{Adopted, Founder, Identity};
use crate::peers::{Peer, Seeds};
use crate::switchboard::peer_name;

/// How often nodes say hello: it carries clocks and shows who is reachable.
pub const HELLO_EVERY: Duration = Duration::from_secs(1);

/// How often a node without a cluster looks for one.
const SEARCH_EVERY: Duration = Duration::from_millis(200);

/// How long a hello may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);

/// This node's identity, shared by the door and the search.
pub struct Registry {
    data: PathBuf,
    identity: Mutex<Identity>,
    adopted: watch::Sender<Option<Adopted>>,
    on_fault: Box<dyn Fn(&Fault) + Send + Sync>,
}

impl Registry {
    /// The identity that was read from `data`.
    pub fn new(
        data: PathBuf,
        identity: Identity,
        on_fault: impl Fn(&Fault) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let adopted = watch::Sender::new(identity.adopted.clone());
        let on_fault = Box::new(on_fault);
        Arc::new(Self { data, identity: Mutex::new(identity), adopted, on_fault })
    }

    /// The identity as it stands.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Waits until this node belongs to a cluster.
    pub async fn adopted(&self) -> Adopted {
        let mut adopted = self.adopted.subscribe();
        let found = adopted.wait_for(Option::is_some).await.map(|adopted| adopted.clone());
        found.ok().flatten().expect("the sender lives in self")
    }

    /// Becomes a member, durably, unless it is one of another cluster (F3).
    fn adopt(&self, new: Adopted) -> Result<(), String> {
        let mut identity = self.identity.lock();
        let me = new.members.iter().find(|founder| founder.node_id == new.node_id);
        match me {
            Some(me)
                if me.member.name == identity.name
                    && me.member.incarnation == identity.incarnation => {}
            _ => return Err("the invitation is for another life of this node".to_owned()),
        }
        match &identity.adopted {
            Some(old) if old.cluster_id == new.cluster_id && old.node_id == new.node_id => Ok(()),
            Some(old) => Err(format!("already a member of cluster {}", old.cluster_id)),
            None => {
                let cluster = new.cluster_id;
                identity.adopted = Some(new.clone());
                self.persist(&identity)?;
                tracing::info!(%cluster, node_id = %new.node_id, "joined the cluster");
                self.adopted.send_replace(Some(new));
                Ok(())
            }
        }
    }

    /// Notes durably that Raft runs here (I3), or that the cluster is founded.
    pub fn note(&self, change: impl FnOnce(&mut Adopted)) -> Result<(), String> {
        let mut identity = self.identity.lock();
        let Some(adopted) = &mut identity.adopted else { return Ok(()) };
        let before = adopted.clone();
        change(adopted);
        if *adopted == before {
            return Ok(());
        }
        self.persist(&identity)
    }

    fn persist(&self, identity: &Identity) -> Result<(), String> {
        identity.store(&self.data).map_err(|fault| {
            (self.on_fault)(&fault);
            fault.to_string()
        })
    }
}

/// Answers hello and adopt.
#[derive(Clone)]
pub struct Greeting {
    /// This node.
    pub registry: Arc<Registry>,
    /// Its clock, which hello tells.
    pub clock: Arc<ClusterClock>,
    /// The expected nodes.
    pub seeds: Arc<Seeds>,
    /// Lines about callers that say they are somebody else.
    pub log: Arc<Throttle>,
}

#[tonic::async_trait]
impl Founding for Greeting {
    async fn hello(
        &self,
        request: Request<peer::HelloRequest>,
    ) -> Result<Response<peer::HelloResponse>, Status> {
        let shown = peer_name(&request)?;
        let claimed = &request.get_ref().name;
        if *claimed != shown.0 {
            if let Some(left_out) = self.log.pass(Instant::now()) {
                let shown = &shown.0;
                tracing::warn!(claimed, shown, left_out, "turned away a node in another's name");
            }
            return Err(Status::permission_denied("hello names another node than the certificate"));
        }
        let identity = self.registry.identity();
        Ok(Response::new(hello_of(&identity, self.clock.wall_ms())))
    }

    async fn adopt(
        &self,
        request: Request<peer::AdoptRequest>,
    ) -> Result<Response<peer::AdoptResponse>, Status> {
        let shown = peer_name(&request)?;
        if self.seeds.named(&shown.0).is_none() {
            let text = format!("{} is no node this one expects", shown.0);
            return Err(Status::permission_denied(text));
        }
        let adopted = read_adopt(request.into_inner())?;
        let registry = Arc::clone(&self.registry);
        let done = disk::blocking::run(move || registry.adopt(adopted)).await;
        let done = done.map_err(|error| Status::unavailable(error.to_string()))?;
        let why_not = done.err().unwrap_or_default();
        Ok(Response::new(peer::AdoptResponse { adopted: why_not.is_empty(), why_not }))
    }
}

fn hello_of(identity: &Identity, wall_ms: u64) -> peer::HelloResponse {
    use peer::hello_response::State;
    let mut hello = peer::HelloResponse {
        name: identity.name.clone(),
        incarnation: bytes_of(identity.incarnation),
        wall_ms,
        ..peer::HelloResponse::default()
    };
    hello.set_state(State::Empty);
    if let Some(adopted) = &identity.adopted {
        hello.set_state(if adopted.founded { State::Founded } else { State::Adopted });
        hello.cluster = bytes::Bytes::copy_from_slice(&adopted.cluster_id.0);
        hello.node = adopted.node_id.0;
        hello.members = adopted.members().map(peer::Member::from).collect();
        hello.groups = adopted.groups;
    }
    hello
}

fn bytes_of(incarnation: Incarnation) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&incarnation.0)
}

pub(crate) fn read_adopt(message: peer::AdoptRequest) -> Result<Adopted, Status> {
    let bad = |what: &str| Status::invalid_argument(format!("invitation has no valid {what}"));
    let cluster_id = ClusterId::try_from(&*message.cluster).map_err(|_| bad("cluster id"))?;
    let members = message.members.into_iter().map(|member| {
        let (node_id, member) = member.try_into().map_err(|_| bad("member"))?;
        Ok(Founder { node_id, member })
    });
    Ok(Adopted {
        cluster_id,
        node_id: NodeId(message.node),
        groups: message.groups,
        members: members.collect::<Result<_, Status>>()?,
        started: false,
        founded: false,
    })
}

/// What the other expected nodes answered to hello.
pub type Answers = BTreeMap<String, Option<peer::HelloResponse>>;

/// What a node without a cluster does next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Makes up a cluster of these members.
    Found(Vec<(NodeId, Member)>),
    /// Waits, for this reason.
    Wait(String),
}

/// Decides what an empty node does, from what it heard. Pure.
#[must_use]
pub fn decide(me: &Identity, addresses: &BTreeMap<String, String>, heard: &Answers) -> Next {
    use peer::hello_response::State;
    for hello in heard.values().flatten() {
        if hello.state() == State::Empty {
            continue;
        }
        let cluster = hex::encode(&hello.cluster);
        let known = hello.members.iter().find(|member| member.name == me.name);
        return Next::Wait(match known {
            Some(member) if member.incarnation == bytes_of(me.incarnation) => {
                format!("waiting for {} to invite this node into cluster {cluster}", hello.name)
            }
            Some(member) => format!(
                "this node's data was wiped: cluster {cluster} knows {} as node {} with other \
                 data. It must not vote under that id again, so it waits. To bring it back, \
                 restore its data directory and restart it",
                me.name, member.id,
            ),
            None => format!(
                "cluster {cluster} exists and {} is not a member of it; point this node at \
                 another cluster's nodes or add it to this one",
                me.name
            ),
        });
    }
    let silent: Vec<&str> = addresses
        .keys()
        .filter(|name| **name != me.name && !matches!(heard.get(*name), Some(Some(_))))
        .map(String::as_str)
        .collect();
    if !silent.is_empty() {
        return Next::Wait(format!(
            "a cluster is founded when all {} expected nodes answer; no answer yet from {}",
            addresses.len(),
            silent.join(", ")
        ));
    }
    match addresses.keys().next() {
        Some(first) if *first == me.name => Next::Found(founders(me, addresses, heard)),
        first => {
            let first = first.map_or("", String::as_str);
            Next::Wait(format!("all nodes are empty; {first} founds the cluster"))
        }
    }
}

fn founders(
    me: &Identity,
    addresses: &BTreeMap<String, String>,
    heard: &Answers,
) -> Vec<(NodeId, Member)> {
    let named = addresses.iter().filter_map(|(name, address)| {
        let incarnation = match heard.get(name) {
            Some(Some(hello)) => Incarnation::try_from(&*hello.incarnation).ok()?,
            _ if *name == me.name => me.incarnation,
            _ => return None,
        };
        Some(Member { name: name.clone(), peer: address.clone(), incarnation })
    });
    (1..).map(NodeId).zip(named).collect()
}

/// Looks for a cluster, or founds one, until this node belongs to one.
/// `reason` tells what it waits for.
pub async fn search(
    greeting: &Greeting,
    entropy: &dyn Entropy,
    groups: u32,
    reason: &watch::Sender<String>,
) {
    let registry = &greeting.registry;
    let mut adopted = registry.adopted.subscribe();
    loop {
        if adopted.borrow_and_update().is_some() {
            return;
        }
        let identity = registry.identity();
        let heard = greet_all(greeting).await;
        match decide(&identity, &greeting.seeds.addresses, &heard) {
            Next::Found(members) => {
                let cluster_id = ClusterId(entropy.id());
                tracing::info!(%cluster_id, members = members.len(), groups, "founding a cluster");
                let me = members.iter().find(|(_, member)| member.name == identity.name);
                let node_id = me.map(|(id, _)| *id).unwrap_or_default();
                let members = members
                    .into_iter()
                    .map(|(node_id, member)| Founder { node_id, member })
                    .collect();
                let new = Adopted {
                    cluster_id,
                    node_id,
                    groups,
                    members,
                    started: false,
                    founded: false,
                };
                if let Err(why) = registry.adopt(new) {
                    tracing::error!(why, "cannot found a cluster");
                }
            }
            Next::Wait(why) => {
                reason.send_if_modified(|known| {
                    let news = *known != why;
                    if news {
                        tracing::info!("{why}");
                        known.clone_from(&why);
                    }
                    news
                });
                tokio::select! {
                    biased;
                    _ = adopted.changed() => {}
                    () = tokio::time::sleep(SEARCH_EVERY) => {}
                }
            }
        }
    }
}

/// Says hello to every other expected node at once.
async fn greet_all(greeting: &Greeting) -> Answers {
    let greetings = greeting.seeds.others().map(|peer| async move {
        let answer = greet(greeting, peer).await;
        (peer.name.clone(), answer)
    });
    futures::future::join_all(greetings).await.into_iter().collect()
}

/// Says hello to one node. An answer in another name is none.
async fn greet(greeting: &Greeting, peer: &Arc<Peer>) -> Option<peer::HelloResponse> {
    let identity = greeting.registry.identity();
    let request = peer::HelloRequest {
        name: identity.name,
        incarnation: bytes_of(identity.incarnation),
        wall_ms: greeting.clock.wall_ms(),
    };
    let mut client = FoundingClient::new(peer.control.clone());
    let answer = tokio::time::timeout(HELLO_TIMEOUT, client.hello(request)).await;
    let hello = answer.ok()?.ok()?.into_inner();
    (hello.name == peer.name).then_some(hello)
}

/// Keeps in touch with the members: who is reachable, what time they have, and
/// who still has to be invited. Ends, with the reason, only if this directory
/// turns out to belong to another cluster than the one that runs here.
pub async fn keep_in_touch(greeting: Greeting, adopted: Adopted) -> String {
    let mut pace = tokio::time::interval(HELLO_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let heard = greet_all(&greeting).await;
        if let Some(foreign) = outvoted(adopted.cluster_id, greeting.seeds.addresses.len(), &heard)
        {
            return foreign;
        }
        for (name, hello) in heard {
            let Some(peer) = greeting.seeds.named(&name) else { continue };
            let founder = adopted.members.iter().find(|founder| founder.member.name == name);
            let Some(founder) = founder else { continue };
            let reachable = match &hello {
                Some(hello) => meet(&greeting, &adopted, founder, peer, hello).await,
                None => false,
            };
            if peer.set_reachable(reachable) {
                let verb = if reachable { "is reachable" } else { "cannot be reached" };
                tracing::info!(peer = name, "{name} {verb}");
            }
        }
    }
}

/// Whether more than half of the expected nodes belong to one other cluster:
/// then this node's directory is the stray one. Pure.
fn outvoted(own: ClusterId, expected: usize, heard: &Answers) -> Option<String> {
    let mut others = BTreeMap::<&[u8], Vec<&str>>::new();
    for hello in heard.values().flatten() {
        if !hello.cluster.is_empty() && hello.cluster != own.0.as_slice() {
            others.entry(&hello.cluster).or_default().push(&hello.name);
        }
    }
    let (cluster, names) = others.into_iter().find(|(_, names)| 2 * names.len() > expected)?;
    Some(format!(
        "this data directory belongs to cluster {own}, but {} belong to cluster {}; name the \
         right directory, or move this one away and start with an empty one",
        names.join(", "),
        hex::encode(cluster),
    ))
}

/// Takes in what a member said. Returns whether it is the member it should be.
async fn meet(
    greeting: &Greeting,
    adopted: &Adopted,
    founder: &Founder,
    peer: &Arc<Peer>,
    hello: &peer::HelloResponse,
) -> bool {
    if hello.incarnation != bytes_of(founder.member.incarnation) {
        return false;
    }
    greeting.clock.heard(founder.node_id, hello.wall_ms);
    if hello.state() == peer::hello_response::State::Empty {
        invite(adopted, founder, peer).await;
    }
    true
}

async fn invite(adopted: &Adopted, founder: &Founder, peer: &Arc<Peer>) {
    let request = peer::AdoptRequest {
        cluster: bytes::Bytes::copy_from_slice(&adopted.cluster_id.0),
        node: founder.node_id.0,
        members: adopted.members().map(peer::Member::from).collect(),
        groups: adopted.groups,
    };
    let mut client = FoundingClient::new(peer.control.clone());
    let answer = tokio::time::timeout(HELLO_TIMEOUT, client.adopt(request)).await;
    match answer {
        Ok(Ok(answer)) if answer.get_ref().adopted => {}
        Ok(Ok(answer)) => {
            tracing::warn!(peer = peer.name, why = answer.get_ref().why_not, "invitation refused");
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests;
