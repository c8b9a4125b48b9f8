//! Peers: the other nodes, how to reach them, and whether they answer.
//!
//! Each peer has four connections, so that one conversation never waits behind
//! another: control (votes, heartbeats, read rounds, hello), bulk (entries),
//! request (forwarded writes), transfer (snapshots).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use api::limits::{ANSWER_VALUES_BYTES_MAX, APPEND_BYTES_MAX, ENTRY_BYTES_MAX};
use api::wire::peer;
use api::{ClusterId, GroupId, Member, NodeId};

use crate::transport::Transport;

/// The largest message a node takes from a peer: a full append message whose
/// last entry is as large as one may be.
pub const MESSAGE_BYTES_MAX: usize = APPEND_BYTES_MAX + ENTRY_BYTES_MAX + (1 << 20);

const _: () = assert!(
    MESSAGE_BYTES_MAX > ANSWER_VALUES_BYTES_MAX + (1 << 20),
    "the answers to one forwarded batch fit a message"
);

/// HTTP/2 windows: enough for a pipelined stream of append messages.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A connection that does not answer pings is given up after their sum.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls that were given up are remembered this long, and so many of them: an answer
/// that comes late is no error then. HTTP/2 takes one to a call that was forgotten for an
/// error of the peer, and ends the connection after a thousand. Later answers come from
/// disks that stand still, not from connections: pings end those sooner.
const GIVEN_UP_KEPT: Duration = Duration::from_secs(30);
const GIVEN_UP_MAX: usize = 4096;

/// One other node.
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Votes, heartbeats, read rounds, hello.
    pub control: Channel,
    /// Entries.
    pub bulk: Channel,
    /// Forwarded writes.
    pub request: Channel,
    /// Snapshots.
    pub transfer: Channel,
    reachable: AtomicBool,
}

impl Peer {
    fn new(transport: &Arc<dyn Transport>, name: &str, address: &str) -> Self {
        let channel = || channel(Arc::clone(transport), name.to_owned(), address.to_owned());
        Self {
            name: name.to_owned(),
            control: channel(),
            bulk: channel(),
            request: channel(),
            transfer: channel(),
            reachable: AtomicBool::new(false),
        }
    }

    /// Whether it answered its last hello as the node it should be.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Notes whether it answered. Returns whether that is news.
    pub fn set_reachable(&self, reachable: bool) -> bool {
        self.reachable.swap(reachable, Ordering::Relaxed) != reachable
    }
}

fn channel(transport: Arc<dyn Transport>, name: String, address: String) -> Channel {
    // The authority is never resolved: the transport knows where the node is.
    let endpoint = Endpoint::from_static("http://peer.invalid")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_reset_stream_duration(GIVEN_UP_KEPT)
        .http2_max_concurrent_reset_streams(GIVEN_UP_MAX);
    endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (transport, name, address) = (Arc::clone(&transport), name.clone(), address.clone());
        async move {
            let stream = transport.dial(&name, &address).await?;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    }))
}

/// The expected nodes by name, before and after there is a cluster.
pub struct Seeds {
    peers: BTreeMap<String, Arc<Peer>>,
    /// Every expected node and its peer address, this one included.
    pub addresses: BTreeMap<String, String>,
}

impl Seeds {
    /// `addresses` names every expected node, `me` included.
    #[must_use]
    pub fn new(
        transport: &Arc<dyn Transport>,
        me: &str,
        addresses: BTreeMap<String, String>,
    ) -> Self {
        let others = addresses.iter().filter(|(name, _)| *name != me);
        let peers = others
            .map(|(name, address)| (name.clone(), Arc::new(Peer::new(transport, name, address))))
            .collect();
        Self { peers, addresses }
    }

    /// All other expected nodes.
    pub fn others(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.peers.values()
    }

    /// The expected node of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Peer>> {
        self.peers.get(name)
    }
}

/// The members of this node's cluster.
pub struct Roster {
    /// The cluster.
    pub cluster: ClusterId,
    /// This node.
    pub me: NodeId,
    /// Every member, this one included.
    pub members: BTreeMap<NodeId, Member>,
    peers: BTreeMap<NodeId, Arc<Peer>>,
}

/// Why a message is not for this node, or not from who it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongRoute {
    /// It names no route, or one that is not whole.
    #[error("message has no route")]
    Missing,
    /// It belongs to another cluster.
    #[error("message is for cluster {0}")]
    OtherCluster(String),
    /// It is for another node: an old address, or a wiped node's.
    #[error("message is for node {0}")]
    OtherNode(NodeId),
    /// The sender is no member.
    #[error("message is from node {0}, which is no member")]
    Stranger(NodeId),
    /// The connection's certificate names another node.
    #[error("message says it is from {claimed}, but the certificate says {shown}")]
    OtherName {
        /// Who it says it is.
        claimed: String,
        /// Who the certificate says it is.
        shown: String,
    },
}

impl Roster {
    /// Joins what the identity says with the configured addresses.
    #[must_use]
    pub fn new(
        cluster: ClusterId,
        me: NodeId,
        members: BTreeMap<NodeId, Member>,
        transport: &Arc<dyn Transport>,
        seeds: &Seeds,
    ) -> Self {
        let others = members.iter().filter(|(id, _)| **id != me);
        let peers = others
            .map(|(id, member)| {
                // A configured address is newer than the one it was founded with.
                let known = seeds.named(&member.name).cloned();
                let peer = known
                    .unwrap_or_else(|| Arc::new(Peer::new(transport, &member.name, &member.peer)));
                (*id, peer)
            })
            .collect();
        Self { cluster, me, members, peers }
    }

    /// The other member with this id.
    #[must_use]
    pub fn peer(&self, id: NodeId) -> Option<&Arc<Peer>> {
        self.peers.get(&id)
    }

    /// A member's name, or its number if it is none.
    #[must_use]
    pub fn name(&self, id: NodeId) -> String {
        self.members.get(&id).map_or_else(|| format!("node {id}"), |member| member.name.clone())
    }

    /// The route of a message from this node.
    #[must_use]
    pub fn route(&self, group: GroupId, to: NodeId) -> peer::Route {
        peer::Route::between(self.cluster, group, self.me, to)
    }

    /// Checks that a message is for this node and from the member whose
    /// certificate the connection showed. Returns its group.
    pub fn check(&self, route: Option<&peer::Route>, shown: &str) -> Result<GroupId, WrongRoute> {
        let route = route.ok_or(WrongRoute::Missing)?;
        if route.cluster != self.cluster.0.as_slice() {
            return Err(WrongRoute::OtherCluster(hex::encode(&route.cluster)));
        }
        if route.to != self.me.0 {
            return Err(WrongRoute::OtherNode(NodeId(route.to)));
        }
        let from = NodeId(route.from);
        let member = self.members.get(&from).ok_or(WrongRoute::Stranger(from))?;
        if member.name != shown {
            let (claimed, shown) = (member.name.clone(), shown.to_owned());
            return Err(WrongRoute::OtherName { claimed, shown });
        }
        Ok(GroupId(route.group))
    }
}
